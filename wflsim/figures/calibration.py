"""The figure of a calibration: our distributions as lines, the companies' medians as crosses with what is allowed."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from channel_models.calibration import Comparison, Curves
from wflsim.figures.paper import styled

PANELS = {"coupling": "coupling gain [dB]", "geometry": "geometry without noise [dB]"}
STEPS = 400


def draw(found: Mapping[str, tuple[Curves, Sequence[Comparison]]]) -> Figure:
    """Return the figure of network → its curves and their comparison."""
    with styled():
        figure = Figure()
        panels = dict(zip(PANELS, figure.subplots(1, 2, sharey=True), strict=True))
        for curve, axes in panels.items():
            for index, (name, (curves, rows)) in enumerate(found.items()):
                values_db = curves.coupling_db if curve == "coupling" else curves.geometry_db
                distribution(axes, name, values_db, f"C{index}")
                references(axes, [row for row in rows if row.curve == curve], f"C{index}")
            axes.set_xlabel(PANELS[curve])
            axes.set_ylim(0, 100)
        panels["coupling"].set_ylabel("devices below [%]")
        last = panels["geometry"]
        last.errorbar(
            [],
            [],
            xerr=[],
            color="0.3",
            marker="x",
            linestyle="",
            label="3GPP, and what is allowed",
        )
        last.legend(loc="lower right")
    return figure


def distribution(axes: Axes, name: str, values_db: np.ndarray, colour: str) -> None:
    """Draw the share of devices below each value, in per cent."""
    percent = np.linspace(0.0, 100.0, STEPS + 1)
    axes.plot(np.percentile(values_db, percent), percent, color=colour, marker="", label=name)


def references(axes: Axes, rows: Sequence[Comparison], colour: str) -> None:
    """Draw the companies' medians, and how far from them a gated percentile may be."""
    for row in rows:
        if row.theirs_db is not None:
            axes.errorbar(
                row.theirs_db,
                row.percent,
                xerr=row.tolerance_db,
                color=colour,
                marker="x",
                linestyle="",
                elinewidth=0.8,
                capsize=2.0,
            )
