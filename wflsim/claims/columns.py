"""Claims about recorded columns: one variant's beside another's, and limits that no device may exceed."""

from dataclasses import dataclass
from math import inf, nan

import numpy as np

from channel_models.units import FloatArray, Share
from wflsim.claims.paired import interval, unknown
from wflsim.contracts import Evidence, Judgement, Named
from wflsim.records.recorder import Columns
from wflsim.records.report import STOP

TOLERANCE = 1e-9
"""Relative excess that counts as rounding."""


@dataclass(frozen=True)
class ColumnGap:
    """A quantity's mean over rounds is lower in one variant than in another, or higher, beyond chance.

    Attributes:
        claim: The statement, in our words.
        paper: What the paper says, with its evidence tag.
        of: Variant that it speaks of.
        beside: Variant that it is compared with.
        column: Column of the table of rounds, such as objective or keep_mean.
        below: Whether it is claimed to be lower; else higher.
        share: Least size of the mean difference, as a share of the other's mean; 0 for any.
        stated: The paper's difference, in the column's unit; null where it states none.
    """

    claim: str
    paper: str
    of: str
    beside: str
    column: str
    below: bool
    share: Share = 0.0
    stated: float | None = None

    @property
    def needs(self) -> tuple[Named, ...]:
        """Both variants, and the column."""
        return (
            Named("of", "variants", self.of),
            Named("beside", "variants", self.beside),
            Named("column", "rounds", self.column),
        )

    def judge(self, evidence: Evidence) -> Judgement:
        """Return what the means over rounds say."""
        of, beside = (
            np.array([_mean(by_round(rounds, self.column)) for rounds in evidence.table(variant)])
            for variant in (self.of, self.beside)
        )
        gaps = of - beside
        silent = unknown(gaps.tolist(), f"{self.column} is not known")
        if silent:
            return silent
        if len(gaps) < 2:
            return Judgement("not comparable", "one seed has no interval; play at least two")
        found = interval(gaps.tolist())
        sign = -1.0 if self.below else 1.0
        sure = found.high < 0.0 if self.below else found.low > 0.0
        size = abs(float(beside.mean()))
        large = sign * found.mean >= self.share * size
        reason = f"claimed {'lower' if self.below else 'higher'}; {found.beside(0.0)}"
        if self.share:
            reason += f"; {'at least' if large else 'less than'} {self.share:.1%} of {self.beside}'s {size:.4g}"
        ours = f"{found.mean:+.4g} ({found.told()})"
        return Judgement("met" if sure and large else "missed", reason, found.mean, ours)


@dataclass(frozen=True)
class KeptWithin:
    """No device of a variant exceeds a limit in any round.

    Attributes:
        claim: The statement, in our words.
        paper: What the paper says, with its evidence tag.
        of: Variant that it speaks of.
        column: Column of the table of clients that is limited, or several whose values are added.
        limit: Column of the same table that holds the limits; a row without one is not judged.
        stated: The paper's largest share of the limit; null where it states none.
    """

    claim: str
    paper: str
    of: str
    column: str | tuple[str, ...]
    limit: str
    stated: float | None = None

    def __post_init__(self) -> None:
        """Refuse to judge nothing."""
        if not self.column:
            raise ValueError("column must not be empty; name at least one")

    @property
    def needs(self) -> tuple[Named, ...]:
        """The variant, and the columns."""
        columns = (Named("column", "clients", name) for name in self._added)
        return (
            Named("of", "variants", self.of),
            *columns,
            Named("limit", "clients", self.limit),
        )

    def judge(self, evidence: Evidence) -> Judgement:
        """Return what every device's rows say."""
        rows = exceeding = 0
        largest = -inf
        for clients in evidence.table(self.of, "clients"):
            limit = np.asarray(clients[self.limit], dtype=float)
            value = sum((clients[name] for name in self._added), np.zeros(len(limit)))
            judged = np.isfinite(limit)
            value, limit = value[judged], limit[judged]
            rows += len(limit)
            exceeding += int((~(value <= limit + TOLERANCE * np.abs(limit))).sum())
            largest = max(largest, float(np.max(_shares(value, limit), initial=-inf)))
        if not rows:
            return Judgement("not comparable", f"no device has a {self.limit}")
        reason = f"{exceeding} of {rows} rows exceed {self.limit}"
        ours = f"at most {largest:.4g} of the limit"
        return Judgement("missed" if exceeding else "met", reason, largest, ours)

    @property
    def _added(self) -> tuple[str, ...]:
        return (self.column,) if isinstance(self.column, str) else self.column


def by_round(rounds: Columns, column: str) -> FloatArray:
    """Return a column's mean in each round over its exchanges; what was stopped at the end of the run is none of them."""
    played = (
        rounds["exchange"] != STOP if "exchange" in rounds else np.ones(len(rounds[column]), bool)
    )
    each, values = rounds["round"][played], np.asarray(rounds[column][played], dtype=float)
    return np.array([_mean(values[each == round_]) for round_ in np.unique(each)])


def _mean(values: FloatArray) -> float:
    """Return the mean of what is known; not a number if nothing is."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else nan


def _shares(value: FloatArray, limit: FloatArray) -> FloatArray:
    """Return each value as a share of its limit; nothing is no share of no limit, anything else an infinite one."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(value == 0.0, 0.0, value / limit)
