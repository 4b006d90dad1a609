"""Submodels made of the first units of every layer, which nest: their widths, and what they cost; without torch."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import ceil

import numpy as np

from wflsim.contracts import Exchange, FloatArray, IntArray, Load
from wflsim.errors import UserError
from wflsim.learning.anatomy import BITS_PER_VALUE, Anatomy, step_macs
from wflsim.learning.pruning.counting import free_spaces, thinned

_SLACK = 1e-9  # 0.1 · 30 is 3, and not 4


@dataclass(frozen=True, eq=False)
class Prefixes:
    """What is left of a model at some shares of the units of its hidden layers.

    Attributes:
        whole: The model.
        thin: What is left of it at each share.
    """

    whole: Anatomy
    thin: tuple[Anatomy, ...]

    @property
    def bits(self) -> IntArray:
        """Size of all tensors at each share, shape (L,)."""
        return np.array([each.bits for each in self.thin])

    @property
    def macs(self) -> IntArray:
        """Operations of one sample's forward pass at each share, shape (L,)."""
        return np.array([each.macs for each in self.thin])

    @property
    def step_macs(self) -> IntArray:
        """Operations of one sample's training step at each share, shape (L,)."""
        return np.array([step_macs(each, each)[0] for each in self.thin])

    def exchange(self, which: IntArray, macs: FloatArray | IntArray) -> Exchange:
        """Return the exchange in which devices receive, train and send the submodels that they have.

        Who has which is common knowledge, so that no message tells it.

        Args:
            which: The share that each device has, by its place, shape (K,).
            macs: Operations of each device, shape (K,).
        """
        whole = self.whole
        weights = np.array([each.weights for each in self.thin])[which]
        others = np.array([each.others for each in self.thin])[which]
        keep = weights / whole.weights
        dense = whole.dense_exchange(which, macs)
        up_bits = Load(BITS_PER_VALUE * others.astype(np.float64), dense.up_bits.prunable)
        down_bits = Load(self.bits[which].astype(np.float64), np.zeros(len(which)))
        return replace(dense, up_bits=up_bits, down_bits=down_bits, keep_min=keep, keep_max=keep)


def prefixes(anatomy: Anatomy, shares: Sequence[float], key: str) -> Prefixes:
    """Return what is left of a model at some shares of its hidden units.

    Args:
        anatomy: The model.
        shares: The shares.
        key: The field that has them, for a model without units that could be left out.
    """
    if min(shares) < 1.0 and not free_spaces(anatomy):
        raise UserError(
            f"algorithm.{key}: the model has no units that can be left out; write {key}: [1.0], or take another model"
        )
    return _prefixes(anatomy, tuple(shares))


def prefix_widths(anatomy: Anatomy, share: float) -> dict[str, int]:
    """Return how many units of each free space are the first ⌈r U⌉; groups stay whole."""
    return {
        space.name: space.group * ceil(share * (space.units // space.group) - _SLACK)
        for space in free_spaces(anatomy)
    }


@lru_cache(maxsize=32)
def _prefixes(anatomy: Anatomy, shares: tuple[float, ...]) -> Prefixes:
    return Prefixes(
        anatomy, tuple(thinned(anatomy, prefix_widths(anatomy, share)) for share in shares)
    )
