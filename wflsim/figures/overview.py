"""The figure of a run: accuracy over simulated time, and where the seconds of a round go."""

from collections.abc import Mapping
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.style import context

from wflsim.figures.phases import LOOKS, happened, mean
from wflsim.records.folder import RunFolder
from wflsim.records.recorder import Columns


def draw(title: str, tables: Mapping[str, Mapping[str, Columns]]) -> Figure:
    """Return the figure of variant → table → columns."""
    with as_file(files("wflsim.figures") / "paper.mplstyle") as style, context(style):
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
    names = list(clients)
    start = np.zeros(len(names))
    seconds = [mean(clients[name], "s") for name in names]
    for phase in happened(clients):
        look = LOOKS[phase]
        length = np.array([found[phase] for found in seconds])
        axes.barh(
            names,
            length,
            left=start,
            label=look.label,
            color=look.colour,
            hatch=look.hatch,
            edgecolor="0.35",
            linewidth=0.4,
        )
        start = start + length
    axes.set_xlim(0, 1.04 * max(start.max(), 1e-12))
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
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
    with as_file(files("wflsim.figures") / "paper.mplstyle") as style, context(style):
        folder.write(
            f"{name}.pdf", lambda path: figure.savefig(path, metadata={"CreationDate": None})
        )
        return folder.write(
            f"{name}.png", lambda path: figure.savefig(path, metadata={"Software": None})
        )
