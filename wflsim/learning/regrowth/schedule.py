"""Which round of a method that groups, prunes and tunes has which exchanges; no torch."""

from dataclasses import dataclass
from typing import Literal

from wflsim.contracts import Turn

Phase = Literal["train", "cluster", "prune", "score", "tune"]


@dataclass(frozen=True)
class Schedule:
    """What happens in which round.

    Attributes:
        warmup: Rounds T1 before devices are grouped.
        settling: Rounds T2 from then on before anything is pruned.
        pruning: Rounds T3 from then on, in which there are pruning steps.
        every: Rounds from one pruning step to the next.
        tunes: Whether devices tune their own models in all rounds that follow.

    >>> plan = Schedule(warmup=1, settling=0, pruning=3, every=2, tunes=True)
    >>> [plan.phases(round_) for round_ in range(4)]
    [('train',), ('cluster', 'prune', 'train'), ('train',), ('prune', 'train')]
    >>> plan.phases(4), plan.left(1), plan.left(3)
    (('tune',), 2, 1)
    """

    warmup: int
    settling: int
    pruning: int
    every: int
    tunes: bool

    def phases(self, round_: int) -> tuple[Phase, ...]:
        """Return the exchanges of a round, in order."""
        if self.tunes and round_ >= self._pruned:
            return ("tune",)
        found: list[Phase] = ["cluster"] if round_ == self.warmup else []
        since = round_ - self.warmup - self.settling
        if 0 <= since < self.pruning and since % self.every == 0:
            found.append("prune")
        return (*found, "train")

    def phase(self, turn: Turn) -> Phase | None:
        """Return what a turn is for; None where the round is over."""
        return _phase(self.phases(turn.round_), turn)

    def steps(self, round_: int) -> int:
        """Return how many pruning steps there have been once a round's own, if it has one, is done."""
        since = min(round_ - self.warmup - self.settling, self.pruning - 1)
        return since // self.every + 1 if since >= 0 else 0

    def left(self, round_: int) -> int:
        """Return how many pruning steps are left before a round's own, that one included."""
        return max(1, self.all_steps - self.steps(round_) + 1)

    @property
    def all_steps(self) -> int:
        """Number of pruning steps."""
        return -(-self.pruning // self.every)

    @property
    def _pruned(self) -> int:
        return self.warmup + self.settling + self.pruning


@dataclass(frozen=True)
class Plain:
    """What happens in which round of a method that decides at most once what is pruned.

    Attributes:
        scores: Whether everybody tells what matters before the first round's training.
        tunes: Round from which on devices tune their own models; None for never.

    >>> [Plain(scores=True, tunes=2).phases(round_) for round_ in range(3)]
    [('score', 'train'), ('train',), ('tune',)]
    """

    scores: bool = False
    tunes: int | None = None

    def phases(self, round_: int) -> tuple[Phase, ...]:
        """Return the exchanges of a round, in order."""
        if self.tunes is not None and round_ >= self.tunes:
            return ("tune",)
        return ("score", "train") if self.scores and round_ == 0 else ("train",)

    def phase(self, turn: Turn) -> Phase | None:
        """Return what a turn is for; None where the round is over."""
        return _phase(self.phases(turn.round_), turn)


def _phase(phases: tuple[Phase, ...], turn: Turn) -> Phase | None:
    return phases[turn.step] if turn.step < len(phases) else None
