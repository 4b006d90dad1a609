"""Rounds of a method that groups its devices: when everybody is asked, and when everybody tunes what it has; no torch."""

from dataclasses import dataclass, replace

import numpy as np

from wflsim.contracts import Exchange, FloatArray, IntArray, Load, Turn
from wflsim.learning.anatomy import Anatomy


@dataclass(frozen=True)
class Seasons:
    """What happens in which round.

    Attributes:
        gathers: Round before whose training all devices are asked to be grouped; None for never.
        tunes: The round in which every device tunes its own model and nothing travels; None for never.
    """

    gathers: int | None = None
    tunes: int | None = None

    def gathering(self, turn: Turn) -> bool:
        """Return whether a turn is that in which devices are grouped."""
        return turn.round_ == self.gathers and turn.step == 0

    def tuning(self, turn: Turn) -> bool:
        """Return whether a turn is that of the last touches."""
        return turn.round_ == self.tunes and turn.step == 0

    def training(self, turn: Turn) -> bool:
        """Return whether a turn is that of a round's training."""
        return turn.round_ != self.tunes and turn.step == int(turn.round_ == self.gathers)


def gathering(anatomy: Anatomy, samples: IntArray, macs: FloatArray | IntArray) -> Exchange:
    """Return the exchange in which everybody receives a model and sends what training made of it, dense: the burst.

    Args:
        anatomy: What travels.
        samples: Number of training samples of each device, shape (N,).
        macs: Operations of each, shape (N,).
    """
    return replace(anatomy.dense_exchange(samples, macs), purpose="cluster", open=True)


def tuning(anatomy: Anatomy, samples: IntArray, macs: FloatArray | IntArray) -> Exchange:
    """Return the exchange in which everybody computes and nothing travels.

    Arguments as of ``gathering``.
    """
    none = Load(np.zeros(len(samples)), np.zeros(len(samples)))
    found = anatomy.dense_exchange(samples, macs)
    return replace(found, down_bits=none, up_bits=none, purpose="tune", open=True)
