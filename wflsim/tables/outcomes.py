"""What every system came to, over seeds: means, their intervals, and which are the best."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf, isnan, nan
from typing import Any

import numpy as np
import pandas as pd

from wflsim.claims.paired import SURE, interval
from wflsim.errors import UserError
from wflsim.results import OWN, Results
from wflsim.scenario.remedies import did_you_mean
from wflsim.tables.grid import Cell, Grid
from wflsim.tables.measures import Measure, measure, words
from wflsim.tables.numbers import prefixed, quantity, uncertain

VARIANT = "variant"


@dataclass(frozen=True)
class Outcome:
    """What a system came to in one measure.

    Attributes:
        values: Seed → value, of the seeds in which it is known.
        seeds: Number of seeds that were played.
        best: Whether no other is better than it by more than chance.
    """

    values: Mapping[int, float]
    seeds: int
    best: bool = False

    @property
    def mean(self) -> float:
        """Mean over seeds; not a number if none is known."""
        return float(np.mean(list(self.values.values()))) if self.values else nan

    @property
    def half(self) -> float:
        """Half width of the interval in which the mean lies; not a number for one seed."""
        if len(self.values) < 2:
            return nan
        found = interval(list(self.values.values()))
        return found.high - found.mean


@dataclass(frozen=True)
class Row:
    """A system, at a point of a sweep.

    Attributes:
        about: What tells it from the others: the variant, and before it what its runs were set apart by.
        outcomes: Measure → what it came to.
    """

    about: Mapping[str, Any]
    outcomes: Mapping[str, Outcome]


def outcomes(results: Results, names: Sequence[str]) -> list[Row]:
    """Return a row a variant and point of a sweep, in the order of the runs.

    Args:
        results: What was played.
        names: Columns of its frame of finals.
    """
    finals = results.finals
    if finals.empty:
        raise UserError(f"{results.path}: no variant has come to its end; play on, and ask again")
    numbers = {name: _numbers(results, name) for name in names}
    once = [
        (variant, run) not in results.again
        for variant, run in zip(finals[VARIANT], finals["run"], strict=True)
    ]
    finals = finals[once]
    numbers = {name: values[once] for name, values in numbers.items()}
    about = _told_apart(finals, results)
    groups = about.map(repr).agg("\0".join, axis=1)
    rows = []
    for group in dict.fromkeys(groups):
        here = np.flatnonzero(groups == group)
        seeds = [int(seed) for seed in finals["seed"].iloc[here]]
        if len(set(seeds)) < len(seeds):
            runs = dict.fromkeys(finals["run"].iloc[here].astype(str))
            raise results.twice(str(finals[VARIANT].iloc[here[0]]), list(runs))
        own = {name: _outcome(seeds, values[here]) for name, values in numbers.items()}
        rows.append(Row(about.iloc[here[0]].to_dict(), own))
    return rows


def with_best(rows: Sequence[Row]) -> list[Row]:
    """Return rows in which the best of every measure are marked: the best mean, and who is not surely worse.

    That is whose differences to the best, seed by seed, have an interval with 0 in it; from one seed in common nothing but
    the same value is as good.
    """
    marked = list(rows)
    for name in rows[0].outcomes if rows else ():
        column = best([row.outcomes[name] for row in rows], measure(name).better)
        marked = [
            replace(row, outcomes={**row.outcomes, name: outcome})
            for row, outcome in zip(marked, column, strict=True)
        ]
    return marked


def best(column: Sequence[Outcome], better: int) -> list[Outcome]:
    """Return outcomes with the best marked; 1 where more is better, -1 where less is, 0 where none is the best."""
    known = [outcome for outcome in column if not isnan(outcome.mean)]
    if not known or not better:
        return list(column)
    first = max(known, key=lambda outcome: better * outcome.mean)
    return [replace(outcome, best=as_good(outcome, first)) for outcome in column]


def as_good(outcome: Outcome, first: Outcome) -> bool:
    """Return whether an outcome is the best one, or not surely different from it."""
    if outcome is first:
        return True
    common = [seed for seed in outcome.values if seed in first.values]
    differences = [outcome.values[seed] - first.values[seed] for seed in common]
    if len(differences) < 2:
        return differences == [0.0]
    found = interval(differences)
    return found.low <= 0.0 <= found.high


def grid(rows: Sequence[Row]) -> Grid:
    """Return rows as a table: means with half widths, a unit a column."""
    about = list(rows[0].about)
    measures = [measure(name) for name in rows[0].outcomes]
    scales = [_scale(told, [row.outcomes[told.name] for row in rows]) for told in measures]
    units = [f" [{unit}]" if unit else "" for _, unit in scales]
    header = [*_headers(about), *(m.label + u for m, u in zip(measures, units, strict=True))]
    body = [
        [
            *(Cell(quantity(name, value)) for name, value in row.about.items()),
            *(
                _cell(outcome, factor)
                for outcome, (factor, _) in zip(row.outcomes.values(), scales, strict=True)
            ),
        ]
        for row in rows
    ]
    return Grid(header, body, len(about), _notes(rows))


def plain(rows: Sequence[Row]) -> tuple[list[str], list[list[Any]]]:
    """Return rows as header and lines of unrounded numbers: of each measure mean, half width, seeds, and whether best."""
    names = list(rows[0].outcomes)
    header = [f"{name}{what}" for name in names for what in ("", "_half", "_known", "_best")]
    lines = [
        [
            *row.about.values(),
            *(
                cell
                for outcome in row.outcomes.values()
                for cell in (outcome.mean, outcome.half, len(outcome.values), int(outcome.best))
            ),
        ]
        for row in rows
    ]
    return [*rows[0].about, "seeds", *header], [
        [*line[: len(row.about)], _seeds(row), *line[len(row.about) :]]
        for row, line in zip(rows, lines, strict=True)
    ]


def _numbers(results: Results, name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return a column of the finals as numbers, NaN where nothing is known."""
    finals = results.finals
    apart = {*OWN, *results.axes, VARIANT}
    known = [str(column) for column in finals.columns if column not in apart]
    if name not in known:
        remedy = did_you_mean(name, known, "measures")
        raise UserError(f"{results.path}: no measure '{name}'; {remedy}")
    return finals[name].to_numpy(dtype=np.float64, na_value=nan)


def _told_apart(finals: pd.DataFrame, results: Results) -> pd.DataFrame:
    """Return of every row what tells it from others: scenario, where there are several; axes that vary within one; variant.

    A key of another variant tells nothing of a row.
    """
    own = {name: set(results.axes_of(name)) for name in finals[VARIANT].unique()}
    several, vary = len(set(finals["scenario"])) > 1, []
    found = finals[["scenario", VARIANT]].copy()
    for axis in results.axes:
        ours = np.array([axis in own[name] for name in finals[VARIANT]])
        texts = finals[axis][ours].map(repr)
        if texts.groupby(finals["scenario"][ours]).nunique().max() > 1:
            told = [value if mine else "" for value, mine in zip(finals[axis], ours, strict=True)]
            found[axis] = pd.Series(told, finals.index, dtype=object)
            vary.append(axis)
    return found[[*(["scenario"] if several else []), *vary, VARIANT]]


def _outcome(seeds: Sequence[int], values: Any) -> Outcome:
    pairs = zip(seeds, map(float, values), strict=True)
    return Outcome({seed: value for seed, value in pairs if not isnan(value)}, len(seeds))


def _scale(told: Measure, column: Sequence[Outcome]) -> tuple[float, str]:
    """Return by what to divide a column's values, and the unit after that."""
    sizes = [abs(outcome.mean) for outcome in column if 0 < abs(outcome.mean) < inf]
    divide, unit = prefixed(float(np.median(sizes)) if sizes else 0.0, told.unit)
    return divide / told.factor, unit


def _headers(about: Sequence[str]) -> list[str]:
    """Return keys as headers: their last words where these are enough to tell them apart."""
    short = [words(name.rpartition(".")[2]) for name in about]
    return [one if short.count(one) == 1 else name for one, name in zip(short, about, strict=True)]


def _cell(outcome: Outcome, divide: float) -> Cell:
    told = uncertain(outcome.mean / divide, outcome.half / divide)
    part = len(outcome.values) not in (0, outcome.seeds)
    return Cell(
        told + (f" ({len(outcome.values)} of {outcome.seeds})" if part else ""), outcome.best
    )


def _seeds(row: Row) -> int:
    return max((outcome.seeds for outcome in row.outcomes.values()), default=0)


def _notes(rows: Sequence[Row]) -> list[str]:
    """Return what has to be said below a table."""
    counts = sorted({_seeds(row) for row in rows})
    seeds = " to ".join(str(count) for count in dict.fromkeys([counts[0], counts[-1]]))
    one = counts == [1]
    said = [
        "One seed: no intervals."
        if one
        else f"Mean ± half width of the {100 * SURE:g} % interval (Student's t) over {seeds} seeds."
    ]
    cells = [outcome for row in rows for outcome in row.outcomes.values()]
    if any(len(cell.values) not in (0, cell.seeds) for cell in cells):
        said.append("(n of N): the mean of those n seeds of N that have a value.")
    if any(cell.best for cell in cells):
        rest = "" if one else f", and what is not surely worse (paired t, {100 - 100 * SURE:g} %)"
        said.append(f"Marked: the best of a column{rest}.")
    return said
