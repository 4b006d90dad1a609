"""Claims about ratios of one variant to another: of seconds, joules, bits."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import nan
from typing import Protocol

import numpy as np

from channel_models.units import Count, FloatArray, Positive
from wflsim.claims.accuracy import final
from wflsim.claims.paired import ROUNDING, spread, unknown
from wflsim.contracts import BoolArray, Evidence, Judgement, Named


@dataclass(frozen=True)
class TimeToAccuracy:
    """A variant needs at most a share of another's simulated time to come close to that one's final accuracy.

    The target of a seed is the other's last accuracy less a margin. A seed in which it is never reached is a miss.

    Attributes:
        claim: The statement, in our words.
        paper: What the paper says, with its evidence tag.
        of: Variant that it speaks of.
        beside: Variant that it is compared with, which sets the target.
        margin: By how much the target is below the final accuracy, as a share.
        most: Largest mean ratio of the times.
        measure: Accuracy in the table of rounds.
        last: Number of the other's last evaluations whose mean is its final accuracy.
        stated: The paper's ratio; null where it states none.
    """

    claim: str
    paper: str
    of: str
    beside: str
    margin: float = 0.01
    most: Positive = 1.0
    measure: str = "accuracy_personal"
    last: Count = 1
    stated: float | None = None

    @property
    def needs(self) -> tuple[Named, ...]:
        """Both variants, and the accuracy."""
        return (*both(self.of, self.beside), Named("measure", "rounds", self.measure))

    def judge(self, evidence: Evidence) -> Judgement:
        """Return what the times say."""
        return _to_accuracy(evidence, self, "end_s", lambda seconds: seconds)


@dataclass(frozen=True)
class SumToAccuracy:
    """A variant needs at most a share of what another spends to come close to that one's final accuracy: bits, or joules.

    The target is that of `time_to_accuracy`. What all rounds up to the one that reaches it have taken is added.

    Attributes:
        claim: The statement, in our words.
        paper: What the paper says, with its evidence tag.
        of: Variant that it speaks of.
        beside: Variant that it is compared with, which sets the target.
        column: Column of the table of rounds that is added, such as up_bits or energy_j.
        margin: By how much the target is below the final accuracy, as a share.
        most: Largest mean ratio of the sums.
        measure: Accuracy in the table of rounds.
        last: Number of the other's last evaluations whose mean is its final accuracy.
        stated: The paper's ratio; null where it states none.
    """

    claim: str
    paper: str
    of: str
    beside: str
    column: str
    margin: float = 0.01
    most: Positive = 1.0
    measure: str = "accuracy_personal"
    last: Count = 1
    stated: float | None = None

    @property
    def needs(self) -> tuple[Named, ...]:
        """Both variants, the accuracy, and the column."""
        named = Named("measure", "rounds", self.measure), Named("column", "rounds", self.column)
        return (*both(self.of, self.beside), *named)

    def judge(self, evidence: Evidence) -> Judgement:
        """Return what the sums say."""
        return _to_accuracy(
            evidence, self, self.column, lambda values: np.cumsum(np.nan_to_num(values))
        )


class _Towards(Protocol):
    """A claim about what it takes to reach an accuracy."""

    @property
    def of(self) -> str: ...
    @property
    def beside(self) -> str: ...
    @property
    def margin(self) -> float: ...
    @property
    def most(self) -> float: ...
    @property
    def measure(self) -> str: ...
    @property
    def last(self) -> int: ...


def _to_accuracy(
    evidence: Evidence, claim: _Towards, column: str, cost: Callable[[FloatArray], FloatArray]
) -> Judgement:
    """Return the verdict on the ratio of what two variants take until they come close to the final accuracy of one."""
    of, beside = evidence.table(claim.of), evidence.table(claim.beside)
    targets = [final(rounds, claim.measure, claim.last) - claim.margin for rounds in beside]
    silent = unknown(targets, f"{claim.beside} was not evaluated")
    if silent:
        return silent
    costs = [
        [
            _until(cost(rounds[column]), rounds[claim.measure] >= target)
            for rounds, target in zip(tables, targets, strict=True)
        ]
        for tables in (of, beside)
    ]
    mine, other = (np.array(found) for found in costs)
    if (other == 0.0).any():
        return Judgement("not comparable", f"{claim.beside} takes no {column} until it is there")
    return _reaching(mine / other, list(evidence.seeds), claim.most)


def _reaching(ratios: FloatArray, seeds: Sequence[int], most: float) -> Judgement:
    """Return the verdict on one ratio a seed, not a number where one of the two never got there."""
    never = [seed for seed, ratio in zip(seeds, ratios, strict=True) if np.isnan(ratio)]
    reached = ratios[~np.isnan(ratios)].tolist()
    if not never:
        return at_most(reached, most)
    reason = f"never reached in {_seeds(never)}"
    if not reached:
        return Judgement("missed", reason, nan, "never reached")
    judged = at_most(reached, most)
    ours = f"never reached in {len(never)} of {len(ratios)} seeds, else {judged.ours}"
    return Judgement("missed", f"{reason}; else {judged.reason}", judged.value, ours)


def _until(cost: FloatArray, there: BoolArray) -> float:
    """Return what it had cost when it was there first; not a number if never."""
    found = np.flatnonzero(there)
    return float(cost[found[0]]) if len(found) else nan


@dataclass(frozen=True)
class TimeRatio:
    """A variant takes at most a share of the simulated time that another takes in all.

    Attributes:
        claim: The statement, in our words.
        paper: What the paper says, with its evidence tag.
        of: Variant that it speaks of.
        beside: Variant that it is compared with.
        most: Largest mean ratio.
        stated: The paper's ratio; null where it states none.
    """

    claim: str
    paper: str
    of: str
    beside: str
    most: Positive = 1.0
    stated: float | None = None

    @property
    def needs(self) -> tuple[Named, ...]:
        """Both variants."""
        return both(self.of, self.beside)

    def judge(self, evidence: Evidence) -> Judgement:
        """Return what the lengths of all exchanges say."""
        return _of_sums(evidence, self.of, self.beside, "length_s", self.most)


@dataclass(frozen=True)
class SumRatio:
    """A variant's sum over all rounds of a quantity is at most a share of another's.

    Attributes:
        claim: The statement, in our words.
        paper: What the paper says, with its evidence tag.
        of: Variant that it speaks of.
        beside: Variant that it is compared with.
        column: Column of the table of rounds, such as up_bits or energy_j.
        most: Largest mean ratio.
        stated: The paper's ratio; null where it states none.
    """

    claim: str
    paper: str
    of: str
    beside: str
    column: str
    most: Positive = 1.0
    stated: float | None = None

    @property
    def needs(self) -> tuple[Named, ...]:
        """Both variants, and the column."""
        return (*both(self.of, self.beside), Named("column", "rounds", self.column))

    def judge(self, evidence: Evidence) -> Judgement:
        """Return what the sums say."""
        return _of_sums(evidence, self.of, self.beside, self.column, self.most)


def both(of: str, beside: str) -> tuple[Named, ...]:
    """Return that two variants must be there."""
    return Named("of", "variants", of), Named("beside", "variants", beside)


def _of_sums(evidence: Evidence, of: str, beside: str, column: str, most: float) -> Judgement:
    """Return the verdict on the ratio of two sums over all rounds in which the column is known."""
    sums = [
        [_sum(rounds[column]) for rounds in evidence.table(variant)] for variant in (of, beside)
    ]
    ratios = [mine / other if other else nan for mine, other in zip(*sums, strict=True)]
    return unknown(ratios, f"{column} is not known or zero") or at_most(ratios, most)


def _sum(values: FloatArray) -> float:
    """Return the sum of what is known; not a number if nothing is."""
    known = values[~np.isnan(values)]
    return float(known.sum()) if len(known) else nan


def at_most(ratios: Sequence[float], most: float) -> Judgement:
    """Return the verdict on one ratio a seed, whose mean has an upper bound."""
    mean, bar = float(np.mean(ratios)), most * (1.0 + ROUNDING)
    met = mean <= bar
    reason = f"mean ratio {mean:.3f}, {'at most' if met else 'above'} the bar of {most:g}"
    held = sum(ratio <= bar for ratio in ratios)
    reason += f"; so it is in {held} of {len(ratios)} seeds" if len(ratios) > 1 else ""
    return Judgement("met" if met else "missed", reason, mean, f"{mean:.3f} ({spread(ratios)})")


def _seeds(seeds: Sequence[int]) -> str:
    return f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"
