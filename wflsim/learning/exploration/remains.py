"""What exploring costs, and what a model costs of which entries have gone; told without torch."""

from dataclasses import dataclass, replace
from math import ceil

import numpy as np

from wflsim.contracts import Exchange, FloatArray, IntArray, Load, Turn
from wflsim.learning.anatomy import BITS_PER_VALUE, Anatomy, bitmap_bits, step_macs
from wflsim.learning.exploration.landscape import Threshold


@dataclass(frozen=True, eq=False)
class Remains:
    """What is left of a model, in numbers: each the same for all devices, or one a device, shape (N,).

    Attributes:
        bits: Size of all tensors that are left, one way.
        weights: Number of weights among them.
        bitmap_bits: Size of what tells each device of it.
        step_macs: Operations of a step on one sample.
    """

    bits: int | IntArray
    weights: int | IntArray
    bitmap_bits: int | IntArray
    step_macs: int | IntArray

    @classmethod
    def expected(cls, anatomy: Anatomy, threshold: Threshold) -> "Remains":
        """Return what is expected before anything is known, no unit removed."""
        size, gone = threshold.size(anatomy), threshold.expected(anatomy)
        bits = anatomy.bits - BITS_PER_VALUE * gone
        kept = anatomy.weights - round(gone * anatomy.weights / size)
        return cls(bits, kept, bitmap_bits(size) if gone else 0, step_macs(anatomy, anatomy)[0])

    def exchange(self, anatomy: Anatomy, samples: IntArray, seen: IntArray) -> Exchange:
        """Return the exchange of it; up go no places, which everybody knows.

        Args:
            anatomy: The whole model's layers.
            samples: Number of training samples of each device, shape (K,).
            seen: How many each sees in its steps, shape (K,).
        """
        none = np.zeros(len(samples))
        share = none + self.weights / anatomy.weights
        dense = anatomy.dense_exchange(samples, seen * self.step_macs)
        others = none + self.bits - BITS_PER_VALUE * self.weights
        return replace(
            dense,
            down_bits=Load(none + self.bits + self.bitmap_bits, none),
            up_bits=replace(dense.up_bits, fixed=others),
            keep_min=share,
            keep_max=share,
        )


def explorers(devices: int, share: float, turn: Turn) -> IntArray:
    """Return who explores, drawn once for all, in rising order: a share of the fleet, rounded up."""
    order = turn.streams.stream("explorers").permutation(devices)
    return np.sort(order[: ceil(share * devices - 1e-9)])


def explored_macs(anatomy: Anatomy, samples: IntArray, epochs: IntArray | int) -> FloatArray:
    """Return the operations of some epochs: steps, and a forward pass after each to see how good they were, shape (K,)."""
    each = step_macs(anatomy, anatomy)[0] + anatomy.macs
    return np.asarray(samples * epochs * each, dtype=np.float64)


def exploration(
    anatomy: Anatomy, samples: IntArray, who: IntArray, *, epochs: int, charged: bool
) -> Exchange:
    """Return the exchange in which explorers receive the model and send how far they came, statistics of norms left out.

    Args:
        anatomy: The model's layers.
        samples: Number of training samples of each device, shape (N,).
        who: The explorers, shape (K,); all of them are asked, however few a round invites.
        epochs: Most epochs that they train.
        charged: Whether it costs anything.
    """
    still = sum(tensor.size for tensor in anatomy.every() if tensor.role == "statistic")
    found = anatomy.dense_exchange(samples, explored_macs(anatomy, samples, epochs))
    up_bits = replace(found.up_bits, fixed=found.up_bits.fixed - BITS_PER_VALUE * still)
    found = replace(found, up_bits=up_bits, purpose="explore", open=True)
    if not charged:
        nothing = Load(np.zeros(len(samples)), np.zeros(len(samples)))
        found = replace(found, down_bits=nothing, up_bits=nothing, macs=nothing)
    return found.only(who)
