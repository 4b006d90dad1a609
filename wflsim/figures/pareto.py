"""The figure of what accuracy costs: accuracy at the end against seconds and joules, and who is dominated by nobody."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from wflsim.claims.paired import Interval, interval
from wflsim.contracts import BoolArray, FloatArray
from wflsim.figures.layout import Wanted, legend, panels, share
from wflsim.figures.lines import known, looks, names, numbers, of_line, points
from wflsim.figures.naming import handy, label, scale, stretch
from wflsim.figures.progress import within

COSTS = {"simulated_s": "end_s", "energy_j": "energy_j"}
"""What was spent until the end → the column that has its unit."""
FRONT_LABEL = "dominated by none"
FRONT = {"color": "0.45", "linewidth": 0.9, "linestyle": "-", "zorder": 1}


def draw(frames: Mapping[str, pd.DataFrame], wanted: Wanted) -> Figure:
    """Return the figure of the finals."""
    finals = known(frames["finals"], wanted.measure)
    figure, axes = panels(len(COSTS), wanted.width_in, 2.1)
    for panel, cost in zip(axes, COSTS, strict=True):
        trade(panel, finals, wanted.measure, cost)
    share(axes)
    legend(figure, marks(finals))
    return figure


def marks(finals: pd.DataFrame) -> dict[str, Artist]:
    """Return what stands in the legend: a marker a line of the frame, and the front."""
    found = points(finals)
    return {**found, FRONT_LABEL: Line2D([], [], **{**FRONT, "marker": ""})}  # type: ignore[arg-type]


def trade(axes: Axes, finals: pd.DataFrame, measure: str, cost: str) -> None:
    """Draw a measure at the end against a cost, a marker with both 95 % intervals a line of the frame."""
    lines, factor = names(finals), scale(measure)
    spent = [interval(list(numbers(of_line(finals, line), cost))) for line in lines]
    gained = [_interval(numbers(of_line(finals, line), measure)) for line in lines]
    unit, prefix = handy(COSTS[cost], np.array([each.mean for each in spent]))
    for (line, look), x, y in zip(looks(finals).items(), spent, gained, strict=True):
        axes.errorbar(
            unit * x.mean,
            factor * y.mean,
            xerr=unit * _half(x),
            yerr=factor * _half(y),
            label=line,
            elinewidth=0.8,
            **{**look, "linestyle": "", "marker": look["marker"] or "o", "markersize": 4.5},  # type: ignore[arg-type]
        )
    at = np.array([[unit * x.mean, factor * y.mean] for x, y in zip(spent, gained, strict=True)])
    best = at[front(at)]
    best = best[np.argsort(best[:, 0], kind="stable")]
    axes.plot(best[:, 0], best[:, 1], marker="", label=FRONT_LABEL, **FRONT)  # type: ignore[arg-type]
    stretch(axes, at[:, 0])
    if axes.get_xscale() == "linear":
        axes.set_xlim(left=max(axes.get_xlim()[0], 0.0))
    axes.set_xlabel(label(COSTS[cost], prefix))
    axes.set_ylabel(label(measure))
    within(axes, measure)


def front(points: FloatArray) -> BoolArray:
    """Return which points no other dominates: none costs no more and gains no less, and differs.

    Args:
        points: Cost and gain of each, shape (N, 2).

    >>> front(np.array([[1.0, 0.5], [2.0, 0.9], [3.0, 0.8], [2.0, 0.9]])).tolist()
    [True, True, False, True]
    """
    cost, gain = points[:, 0], points[:, 1]
    no_worse = (cost[:, None] <= cost) & (gain[:, None] >= gain)
    better = (cost[:, None] < cost) | (gain[:, None] > gain)
    dominated: BoolArray = np.any(no_worse & better, axis=0)
    return ~dominated


def _interval(values: FloatArray) -> Interval:
    return interval(list(values[~np.isnan(values)]))


def _half(found: Interval) -> float:
    """Return half of an interval; nothing where one seed has none."""
    return found.high - found.mean if np.isfinite(found.high) else 0.0
