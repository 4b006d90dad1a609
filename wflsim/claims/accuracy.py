"""Claims about accuracies: at the end, and at a given time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt

from channel_models.units import Count
from wflsim.claims.paired import ROUNDING, Interval, interval, unknown
from wflsim.contracts import Evidence, Judgement, Named

Columns = Mapping[str, npt.NDArray[Any]]
Evaluations = Annotated[int, ("least", 0)]
TimeShare = Annotated[float, ("above", 0.0), ("most", 1.0)]


@dataclass(frozen=True)
class AccuracyGap:
    """At the end a variant is more accurate than another, or less by a bounded amount.

    The mean over seeds of the paired difference decides; the interval around it is told.

    Attributes:
        claim: The statement, in our words.
        paper: What the paper says, with its evidence tag.
        of: Variant that it speaks of.
        beside: Variant that it is compared with.
        least: Least mean difference, as a share: -0.005 for half a point below.
        measure: Accuracy in the table of rounds.
        last: Number of last evaluations that are averaged.
        skip: Number of evaluations after those that do not count: 1 for what was before a last one of tuned models.
        stated: The paper's difference, as a share; null where it states none.
    """

    claim: str
    paper: str
    of: str
    beside: str
    least: float = 0.0
    measure: str = "accuracy_personal"
    last: Count = 1
    skip: Evaluations = 0
    stated: float | None = None

    @property
    def needs(self) -> tuple[Named, ...]:
        """Both variants, and the accuracy."""
        return (
            Named("of", "variants", self.of),
            Named("beside", "variants", self.beside),
            Named("measure", "rounds", self.measure),
        )

    def judge(self, evidence: Evidence) -> Judgement:
        """Return what the last evaluations say."""
        of, beside = (
            [
                final(rounds, self.measure, self.last, self.skip)
                for rounds in evidence.table(variant)
            ]
            for variant in (self.of, self.beside)
        )
        gaps = np.subtract(of, beside).tolist()
        return unknown(gaps, "nothing was evaluated") or in_points(gaps, self.least)


@dataclass(frozen=True)
class AccuracyAtTime:
    """At a point of simulated time a variant is more accurate than another, or less by a bounded amount.

    Attributes:
        claim: The statement, in our words.
        paper: What the paper says, with its evidence tag.
        of: Variant that it speaks of.
        beside: Variant that it is compared with.
        clock: Variant whose total simulated time counts as one.
        share: Share of that time at which accuracies are compared; each is that of the last evaluation until then.
        least: Least mean difference, as a share: 0.01 for a point above.
        sure: Whether the lower end of the 95 % interval must be above 0, too.
        measure: Accuracy in the table of rounds.
        stated: The paper's difference, as a share; null where it states none.
    """

    claim: str
    paper: str
    of: str
    beside: str
    clock: str
    share: TimeShare = 1.0
    least: float = 0.0
    sure: bool = False
    measure: str = "accuracy_personal"
    stated: float | None = None

    @property
    def needs(self) -> tuple[Named, ...]:
        """The three variants, and the accuracy."""
        return (
            Named("of", "variants", self.of),
            Named("beside", "variants", self.beside),
            Named("clock", "variants", self.clock),
            Named("measure", "rounds", self.measure),
        )

    def judge(self, evidence: Evidence) -> Judgement:
        """Return what the last evaluations until then say."""
        times_s = [self.share * _end_s(rounds) for rounds in evidence.table(self.clock)]
        of, beside = (
            [
                final(until(rounds, time_s), self.measure)
                for rounds, time_s in zip(evidence.table(variant), times_s, strict=True)
            ]
            for variant in (self.of, self.beside)
        )
        gaps = np.subtract(of, beside).tolist()
        when = f"nothing was evaluated until {np.mean(times_s):.4g} s of simulated time"
        return unknown(gaps, when) or in_points(gaps, self.least, self.sure)


def final(rounds: Columns, measure: str, last: int = 1, skip: int = 0) -> float:
    """Return the mean of the last evaluations, some after them left out; not a number if there is none."""
    known = rounds[measure][~np.isnan(rounds[measure])]
    known = known[: len(known) - skip]
    return float(known[-last:].mean()) if len(known) else nan


def _end_s(rounds: Columns) -> float:
    return float(rounds["end_s"].max(initial=0.0))


def until(rounds: Columns, time_s: float) -> Columns:
    """Return the rows of the rounds that ended by a time."""
    rows = rounds["end_s"] <= time_s
    return {name: values[rows] for name, values in rounds.items()}


def in_points(gaps: Sequence[float], least: float, sure: bool = False) -> Judgement:
    """Return the verdict on paired differences of accuracy, one a seed.

    Args:
        gaps: The differences, as shares.
        least: Least mean.
        sure: Whether the interval must lie above 0, too.
    """
    found = interval(gaps)
    points = Interval(100 * found.mean, 100 * found.low, 100 * found.high)
    above = found.mean >= least - 1e-3 * ROUNDING
    met = above and (found.low > 0.0 or not sure)
    words = "at least" if above else "below"
    reason = f"mean {points.mean:+.2f} points, {words} the bar of {100 * least:+g}; "
    reason += points.beside(100 * least)
    if sure:
        reason += f"; it must lie above 0 and {'does' if found.low > 0.0 else 'does not'}"
    ours = f"{points.mean:+.2f} points ({points.told(form='+.2f')})"
    if sure and len(gaps) < 2:
        return Judgement(
            "not comparable", "one seed has no interval; play at least two", found.mean, ours
        )
    return Judgement("met" if met else "missed", reason, found.mean, ours)
