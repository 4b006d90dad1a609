"""The figure of the resource grid: who holds which part of the band when, in a typical round of every variant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import MaxNLocator

from wflsim.contracts import FloatArray, IntArray
from wflsim.errors import UserError
from wflsim.figures.anatomy import SMALL, VARIANTS, typical
from wflsim.figures.groups import LUMA
from wflsim.figures.layout import Wanted, legend, panels, share
from wflsim.figures.naming import handy, label, prefixed
from wflsim.figures.scenes import scene
from wflsim.network.timeline import PHASES
from wflsim.records.recorder import Columns
from wflsim.results import Played

LEAST_IN, ROW_IN, MOST_IN = 2.1, 0.17, 4.2
"""Height of a panel at least, more for every grant, and at most."""
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
"""Of those who hold neighbouring parts of the band, in turn."""
PALE = 0.72
"""Share of white in the colour of a grant on which nothing is sent yet."""
FREE: Mapping[str, Any] = {
    "facecolor": "white",
    "edgecolor": "0.8",
    "hatch": "/////",
    "linewidth": 0,
}
EDGE: Mapping[str, Any] = {"edgecolor": "0.2", "linewidth": 0.35}
LINE: Mapping[str, Any] = {"color": "0.5", "linewidth": 0.2}
NO_EDGE: Mapping[str, Any] = {"edgecolor": "none", "linewidth": 0}
MANY = 300
"""Rectangles from which on edges would hide them."""
BEFORE, ACTIVE = PHASES[:-2], PHASES[:-1]
MOST_LINES = 60
"""Resource blocks up to which each has a line of its own."""
ROOM_PT = (4.2, 6.0)
"""Width of a digit and height of a number that stands in a grant."""
_NONE = 1e-9
"""Share of the band, and seconds, that are nothing."""


Part = tuple[float, float]
"""A part of the band, from and to in Hz."""


@dataclass(frozen=True, eq=False)
class Grants:
    """Who held how much of the band when, a row a grant.

    Attributes:
        device: Who held it, shape (G,).
        from_s: Since when, from the begin of the round, shape (G,).
        send_s: When it began to send, shape (G,).
        until_s: Until when, shape (G,).
        width_hz: How much, shape (G,).
    """

    device: IntArray
    from_s: FloatArray
    send_s: FloatArray
    until_s: FloatArray
    width_hz: FloatArray

    def sending(self, length_s: float) -> float:
        """Return the hertz-seconds on which something was sent within a round."""
        begin_s, end_s = np.maximum(self.send_s, 0.0), np.minimum(self.until_s, length_s)
        return float((self.width_hz * np.maximum(end_s - begin_s, 0.0)).sum())


@dataclass(frozen=True)
class Piece:
    """A part of the band that is drawn for a grant.

    Attributes:
        row: The grant.
        low_hz: Where it begins.
        high_hz: Where it ends.
    """

    row: int
    low_hz: float
    high_hz: float


def draw(one: Played, wanted: Wanted, variants: Sequence[str]) -> Figure:
    """Return the figure of a run, a panel for each of the first variants."""
    loaded, names = scene(one).scenario, list(variants)[:VARIANTS]
    total_hz = loaded.world.radio.bandwidth_hz
    found = {name: _round(one, name) for name in names}
    if not any(len(grants.device) for _, grants in found.values()):
        raise UserError(f"{one.folder.path}: nobody was granted any band; draw phases or progress")
    most = max(len(grants.device) for _, grants in found.values())
    height_in = min(max(LEAST_IN, 0.6 + ROW_IN * most), MOST_IN)
    figure, axes = panels(len(names), wanted.width_in, height_in)
    for panel, (name, (about, grants)) in zip(axes, found.items(), strict=True):
        band(panel, about, grants, total_hz)
        blocks(panel, total_hz, loaded.systems[name].procedures.uplink.block_hz)
        used = grants.sending(about["length_s"]) / (total_hz * max(about["length_s"], _NONE))
        panel.set_title(f"{name}\n{100 * used:.3g} % sent on", loc="left", pad=3)
    share(axes)
    legend(figure, patches())
    return figure


def _round(one: Played, variant: str) -> tuple[Mapping[str, Any], Grants]:
    rounds, clients = (one.folder.read(table, variant=variant) for table in ("rounds", "clients"))
    about, _ = typical(rounds, clients)
    if not about:
        raise UserError(
            f"{one.folder.path}: of '{variant}' no round is over; play the run on, or choose others with --variant"
        )
    return about, granted(about, clients)


def granted(about: Mapping[str, Any], clients: Columns) -> Grants:
    """Return the grants that were held in an exchange, of updates that began before it as well.

    Args:
        about: Its row of the table of rounds.
        clients: All rows of its variant in the table of clients.
    """
    from_s = clients["began_s"] - about["start_s"]
    before_s, active_s = (
        np.sum([clients[f"{phase}_s"] for phase in phases], axis=0) for phases in (BEFORE, ACTIVE)
    )
    until_s, width_hz = from_s + active_s, clients["bandwidth_hz"]
    within = (until_s > _NONE) & (from_s < about["length_s"] - _NONE) & (width_hz > 0.0)
    rows = np.flatnonzero(within & (active_s > 0.0))
    rows = rows[np.lexsort((clients["device"][rows], from_s[rows]))]
    return Grants(
        device=clients["device"][rows],
        from_s=from_s[rows],
        send_s=(from_s + before_s)[rows],
        until_s=until_s[rows],
        width_hz=width_hz[rows],
    )


def stacked(grants: Grants, total_hz: float) -> list[Piece]:
    """Return where grants are drawn: from the bottom of the band up, in the order of begin and device, on what is free.

    A grant that fits into no gap is drawn in several pieces. No two overlap unless more was granted than there is.
    """
    pieces: list[Piece] = []
    gaps: list[Part] = []
    for row, width_hz in enumerate(grants.width_hz):
        begin_s = grants.from_s[row]
        if not row or begin_s != grants.from_s[row - 1]:
            busy = [piece for piece in pieces if grants.until_s[piece.row] > begin_s + _NONE]
            gaps = _gaps(busy, total_hz)
        parts, gaps = _taken(gaps, float(width_hz))
        pieces += [Piece(row, low_hz, high_hz) for low_hz, high_hz in parts]
    return pieces


def _gaps(busy: Sequence[Piece], total_hz: float) -> list[Part]:
    """Return what is free of the band, from the bottom up."""
    gaps, low_hz = [], 0.0
    for piece in sorted(busy, key=lambda piece: piece.low_hz):
        if piece.low_hz - low_hz > _NONE * total_hz:
            gaps.append((low_hz, piece.low_hz))
        low_hz = max(low_hz, piece.high_hz)
    return [*gaps, (low_hz, total_hz)] if total_hz - low_hz > _NONE * total_hz else gaps


def _taken(gaps: Sequence[Part], width_hz: float) -> tuple[list[Part], list[Part]]:
    """Return parts of gaps that have a width together, of the first that has all of it or else of all in turn; and what is left."""
    roomy = [gap for gap in gaps if gap[1] - gap[0] >= width_hz * (1.0 - _NONE)][:1]
    parts, left, needed_hz = [], [], width_hz
    for gap in gaps:
        low_hz, high_hz = gap
        taken_hz = min(needed_hz, high_hz - low_hz) if gap in (roomy or [gap]) else 0.0
        needed_hz -= taken_hz
        if taken_hz > 0.0:
            parts.append((low_hz, low_hz + taken_hz))
        if high_hz - low_hz - taken_hz > _NONE * width_hz:
            left.append((low_hz + taken_hz, high_hz))
    return parts, left


def band(axes: Axes, about: Mapping[str, Any], grants: Grants, total_hz: float) -> None:
    """Draw an exchange: pale while a grant waits, full while its device sends, hatched where nobody holds the band."""
    length_s = float(about["length_s"]) or 1.0
    across, unit = prefixed(length_s, "s")
    up, prefix = handy("bandwidth_hz", np.array([total_hz]))
    axes.set(xlim=(0.0, 1.01 * across * length_s), ylim=(0.0, up * total_hz))
    axes.add_patch(Rectangle((0.0, 0.0), across * length_s, up * total_hz, zorder=0.5, **FREE))
    shapes: list[Rectangle] = []
    for place, piece in enumerate(stacked(grants, total_hz)):
        colour, device = COLOURS[place % len(COLOURS)], int(grants.device[piece.row])
        from_s, send_s, until_s = (
            across * float(ends[piece.row])
            for ends in (grants.from_s, grants.send_s, grants.until_s)
        )
        low, high = up * piece.low_hz, up * piece.high_hz
        waits = Rectangle((from_s, low), send_s - from_s, high - low, facecolor=pale(colour))
        sends = Rectangle((send_s, low), until_s - send_s, high - low, facecolor=colour)
        shapes += [waits, sends]
        _number(axes, device, [sends, waits])
    faces, edge = (
        [shape.get_facecolor() for shape in shapes],
        EDGE if len(shapes) < MANY else NO_EDGE,
    )
    axes.add_collection(PatchCollection(shapes, facecolors=faces, **edge), autolim=False)
    if about["deadline_s"] <= 1.01 * length_s:
        axes.axvline(across * about["deadline_s"], color="black", linestyle="--", linewidth=0.8)
    axes.grid(visible=False)
    axes.set_xlabel(f"time in round {about['round']} [{unit}]")
    axes.set_ylabel(label("bandwidth_hz", prefix, "band"))


def _number(axes: Axes, device: int, parts: Sequence[Rectangle]) -> None:
    """Write the number of a device into the first part of its grant in which there is room for it."""
    (left, right), (_, top), box = axes.get_xlim(), axes.get_ylim(), axes.get_window_extent()
    dots = axes.figure.dpi / 72.0
    across_pt, up_pt = box.width / dots / (right - left), box.height / dots / top
    for part in parts:
        begin, end = max(part.get_x(), left), min(part.get_x() + part.get_width(), right)
        wide_pt, high_pt = (end - begin) * across_pt, part.get_height() * up_pt
        if wide_pt > ROOM_PT[0] * len(str(device)) and high_pt > ROOM_PT[1]:
            at = ((begin + end) / 2, part.get_y() + part.get_height() / 2)
            ink = "black" if np.dot(to_rgb(part.get_facecolor()), LUMA) > 0.45 else "white"
            centred: Mapping[str, Any] = {
                "ha": "center",
                "va": "center_baseline",
                "fontsize": SMALL - 1,
            }
            axes.text(*at, str(device), color=ink, **centred)
            return


def pale(colour: str) -> tuple[float, float, float]:
    """Return a colour with much white in it."""
    red, green, blue = (PALE + (1.0 - PALE) * part for part in to_rgb(colour))
    return red, green, blue


def blocks(axes: Axes, total_hz: float, block_hz: float) -> None:
    """Count resource blocks on the right, where a band is granted in them; if they are few, part them by lines."""
    if not block_hz:
        return
    count, beside = int(total_hz / block_hz * (1 + 1e-12)), axes.twinx()
    beside.set_ylim(0.0, total_hz / block_hz)
    beside.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    beside.set_ylabel("resource blocks")
    beside.spines["right"].set_visible(True)
    beside.grid(visible=False)
    if count <= MOST_LINES:
        beside.hlines(np.arange(1, count + 1), 0, 1, transform=beside.get_yaxis_transform(), **LINE)


def patches() -> dict[str, Artist]:
    """Return label → what stands for it in a legend."""
    grey = "#606060"
    return {
        "granted, sending": Patch(facecolor=grey, **EDGE),
        "granted, not sending yet": Patch(facecolor=pale(grey), **EDGE),
        "granted to nobody": Patch(**FREE),
    }
