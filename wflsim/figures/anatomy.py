"""The figure of a round's anatomy: where its seconds and joules go, and which device and phase set its length."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wflsim.clock import FloatArray, IntArray
from wflsim.comparison.causes import active_seconds, decisive, delivered_by
from wflsim.figures.naming import prefixed
from wflsim.figures.paper import styled
from wflsim.figures.phases import LOOKS, happened, mean
from wflsim.network.timeline import PHASES
from wflsim.records.recorder import Columns

VARIANTS = 4
BARS = 36  # in all time lines together
MOST_BARS = 20  # in one of them
FEWEST_BARS = 4  # room for so many, lest the bar of a single device be a wall
ACTIVE = PHASES[:-1]
CLOSE = 0.01  # of a round's length: who delivers so shortly before the end sets it
EDGE: Mapping[str, Any] = {"edgecolor": "0.3", "linewidth": 0.3}
SMALL = 6.5


def draw(title: str, tables: Mapping[str, Mapping[str, Columns]], style: str = "") -> Figure:
    """Return the figure of variant → table → columns, a row of panels for each of the first variants; with a style laid over."""
    names = list(tables)[:VARIANTS]
    clients = {name: tables[name]["clients"] for name in names}
    phases = happened(clients)
    rounds = [typical(tables[name]["rounds"], clients[name]) for name in names]
    limit = min(MOST_BARS, BARS // max(len(names), 1))
    bars = [max(min(len(of["device"]), limit), FEWEST_BARS, len(phases)) for _, of in rounds]
    with styled(style):
        figure = Figure(figsize=(7.16, 0.45 + sum(0.5 + 0.108 * count for count in bars)))
        panels = figure.subplots(
            len(names), 3, squeeze=False, width_ratios=(5, 1.6, 1.6), height_ratios=bars
        )
        for axes, name, (about, of) in zip(panels[:, 0], names, rounds, strict=True):
            timeline(axes, about, of, limit)
            axes.set_title(f"{name} – {told(about, of)}", loc="left", pad=3)
        for column, quantity in ((1, ("time", "s")), (2, ("energy", "J"))):
            values = [mean(of, quantity[1].lower()) for of in clients.values()]
            means(list(panels[:, column]), values, phases, quantity)
        for axes in panels[:, 2]:
            axes.set_yticklabels([])
        left_out = len(tables) - len(names)
        said = f" ({left_out} more variants are not shown)" if left_out else ""
        figure.suptitle(f"{title}{said}", x=0.01, ha="left", fontsize=9, fontweight="bold")
    return figure


def typical(rounds: Columns, clients: Columns) -> tuple[Mapping[str, Any], Columns]:
    """Return a row of the rounds and its rows of the clients: the longest exchange of the round of median length.

    Only rounds that settled an update are looked at, if there are any. Without any round the row is empty.
    """
    rows = np.flatnonzero(np.isin(rounds["round"], clients["round"]))
    rows = rows if len(rows) else np.arange(len(rounds["round"]))
    if not len(rows):
        return {}, clients
    number, place = np.unique(rounds["round"][rows], return_inverse=True)
    order = np.argsort(np.bincount(place, weights=rounds["length_s"][rows]), kind="stable")
    rows = rows[place == order[(len(number) - 1) // 2]]
    row = rows[np.argmax(rounds["length_s"][rows])]
    about = {name: column[row] for name, column in rounds.items()}
    here = (clients["round"] == about["round"]) & (clients["exchange"] == about["exchange"])
    return about, {name: column[here] for name, column in clients.items()}


def critical(clients: Columns) -> tuple[int, str]:
    """Return the device that sets the length of an exchange, and its longest phase before it waits.

    That is the device whose upload ended last among those that delivered; if none did, the one that was at it longest.
    There must be at least one row.
    """
    row = _critical(clients)
    longest = np.argmax([clients[f"{phase}_s"][row] for phase in ACTIVE])
    return int(clients["device"][row]), ACTIVE[int(longest)]


def told(about: Mapping[str, Any], clients: Columns) -> str:
    """Return in words which device and phase set the length of an exchange."""
    if not len(clients["device"]):
        return "no device takes part"
    row, (device, phase) = _critical(clients), critical(clients)
    active_s = active_seconds(clients)[row]
    share = clients[f"{phase}_s"][row] / active_s if active_s > 0 else 0.0
    longest = f"{100 * share:.0f} % {LOOKS[phase].label}"
    if not delivered_by(clients)[row]:
        return f"nothing is delivered, device {device} is at it longest: {longest}"
    finish_s = _finish_s(clients)
    close_s = CLOSE * about["length_s"]
    cut = about["deadline_s"] <= about["length_s"] + 1e-9 and "dropped" in clients["outcome"]
    if cut or about["start_s"] + about["length_s"] - finish_s[row] > close_s:
        return f"device {device} is the last to deliver: {longest}"
    others = int(np.sum(delivered_by(clients) & (finish_s >= finish_s[row] - close_s))) - 1
    with_ = f" with {others} other{'s' if others > 1 else ''}" if others else ""
    return f"device {device} sets the length{with_}: {longest}"


def _finish_s(clients: Columns) -> FloatArray:
    """Return when each device had done what it did before it waited."""
    seconds: FloatArray = clients["began_s"] + active_seconds(clients)
    return seconds


def _critical(clients: Columns) -> int:
    """Return the row of the device that sets the length of an exchange; all rows are of one."""
    one = np.zeros(len(clients["device"]), dtype=np.int64)
    return int(decisive(one, clients)[0])


def shown(clients: Columns, limit: int) -> IntArray:
    """Return the rows to draw, who finishes last first: these, an even spread of the others, and the critical one."""
    order = np.lexsort((clients["device"], -_finish_s(clients)))
    if len(order) <= limit:
        return order
    last = limit // 2
    spread = np.linspace(last, len(order) - 1, limit - last).round().astype(np.int64)
    critical_place = int(np.flatnonzero(order == _critical(clients))[0])
    places = np.union1d(np.arange(last), spread)
    if critical_place not in places:
        places[last - 1] = critical_place
    return order[np.sort(places)]


def timeline(axes: Axes, about: Mapping[str, Any], clients: Columns, limit: int) -> None:
    """Draw an exchange: a bar a device, its phases from left to right, its outcome beside it unless it was on time."""
    axes.grid(visible=False, axis="y")
    axes.set_ylabel("device")
    if not len(clients["device"]):
        axes.set(xticks=[], yticks=[])
        return
    rows = shown(clients, limit)
    factor, unit = prefixed(about["length_s"], "s")
    left = factor * (clients["began_s"][rows] - about["start_s"])
    right, earliest = factor * about["length_s"], left.min()
    for phase in PHASES:
        length = factor * clients[f"{phase}_s"][rows]
        look = LOOKS[phase]
        axes.barh(
            np.arange(len(rows)), length, left=left, color=look.colour, hatch=look.hatch, **EDGE
        )
        left = left + length
    if about["deadline_s"] * factor <= 1.01 * right:
        axes.axvline(about["deadline_s"] * factor, color="black", linestyle="--", linewidth=0.8)
    if earliest < 0:
        axes.axvline(0.0, color="black", linewidth=0.6)
    axes.set_xlim(max(min(0.0, earliest), -0.5 * right), 1.01 * right or 1.0)
    axes.set_xlabel(f"time in round {about['round']}, {about['exchange']} [{unit}]")
    _label(axes, clients, rows)


def _label(axes: Axes, clients: Columns, rows: IntArray) -> None:
    """Write devices to the left of their bars, the critical one bold, and outcomes to the right."""
    ticks = [str(device) for device in clients["device"][rows]]
    axes.set_yticks(np.arange(len(rows)), ticks, fontsize=SMALL)
    axes.set_ylim(max(len(rows), FEWEST_BARS) - 0.4, -0.6)
    if len(rows) < len(clients["device"]):
        axes.set_ylabel(f"device ({len(rows)} of {len(clients['device'])})")
    last = _critical(clients)
    for place, row in enumerate(rows):
        outcome = str(clients["outcome"][row])
        if row == last:
            axes.get_yticklabels()[place].set_fontweight("bold")
        if outcome != "on_time":
            beside = axes.get_yaxis_transform()
            axes.text(1.005, place, outcome, transform=beside, va="center", fontsize=SMALL)


def means(
    panels: Sequence[Axes],
    values: Sequence[Mapping[str, float]],
    phases: Sequence[str],
    quantity: tuple[str, str],
) -> None:
    """Draw the mean of each phase, a panel a variant, all on one scale; its labels are the legend of the figure.

    Args:
        panels: One panel a variant.
        values: Variant by variant, phase → mean over devices and rounds.
        phases: The phases to draw.
        quantity: Its name and unit.
    """
    largest = max(found[phase] for found in values for phase in phases)
    factor, unit = prefixed(largest, quantity[1])
    for axes, found in zip(panels, values, strict=True):
        for place, phase in enumerate(phases):
            look, value = LOOKS[phase], factor * found[phase]
            axes.barh(place, value, color=look.colour, hatch=look.hatch, **EDGE)
            axes.text(value, place, f" {value:.3g}", va="center", fontsize=SMALL)
        axes.set_yticks(range(len(phases)), [LOOKS[phase].label for phase in phases])
        axes.tick_params("y", labelsize=SMALL, length=0)
        axes.set_ylim(len(phases) - 0.4, -0.6)
        axes.set_xlim(0, 1.4 * factor * largest or 1.0)
        axes.grid(visible=False, axis="y")
    panels[-1].set_xlabel(f"{quantity[0]} per device\nand round [{unit}]")
