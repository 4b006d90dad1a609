"""What a round leaves behind, before it becomes columns."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from channel_models.channel import Links
from optimizers.certificate import Allocation
from wflsim.clock import NANOSECONDS
from wflsim.contracts import Exchange, FloatArray, IntArray, Scores
from wflsim.network.timeline import Plan, Timeline

STOP = "stop"
"""Purpose of the entry that tells what was under way when the run ended."""


class Agreement(Protocol):
    """What devices that began together had agreed on."""

    @property
    def exchange(self) -> Exchange:
        """What was exchanged."""
        ...

    @property
    def dense_s(self) -> float:
        """Least length with nothing pruned."""
        ...

    @property
    def allocation(self) -> Allocation:
        """The allocator's answer."""
        ...

    @property
    def plan(self) -> Plan:
        """What the devices were going to do."""
        ...

    @property
    def waiting(self) -> IntArray:
        """Devices that could have begun, too, had there been room to ask them."""
        ...


@dataclass(frozen=True)
class Played:
    """One exchange, from agreement to joules.

    Attributes:
        purpose: What it was for.
        round_: Its round.
        deadline_s: Length that it might have, infinite for any.
        agreement: What those who began had agreed on; None when nobody began.
        timeline: What happened to the updates that were settled in it.
        charge_j: What was left in the batteries of their devices afterwards, shape (S,).
        under_way: Number of updates that went on beyond it.
        progress: Mean weight of the updates taken, by their ages and samples; 0 if none came.
        listened: Which devices heard the server's message without taking part, and what each spent on it, shapes (L,); None where
            the message was for nobody else.
    """

    purpose: str
    round_: int
    deadline_s: float
    agreement: Agreement | None
    timeline: Timeline
    charge_j: FloatArray
    under_way: int
    progress: float = 0.0
    listened: tuple[IntArray, FloatArray] | None = None

    @property
    def listening_j(self) -> float:
        """What they spent."""
        return 0.0 if self.listened is None else float(self.listened[1].sum())

    @property
    def participants(self) -> int:
        """Number of devices that began."""
        return 0 if self.agreement is None else len(self.agreement.plan.device)

    @property
    def age(self) -> FloatArray:
        """How many rounds before this one each settled update began, shape (S,)."""
        return np.asarray(self.round_ - self.timeline.settled.round_)


@dataclass(frozen=True)
class Report:
    """Everything that a round leaves behind.

    Attributes:
        round_: The round, counted from 0.
        links: The channels of the round.
        played: Its exchanges, in order.
        scores: Accuracies after the round; None when it was not evaluated.
        state: The algorithm's state after the round.
        told: What the algorithm and the evaluation tell beyond accuracies, by the names of columns.
    """

    round_: int
    links: Links
    played: tuple[Played, ...]
    scores: "Scores | None"
    state: Any
    told: Mapping[str, float] = field(default_factory=dict)

    @property
    def last(self) -> Played:
        """The last exchange; what was under way when the run ended comes after it."""
        return [game for game in self.played if game.purpose != STOP][-1]

    @property
    def end_s(self) -> float:
        """Simulated time at the end of the round."""
        return self.played[-1].timeline.end_ns / NANOSECONDS
