"""Slots: integer arithmetic of what recurs, occasions of a period and the uplink slots of a pattern."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from wflsim.clock import LONGEST_NS, NANOSECONDS, NEVER
from wflsim.contracts import FloatArray, IntArray

Numerology = Literal[0, 1, 2, 3]
"""Spacing of the subcarriers, 15 kHz · 2^μ."""

SYMBOLS = 14
"""Symbols of a slot (TS 38.211, table 4.3.2-1 [S])."""


def slot_ns(numerology: Numerology) -> int:
    """Return the length of a slot, 1 ms / 2^μ, a whole number of nanoseconds.

    >>> slot_ns(3)
    125000
    """
    return 1_000_000 >> numerology


def whole_ns(seconds: float) -> int:
    """Return a length in whole nanoseconds, at most 52 days."""
    return round(min(seconds * NANOSECONDS, LONGEST_NS))


def period_ns(seconds: float) -> int:
    """Return a period in whole nanoseconds, at least one."""
    return max(1, whole_ns(seconds))


def next_occasion_ns(at_ns: IntArray, period_ns: int, offset: FloatArray | float = 0.0) -> IntArray:
    """Return the first instants not before these that are congruent to offset · period, shape (K,); never stays never.

    Args:
        at_ns: Instants, shape (K,).
        period_ns: Length of the period.
        offset: Share of the period by which each device's occasions come later, shape (K,).

    >>> next_occasion_ns(np.array([0, 1, 10, 11]), 10).tolist()
    [0, 10, 10, 20]
    """
    first_ns = np.floor(np.asarray(offset) * period_ns).astype(np.int64)
    reached = at_ns < NEVER
    from_ns = np.where(reached, at_ns, 0)
    return np.where(reached, from_ns + (first_ns - from_ns) % period_ns, NEVER)


@dataclass(frozen=True)
class Pattern:
    """Slots that recur from time 0; those that carry uplink are counted 0, 1, 2 … from there.

    Attributes:
        letters: A letter a slot: D for downlink, U for uplink, S for the switch between them, which carries no uplink.
        slot_ns: Length of a slot.

    >>> Pattern("DSU", slot_ns=10).begun_before(np.array([0, 20, 21])).tolist()
    [0, 0, 1]
    """

    letters: str
    slot_ns: int

    def __post_init__(self) -> None:
        if not set("U") <= set(self.letters) <= set("DSU"):
            raise ValueError(
                "pattern must consist of the letters D, S and U with at least one U, "
                f"got '{self.letters}'; for example DDDSU"
            )

    @property
    def share(self) -> float:
        """Share of the slots that carry uplink."""
        return len(self._uplink) / len(self.letters)

    def begun_before(self, at_ns: IntArray) -> IntArray:
        """Return how many uplink slots begin in [0, t): the number of the first one not before t, any shape."""
        begun = -(-at_ns // self.slot_ns)
        periods, rest = np.divmod(begun, len(self.letters))
        return np.asarray(periods * len(self._uplink) + np.searchsorted(self._uplink, rest))

    def start_ns(self, number: IntArray) -> IntArray:
        """Return when uplink slots begin, given their numbers, any shape."""
        periods, rest = np.divmod(number, len(self._uplink))
        slot = periods * len(self.letters) + self._uplink[rest]
        return np.asarray(slot * self.slot_ns)

    def next_ns(self, at_ns: IntArray, skipped: IntArray | int = 0) -> IntArray:
        """Return the start of the first uplink slot not before an instant, or of one some later; shapes broadcast.

        >>> Pattern("DDU", slot_ns=10).next_ns(np.array([0, 25]), np.array([0, 1])).tolist()
        [20, 80]
        """
        return self.start_ns(self.begun_before(at_ns) + skipped)

    def overlap(self, slots: int) -> int:
        """Return how many uplink slots begin within some slots of the beginning of one, itself included, at most."""
        start_ns = self.start_ns(np.arange(len(self._uplink)))
        numbers = self.begun_before(start_ns + slots * self.slot_ns)
        return int((numbers - np.arange(len(self._uplink))).max())

    @cached_property
    def _uplink(self) -> IntArray:
        """Places of the uplink slots in the pattern."""
        return np.flatnonzero(np.array(list(self.letters)) == "U").astype(np.int64)
