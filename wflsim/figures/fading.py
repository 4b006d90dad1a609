"""The figure of fading: channels' gains over rounds and devices, and what of them is large scale and what fading."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from wflsim.contracts import FloatArray
from wflsim.errors import UserError
from wflsim.figures.distributions import distribution
from wflsim.figures.layout import Wanted, legend
from wflsim.figures.naming import label
from wflsim.figures.paper import WIDTHS_IN
from wflsim.records.recorder import Columns
from wflsim.results import Played

BETWEEN = (5.0, 95.0)
"""Percentiles of a device's gains that its bar goes from and to."""
NAMED = {True: 20, False: 14}
"""In two columns or not → devices of which every one has room for its number."""
LEAST_DB = 2.0
"""Decibels that an axis and the shades go over at least."""
APART = {
    "devices' means about all devices' mean": {"color": "black", "linestyle": "--", "marker": ""},
    "gains about their device's mean": {"color": "#0072B2", "linestyle": "-", "marker": ""},
}
"""What is distributed → its line."""


def draw(one: Played, wanted: Wanted, variants: Sequence[str]) -> Figure:
    """Return the figure of a run: the first variant's channels, and those of all that had the same."""
    gain_db, alike = together([gains(one, name) for name in variants])
    device = np.flatnonzero(~np.isnan(gain_db).all(axis=1))
    if not len(device):
        raise UserError(
            f"{one.folder.path}: tells no channel's gain: nobody took part in it; play it anew"
        )
    mean_db = np.nanmean(gain_db[device], axis=1)
    order = np.argsort(-mean_db, kind="stable")
    wide = wanted.width_in >= WIDTHS_IN["two"]
    figure = Figure(figsize=(wanted.width_in, 2.5 if wide else 4.2))
    places, ratios = ("abc", (2.2, 1.0, 1.0)) if wide else ("aa;bc", (1.0, 1.0))
    axes = figure.subplot_mosaic(places, width_ratios=ratios)
    numbers = [str(each) for each in device[order]] if len(device) <= NAMED[wide] else []
    heat(axes["a"], gain_db[device][order], numbers, len(gain_db))
    if not all(alike):
        said = ", ".join(name for name, same in zip(variants, alike, strict=True) if same)
        axes["a"].set_title(said, loc="left", pad=3)
    levels(axes["b"], gain_db[device][order], numbers)
    scales(axes["c"], gain_db[device])
    legend(figure, {what: Line2D([], [], **look) for what, look in APART.items()})  # type: ignore[arg-type]
    return figure


def gains(one: Played, variant: str) -> FloatArray:
    """Return the gain of each device in each round, in dB, shape (K, N); not a number where it took no part."""
    clients = one.folder.read("clients", ["round", "age", "device", "gain_db"], variant)
    rounds = one.folder.read("rounds", ["round"], variant)["round"]
    shape = (int(one.told["resolved"]["fleet"]["devices"]), int(rounds.max(initial=-1)) + 1)
    return over_rounds(clients, shape)


def over_rounds(clients: Columns, shape: tuple[int, int]) -> FloatArray:
    """Return gains by device and the round in which each update began, shape (K, N)."""
    found = np.full(shape, np.nan)
    began = clients["round"] - clients["age"]
    found[clients["device"], began] = clients["gain_db"]
    found[~np.isfinite(found)] = np.nan
    return found


def together(found: Sequence[FloatArray]) -> tuple[FloatArray, list[bool]]:
    """Return the gains of the first variant, with what others know besides, and which of them nowhere disagree with it.

    >>> one, two, three = (np.array([[-70.0, gain]]) for gain in (np.nan, -80.0, -90.0))
    >>> together([one, two, three])
    (array([[-70., -80.]]), [True, True, False])
    """
    rounds = max(each.shape[1] for each in found)
    wide = [np.pad(f, ((0, 0), (0, rounds - f.shape[1])), constant_values=np.nan) for f in found]
    whole, alike = wide[0], [True]
    for each in wide[1:]:
        both = ~np.isnan(whole) & ~np.isnan(each)
        alike.append(bool(np.allclose(whole[both], each[both], rtol=0.0, atol=1e-6)))
        whole = np.where(np.isnan(whole), each, whole) if alike[-1] else whole
    return whole, alike


def heat(axes: Axes, gain_db: FloatArray, numbers: Sequence[str], fleet: int) -> None:
    """Draw gains as shades, a row a device, the best on top; blank where nobody took part.

    Args:
        axes: The panel.
        gain_db: Gains, shape (K, N).
        numbers: The number of each row's device; none where there is no room.
        fleet: Number of devices of the fleet.
    """
    count, rounds = gain_db.shape
    low, high = np.nanpercentile(gain_db, [1.0, 99.0])
    low, high = min(low, (low + high - LEAST_DB) / 2), max(high, (low + high + LEAST_DB) / 2)
    shades = axes.imshow(
        gain_db,
        cmap="cividis",
        aspect="auto",
        interpolation="nearest",
        extent=(-0.5, rounds - 0.5, count - 0.5, -0.5),
        vmin=low,
        vmax=high,
    )
    bar = axes.figure.colorbar(shades, ax=axes, pad=0.02, aspect=25, extend="both")
    bar.set_label(label("gain_db"))
    axes.grid(visible=False)
    axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))
    axes.set_xlabel(label("round"))
    _number(axes, numbers)
    some = f" ({count} of {fleet})" if count < fleet else ""
    axes.set_ylabel(f"device{some}" if numbers else f"devices{some} by mean gain")


def levels(axes: Axes, gain_db: FloatArray, numbers: Sequence[str]) -> None:
    """Draw the mean of each device's gains and where nine in ten of them are, a row a device as in the shades."""
    rows = np.arange(len(gain_db))
    low, high = np.nanpercentile(gain_db, BETWEEN, axis=1)
    size, width = (2.5, 1.0) if len(numbers) else (1.5, 0.5)
    axes.hlines(rows, low, high, color="#0072B2", linewidth=width)
    axes.plot(np.nanmean(gain_db, axis=1), rows, "o", color="black", markersize=size)
    _wide_enough(axes)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    _number(axes, numbers)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("mean, and 5 to\n95 % of gains [dB]")


def _wide_enough(axes: Axes) -> None:
    """Let decibels from left to right be no fewer than can be told, and few of them numbered."""
    left, right = axes.get_xlim()
    axes.set_xlim(
        min(left, (left + right - LEAST_DB) / 2), max(right, (left + right + LEAST_DB) / 2)
    )
    axes.xaxis.set_major_locator(MaxNLocator(3))


def _number(axes: Axes, numbers: Sequence[str]) -> None:
    """Number the rows."""
    axes.set_yticks(range(len(numbers)), list(numbers), fontsize=6)


def scales(axes: Axes, gain_db: FloatArray) -> None:
    """Draw how devices' means are distributed, and gains about their device's mean."""
    mean_db = np.nanmean(gain_db, axis=1)
    about_db = gain_db - mean_db[:, None]
    parts = (mean_db - mean_db.mean(), about_db[~np.isnan(about_db)])
    for values, look in zip(parts, APART.values(), strict=True):
        at, part = distribution(values)
        axes.plot(at, part, drawstyle="steps-post", **look)  # type: ignore[arg-type]
    _wide_enough(axes)
    axes.set_ylim(0.0, 1.02)
    axes.set_xlabel("gain about a\nmean [dB]")
    axes.set_ylabel("empirical CDF")
