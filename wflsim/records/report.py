"""What a round leaves behind, before it becomes columns."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from channel_models.channel import Links
from optimizers.certificate import Allocation
from wflsim.contracts import Exchange, FloatArray
from wflsim.network.timeline import NANOSECONDS, Plan, Timeline, energy_j

if TYPE_CHECKING:
    from wflsim.learning.evaluation import Scores


@dataclass(frozen=True)
class Played:
    """One exchange, from agreement to joules.

    Attributes:
        exchange: What was agreed.
        dense_s: Least length with nothing pruned.
        allocation: The allocator's answer.
        rate_bps: Uplink rates under it, shape (K,).
        keep: Kept shares in whole units, as played, shape (K,).
        plan: What the network played.
        timeline: What happened.
    """

    exchange: Exchange
    dense_s: float
    allocation: Allocation
    rate_bps: FloatArray
    keep: FloatArray
    plan: Plan
    timeline: Timeline

    @property
    def up_bits(self) -> FloatArray:
        """Size of each device's message, shape (K,)."""
        return self.exchange.sent_bits(self.keep)

    @property
    def energy_j(self) -> tuple[FloatArray, FloatArray]:
        """Energy of computing and of sending, shapes (K,)."""
        return energy_j(self.plan, self.timeline)


@dataclass(frozen=True)
class Report:
    """Everything that a round leaves behind.

    Attributes:
        round_: The round, counted from 0.
        links: The channels of the round.
        played: Its exchanges, in order.
        scores: Accuracies after the round; None when it was not evaluated.
        state: The algorithm's state after the round.
    """

    round_: int
    links: Links
    played: tuple[Played, ...]
    scores: "Scores | None"
    state: Any

    @property
    def end_s(self) -> float:
        """Simulated time at the end of the round."""
        return self.played[-1].timeline.end_ns / NANOSECONDS
