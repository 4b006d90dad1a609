"""The figure of groups: which devices were moved alike, as a tree and as a matrix, and who belongs together."""

from collections.abc import Mapping
from itertools import groupby

import numpy as np
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from scipy.cluster.hierarchy import dendrogram, linkage
from scipy.spatial.distance import squareform

from wflsim.contracts import FloatArray, IntArray
from wflsim.figures.anatomy import SMALL, VARIANTS
from wflsim.figures.paper import styled
from wflsim.records.recorder import Columns

NAMED = 40  # devices of which every one has room for its name
GREY = "0.45"
LUMA = (0.299, 0.587, 0.114)  # how bright the three primaries are


def draw(title: str, tables: Mapping[str, Mapping[str, Columns]], style: str = "") -> Figure | None:
    """Return the figure of variant → table → columns, a row of panels for each of the first variants with groups; None for none."""
    alike = {name: likeness(tables[name]["groups"]) for name in tables if "groups" in tables[name]}
    alike = {name: found for name, found in alike.items() if len(found[0]) > 1}
    if not alike:
        return None
    names = list(alike)[:VARIANTS]
    heights = [1.1 + 0.075 * min(max(len(alike[name][0]), 12), NAMED) for name in names]
    with styled(style):
        figure = Figure(figsize=(7.16, 0.35 + sum(heights)))
        panels = figure.subplots(
            len(names), 3, squeeze=False, width_ratios=(4, 0.22, 4), height_ratios=heights
        )
        for (tree, strip, matrix), name in zip(panels, names, strict=True):
            device, group, cosine = alike[name]
            order = branches(tree, group, cosine)
            runs = stretches(group[order])
            mark(strip, runs)
            shades = likenesses(matrix, device[order], cosine[np.ix_(order, order)], runs)
            figure.colorbar(shades, ax=matrix, label="cosine", fraction=0.06, pad=0.02)
            tree.set_title(f"{name} – {told(tables[name]['groups'])}", loc="left", pad=3)
        left_out = len(alike) - len(names)
        said = f" ({left_out} more variants are not shown)" if left_out else ""
        figure.suptitle(f"{title}{said}", x=0.01, ha="left", fontsize=9, fontweight="bold")
    return figure


def likeness(groups: Columns) -> tuple[IntArray, IntArray, FloatArray]:
    """Return the devices of which it is known how alike they are, their groups, and the cosine of every two, shapes (K,), (K,), (K, K)."""
    apart = groups["device"] != groups["other"]
    pairs = groups["device"][apart], groups["other"][apart]
    device = np.unique(np.concatenate(pairs))
    first, other = (np.searchsorted(device, each) for each in pairs)
    cosine = np.eye(len(device))
    cosine[first, other] = cosine[other, first] = groups["cosine"][apart]
    own = np.flatnonzero(~apart & np.isin(groups["device"], device))
    return device, groups["group"][own], cosine


def told(groups: Columns) -> str:
    """Return in words how many groups there are, and how many devices are in none."""
    group = groups["group"][groups["device"] == groups["other"]]
    count, without = len(np.unique(group[group >= 0])), int((group < 0).sum())
    several = f"{count} group{'s' if count != 1 else ''} of {len(group) - without} devices"
    return several + (f", {without} in none" if without else "")


def branches(axes: Axes, group: IntArray, cosine: FloatArray) -> IntArray:
    """Draw who is merged with whom at which distance, those of one group in its colour; return devices from top to bottom."""
    distance = np.clip(1.0 - cosine, 0.0, 2.0)
    np.fill_diagonal(distance, 0.0)
    tree = linkage(squareform(distance, checks=False), "average", optimal_ordering=True)
    members: list[set[int]] = [{int(each)} for each in group]
    for one, two, _, _ in tree:
        members.append(members[int(one)] | members[int(two)])
    found = dendrogram(tree, no_plot=True, link_color_func=lambda link: _colour(members[link]))
    lines = [
        np.column_stack([far, np.array(place) / 10 - 0.5])
        for far, place in zip(found["dcoord"], found["icoord"], strict=True)
    ]
    axes.add_collection(LineCollection(lines, colors=found["color_list"], linewidths=1.0))
    axes.set_xlim(1.05 * tree[:, 2].max() or 1.0, 0.0)
    axes.set_ylim(len(group) - 0.5, -0.5)
    axes.set(yticks=[], xlabel="cosine distance, merged at the mean")
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    return np.array(found["leaves"])


def stretches(group: IntArray) -> list[tuple[int, int, int]]:
    """Return where devices of one group stand beside each other: its number, the first place and how many.

    >>> stretches(np.array([1, 1, 0, 1]))
    [(1, 0, 2), (0, 2, 1), (1, 3, 1)]
    """
    found, place = [], 0
    for number, some in groupby(group.tolist()):
        count = len(list(some))
        found.append((number, place, count))
        place += count
    return found


def mark(axes: Axes, runs: list[tuple[int, int, int]]) -> None:
    """Draw the groups in the order of the devices, each with its number."""
    for number, place, count in runs:
        axes.add_patch(Rectangle((0, place - 0.5), 1, count, color=_colour({number}), linewidth=0))
        if NAMED * count < sum(each for _, _, each in runs):
            continue
        at = (0.5, place + (count - 1) / 2)
        ink = "black" if np.dot(to_rgb(_colour({number})), LUMA) > 0.5 else "white"
        axes.text(*at, str(number), ha="center", va="center", color=ink, fontsize=SMALL)
    axes.set_xlim(0, 1)
    axes.set_ylim(sum(count for _, _, count in runs) - 0.5, -0.5)
    axes.set(xticks=[], yticks=[])
    axes.set_title("group", fontsize=SMALL, pad=3)
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)


def likenesses(
    axes: Axes, device: IntArray, cosine: FloatArray, runs: list[tuple[int, int, int]]
) -> AxesImage:
    """Draw the cosine of every two devices, a frame around those of one group; of a device with itself nothing."""
    apart = cosine.copy()
    np.fill_diagonal(apart, np.nan)
    shades = axes.imshow(apart, cmap="cividis", aspect="auto", interpolation="nearest")
    for _, place, count in runs:
        corner = (place - 0.5, place - 0.5)
        axes.add_patch(Rectangle(corner, count, count, fill=False, edgecolor="white", linewidth=2))
        axes.add_patch(Rectangle(corner, count, count, fill=False, edgecolor="black", linewidth=1))
    axes.grid(visible=False)
    step = -(-len(device) // NAMED)
    axes.set_yticks(range(0, len(device), step), device[::step].tolist(), fontsize=SMALL - 1)
    axes.set(xticks=[], xlabel="the same devices", ylabel="device")
    return shades


def _colour(groups: set[int]) -> str:
    """Return the colour of a group; grey for several, and for those in none."""
    if len(groups) > 1 or min(groups) < 0:
        return GREY
    colours: list[str] = rcParams["axes.prop_cycle"].by_key()["color"]
    return f"#{colours[min(groups) % len(colours)].lstrip('#')}"
