"""Paging: how long devices take to hear that they are invited."""

from dataclasses import dataclass

from channel_models.units import Positive
from wflsim.clock import Instants
from wflsim.contracts import FloatArray
from wflsim.network.procedures.slots import next_occasion_ns, period_ns


@dataclass(frozen=True)
class Immediate:
    """Devices listen all the time."""

    def heard(self, start: Instants, offset: FloatArray) -> Instants:
        """Return the same instants."""
        return start


@dataclass(frozen=True)
class Cycle:
    """Devices sleep and listen once a cycle, each at its own place in it: half a cycle late on average.

    The cycle counts from time 0 and goes on whatever happens. What the page itself takes on the air is left out.

    Attributes:
        period_s: Seconds from one time of listening to the next; 0.32, 0.64, 1.28 and 2.56 are the standard's.

    Reference:
        3GPP TS 38.304, section 7.1 (paging occasions), cycles of TS 38.331 [S].

    >>> import numpy as np
    >>> start = Instants(np.array([0, 0]), np.array([2.0, 2.0]))
    >>> Cycle(period_s=1.0).heard(start, np.array([0.0, 0.25])).after_s.tolist()
    [2.0, 2.25]
    """

    period_s: Positive = 1.28

    def heard(self, start: Instants, offset: FloatArray) -> Instants:
        """Return the first instants not before the start at which each device listens."""
        return start.at(next_occasion_ns(start.ns, period_ns(self.period_s), offset))
