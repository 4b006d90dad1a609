"""What is drawn of systems in the report: who they are, what each came to, and how it came there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, isnan
from typing import Any

import numpy as np
import pandas as pd

from wflsim.claims.paired import interval
from wflsim.contracts import FloatArray
from wflsim.figures.lines import MEASURES as GOODNESS
from wflsim.figures.lines import apart, framed, names, numbers, of_line, shown
from wflsim.figures.progress import OVER, Curve, Steps, steps, together
from wflsim.results import Results
from wflsim.tables.measures import measure

COSTS = ("simulated_s", "energy_j", "up_bits")
"""What accuracy is traded for."""
CURVES, MEASURED = 24, 6
"""Curves, and measures of each, that progress tells at most."""
POINTS, LEAST_POINTS, NUMBERS = 120, 16, 90_000
"""Points of a curve at most and at least, and numbers in all curves together."""
Datum = tuple[float, float | None, int]
"""A mean over seeds, half of its interval if it has one, and from how many seeds."""


@dataclass(frozen=True, eq=False)
class Systems:
    """The systems of some runs: variants at points of a sweep, each over all its seeds.

    Attributes:
        variants: The variants.
        names: What each system is called.
        variant_of: System by system the place of its variant.
        point_of: System by system the point of the sweep in words; empty where there is but one.
        finals: Rows of the finals with a column ``line``, the system.
        rounds: Rows of the rounds with the same.
        measures: Accuracies and losses that they tell, what was chosen first.
    """

    variants: Sequence[str]
    names: Sequence[str]
    variant_of: Sequence[int]
    point_of: Sequence[str]
    finals: pd.DataFrame
    rounds: pd.DataFrame
    measures: Sequence[str]


def systems(results: Results, variants: Sequence[str] = (), chosen: str = "") -> Systems:
    """Return the systems of what was played.

    Args:
        results: What was played.
        variants: Those to show, in this order; none for all.
        chosen: The measure that comes first; empty for the usual order.
    """
    frames = framed(results, {"finals": (), "rounds": ()}, variants)
    finals, called = frames["finals"], names(frames["finals"])
    firsts = finals.groupby("line", observed=True, sort=False).first().loc[called]
    there = shown(results, variants)
    points = {name: apart(results.runs, results.axes_of(name)) for name in there}
    return Systems(
        there,
        called,
        [there.index(str(name)) for name in firsts["variant"]],
        [
            points[str(name)][str(run)]
            for name, run in zip(firsts["variant"], firsts["run"], strict=True)
        ],
        finals,
        frames["rounds"],
        measured(frames["rounds"], finals, chosen),
    )


def measured(rounds: pd.DataFrame, finals: pd.DataFrame, chosen: str = "") -> list[str]:
    """Return the accuracies and losses of which any value is known, what was chosen first."""
    there = dict.fromkeys([*rounds.columns, *finals.columns])
    found = [
        str(name)
        for name in there
        if str(name).startswith(GOODNESS)
        and any(name in frame and frame[name].notna().any() for frame in (rounds, finals))
    ]
    return sorted(found, key=lambda name: name != chosen)


def column(name: str) -> dict[str, Any]:
    """Return how a measure is told: its label, unit, the factor of this unit, and which direction is better."""
    how = measure(name)
    better = -1 if name.startswith(("loss_", "calibration_")) else how.better
    return {"label": how.label, "unit": how.unit, "factor": how.factor, "better": better}


def trade_off(found: Systems) -> dict[str, Any]:
    """Return what systems came to: of every system measure → mean, half of its interval, and number of seeds."""
    costs = [name for name in COSTS if name in found.finals]
    return {
        "x": costs,
        "y": [*found.measures, *costs],
        "points": [
            {
                name: known
                for name in (*found.measures, *costs)
                if (known := datum(ends(found, line, name))) is not None
            }
            for line in found.names
        ],
    }


def ends(found: Systems, line: str, name: str) -> list[float]:
    """Return of every run of a system the value at its end: as the finals tell it, or else the last that is known."""
    if name in found.finals:
        values = numbers(of_line(found.finals, line), name)
    else:
        runs = of_line(found.rounds, line).groupby("run", observed=True, sort=False)
        values = runs[name].last().to_numpy(dtype=np.float64)
    return [float(value) for value in values if not isnan(value)]


def datum(values: Sequence[float]) -> Datum | None:
    """Return the mean of one value a seed with half of its interval.

    >>> datum([1.0]), datum([1.0, 2.0, 3.0]), datum([])
    ((1.0, None, 1), (2.0, 2.4841377, 3), None)
    """
    if not values:
        return None
    told = interval(values)
    half = told.high - told.mean
    return exact(told.mean), exact(half) if isfinite(half) else None, len(values)


def progress(found: Systems) -> dict[str, Any]:
    """Return how good systems were over rounds, seconds and joules: of every system measure → over what → curve.

    A curve is three lists, where, the mean over seeds, and half of its interval, null where there is none; and whether
    all seeds end where it does. Of more curves and measures than can be told the first are.
    """
    lines, there = found.names[:CURVES], found.measures[:MEASURED]
    each = NUMBERS // max(3 * len(OVER) * len(there) * len(lines), 1)
    most = max(LEAST_POINTS, min(POINTS, each))
    return {
        "measures": there,
        "left_out": len(found.names) - len(lines),
        "curves": [curves(of_line(found.rounds, line), there, most) for line in lines],
    }


def curves(rounds: pd.DataFrame, measures: Sequence[str], most: int) -> dict[str, Any]:
    """Return measure → over what → curve of a system's rounds, without measures that it does not tell."""
    told: dict[str, Any] = {}
    for name in measures:
        if rounds[name].notna().any():
            told[name] = {over: told_curve(steps(rounds, name, over), most) for over in OVER}
    return told


def told_curve(runs: Sequence[Steps], most: int) -> list[Any]:
    """Return the curve of some runs as plain data, and whether all of them end where it does."""
    alike = len({float(where[-1]) for where, _ in runs}) == 1
    return [*as_lists(together([thin(each, most) for each in runs]), most), alike]


def thin(run: Steps, most: int) -> Steps:
    """Return a run's steps, or of more than can be told an even choice with both ends."""
    chosen = even(len(run[0]), most)
    return run[0][chosen], run[1][chosen]


def as_lists(curve: Curve, most: int) -> list[list[float] | None]:
    """Return a curve as plain numbers."""
    chosen = even(len(curve.where), most)
    half = (curve.high - curve.mean)[chosen]
    where, mean = ended(curve.where[chosen]), ended(curve.mean[chosen])
    return [where, mean, ended(half) if np.isfinite(half).all() else None]


def even(count: int, most: int) -> list[int]:
    """Return places of an even choice, with both ends.

    >>> even(3, 5), even(9, 3)
    ([0, 1, 2], [0, 4, 8])
    """
    places = np.unique(np.linspace(0, count - 1, min(count, most)).round())
    return [int(place) for place in places]


def rounded(values: FloatArray) -> list[float]:
    """Return numbers with the digits that a drawing needs."""
    return [short(float(value)) for value in values]


def ended(values: FloatArray) -> list[float]:
    """Return numbers with the digits that a drawing needs, but the last with those in which it is told."""
    return [*rounded(values[:-1]), *(exact(float(value)) for value in values[-1:])]


def short(value: float) -> float:
    """Return a number with five significant digits."""
    return float(f"{value:.5g}")


def exact(value: float) -> float:
    """Return a number with eight significant digits, so that rounding it again rounds the number itself."""
    return float(f"{value:.8g}")


def as_data(found: Systems) -> Mapping[str, Any]:
    """Return all that is drawn of systems as plain data."""
    columns = dict.fromkeys([*found.measures, *COSTS])
    return {
        "variants": list(found.variants),
        "lines": [
            {"name": name, "variant": variant, "point": point}
            for name, variant, point in zip(
                found.names, found.variant_of, found.point_of, strict=True
            )
        ],
        "columns": {name: column(name) for name in columns},
        "trade": trade_off(found),
        "progress": progress(found),
    }
