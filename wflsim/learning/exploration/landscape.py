"""What exploring the loss says about weights: how far each was moved, who decides by that, and which entries then go.

Formulas after the digest of arXiv 2405.10271 (v3): read in the official code [C], decided by us [D]; the paper's own equations
could not be read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import floor
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from wflsim.contracts import BoolArray, FloatArray
from wflsim.learning.anatomy import Anatomy

if TYPE_CHECKING:
    import torch

Normalise = Literal["per_tensor", "global", "robust"]
ThresholdMode = Literal["quantile", "quantile_strict", "absolute"]
Arrays = Mapping[str, FloatArray]
Tensors = Mapping[str, "torch.Tensor"]


def deviation(before: Tensors, after: Tensors) -> "dict[str, torch.Tensor]":
    """Return (W* − W₀)², entry by entry: how far the loss wanted each weight to move [C]."""
    return {name: (after[name] - tensor).square() for name, tensor in before.items()}


def mean_deviation(stacked: Mapping[str, npt.NDArray[Any]]) -> dict[str, FloatArray]:
    """Return the mean over devices of their deviations, shapes (K, …), in float64, all devices alike [C]."""
    return {name: each.mean(axis=0, dtype=np.float64) for name, each in stacked.items()}


def guidance(mean: Arrays, normalise: Normalise = "per_tensor") -> dict[str, FloatArray]:
    """Return the mean deviation on a scale on which tensors can be compared.

    ``per_tensor`` brings each to [0, 1] by its own least and largest entry [C], ``global`` all by those of all [D], and
    ``robust`` takes each one's median off and divides by the range of its middle half, where there is one [C]. What is the
    same everywhere says nothing, and is one: it is kept [D]; the official code divides zero by zero there and prunes it [C].
    """
    mute = says_nothing(mean, normalise)
    every = np.concatenate([each.ravel() for each in mean.values()]) if mean else np.empty(0)
    found = {}
    for name, each in mean.items():
        if name in mute:
            found[name] = np.ones_like(each)
        elif normalise == "robust":
            low, middle, high = np.quantile(each, (0.25, 0.5, 0.75))
            found[name] = (each - middle) / (high - low or 1.0)
        else:
            scale = every if normalise == "global" else each
            found[name] = (each - scale.min()) / (scale.max() - scale.min())
    return found


def says_nothing(mean: Arrays, normalise: Normalise) -> frozenset[str]:
    """Return the names of what is the same everywhere: each tensor for itself, or all of them together."""
    flat = frozenset(name for name, each in mean.items() if not np.ptp(each))
    if normalise != "global":
        return flat
    values = {float(each.flat[0]) for each in mean.values()}
    return flat if len(flat) == len(mean) and len(values) < 2 else frozenset()


def kept(
    guide: Arrays,
    share: float,
    mode: ThresholdMode = "quantile",
    spared: Mapping[str, BoolArray] | None = None,
) -> dict[str, BoolArray]:
    """Return which entries stay when those of least guidance go.

    Args:
        guide: The guidance of every entry.
        share: The share T_p that goes, or the threshold of ``absolute``.
        mode: ``quantile``: exactly ⌊T_p n⌋ entries of all tensors together go, the earlier of equal ones first [D];
            ``quantile_strict``: all that are not above that quantile, however many are equal to it [C]; ``absolute``: all that
            are not above T_p itself, another reading of the paper [D].
        spared: For some names what stays in any case. Others go instead, as long as there are some.

    >>> guide = {"a": np.array([0.625, 0.0, 1.0, 0.25]), "b": np.array([0.0, 1.0])}
    >>> [int(sum(each.sum() for each in kept(guide, 0.3, mode).values())) for mode in ("quantile", "quantile_strict")]
    [5, 4]
    """
    values = np.concatenate([each.ravel() for each in guide.values()]) if guide else np.empty(0)
    safe = np.zeros(len(values), dtype=np.bool_)
    if spared is not None:
        safe = np.concatenate(
            [spared.get(n, np.zeros(each.shape, np.bool_)).ravel() for n, each in guide.items()]
        )
    if mode == "quantile":
        stays = ~_lowest(np.where(safe, np.inf, values), _count(share, safe))
    else:
        above = np.quantile(values, share) if mode == "quantile_strict" and len(values) else share
        stays = (values > above) | safe
    ends = np.cumsum([each.size for each in guide.values()])[:-1]
    parts = np.split(stays, ends)
    return {
        name: part.reshape(each.shape)
        for (name, each), part in zip(guide.items(), parts, strict=True)
    }


def floor_of(anatomy: Anatomy, guide: Arrays) -> dict[str, BoolArray]:
    """Return what is spared so that no layer and no class falls silent [D]; the code has no floor [C].

    Of each tensor of weights that is the entry of most guidance, of the last layer's the one of every row; of equal ones the
    last, which would go last.
    """
    last = [layer.name for layer in anatomy.layers if layer.weights][-1:]
    found = {}
    for layer in anatomy.layers:
        for name in (t.name for t in layer.tensors if t.role == "weight" and t.name in guide):
            rows = guide[name].reshape(len(guide[name]) if layer.name in last else 1, -1)
            best = rows.shape[1] - 1 - np.argmax(rows[:, ::-1], axis=1)
            spared = np.zeros(rows.shape, dtype=np.bool_)
            spared[np.arange(len(rows)), best] = True
            found[name] = spared.reshape(guide[name].shape)
    return found


@dataclass(frozen=True)
class Threshold:
    """How explored deviations become a mask.

    Attributes:
        share: Share T_p of the entries that goes, or the threshold of ``absolute``.
        mode: Which entries that are.
        normalise: How tensors are made comparable.
        biases: Whether biases and what scales and shifts in norms may go, too.
    """

    share: float
    mode: ThresholdMode = "quantile"
    normalise: Normalise = "per_tensor"
    biases: bool = False

    def names(self, anatomy: Anatomy) -> tuple[str, ...]:
        """Return the names of the tensors whose entries may go."""
        return trained(anatomy) if self.biases else anatomy.prunable

    def size(self, anatomy: Anatomy) -> int:
        """Return the number of entries that may go."""
        names = self.names(anatomy)
        return sum(tensor.size for tensor in anatomy.every() if tensor.name in names)

    def expected(self, anatomy: Anatomy) -> int:
        """Return how many entries are expected to go, before anything is known of them."""
        last = [layer for layer in anatomy.layers if layer.weights][-1:]
        spared = sum(
            tensor.shape[0] if layer in last else 1
            for layer in anatomy.layers
            for tensor in layer.tensors
            if tensor.role == "weight"
        )
        size = self.size(anatomy)
        return max(0, min(floor(self.share * size + 1e-9), size - spared))

    def masks(self, anatomy: Anatomy, mean: Arrays) -> dict[str, BoolArray]:
        """Return what stays of every tensor of which something goes; the mean deviation is of all names that may."""
        guide = guidance(mean, self.normalise)
        spared = floor_of(anatomy, guide)
        for name in says_nothing(mean, self.normalise):
            spared[name] = np.ones(guide[name].shape, dtype=np.bool_)
        found = kept(guide, self.share, self.mode, spared)
        return {name: each for name, each in found.items() if not each.all()}


def trained(anatomy: Anatomy) -> tuple[str, ...]:
    """Return the names of all tensors that are trained, which statistics of norms are not."""
    still = anatomy.statistics
    return tuple(name for name in anatomy.tensors if name not in still)


def _count(share: float, safe: BoolArray) -> int:
    """Return how many entries go: ⌊T_p n⌋, or as many as may."""
    return min(floor(share * len(safe) + 1e-9), len(safe) - int(safe.sum()))


def _lowest(values: FloatArray, count: int) -> BoolArray:
    """Return which are the lowest so many values, the earlier of equal ones first."""
    if not count:
        return np.zeros(len(values), dtype=np.bool_)
    most = np.partition(values, count - 1)[count - 1]
    chosen: BoolArray = values < most
    ties = np.flatnonzero(values == most)
    chosen[ties[: count - int(chosen.sum())]] = True
    return chosen
