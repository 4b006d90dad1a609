"""The figure of the price search, drawn from what the snippets of its page compute.

`python docs/figures.py` writes into that page what its snippets print now.
"""

import contextlib
import io
import re
from collections.abc import Iterator, Sequence
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes  # noqa: TID251  (the documentation draws too)
from matplotlib.axis import Axis  # noqa: TID251
from matplotlib.figure import Figure  # noqa: TID251
from matplotlib.style import context  # noqa: TID251
from matplotlib.ticker import FixedLocator, StrMethodFormatter  # noqa: TID251

from optimizers.frontier import Frontier, frontiers
from optimizers.market import demand
from optimizers.stack import stacked

PAGE = Path(__file__).parent / "allocation.md"
LOW, HIGH, POINTS = 0.09, 1.6, 161  # prices per MHz
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
_BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)


def snippets(page: Path) -> Iterator[tuple[int, str, str | None]]:
    """Yield the line, the code and the output shown, if any, of each block of a page."""
    text = page.read_text("utf-8")
    for found in _BLOCK.finditer(text):
        yield text.count("\n", 0, found.start(1)) + 1, found[1], found[2]


def played(page: Path) -> Iterator[tuple[int, str, str | None, dict[str, Any]]]:
    """Run a page's blocks in order in one namespace; yield line, printed and shown output, names."""
    names: dict[str, Any] = {"__name__": page.stem}
    for line, code, shown in snippets(page):
        with contextlib.redirect_stdout(io.StringIO()) as out:
            exec(compile("\n" * (line - 1) + code, page.name, "exec"), names)  # noqa: S102
        yield line, out.getvalue(), shown, names


def refresh(page: Path) -> None:
    """Write into a page what its blocks print now."""
    outputs = iter([printed for _, printed, _, _ in played(page)])

    def filled(found: re.Match[str]) -> str:
        printed = next(outputs)
        return f"```python\n{found[1]}```\n" + (f"\n```text\n{printed}```\n" if printed else "")

    page.write_text(_BLOCK.sub(filled, page.read_text("utf-8")), "utf-8")


def write(folder: Path) -> None:
    """Write the figure as SVG; it is the same to the byte if the page is."""
    *_, (_, _, _, names) = played(PAGE)
    salt = {"svg.hashsalt": "wflsim"}
    style = files("wflsim.figures") / "paper.mplstyle"
    with as_file(style) as file, context([file, salt]):
        draw(names).savefig(folder / "price_search.svg", metadata={"Date": None})


def draw(names: dict[str, Any]) -> Figure:
    """Return the figure of the page's round and search, given its names; all prices are per MHz."""
    cell, price, labels = names["cell"], names["told"].price * 1e6, names["names"]
    path = np.array([(at * 1e6, share) for at, share, _ in names["path"]])
    prices = _prices(names["front"])
    stack = stacked([cell] * prices.size)
    asked_hz = demand(frontiers(stack), prices[:, None] * 1e-6).bandwidth_hz
    shares = asked_hz / cell.bandwidth_hz

    figure = Figure(figsize=(7.16, 3.3))
    left, right = figure.subplots(1, 2)
    _demand(left, prices, shares, price)
    for name, middle in zip(labels, np.cumsum(shares[0]) - shares[0] / 2, strict=True):
        left.text(LOW * 1.04, middle, name, va="center", fontsize=7)
    near = left.inset_axes((0.52, 0.56, 0.46, 0.44))
    window = (prices > price * 0.9) & (prices < price * 1.1)
    _demand(near, prices[window], shares[window], price)
    _log_axis(left.xaxis, [0.1, 0.2, 0.5, 1.0])
    _log_axis(near.xaxis, [round(price, 2)])
    left.set(xlabel="price λ [objective per MHz]", ylabel="demand over band, Σ b(λ)/B")
    left.set(xlim=(LOW, HIGH), ylim=(0.0, 3.0))
    near.set(xlim=(price * 0.955, price * 1.035), ylim=(0.96, 1.11), yticks=[1.0])
    left.indicate_inset_zoom(near, edgecolor="black")
    _search(left, path, apart=0.15)
    _search(near, path, apart=0.004)
    chosen_mhz = names["answer"].bandwidth_hz / 1e6
    _worth(right, prices, asked_hz / 1e6, labels)
    _choices(right, chosen_mhz, price)
    straight = np.exp(names["front"].above[0, 0, 2]) * 1e6
    right.text(chosen_mhz[1] - 0.04, price * 0.87, "kink", ha="right", va="center", color="C1")
    right.text(1.4, straight * 1.03, "straight", color="C2")
    right.set_xlim(0.0, cell.bandwidth_hz / 1e6)
    figure.legend(*right.get_legend_handles_labels(), loc="outside upper center", ncols=len(labels))
    return figure


def _prices(front: Frontier) -> np.ndarray:
    """Return prices that meet every kink and both sides of every jump, rising."""
    ends = np.exp(np.concatenate([front.above, front.below]).ravel()) * 1e6
    beside = np.outer(ends[(ends > LOW) & (ends < HIGH)], [1.0 - 1e-9, 1.0 + 1e-9])
    return np.unique(np.concatenate([np.geomspace(LOW, HIGH, POINTS), beside.ravel()]))


def _log_axis(axis: Axis, ticks: Sequence[float]) -> None:
    """Put plain numbers on a logarithmic axis."""
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_minor_locator(FixedLocator([]))
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))


def _demand(axes: Axes, prices: np.ndarray, shares: np.ndarray, price: float) -> None:
    """Draw the stacked demand over the price, and where it meets the band."""
    tops = np.cumsum(shares, axis=1)
    for device, top in enumerate(tops.T):
        low = top - shares[:, device]
        axes.fill_between(prices, low, top, color=f"C{device}", alpha=0.35, linewidth=0.0)
        axes.plot(prices, top, color="white", linestyle="-", marker="", linewidth=0.6)
    axes.plot(prices, tops[:, -1], color="black", linestyle="-", marker="", linewidth=1.2)
    axes.axhline(1.0, color="black", linestyle=":", marker="", linewidth=0.9)
    axes.axvline(price, color="black", linestyle=":", marker="", linewidth=0.9)
    axes.grid(visible=False)
    axes.set_xscale("log")


def _search(axes: Axes, path: np.ndarray, apart: float) -> None:
    """Draw the evaluations; those that are hardly apart share a place for their numbers."""
    axes.plot(*path.T, color="0.2", linestyle="-", marker="o", markersize=3.5, linewidth=0.6)
    places = np.column_stack([np.log(path[:, 0]), path[:, 1]])
    first = 0
    for number in range(1, len(path) + 1):
        if number < len(path) and np.abs(places[number] - places[first]).max() < apart:
            continue
        text = str(first + 1) if number == first + 1 else f"{first + 1}–{number}"
        axes.annotate(
            text,
            path[first],
            xytext=(5.0, 3.0),
            textcoords="offset points",
            fontsize=7,
            fontweight="bold",
            annotation_clip=True,
        )
        first = number


def _worth(axes: Axes, prices: np.ndarray, asked_mhz: np.ndarray, labels: Sequence[str]) -> None:
    """Draw the worth of a MHz over bandwidth."""
    for device, (name, line) in enumerate(zip(labels, LINES, strict=True)):
        along, colour = asked_mhz[:, device], f"C{device}"
        axes.plot(along, prices, color=colour, linestyle=line, marker="", label=name)
    axes.set(yscale="log", ylim=(LOW, HIGH))
    axes.set(xlabel="bandwidth b [MHz]", ylabel="worth of one more MHz [objective]")
    _log_axis(axes.yaxis, [0.1, 0.2, 0.5, 1.0])


def _choices(axes: Axes, chosen_mhz: np.ndarray, price: float) -> None:
    """Draw the price, and where the devices stand at it."""
    axes.axhline(price, color="black", linestyle=":", marker="", linewidth=0.9)
    axes.text(0.99, price * 1.04, "price λ", ha="right", transform=axes.get_yaxis_transform())
    for device, mhz in enumerate(chosen_mhz):
        colour = f"C{device}"
        axes.plot(mhz, price, color=colour, marker="o", markersize=5.5, markeredgecolor="black")


if __name__ == "__main__":
    refresh(PAGE)
