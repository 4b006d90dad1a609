"""The figure of a run: accuracy over simulated time, and where the seconds of a round go."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wflsim.figures.paper import styled, write
from wflsim.figures.phases import happened, mean, stacked
from wflsim.records.folder import RunFolder
from wflsim.records.recorder import Columns


def draw(title: str, tables: Mapping[str, Mapping[str, Columns]], style: str = "") -> Figure:
    """Return the figure of variant → table → columns, with a style laid over."""
    with styled(style):
        figure = Figure()
        left, right = figure.subplots(1, 2, width_ratios=(3, 2))
        rounds = {name: found["rounds"] for name, found in tables.items()}
        known = any((~np.isnan(table["accuracy_personal"])).any() for table in rounds.values())
        (accuracy_over_time if known else updates_over_time)(left, rounds)
        seconds_of_a_round(right, {name: found["clients"] for name, found in tables.items()})
        figure.suptitle(title, x=0.01, ha="left", fontsize=9, fontweight="bold")
    return figure


def accuracy_over_time(axes: Axes, rounds: Mapping[str, Columns]) -> None:
    """Draw the mean accuracy of the devices' own models against simulated seconds."""
    for name, table in rounds.items():
        known = ~np.isnan(table["accuracy_personal"])
        seconds, accuracy = table["end_s"][known], 100 * table["accuracy_personal"][known]
        axes.plot(seconds, accuracy, label=name, markevery=max(1, len(seconds) // 12))
    axes.set_xlabel("simulated time [s]")
    axes.set_ylabel("accuracy on own test data [%]")
    axes.set_xlim(left=0)
    axes.set_ylim(0, 103)
    above(axes, handlelength=3)


def updates_over_time(axes: Axes, rounds: Mapping[str, Columns]) -> None:
    """Draw how many updates the server has taken in against simulated seconds, for runs that train nothing."""
    for name, table in rounds.items():
        taken = np.cumsum(table["on_time"] + table["late"])
        axes.plot(table["end_s"], taken, label=name, markevery=max(1, len(taken) // 12))
    axes.set_xlabel("simulated time [s]")
    axes.set_ylabel("updates taken in")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    above(axes, handlelength=3)


def seconds_of_a_round(axes: Axes, clients: Mapping[str, Columns]) -> None:
    """Draw, for each variant, the mean time that a device spends in each phase of a round."""
    stacked(axes, {name: mean(of, "s") for name, of in clients.items()}, happened(clients))
    axes.set_xlabel("seconds of a round, mean over devices [s]")
    above(axes, handlelength=1.2)


def above(axes: Axes, handlelength: float) -> None:
    """Put the legend above a panel, where it covers no data."""
    anchor = (0.45, 1.0)
    axes.legend(
        loc="lower center",
        bbox_to_anchor=anchor,
        ncols=4,
        handlelength=handlelength,
        columnspacing=0.9,
    )


def save(figure: Figure, folder: RunFolder, name: str) -> Path:
    """Write the figure as PNG and as PDF with embedded fonts; return the path of the PNG."""
    for ending in (".pdf", ".png"):
        write(figure, folder.path / f"{name}{ending}")
    return folder.path / f"{name}.png"
