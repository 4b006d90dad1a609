"""The figure of progress: how good models are over rounds, simulated seconds and joules, with what seeds say together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from wflsim.claims.paired import interval
from wflsim.contracts import FloatArray
from wflsim.figures.layout import Wanted, legend, panels, share
from wflsim.figures.lines import apart_marks, handles, known, looks, names, numbers, of_line
from wflsim.figures.naming import handy, in_percent, label, scale, stretch

OVER = {"round": "round", "s": "end_s", "j": "energy_j"}
"""What progress is drawn over → the column; joules are those of all rounds so far."""
Steps = tuple[FloatArray, FloatArray]
"""Where a measure was known, and what it was, both of shape (N,); it holds until it is known anew."""


@dataclass(frozen=True, eq=False)
class Curve:
    """A mean over seeds with its 95 % interval; all of shape (N,).

    Attributes:
        where: Rounds, seconds or joules.
        mean: The mean.
        low: Lower end of the interval; minus infinity from one seed.
        high: Upper end; infinity from one seed.
    """

    where: FloatArray
    mean: FloatArray
    low: FloatArray
    high: FloatArray


def draw(frames: Mapping[str, pd.DataFrame], wanted: Wanted) -> Figure:
    """Return the figure of the rounds."""
    rounds = known(frames["rounds"], wanted.measure)
    over = [wanted.over] if wanted.over else list(OVER)
    figure, axes = panels(len(over), wanted.width_in)
    for panel, what in zip(axes, over, strict=True):
        progress(panel, rounds, wanted.measure, what)
    share(axes)
    legend(figure, handles(rounds))
    return figure


def progress(axes: Axes, rounds: pd.DataFrame, measure: str, over: str) -> None:
    """Draw a measure over rounds, seconds or joules, a line and a band a line of the frame."""
    column, factor = OVER[over], scale(measure)
    curves = {line: together(steps(of_line(rounds, line), measure, over)) for line in names(rounds)}
    at = np.concatenate([curve.where for curve in curves.values()])
    unit, prefix = (1.0, "") if over == "round" else handy(column, at)
    for place, (line, look) in enumerate(looks(rounds).items()):
        curve, between = curves[line], "default" if over == "round" else "steps-post"
        axes.plot(
            unit * curve.where,
            factor * curve.mean,
            drawstyle=between,
            label=line,
            markevery=apart_marks(place),
            **look,
        )
        if np.isfinite(curve.low).all():
            axes.fill_between(
                unit * curve.where,
                factor * curve.low,
                factor * curve.high,
                step=None if over == "round" else "post",
                color=look["color"],
                alpha=0.18,
                linewidth=0,
            )
    if over == "round":
        axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    else:
        stretch(axes, np.array([curve.where[-1] for curve in curves.values() if len(curve.where)]))
    axes.set_xlabel(label(column, prefix))
    axes.set_ylabel(label(measure))
    within(axes, measure)


def within(axes: Axes, measure: str) -> None:
    """Let an axis of percents, or of Jain's index, end where these do."""
    if in_percent(measure) or measure == "accuracy_jain":
        low, high = axes.get_ylim()
        most = 101.0 if in_percent(measure) else 1.01
        axes.set_ylim(max(low, 0.0), min(high, most))


def steps(rounds: pd.DataFrame, measure: str, over: str) -> list[Steps]:
    """Return of each run of a line where a measure was known, and what it was."""
    found = []
    for _, run in rounds.groupby("run", observed=True, sort=False):
        at = numbers(run, OVER[over])
        at = np.cumsum(at) if over == "j" else at
        value = numbers(run, measure)
        rows = np.flatnonzero(~np.isnan(value))
        rows = rows[np.argsort(at[rows], kind="stable")]
        if len(rows):
            found.append((at[rows], value[rows]))
    return found


def together(runs: Sequence[Steps]) -> Curve:
    """Return what runs say together, at all places where any of them steps and all are there.

    >>> one, other = (np.array([1.0, 3.0]), np.array([0.2, 0.4])), (np.array([2.0, 3.0]), np.array([0.4, 0.8]))
    >>> found = together([one, other])
    >>> found.where.tolist(), found.mean.round(3).tolist()
    ([2.0, 3.0], [0.3, 0.6])
    """
    at = np.unique(np.concatenate([where for where, _ in runs]))
    first, last = max(where[0] for where, _ in runs), min(where[-1] for where, _ in runs)
    at = at[(at >= first) & (at <= last)]
    values = [value[np.searchsorted(where, at, side="right") - 1] for where, value in runs]
    found = [interval(list(of)) for of in zip(*values, strict=True)]
    mean, low, high = (
        np.array([getattr(each, end) for each in found], dtype=np.float64)
        for end in ("mean", "low", "high")
    )
    return Curve(at, mean, low, high)
