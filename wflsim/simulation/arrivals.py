"""What the server takes in: the updates of a round by the moment at which they began; and runs that train nothing."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from wflsim.contracts import FloatArray, IntArray, Lateness, Learning, Scores, Turn, Updates
from wflsim.network.timeline import Timeline


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
    """

    began: Beginning
    fresh: bool
    device: IntArray
    keep: FloatArray
    bits: FloatArray
    weight: FloatArray


def arrivals(
    timeline: Timeline, round_: int, began: Mapping[int, Beginning], late: Lateness
) -> list[Arrivals]:
    """Return what the server takes in at the end of a round, the oldest first; devices in rising order."""
    taken = timeline.settled.only(timeline.taken)
    found = []
    for first in np.unique(taken.round_).tolist():
        group = taken.only(taken.round_ == first)
        group = group.only(np.argsort(group.plan.device))
        age = np.full(len(group), round_ - first)
        plan = group.plan
        found.append(
            Arrivals(
                began[first], first == round_, plan.device, plan.keep, plan.bits, late.weight(age)
            )
        )
    return found


def worth(arrivals: Sequence[Arrivals], samples: IntArray) -> float:
    """Return the mean weight of what came, by samples: 1 for a round of fresh updates, 0 where nothing came."""
    weight = sum(float(group.weight @ samples[group.device]) for group in arrivals)
    whole = sum(int(samples[group.device].sum()) for group in arrivals)
    return weight / whole if whole else 0.0


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

    def told_of(self, state: Any, evaluated: bool) -> Mapping[str, float]:
        """Return what is known of a state beyond accuracies, by the names of columns.

        Args:
            state: The state.
            evaluated: Whether the round is one of those that are evaluated.
        """
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

    def told_of(self, state: "Progress", evaluated: bool) -> Mapping[str, float]:
        """Return nothing."""
        return {}

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
