"""The figure of a partition: who holds how many samples of which class, and where in the cell they stand."""

from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from wflsim.contracts import FloatArray, IntArray
from wflsim.figures.layout import Wanted
from wflsim.figures.paper import WIDTHS_IN, styled
from wflsim.learning.partitions.skew import Census

BUBBLES = 40  # devices, beyond which bubbles would be too small and shades are drawn instead
NAMED = 12  # classes, beyond which not every one gets a tick
KEPT = (("training", "0.35"), ("validation", "#E69F00"), ("test", "#56B4E9"))
INK = "#0072B2"
DIGITS = 6.5
SMALL_DIGITS = 5.0
ORIGIN_M = np.zeros((1, 2))  # of a cell alone


def draw(
    title: str,
    found: Census,
    position_m: FloatArray,
    wanted: Wanted | None = None,
    site_m: FloatArray = ORIGIN_M,
) -> Figure:
    """Return the figure: sizes above, classes by devices below, the cell beside them, or below in one column.

    Many devices are sorted by their most frequent class, and all by cluster where they have one.

    Args:
        title: What stands above it.
        found: What lies on the devices.
        position_m: Where they stand, shape (K, 2).
        wanted: How it shall be drawn; None for two columns in the style for papers.
        site_m: Where the sites stand, shape (S, 2).
    """
    order, wanted = arranged(found), wanted or Wanted()
    with styled(wanted.style):
        left, right = _parts(wanted.width_in)
        top, below = left.subplots(2, 1, sharex=True, height_ratios=(1.0, 2.2))
        sizes(top, found.sizes[order])
        (bubbles if len(order) <= BUBBLES else shades)(below, found.counts[order])
        label(below, found, order)
        cell(right.subplots(), found, position_m, site_m)
        figure: Figure = left.figure
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=8, fontweight="bold")
    return figure


def _parts(width_in: float) -> tuple[Any, Any]:
    """Return the parts of a figure for devices and for the cell, beside or below each other."""
    if width_in >= WIDTHS_IN["two"]:
        wide: Any = Figure(figsize=(width_in, 3.0)).subfigures(1, 2, width_ratios=(2.1, 1.0))
        return wide[0], wide[1]
    high: Any = Figure(figsize=(width_in, 5.4)).subfigures(2, 1, height_ratios=(1.15, 0.9))
    return high[0], high[1]


def arranged(found: Census) -> IntArray:
    """Return the devices from left to right, shape (K,)."""
    keys = [np.arange(len(found.counts))]
    if len(found.counts) > BUBBLES:
        keys.append(found.counts.argmax(axis=1))
    if found.clusters is not None:
        keys.append(found.clusters)
    return np.lexsort(keys)


def sizes(axes: Axes, kept: IntArray) -> None:
    """Draw how many samples each device has for what, shape (K, 3)."""
    below, width = np.zeros(len(kept), dtype=np.int64), 0.85 if len(kept) <= BUBBLES else 1.0
    for column, (name, colour) in enumerate(KEPT):
        if kept[:, column].any():
            axes.bar(np.arange(len(kept)), kept[:, column], width, below, color=colour, label=name)
        below = below + kept[:, column]
    axes.set_ylabel("samples")
    axes.grid(visible=False, axis="x")
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 0.98), ncols=3, handlelength=1.0)


def bubbles(axes: Axes, counts: IntArray) -> None:
    """Draw the number of samples of each class on each device as the area of a disc, shape (K, C)."""
    device, label = np.nonzero(counts)
    number = counts[device, label]
    width_pt = min(280.0 / len(counts), 98.0 / counts.shape[1])
    axes.scatter(device, label, width_pt**2 * number / counts.max(), color=INK, linewidths=0)


def shades(axes: Axes, counts: IntArray) -> None:
    """Draw the share of each class on each device as a shade, shape (K, C)."""
    share = counts / counts.sum(axis=1, keepdims=True)
    image = axes.imshow(
        share.T, cmap="Blues", vmin=0.0, vmax=1.0, aspect="auto", interpolation="nearest"
    )
    axes.grid(visible=False)
    bar = axes.figure.colorbar(image, ax=axes, pad=0.01, aspect=12)
    bar.set_label("share of the device")


def label(axes: Axes, found: Census, order: IntArray) -> None:
    """Name the devices and classes, and part the clusters."""
    devices, classes = found.counts.shape
    axes.set(xlim=(-0.6, devices - 0.4), ylim=(classes - 0.4, -0.6), ylabel="class")
    axes.yaxis.set_major_locator(MaxNLocator(NAMED, integer=True))
    axes.xaxis.set_major_locator(MaxNLocator(20, integer=True))
    if devices > BUBBLES:
        axes.set_xlabel("devices, sorted by their most frequent class")
        axes.set_xticks([])
    else:
        axes.set_xlabel("device")
        axes.xaxis.set_major_formatter(
            FuncFormatter(lambda x, _: str(order[int(x)]) if 0 <= x < devices else "")
        )
    if found.clusters is not None:
        for edge in np.flatnonzero(np.diff(found.clusters[order])):
            axes.axvline(edge + 0.5, color="black", linewidth=0.8)
        axes.set_xlabel(f"{axes.get_xlabel()}; lines part clusters")


def cell(axes: Axes, found: Census, position_m: FloatArray, site_m: FloatArray) -> None:
    """Draw each device where it stands as the number of its most frequent class, the paler the smaller its share.

    A number that would lie over another is a dot.
    """
    palette = colormaps["tab10" if found.counts.shape[1] <= 10 else "tab20"]
    size = DIGITS if len(position_m) <= BUBBLES else SMALL_DIGITS
    reach_m = 1.08 * max(float(np.abs(position_m).max()), float(np.abs(site_m).max()), 1.0)
    box = axes.get_window_extent()
    m_per_pt = 2.0 * reach_m / (min(box.width, box.height) / axes.figure.dpi * 72.0)
    main = found.counts.argmax(axis=1)
    room_m = m_per_pt * size * np.array([0.8 * len(str(main.max())), 1.1])
    readable = apart(position_m, room_m)
    for (east_m, north_m), number, share, seen in zip(
        position_m, main, found.largest, readable, strict=True
    ):
        look = {"color": palette(int(number) % palette.N), "alpha": 0.45 + 0.55 * share}
        if seen:
            centred: Any = {"ha": "center", "va": "center", "fontweight": "bold", "fontsize": size}
            axes.text(east_m, north_m, str(number), **centred, **look)
        else:
            axes.plot(east_m, north_m, marker="o", markersize=1.8, **look)
    axes.plot(*site_m.T, linestyle="", marker="^", markersize=5, color="black")
    axes.set(xlim=(-reach_m, reach_m), ylim=(-reach_m, reach_m), aspect="equal")
    axes.set(xlabel="east [m]", ylabel="north [m]")
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.set_title("most frequent class", fontsize=7)


def apart(position_m: FloatArray, room_m: FloatArray) -> list[bool]:
    """Return which places have room for a number, shape (K,): those that are not too near to an earlier one that has.

    Args:
        position_m: The places, shape (K, 2).
        room_m: How wide and how high a number is, shape (2,).

    >>> apart(np.array([[0.0, 0.0], [1.0, 0.0], [2.5, 0.0]]), np.array([2.0, 2.0]))
    [True, False, True]
    """
    taken: list[int] = []
    for place, here_m in enumerate(position_m):
        near = (np.abs(position_m[taken] - here_m) < room_m).all(axis=1)
        if not near.any():
            taken.append(place)
    return [place in taken for place in range(len(position_m))]
