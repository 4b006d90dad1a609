"""The figure of certificates: how well what allocators answered meets what an optimum has to meet, round by round."""

from collections.abc import Mapping
from math import ceil, log10

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

from wflsim.contracts import FloatArray
from wflsim.errors import UserError
from wflsim.figures.layout import Wanted, legend, panels
from wflsim.figures.lines import apart_marks, handles, looks, of_line
from wflsim.figures.naming import label

RESIDUALS = ("stationarity", "complementarity", "violation", "gap")
LEAST, ROOM = 1e-15, 5
"""Below it the axis goes on to zero without a logarithm; and how many powers of ten have room."""


def draw(frames: Mapping[str, pd.DataFrame], wanted: Wanted) -> Figure:
    """Return the figure of the rounds."""
    rounds = frames["rounds"]
    told = [column for column in RESIDUALS if rounds[column].notna().any()]
    if not told:
        raise UserError(
            "the runs tell no certificate: none of their allocators proves anything; draw a run whose allocator does"
        )
    figure, axes = panels(len(told), wanted.width_in)
    for panel, column in zip(axes, told, strict=True):
        residual(panel, rounds, column)
    legend(figure, handles(rounds))
    return figure


def residual(axes: Axes, rounds: pd.DataFrame, column: str) -> None:
    """Draw the largest of a residual in all runs and exchanges of a round, a line a line of the frame, down to zero."""
    axes.set_yscale("symlog", linthresh=LEAST, linscale=2.0)
    axes.margins(x=0.03)  # no round is named beyond the last
    high = 1e4 * LEAST
    for place, (line, look) in enumerate(looks(rounds).items()):
        at, most = largest(of_line(rounds, line), column)
        axes.plot(at, most, label=line, markevery=apart_marks(place), linewidth=0.8, **look)
        high = max(high, 10 * most.max(initial=0.0))
    axes.set_ylim(-0.2 * LEAST, high)
    axes.yaxis.set_major_locator(FixedLocator(ticks(axes.get_ylim()[1])))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    axes.set_xlabel(label("round"))
    axes.set_ylabel(label(column))


def largest(rounds: pd.DataFrame, column: str) -> tuple[FloatArray, FloatArray]:
    """Return the rounds in which a residual is known and finite, and the largest there."""
    known = rounds[np.isfinite(rounds[column])]
    found = known[column].abs().groupby(known["round"], sort=True).max()
    return found.index.to_numpy(np.float64), found.to_numpy(np.float64)


def ticks(high: float) -> list[float]:
    """Return zero and the powers of ten to label up to a value, as many as have room.

    >>> ticks(0.2), ticks(1e-11)
    ([0.0, 0.1, 0.0001, 1e-07, 1e-10, 1e-13], [0.0, 1e-11, 1e-12, 1e-13])
    """
    least, most = round(log10(LEAST)), round(log10(high) - 0.5 + 1e-9)
    step = max(1, ceil((most - least) / ROOM))
    return [0.0, *(float(f"1e{power}") for power in range(most, least + 1, -step))]
