"""Models that lose a share of each layer's units at a time: what is left after each cut, and what that costs; without torch."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from math import ceil

import numpy as np

from wflsim.contracts import FloatArray, IntArray
from wflsim.errors import UserError
from wflsim.learning.anatomy import Anatomy, step_macs
from wflsim.learning.pruning.counting import bits_of, free_spaces, thinned


@dataclass(frozen=True)
class Cuts:
    """Shares of the units that are gone after 0, 1, 2, … cuts: each takes as much, the last only what is missing.

    Attributes:
        step: Share of a layer's units that a cut takes.
        target: Share that is gone in the end.

    >>> [round(Cuts(0.2, 0.5).share(cuts), 3) for cuts in range(5)], Cuts(0.2, 0.5).most
    ([0.0, 0.2, 0.4, 0.5, 0.5], 3)
    """

    step: float
    target: float

    @property
    def most(self) -> int:
        """After how many cuts the target is reached."""
        return ceil(self.target / self.step - 1e-9)

    def share(self, cuts: int) -> float:
        """Return the share of the units that is gone after so many cuts."""
        return min(self.target, cuts * self.step)

    def widths(self, anatomy: Anatomy, cuts: int) -> dict[str, int]:
        """Return how many units are left of each space: whole groups are gone, rounded down, so that one is always left."""
        gone = self.share(cuts)
        return {
            space.name: space.units - int(gone * space.units / space.group + 1e-9) * space.group
            for space in free_spaces(anatomy)
        }

    def looked(self, looks: IntArray, cuts: IntArray) -> IntArray:
        """Return on how many samples devices judge their models, none once all cuts are made, shape (K,)."""
        return np.where(cuts < self.most, looks, 0)

    def left(self, anatomy: Anatomy, sent: Anatomy) -> "Left":
        """Return what is left after each number of cuts.

        Args:
            anatomy: The model.
            sent: What of it travels.
        """
        return _left(self, anatomy, sent)


@dataclass(frozen=True, eq=False)
class Left:
    """What is left of a model after 0, 1, 2, … cuts, shapes (L,).

    Attributes:
        down_bits: Size of what the server sends, which a device knows the units of.
        up_bits: Size of what comes back, with a bitmap of the units.
        macs: Operations of one sample's forward pass.
        step_macs: Operations of one sample's step.
        density: Mean over the spaces of the share of units.
    """

    down_bits: IntArray
    up_bits: IntArray
    macs: IntArray
    step_macs: IntArray
    density: FloatArray


@lru_cache(maxsize=32)
def _left(cuts: Cuts, anatomy: Anatomy, sent: Anatomy) -> Left:
    spaces, counts = free_spaces(anatomy), range(cuts.most + 1)
    every = [cuts.widths(anatomy, count) for count in counts]
    whole = [thinned(anatomy, widths) for widths in every]
    return Left(
        down_bits=np.array([thinned(sent, widths).bits for widths in every]),
        up_bits=np.array([int(bits_of(sent, _wide(widths))) for widths in every]),
        macs=np.array([each.macs for each in whole]),
        step_macs=np.array([step_macs(each, each)[0] for each in whole]),
        density=np.array([np.mean([widths[s.name] / s.units for s in spaces]) for widths in every]),
    )


def _wide(widths: Mapping[str, int]) -> dict[str, IntArray]:
    return {name: np.array(width) for name, width in widths.items()}


def travelling(anatomy: Anatomy, *, norms: bool) -> Anatomy:
    """Return the tensors that travel: weights, and with norms all others too; refuse a model without units.

    Args:
        anatomy: The model.
        norms: Whether biases and what belongs to norms travel.
    """
    if not free_spaces(anatomy):
        raise UserError(
            "algorithm: hermes prunes whole units, and the model has none that may go; take one with hidden layers, or "
            "algorithm: fedavg"
        )
    if norms:
        return anatomy
    layers = (
        replace(layer, tensors=tuple(t for t in layer.tensors if t.role == "weight"))
        for layer in anatomy.layers
    )
    return Anatomy(tuple(layer for layer in layers if layer.tensors), anatomy.spaces)
