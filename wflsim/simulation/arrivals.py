"""What the server takes in: the updates of a round by the moment at which they began; and runs that train nothing."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from math import isclose
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from wflsim.contracts import (
    FloatArray,
    Grouping,
    IntArray,
    Learning,
    Policy,
    Scores,
    Turn,
    Updates,
    Weighing,
)
from wflsim.network.timeline import Flights, Plan, Timeline


@dataclass(frozen=True, eq=False)
class Beginning:
    """The moment at which devices began together.

    Attributes:
        turn: When it was.
        state: The algorithm's state then.
        updates: What they bring, of algorithms that train before they send; otherwise None.
    """

    turn: Turn
    state: Any
    updates: Updates | None = None


@dataclass(frozen=True, eq=False)
class Arrivals:
    """Updates that the server takes in and that began together.

    Attributes:
        began: When they began.
        fresh: Whether that is the exchange that is being closed.
        device: Index of each device, shape (K,).
        keep: Kept shares, shape (K,).
        bits: Bits that the network carried, shape (K,).
        weight: How much each counts for its age, shape (K,).
        samples: Training samples that each counts for, its own where no policy weighs tiers, shape (K,).
    """

    began: Beginning
    fresh: bool
    device: IntArray
    keep: FloatArray
    bits: FloatArray
    weight: FloatArray
    samples: FloatArray


def arrivals(
    timeline: Timeline,
    under_way: Flights,
    round_: int,
    began: Mapping[int, Beginning],
    *,
    policy: Policy,
    samples: IntArray,
) -> list[Arrivals]:
    """Return what the server takes in at the end of an exchange, the oldest first; devices in rising order.

    Args:
        timeline: What happened in it.
        under_way: Updates that go on beyond it.
        round_: Its round.
        began: Round → the moment at which updates of it began.
        policy: What the server makes of old updates and of tiers.
        samples: Number of training samples of each device, shape (N,).
    """
    taken = timeline.settled.only(timeline.taken)
    tiers = np.union1d(timeline.settled.plan.rounds, under_way.plan.rounds)
    counted, found = _counted(taken.plan, tiers, policy, samples), []
    for first in np.unique(taken.round_).tolist():
        (rows,) = np.nonzero(taken.round_ == first)
        rows = rows[np.argsort(taken.plan.device[rows])]
        plan, age = taken.plan.only(rows), np.full(len(rows), round_ - first)
        found.append(
            Arrivals(
                began=began[first],
                fresh=first == round_,
                device=plan.device,
                keep=plan.keep,
                bits=plan.bits,
                weight=policy.late.weight(age),
                samples=counted[rows],
            )
        )
    return found


def _counted(plan: Plan, tiers: IntArray, policy: Policy, samples: IntArray) -> FloatArray:
    """Return the samples that each update which came counts for, shape (K,): its own n, unless tiers are weighed.

    Then a tier counts for its part α of all samples S that came, shared among its own in proportion to theirs:
    α_m S n / S_m.
    """
    own = samples[plan.device].astype(np.float64)
    share = policy.tier_shares(tiers) if isinstance(policy, Weighing) else None
    if share is None:
        return own
    tier = np.searchsorted(tiers, plan.rounds)
    within = np.bincount(tier, weights=own, minlength=len(tiers))
    return np.asarray(share[tier] * own * own.sum() / within[tier])


def worth(arrivals: Sequence[Arrivals], samples: IntArray) -> float:
    """Return the mean weight of what came, by samples: 1 for a round of fresh updates, 0 where nothing came."""
    weight = sum(float(group.weight @ group.samples) for group in arrivals)
    whole = sum(int(samples[group.device].sum()) for group in arrivals)
    return weight / whole if whole else 0.0


def whole(arrivals: Sequence[Arrivals], samples: IntArray) -> bool:
    """Return whether nothing stays with the server's model for tiers that do not report."""
    return isclose(
        sum(float(group.samples.sum()) for group in arrivals),
        sum(float(samples[group.device].sum()) for group in arrivals),
    )


@dataclass(frozen=True)
class Passage:
    """What a round did to what has been learnt.

    Attributes:
        before: The state that it began with.
        after: The state that it ended with.
        came: The devices whose updates were taken in, shape (K,).
    """

    before: Any
    after: Any
    came: IntArray


class Learner(Protocol):
    """What becomes of the updates that arrive."""

    @property
    def told(self) -> str:
        """How devices are trained, in a sentence; empty where nobody trains."""
        ...

    def begin(self) -> Any:
        """Return the state before the first round."""
        ...

    def at_work(self) -> AbstractContextManager[None]:
        """Return a context in which rounds are played."""
        ...

    def train(self, began: Beginning, rows: IntArray, keep: FloatArray) -> Updates:
        """Return what devices send and keep that began together."""
        ...

    def learn(self, state: Any, arrivals: Sequence[Arrivals]) -> Any:
        """Return the state after what arrived."""
        ...

    def scores(self, state: Any) -> Scores | None:
        """Return the accuracies of a state; None where nothing is known."""
        ...

    def told_of(self, passage: Passage, evaluated: bool) -> Mapping[str, float]:
        """Return what is known of a round beyond accuracies, by the names of columns.

        Args:
            passage: What the round did.
            evaluated: Whether the round is one of those that are evaluated.
        """
        ...

    def grouping(self, state: Any) -> Grouping | None:
        """Return which devices belong together; None where nobody groups them."""
        ...

    def write(self, state: Any, path: Path) -> str:
        """Write the final weights of a state and return the file's SHA-256; only where something is trained."""
        ...


@dataclass(frozen=True)
class Onlookers:
    """Devices that train nothing: the state is None, or the progress that a surrogate makes.

    Attributes:
        learning: What is known of the accuracy.
        samples: Number of training samples of each device, shape (K,).
    """

    learning: Learning
    samples: IntArray

    @property
    def told(self) -> str:
        """Nobody trains."""
        return ""

    def begin(self) -> "Progress":
        """Return no progress."""
        return Progress(0.0)

    def at_work(self) -> AbstractContextManager[None]:
        """Return a context that does nothing."""
        return nullcontext()

    def train(self, began: Beginning, rows: IntArray, keep: FloatArray) -> Updates:
        """Refuse: nobody trains."""
        raise AssertionError("nobody trains")

    def learn(self, state: "Progress", arrivals: Sequence[Arrivals]) -> "Progress":
        """Return the progress: a round in which anything came is worth the mean weight of what came, by samples."""
        return Progress(state.rounds + worth(arrivals, self.samples))

    def scores(self, state: "Progress") -> Scores | None:
        """Return one accuracy for all devices."""
        accuracy = self.learning.accuracy(state.rounds)
        return Scores(np.full(len(self.samples), accuracy), accuracy)

    def told_of(self, passage: Passage, evaluated: bool) -> Mapping[str, float]:
        """Return nothing."""
        return {}

    def grouping(self, state: "Progress") -> None:
        """Return nothing."""

    def write(self, state: "Progress", path: Path) -> str:
        """Refuse: nobody trains."""
        raise AssertionError("nobody trains")


@dataclass(frozen=True)
class Progress:
    """How far learning would have come.

    Attributes:
        rounds: Rounds' worth of updates.
    """

    rounds: float
