"""How the phases of a round look in every figure, and how long they take on average."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from wflsim.network.timeline import PHASES
from wflsim.records.recorder import Columns

EDGE = {"edgecolor": "0.35", "linewidth": 0.4}


@dataclass(frozen=True)
class Look:
    """How a phase is drawn: colours that all eyes tell apart, hatches that remain in grey print.

    Attributes:
        label: What the device does meanwhile.
        colour: Colour of the area.
        hatch: Hatch on it.
    """

    label: str
    colour: str
    hatch: str


LOOKS: Mapping[str, Look] = {
    "page": Look("being called", "#CC79A7", "xxxxx"),
    "receive": Look("receiving", "0.85", "+++++"),
    "compute": Look("computing", "#0072B2", "/////"),
    "access": Look("gaining access", "#D55E00", "\\\\\\\\\\"),
    "grant": Look("asking to send", "#F0E442", "|||||"),
    "queue": Look("queueing", "#009E73", "-----"),
    "upload": Look("sending", "#E69F00", ""),
    "wait": Look("waiting", "0.96", "...."),
}


def happened(clients: Mapping[str, Columns]) -> list[str]:
    """Return the phases that took time or energy in any of the tables, in order; all of them if none did."""
    found = [
        phase
        for phase in PHASES
        if any(table[f"{phase}_{unit}"].any() for table in clients.values() for unit in "sj")
    ]
    return found or list(PHASES)


def rounds_of_devices(clients: Columns) -> int:
    """Return how many different pairs of a round and a device there are, at least 1."""
    if not len(clients["device"]):
        return 1
    pairs = clients["round"] * (int(clients["device"].max()) + 1) + clients["device"]
    return len(np.unique(pairs))


def mean(clients: Columns, unit: str) -> dict[str, float]:
    """Return phase → mean over devices and rounds, in "s" or "j"; several exchanges of a round add up."""
    pairs = rounds_of_devices(clients)
    return {phase: float(clients[f"{phase}_{unit}"].sum()) / pairs for phase in PHASES}


def stacked(
    axes: Axes, found: Mapping[str, Mapping[str, float]], phases: Sequence[str], factor: float = 1.0
) -> None:
    """Draw phases one after another, a bar a name.

    Args:
        axes: The panel.
        found: Name → phase → its value.
        phases: The phases to draw.
        factor: By what values are multiplied.
    """
    bars, start = list(found), np.zeros(len(found))
    for phase in phases:
        look = LOOKS[phase]
        length = factor * np.array([found[name][phase] for name in bars])
        filled = {"color": look.colour, "hatch": look.hatch, **EDGE}
        axes.barh(bars, length, left=start, label=look.label, **filled)  # type: ignore[arg-type]
        start = start + length
    axes.set_xlim(0, 1.04 * max(start.max(), 1e-12))
    axes.set_ylim(len(bars) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")


def patches(phases: Sequence[str]) -> dict[str, Artist]:
    """Return label → what stands for a phase in a legend."""
    shown = [LOOKS[phase] for phase in phases]
    return {
        look.label: Patch(facecolor=look.colour, hatch=look.hatch, **EDGE)  # type: ignore[arg-type]
        for look in shown
    }
