"""The figure of allocations: what devices keep, and what band and power they get, by their channel's gain."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wflsim.errors import UserError
from wflsim.figures.layout import Wanted, legend, panels
from wflsim.figures.lines import looks, numbers, of_line, points
from wflsim.figures.naming import handy, label

GIVEN = ("keep", "bandwidth_hz", "power_w")
MANY = 400
"""Points of a line that are drawn at most: an even choice of more."""


def draw(frames: Mapping[str, pd.DataFrame], wanted: Wanted) -> Figure:
    """Return the figure of the devices' parts."""
    clients = frames["clients"]
    clients = clients[np.isfinite(clients["gain_db"])]
    if clients.empty:
        raise UserError("the runs tell no channel's gain: nobody took part in them; play them anew")
    figure, axes = panels(len(GIVEN), wanted.width_in)
    for panel, column in zip(axes, GIVEN, strict=True):
        scatter(panel, clients, column)
    legend(figure, points(clients))
    return figure


def scatter(axes: Axes, clients: pd.DataFrame, column: str) -> None:
    """Draw a column against the gain, a point a device's part in an exchange."""
    unit, prefix = handy(column, numbers(clients, column))
    for line, look in looks(clients).items():
        of = of_line(clients, line)
        of = of.iloc[np.linspace(0, len(of) - 1, min(len(of), MANY)).round().astype(int)]
        axes.plot(
            numbers(of, "gain_db"),
            unit * numbers(of, column),
            color=look["color"],
            marker=look["marker"] or "o",
            linestyle="",
            markersize=2.5,
            markerfacecolor="none",
            markeredgewidth=0.5,
            label=line,
        )
    axes.set_ylim(bottom=0)
    axes.set_xlabel(label("gain_db"))
    axes.set_ylabel(label(column, prefix))
