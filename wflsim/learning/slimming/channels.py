"""Channels behind which a batch norm stands: their scores, which of them are kept, and what thin models cost; no torch."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from math import floor
from typing import Any

import numpy as np

from wflsim.contracts import BoolArray, Exchange, FloatArray, IntArray, Load
from wflsim.errors import UserError
from wflsim.learning.anatomy import (
    BITS_PER_VALUE,
    Anatomy,
    Axis,
    Layer,
    Space,
    bitmap_bits,
    step_macs,
)
from wflsim.learning.pruning.counting import bits_of, free_spaces, makers, thinned, unit_bits

Widths = dict[str, IntArray]


@dataclass(frozen=True, eq=False)
class Channels:
    """The channels of a model that may go, in the order of the layers that make them.

    Attributes:
        anatomy: The model.
        spaces: The spaces of channels, each with the names of the scales that speak for it and how these run over it.
    """

    anatomy: Anatomy
    spaces: tuple[tuple[Space, tuple[tuple[str, Axis], ...]], ...]

    @property
    def count(self) -> int:
        """Number of channels."""
        return sum(space.units for space, _ in self.spaces)

    @property
    def scales(self) -> tuple[str, ...]:
        """Names of the scales."""
        return tuple(name for _, scales in self.spaces for name, _ in scales)

    @cached_property
    def shared(self) -> Anatomy:
        """The layers that travel in thin models: all that do not normalise."""
        return self.anatomy.split("norms")[0]

    @cached_property
    def norms(self) -> Anatomy:
        """The layers that stay with the devices."""
        return self.anatomy.split("norms")[1]

    def scores(self, tensors: Mapping[str, Any]) -> FloatArray:
        """Return |γ| of every channel of a model, shape (C,): the mean where several scales speak for one [X]."""
        found = []
        for space, scales in self.spaces:
            sizes = [
                np.abs(np.asarray(tensors[name], dtype=np.float64))
                .reshape(axis.before, space.units, axis.after)
                .mean((0, 2))
                for name, axis in scales
            ]
            found.append(np.mean(sizes, axis=0))
        return np.concatenate(found)

    def kept(self, scores: FloatArray, rate: float) -> BoolArray:
        """Return which channels are kept, shape (K, C): all but the ⌊p C⌋ of the least scores over all layers [C].

        A layer of which nothing would be left keeps the channel of its largest score [C]. Of equals the earlier is kept.

        Args:
            scores: Score of every channel, shape (K, C).
            rate: The rate p.
        """
        gone = floor(rate * self.count * (1 + 1e-12))
        order = np.argsort(-scores, axis=1, kind="stable")
        found = np.zeros(scores.shape, dtype=np.bool_)
        np.put_along_axis(found, order[:, : self.count - gone], True, axis=1)
        for begin, end in self._ends():
            best = begin + scores[:, begin:end].argmax(1)
            found[np.arange(len(found)), best] |= ~found[:, begin:end].any(1)
        return found

    def by_space(self, values: Any) -> dict[str, Any]:
        """Return what belongs to the channels of each space, shapes (K, n), of values of all channels, shape (K, C)."""
        names = [space.name for space, _ in self.spaces]
        return {name: values[:, a:b] for name, (a, b) in zip(names, self._ends(), strict=True)}

    def widths(self, kept: BoolArray) -> Widths:
        """Return how many channels of each space are kept, shapes (K,)."""
        return {name: each.sum(1) for name, each in self.by_space(kept).items()}

    def density(self, kept: BoolArray) -> float:
        """Return the mean over spaces and devices of the share of channels that is kept."""
        return float(np.mean([each.mean() for each in self.by_space(kept).values()]))

    def values(self, widths: Widths) -> IntArray:
        """Return how many numbers of a thin model travel, shape (K,)."""
        bits = bits_of(self.shared, widths) - unit_bits(self.shared)
        return np.asarray(bits // BITS_PER_VALUE)

    def exchange(
        self, samples: IntArray, kept: BoolArray, told: BoolArray, seen: IntArray
    ) -> Exchange:
        """Return the exchange of thin models, which also tells who does not know yet which channels it keeps.

        That is told once: a bit a channel, and the norms with which a device begins.

        Args:
            samples: Number of training samples of each device, shape (N,).
            kept: Which channels each keeps, shape (N, C).
            told: Who has been told, shape (N,).
            seen: How many samples each sees in its steps, shape (N,).
        """
        widths, none = self.widths(kept), np.zeros(len(samples))
        values = self.values(widths)
        first = bitmap_bits(self.count) + bits_of(self.norms, widths)
        thin = [self._left(tuple(int(w[row]) for w in widths.values())) for row in range(len(kept))]
        macs = seen * np.array([step_macs(each, each)[0] for each in thin])
        weights = np.array([each.weights for each in thin])
        keep, dense = weights / self.anatomy.weights, self.anatomy.dense_exchange(samples, macs)
        return replace(
            dense,
            down_bits=Load(none + BITS_PER_VALUE * values + np.where(told, 0, first), none),
            up_bits=replace(dense.up_bits, fixed=none + BITS_PER_VALUE * (values - weights)),
            keep_min=keep,
            keep_max=keep,
        )

    def expected(self, devices: int, rate: float) -> BoolArray:
        """Return which channels are kept where nothing is known: the first of every layer, shape (K, C)."""
        row = [np.arange(s.units) < max(1, round((1.0 - rate) * s.units)) for s, _ in self.spaces]
        return np.tile(np.concatenate(row), (devices, 1))

    def _left(self, widths: tuple[int, ...]) -> Anatomy:
        return _left(self.anatomy, tuple(space.name for space, _ in self.spaces), widths)

    def _ends(self) -> list[tuple[int, int]]:
        """Return where the channels of each space begin and end."""
        ends = np.cumsum([0, *(space.units for space, _ in self.spaces)]).tolist()
        return list(itertools.pairwise(ends))


@lru_cache(maxsize=32)
def channels(anatomy: Anatomy) -> Channels:
    """Return the channels of a model; a convolution behind which no batch norm stands is refused."""
    norms = [layer for layer in anatomy.layers if layer.norm and _statistics(layer)]
    found, bare = [], []
    for space in free_spaces(anatomy):
        scales = tuple(
            (tensor.name, tensor.axes[0])
            for layer in norms
            for tensor in layer.tensors
            if tensor.role == "scale" and tensor.axes[0] and tensor.axes[0].space == space.name
        )
        if scales:
            found.append((space, scales))
        elif any(len(t.shape) > 2 for layer in makers(anatomy, space.name) for t in layer.tensors):
            bare.append(space.name)
    if bare or not found:
        raise UserError(
            f"algorithm: channels are pruned by the scales of batch norms behind convolutions, and {bare[0] if bare else 'the model'} "
            "has none; take minivgg, conv4 or resnet with norm: batch, or a model of your own that has them"
        )
    return Channels(anatomy, tuple(found))


@lru_cache(maxsize=256)
def _left(anatomy: Anatomy, names: tuple[str, ...], widths: tuple[int, ...]) -> Anatomy:
    return thinned(anatomy, dict(zip(names, widths, strict=True)))


def _statistics(layer: Layer) -> bool:
    return any(tensor.role == "statistic" for tensor in layer.tensors)
