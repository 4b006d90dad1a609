"""The figure of a calibration: our distributions as lines, the companies' medians as crosses with what is allowed."""

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from channel_models.calibration import CASES, Comparison, Curves, compare, deployment, drops
from wflsim.figures.layout import Wanted, legend, panels, share
from wflsim.figures.naming import LONG
from wflsim.figures.networks import NETWORKS
from wflsim.figures.paper import WIDTHS_IN, styled

CARRIER_GHZ, DEVICES, DROPS = 6.0, 6000, 3
"""At what carrier 3GPP's curves are kept, and how many devices are dropped how often."""
HEIGHT_IN = 2.3
PANELS = {"coupling": "coupling gain [dB]", "geometry": "geometry without noise [dB]"}
STEPS = 400


def draw(wanted: Wanted) -> Figure:
    """Return the figure of all networks that 3GPP's curves are kept for."""
    curves = {case: drops(deployment(case, CARRIER_GHZ), DEVICES, DROPS) for case in CASES}
    return of(
        {NETWORKS[c]: (found, compare(c, CARRIER_GHZ, found)) for c, found in curves.items()},
        wanted,
    )


def of(
    found: Mapping[str, tuple[Curves, Sequence[Comparison]]], wanted: Wanted | None = None
) -> Figure:
    """Return the figure of network → its curves and their comparison; without more, in two columns for papers."""
    wanted = wanted or Wanted()
    with styled(wanted.style):
        wide = wanted.width_in >= WIDTHS_IN["two"]
        figure, both = panels(2, wanted.width_in, HEIGHT_IN)
        cycle = rcParams["axes.prop_cycle"].by_key()
        looks: dict[str, Any] = {
            name: {"color": colour, "linestyle": style, "marker": ""}
            for name, colour, style in zip(found, cycle["color"], cycle["linestyle"], strict=False)
        }
        for curve, axes in zip(PANELS, both, strict=True):
            for name, (curves, rows) in found.items():
                values_db = curves.coupling_db if curve == "coupling" else curves.geometry_db
                distribution(axes, values_db, looks[name])
                references(axes, [row for row in rows if row.curve == curve], looks[name]["color"])
            axes.set_xlabel(PANELS[curve] if wide else fill(PANELS[curve], LONG))
            axes.set_ylim(0, 100)
            axes.set_ylabel("devices below [%]")
        share(both)
        theirs = Line2D([], [], color="0.3", marker="x", linestyle="")
        lines = {name: Line2D([], [], **look) for name, look in looks.items()}
        legend(figure, {**lines, "3GPP, and what is allowed": theirs})
    return figure


def distribution(axes: Axes, values_db: np.ndarray, look: Mapping[str, Any]) -> None:
    """Draw the share of devices below each value, in per cent."""
    percent = np.linspace(0.0, 100.0, STEPS + 1)
    axes.plot(np.percentile(values_db, percent), percent, **look)


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
