"""How long a round may last: nothing, a number of seconds, or a share of what a dense round would take."""

from dataclasses import dataclass
from math import inf

from channel_models.units import NonNegative, Positive


@dataclass(frozen=True)
class NoDeadline:
    """The round lasts until everyone has arrived."""

    def seconds(self, dense_s: float, sparsest_s: float) -> float:
        """Return infinity."""
        return inf


@dataclass(frozen=True)
class Fixed:
    """The same deadline in every round.

    Attributes:
        limit_s: Length of a round.
    """

    limit_s: Positive

    def seconds(self, dense_s: float, sparsest_s: float) -> float:
        """Return the limit."""
        return self.limit_s


@dataclass(frozen=True)
class Relative:
    """A share of the round time that the dense model would need on this round's channels, with its best allocation.

    Attributes:
        share: The share; 0.5 asks for half of the dense round time.
    """

    share: Positive

    def seconds(self, dense_s: float, sparsest_s: float) -> float:
        """Return share · T_dense."""
        return self.share * dense_s


@dataclass(frozen=True)
class LoadFactor:
    """A point between the least round time with everything pruned that may be, and with nothing pruned.

    Attributes:
        theta: 0 is the sparsest round that can be met, 1 the dense one.
    """

    theta: NonNegative

    def seconds(self, dense_s: float, sparsest_s: float) -> float:
        """Return T_lo + θ (T_full − T_lo)."""
        return sparsest_s + self.theta * (dense_s - sparsest_s)
