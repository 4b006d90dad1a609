"""What has a line of its own in a figure: a variant at a point of a sweep, over all its seeds; and how lines look."""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import numpy as np
import pandas as pd
from matplotlib import rcParams
from matplotlib.lines import Line2D
from matplotlib.typing import LineStyleType

from wflsim.contracts import FloatArray
from wflsim.errors import UserError
from wflsim.figures.naming import prefixed
from wflsim.results import Results
from wflsim.scenario.quantities import unit_of
from wflsim.scenario.remedies import did_you_mean

KEYS = ("variant", "round", "exchange")


MEASURES = ("accuracy_", "loss_", "calibration_")
"""How names begin of columns that say how good a model is."""
MARK = 0.16
"""How far markers of a line are apart, of a panel's diagonal."""


class Look(TypedDict):
    """How a line is drawn, by matplotlib's names."""

    color: str
    linestyle: LineStyleType
    marker: str


def framed(
    results: Results, tables: Mapping[str, Sequence[str]], variants: Sequence[str] = ()
) -> dict[str, pd.DataFrame]:
    """Return name → frame, each with a column ``line``: who belongs together, in the order of the variants.

    Args:
        results: What was played.
        tables: Name of a table, or ``finals`` → the columns that are needed beside the keys; none for all.
        variants: Those to show, in this order; none for all.
    """
    chosen, runs = shown(results, variants), [one.name for one in results.played]
    called = _called_of(results, chosen)
    lines = list(dict.fromkeys(called.values()))
    place = np.full((len(chosen), len(runs)), -1)
    for (variant, run), line in called.items():
        place[chosen.index(variant), runs.index(run)] = lines.index(line)
    found = {}
    for table, columns in tables.items():
        frame = _read(results, table, columns)
        frame = frame[frame["variant"].isin(chosen)]
        if frame.empty:
            raise UserError(f"{results.path}: {table} are empty, no round is over; play the run on")
        variant_code = pd.Categorical(frame["variant"].astype(str), chosen).codes
        run_code = pd.Categorical(frame["run"], runs).codes
        codes = place[variant_code, run_code]
        own = frame[codes >= 0].copy()
        own["line"] = pd.Categorical.from_codes(codes[codes >= 0].tolist(), pd.Index(lines))
        found[table] = own
    return found


def shown(results: Results, variants: Sequence[str] = ()) -> list[str]:
    """Return the variants to show: those that were asked for, or else all; a mistake if one was not played."""
    played = dict.fromkeys(name for one in results.played for name in one.told["variants"])
    for name in variants:
        if name not in played:
            remedy = did_you_mean(name, list(played), "variants")
            raise UserError(f"--variant {name}: was not played; {remedy}")
    if not played:
        raise UserError(f"{results.path}: no variant was played so far; play the run on")
    return list(dict.fromkeys(variants or played))


def _called_of(results: Results, chosen: Sequence[str]) -> dict[tuple[str, str], str]:
    """Return variant and run → what their line is called, variant by variant; what is there again has no line."""
    points = {variant: apart(results.runs, results.axes_of(variant)) for variant in chosen}
    several = len(chosen) > 1 or not all(points[chosen[0]].values())
    found: dict[tuple[str, str], str] = {}
    first: dict[tuple[str, Any], str] = {}
    for variant in chosen:
        for one in results.played:
            if variant in one.told["variants"] and (variant, one.name) not in results.again:
                line = _called(variant if several else "", points[variant][one.name])
                other = first.setdefault((line, one.owns["seed"]), one.name)
                if other != one.name:
                    raise results.twice(variant, [other, one.name])
                found[variant, one.name] = line
    return found


def _read(results: Results, table: str, columns: Sequence[str]) -> pd.DataFrame:
    if table == "finals":
        return results.finals
    return results.table(table, [*KEYS, *columns] if columns else None)


def _called(*parts: str) -> str:
    return ", ".join(part for part in parts if part)


def apart(runs: pd.DataFrame, axes: Sequence[str]) -> dict[str, str]:
    """Return run → what tells it from others in words: its scenario, where several are there, and the values in which runs of one differ."""
    by_scenario = runs.groupby("scenario", sort=False)
    telling = [
        axis
        for axis in axes
        if (by_scenario[axis].agg(lambda of: of.map(repr).nunique()) > 1).any()
    ]
    several = len(by_scenario) > 1
    return {
        str(own["run"]): _called(
            str(own["scenario"]) if several else "",
            *(worded(axis, own[axis]) for axis in telling),
        )
        for own in runs.to_dict("records")
    }


def worded(key: str, value: Any) -> str:
    """Return a value of the scenario in words.

    >>> worded("radio.bandwidth_hz", 2e6), worded("deadline.share", 0.5), worded("allocator.kind", "equal")
    ('bandwidth 2 MHz', 'share 0.5', 'allocator.kind equal')
    """
    name, unit = key.rpartition(".")[2], unit_of(key)
    if isinstance(value, str):
        return f"{key} {value}"
    if not isinstance(value, float) or not unit:
        return f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
    factor, shown_unit = prefixed(value, unit)
    return f"{name.rpartition('_')[0].replace('_', ' ')} {factor * value:g} {shown_unit}"


def names(frame: pd.DataFrame) -> list[str]:
    """Return the lines that a frame has, in their order."""
    there = set(frame["line"].unique())
    return [line for line in frame["line"].cat.categories if line in there]


def of_line(frame: pd.DataFrame, line: str) -> pd.DataFrame:
    """Return the rows of a line."""
    return frame[frame["line"] == line]


def numbers(frame: pd.DataFrame, column: str) -> FloatArray:
    """Return a column as numbers, shape (rows,)."""
    return np.asarray(frame[column].to_numpy(), dtype=np.float64)


def looks(frame: pd.DataFrame) -> dict[str, Look]:
    """Return line → colour, style and marker, no two alike, and alike in all frames of the same runs.

    From the second turn of the cycle on colours meet other styles.
    """
    cycle, own = {"color": ["black"], **rcParams["axes.prop_cycle"].by_key()}, {}
    for place, line in enumerate(frame["line"].cat.categories):
        turn = place // len(cycle["color"])
        dash, mark = cycle.get("linestyle", ["-"]), cycle.get("marker", [""])
        own[line] = Look(
            color=cycle["color"][place % len(cycle["color"])],
            linestyle=dash[(place + turn) % len(dash)],
            marker=mark[(place + turn) % len(mark)],
        )
    return {line: own[line] for line in names(frame)}


def apart_marks(place: int) -> tuple[float, float]:
    """Return where markers stand on the line with that place: at another distance from its begin than others'."""
    return (0.3 * MARK * (place % 3), MARK)


def handles(frame: pd.DataFrame) -> dict[str, Line2D]:
    """Return line → what stands for it in a legend."""
    return {line: Line2D([], [], **look) for line, look in looks(frame).items()}


def points(frame: pd.DataFrame) -> dict[str, Line2D]:
    """Return line → what stands for it in a legend where only markers are drawn."""
    found = handles(frame)
    for mark in found.values():
        mark.set(linestyle="", marker=mark.get_marker() or "o")
    return found


def known(frame: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Return a frame without the lines that never tell a measure; a mistake if none does."""
    told = [name for name in frame.columns if name.startswith(MEASURES)]
    told = [name for name in told if frame[name].notna().any()]
    if not told:
        raise UserError(
            "the runs tell no accuracy, since nothing was trained in them; draw cdf, phases, allocation or certificate"
        )
    if measure not in frame or not frame[measure].notna().any():
        raise UserError(
            f"the runs do not tell '{measure}'; {did_you_mean(measure, told, 'they tell')}"
        )
    tells = frame[measure].notna().groupby(frame["line"], observed=True).any()
    return frame[frame["line"].isin(tells.index[tells])]
