"""Whose updates were taken in a round, and for what; no torch."""

from dataclasses import dataclass, field

import numpy as np

from wflsim.contracts import IntArray

_NOBODY = np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class Came:
    """Whose updates of a round were taken.

    Attributes:
        round_: The round.
        trained: Who trained a group's model.
        grouped: Who trained in order to be grouped.
        tuned: Who tuned a model of its own.
    """

    round_: int = -1
    trained: IntArray = field(default_factory=lambda: _NOBODY)
    grouped: IntArray = field(default_factory=lambda: _NOBODY)
    tuned: IntArray = field(default_factory=lambda: _NOBODY)

    def at(self, round_: int) -> "Came":
        """Return who came in a round so far."""
        return self if round_ == self.round_ else Came(round_)

    def among(self, devices: IntArray) -> "Came":
        """Return who of some devices came."""
        parts = (np.intersect1d(devices, who) for who in (self.trained, self.grouped, self.tuned))
        return Came(self.round_, *parts)
