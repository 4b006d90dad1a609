"""The figure of phases: where the seconds and joules of a round go, a bar a line."""

from collections.abc import Mapping
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wflsim.figures.layout import Wanted, legend, panels, share
from wflsim.figures.lines import names, of_line
from wflsim.figures.naming import handy, label
from wflsim.figures.phases import happened, mean, patches, stacked
from wflsim.network.timeline import PHASES
from wflsim.records.recorder import Columns

COLUMNS = tuple(f"{phase}_{unit}" for unit in "sj" for phase in PHASES)
MEANS = {
    "s": ("length_s", "time a device and round"),
    "j": ("energy_j", "energy a device and round"),
}
LONG = 22
"""Letters of a bar's name that stand on one line."""


def draw(frames: Mapping[str, pd.DataFrame], wanted: Wanted) -> Figure:
    """Return the figure of the devices' parts: a bar of seconds and one of joules a line of the frame."""
    clients = frames["clients"]
    phases = told(clients)
    figure, axes = panels(2, wanted.width_in, height_in(clients))
    for panel, unit in zip(axes, "sj", strict=True):
        spent(panel, clients, unit)
    share(axes)
    legend(figure, patches(phases))
    return figure


def height_in(clients: pd.DataFrame) -> float:
    """Return how high a panel of bars has to be for the lines of a frame."""
    lines = [broken(line).count("\n") + 1 for line in names(clients)]
    return 0.75 + sum(0.08 + 0.14 * count for count in lines)


def broken(line: str) -> str:
    r"""Return the name of a bar on lines that are not long, each part on its own.

    >>> broken("fedavg, bandwidth 1 MHz")
    'fedavg,\nbandwidth 1 MHz'
    """
    return "\n".join(fill(part, LONG) for part in line.replace(", ", ",\n").splitlines())


def told(clients: pd.DataFrame) -> list[str]:
    """Return the phases that took time or energy in any line of a frame."""
    return happened({"": columns(clients)})


def columns(clients: pd.DataFrame) -> Columns:
    """Return what phases need of a frame as arrays."""
    return {name: clients[name].to_numpy() for name in ("round", "device", *COLUMNS)}


def spent(axes: Axes, clients: pd.DataFrame, unit: str) -> None:
    """Draw the mean seconds or joules of each phase, over devices, rounds and then runs, stacked to a bar a line."""
    found = {}
    for line in names(clients):
        runs = of_line(clients, line).groupby("run", observed=True, sort=False)
        means = [mean(columns(run), unit) for _, run in runs]
        found[broken(line)] = {p: float(np.mean([of[p] for of in means])) for p in PHASES}
    largest = max(sum(of.values()) for of in found.values())
    column, words = MEANS[unit]
    factor, prefix = handy(column, np.array([largest]))
    stacked(axes, found, told(clients), factor)
    axes.set_xlabel(label(column, prefix, words))
