"""The figure of a partition: who holds how many samples of which class, and where in the cell they stand."""

from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from wflsim.contracts import FloatArray, IntArray
from wflsim.figures.paper import styled
from wflsim.learning.partitions.skew import Census

BUBBLES = 40  # devices, beyond which bubbles would be too small and shades are drawn instead
NAMED = 12  # classes, beyond which not every one gets a tick
KEPT = (("training", "0.35"), ("validation", "#E69F00"), ("test", "#56B4E9"))
INK = "#0072B2"
DIGITS = 6.5
SMALL_DIGITS = 5.0


def draw(title: str, found: Census, position_m: FloatArray) -> Figure:
    """Return the figure: sizes above, classes by devices below, the cell beside them.

    Many devices are sorted by their most frequent class, and all by cluster where they have one.

    Args:
        title: What stands above it.
        found: What lies on the devices.
        position_m: Where they stand, shape (K, 2).
    """
    order = arranged(found)
    with styled():
        figure = Figure(figsize=(7.16, 3.0))
        panels: Any = figure.subfigures(1, 2, width_ratios=(2.1, 1.0))
        left, right = panels
        top, below = left.subplots(2, 1, sharex=True, height_ratios=(1.0, 2.2))
        sizes(top, found.sizes[order])
        (bubbles if len(order) <= BUBBLES else shades)(below, found.counts[order])
        label(below, found, order)
        cell(right.subplots(), found, position_m)
        figure.suptitle(title, x=0.01, ha="left", fontsize=8, fontweight="bold")
    return figure


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


def cell(axes: Axes, found: Census, position_m: FloatArray) -> None:
    """Draw each device where it stands as the number of its most frequent class, the paler the smaller its share."""
    palette = colormaps["tab10" if found.counts.shape[1] <= 10 else "tab20"]
    size = DIGITS if len(position_m) <= BUBBLES else SMALL_DIGITS
    for (east_m, north_m), main, share in zip(
        position_m, found.counts.argmax(axis=1), found.largest, strict=True
    ):
        axes.text(
            east_m,
            north_m,
            str(main),
            color=palette(int(main) % palette.N),
            alpha=0.45 + 0.55 * share,
            fontsize=size,
            fontweight="bold",
            ha="center",
            va="center",
        )
    axes.plot(0.0, 0.0, marker="^", markersize=5, color="black")
    reach_m = 1.08 * max(float(np.abs(position_m).max()), 1.0)
    axes.set(xlim=(-reach_m, reach_m), ylim=(-reach_m, reach_m), aspect="equal")
    axes.set(xlabel="east [m]", ylabel="north [m]")
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.set_title("most frequent class", fontsize=7)
