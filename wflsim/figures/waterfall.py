"""The figure of a waterfall: from what one variant spends to what another does, phase by phase, in parts that sum to the whole."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, log10
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wflsim.comparison.causes import REST, ROUNDS, Causes, mean
from wflsim.comparison.compared import causes
from wflsim.comparison.sides import Account
from wflsim.errors import UserError
from wflsim.figures.layout import Wanted
from wflsim.figures.lines import apart
from wflsim.figures.naming import handy, label
from wflsim.figures.paper import WIDTHS_IN
from wflsim.figures.phases import EDGE, LOOKS
from wflsim.results import Results

MOST = 4
"""Other variants, or points of a sweep, that are drawn."""
WORTH = 0.005
"""Share of the larger total below which a part is drawn with others that are as small."""
DIGITS = 4
"""Digits of the largest total that are told; nothing is drawn that is less than half of the last."""
OTHERS = {ROUNDS: "number of rounds", REST: "in no phase", "": "all else"}
COLUMNS = {"s": ("end_s", "simulated time"), "J": ("energy_j", "energy")}
PLAIN: Any = {"color": "0.55", "hatch": ""}
LINE: Any = {"color": "0.2", "linewidth": 0.5}
SMALL = 6.5
MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True)
class Step:
    """A step of a waterfall.

    Attributes:
        name: A phase, the number of rounds, what no phase explains, or nothing for what is small.
        start: The level from which it goes.
        by: By how much.
    """

    name: str
    start: float
    by: float


def draw(results: Results, wanted: Wanted, variants: Sequence[str]) -> Figure:
    """Return the figure: from the first variant to each other, means over the runs that have both."""
    falls = found(results, variants)
    wide = wanted.width_in >= WIDTHS_IN["two"]
    sides = [each for pair in falls.values() for each in pair]
    if not any(each.a or each.b for each in sides):
        raise UserError(f"{results.path}: nothing was spent, no round is over; play the run on")
    rows = [len(steps(each)) + 2 for each in sides]
    most = [max(rows[k : k + 2]) for k in range(0, len(rows), 2)] if wide else rows
    heights_in = [0.62 + 0.15 * count for count in most]
    figure = Figure(figsize=(wanted.width_in, sum(heights_in)))
    panels = figure.subplots(
        len(heights_in), 2 if wide else 1, squeeze=False, height_ratios=heights_in
    )
    ends = [(variants[0], name) for (name, _) in falls for _ in range(2)]
    points = [point for (_, point) in falls for _ in range(2)]
    for axes, side, (one, other), point in zip(panels.flat, sides, ends, points, strict=True):
        fall(axes, side, one, other)
        axes.set_title(point, loc="left", pad=3)
    return figure


def found(
    results: Results, variants: Sequence[str]
) -> dict[tuple[str, str], tuple[Causes, Causes]]:
    """Return variant and point of a sweep → what its seconds and joules differ by from the first variant's, mean over runs.

    Differences are those of the first less the other.
    """
    if len(variants) < 2:
        raise UserError(
            f"{results.path}: a waterfall goes from one variant to others, and there is but one, '{variants[0]}'; "
            "draw phases, or name runs of several variants"
        )
    told: dict[tuple[str, str], list[Sequence[Causes]]] = {}
    for name in variants[1:]:
        concern = {*results.axes_of(variants[0]), *results.axes_of(name)}
        points = apart(results.runs, [axis for axis in results.axes if axis in concern])
        for one in results.played:
            again = {(each, one.name) for each in (variants[0], name)} <= results.again
            if {variants[0], name} <= set(one.told["variants"]) and not again:
                both = causes(Account(one, variants[0]), Account(one, name))
                told.setdefault((name, points[one.name]), []).append(both)
    if not told:
        raise UserError(
            f"{results.path}: no run has both '{variants[0]}' and another variant; choose others with --variant"
        )
    if len(told) > MOST:
        raise UserError(
            f"{results.path}: would be {len(told)} waterfalls, and a page holds {MOST}; choose with --variant, or name fewer runs"
        )
    return {
        key: (mean([s for s, _ in each]), mean([j for _, j in each])) for key, each in told.items()
    }


def steps(causes: Causes) -> list[Step]:
    """Return the steps from the one total to the other: parts worth one in their order, then all else together."""
    size = max(abs(causes.a), abs(causes.b))
    parts = {part.name: -part.difference for part in causes.parts}
    worth = {name: by for name, by in parts.items() if abs(by) >= WORTH * size and by}
    rest = sum(by for name, by in parts.items() if name not in worth)
    found, level = [], causes.a
    for name, by in {**worth, **({"": rest} if abs(rest) >= last_digit(size) / 2 else {})}.items():
        found.append(Step(name, level, by))
        level += by
    return found


def last_digit(size: float) -> float:
    """Return what one of the last digit is worth that is told beside a number.

    >>> last_digit(12.84), last_digit(0.9), last_digit(0.0)
    (0.01, 0.0001, 0.0001)
    """
    return float(f"1e{ceil(log10(size or 1.0)) - DIGITS}")


def fall(axes: Axes, causes: Causes, one: str, other: str) -> None:
    """Draw a waterfall from top to bottom, a bar a step between the totals of two variants."""
    made = steps(causes)
    column, words = COLUMNS[causes.unit]
    levels = [0.0, causes.a, causes.b, *(step.start + step.by for step in made)]
    low, high = min(levels), max(levels)
    factor, prefix = handy(column, np.array([low, high]))
    low, high = factor * low, factor * high
    digits = max(0, -round(log10(last_digit(max(-low, high)))))
    bars = [Step(one, 0.0, causes.a), *made, Step(other, 0.0, causes.b)]
    for row, step in enumerate(bars):
        total = row in (0, len(bars) - 1)
        axes.barh(
            row,
            factor * step.by,
            left=factor * step.start,
            **_look("" if total else step.name, total=total),
        )
        said = f"{factor * step.by:{'' if total else '+'}.{digits}f}".replace("-", MINUS)
        edge = factor * max(step.start, step.start + step.by)
        axes.text(edge, row, f" {said}", va="center_baseline", fontsize=SMALL)
        if row + 1 < len(bars):
            axes.vlines(factor * (step.start + step.by), row - 0.36, row + 1.36, **LINE)
    axes.set_yticks(range(len(bars)), [one, *(_called(step.name) for step in made), other])
    axes.set_ylim(len(bars) - 0.4, -0.6)
    axes.set_xlim(low - 0.02 * (high - low) if low else 0.0, high + 0.2 * (high - low) or 1.0)
    if low:  # one variant played more rounds of less each
        axes.axvline(0.0, zorder=0.5, **LINE)
    axes.grid(visible=False, axis="y")
    axes.tick_params("y", length=0)
    axes.set_xlabel(label(column, prefix, words))


def _look(name: str, *, total: bool) -> dict[str, Any]:
    """Return how a bar is drawn: those of phases as in all figures."""
    phase: Any = (
        {"color": LOOKS[name].colour, "hatch": LOOKS[name].hatch} if name in LOOKS else PLAIN
    )
    return {"height": 0.72, **({"color": "0.25"} if total else {**phase, **EDGE})}


def _called(name: str) -> str:
    return LOOKS[name].label if name in LOOKS else OTHERS[name]
