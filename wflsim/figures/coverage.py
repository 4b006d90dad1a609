"""The figure of coverage: the mean gain to the best cell over the ground, with sites, cells' borders and devices."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from channel_models.channel import Channel, coupled
from channel_models.layouts.geometry import paths_between
from channel_models.layouts.sites import Sites
from channel_models.units import linear_to_db
from wflsim.contracts import FloatArray
from wflsim.figures.layout import Wanted, legend
from wflsim.figures.paper import WIDTHS_IN
from wflsim.figures.scenes import scene
from wflsim.randomness import Streams
from wflsim.results import Played
from wflsim.world.fleet import draw_devices

ACROSS = 64
"""Places along the longer side of the ground."""
DRAWS = 150
"""Draws of sight and walls over which gains are averaged, where they are a matter of chance."""
MARGIN = 0.08
"""How far the ground goes beyond sites and devices, of its longer side."""
NEAREST_M = 1.0
"""Places are no nearer to a site."""
BINS = 24
"""Stretches of distance in which places are counted."""
DEVICE: Any = {
    "color": "black",
    "marker": "o",
    "linestyle": "",
    "markersize": 3.0,
    "markerfacecolor": "none",
}
SITE: Any = {
    "color": "white",
    "marker": "^",
    "linestyle": "",
    "markersize": 5.5,
    "markeredgecolor": "black",
}
CELL, GAIN = "border of a cell", "gain to the best cell [dB]"


@dataclass(frozen=True, eq=False)
class Ground:
    """The mean gains of a rectangle of places, P = Y X, row by row from the south-west.

    Attributes:
        east_m: Where the places are, shape (X,).
        north_m: Where they are, shape (Y,).
        gain_db: Mean gain to every cell, shape (P, C).
        ground_m: Distance along the ground to the site of the best cell, shape (P,).
    """

    east_m: FloatArray
    north_m: FloatArray
    gain_db: FloatArray
    ground_m: FloatArray

    @property
    def best_db(self) -> FloatArray:
        """Mean gain to the best cell, shape (Y, X)."""
        shape = (len(self.north_m), len(self.east_m))
        return np.asarray(self.gain_db.max(axis=1).reshape(shape))

    @property
    def leads_db(self) -> FloatArray:
        """By how much every cell is better than the best other, shape (C, Y, X).

        Cells that are heard alike count as one; where there is but one, there is no other.
        """
        apart = np.unique(self.gain_db.round(6), axis=1)
        if apart.shape[1] == 1:
            return np.empty((0, *self.best_db.shape))
        second, first = np.partition(apart, -2, axis=1)[:, -2:].T
        others = np.where(apart == first[:, None], second[:, None], first[:, None])
        return np.asarray((apart - others).T.reshape(-1, *self.best_db.shape))


def draw(one: Played, wanted: Wanted, variants: Sequence[str]) -> Figure:
    """Return the figure of a run; its variants play on the same ground."""
    world = scene(one).scenario.world
    streams = Streams(world.seed)
    state = world.channel.init(draw_devices(world.fleet, streams).position_m, streams.at())
    sites, device_m = world.channel.layout.sites(), state.paths.position_m
    found = ground(world.channel, sites, device_m)
    figure, (left, right) = _panels(wanted.width_in, len(found.north_m) / len(found.east_m))
    device_db = linear_to_db(state.gain)
    dots = surface(left, found, sites, (device_m, device_db))
    bar = figure.colorbar(dots, ax=left, location="top", pad=0.02, aspect=30, extend="both")
    bar.set_label(GAIN)
    by_distance(right, found, world.channel.distance_m(state), device_db)
    legend(figure, handles(several=sites.cells > 1))
    return figure


def _panels(width_in: float, steep: float) -> tuple[Figure, tuple[Axes, Axes]]:
    """Return a figure with a panel for the ground and one for distances, beside or below each other.

    Args:
        width_in: Width of the figure.
        steep: The ground's height over its width.
    """
    wide = width_in >= WIDTHS_IN["two"]
    map_in = min(max(0.8 + (0.5 if wide else 0.82) * width_in * steep, 2.2), 5.0)
    figure = Figure(figsize=(width_in, map_in if wide else map_in + 1.8))
    if wide:
        left, right = figure.subplots(1, 2, width_ratios=(1.35, 1.0))
    else:
        left, right = figure.subplots(2, 1, height_ratios=(map_in, 1.8))
    return figure, (left, right)


def ground(channel: Channel, sites: Sites, device_m: FloatArray) -> Ground:
    """Return the mean gains of the ground around sites and devices, without shadowing."""
    east_m, north_m = rectangle(np.concatenate([sites.site_m, device_m]))
    place_m = np.stack(np.meshgrid(east_m, north_m), axis=-1).reshape(-1, 2)
    gain_db = mean_gain_db(channel, sites, place_m)
    site = gain_db.argmax(axis=1) // len(sites.sector_rad)
    ground_m = paths_between(place_m, sites.site_m, sites.image_m).ground_m
    return Ground(east_m, north_m, gain_db, ground_m[np.arange(len(site)), site])


def rectangle(points_m: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return how far east and north the places of a rectangle are that holds points of shape (N, 2), equally far apart.

    >>> east_m, north_m = rectangle(np.array([[-100.0, 0.0], [100.0, 50.0]]))
    >>> len(east_m), bool(east_m[0] < -100), bool(north_m[-1] > 50), bool(len(north_m) < len(east_m))
    (64, True, True, True)
    """
    low_m, high_m = points_m.min(axis=0), points_m.max(axis=0)
    side_m = max(float((high_m - low_m).max()), 2.0 * NEAREST_M)
    step_m = (1.0 + 2.0 * MARGIN) * side_m / ACROSS
    count = np.ceil((high_m - low_m + 2.0 * MARGIN * side_m) / step_m * (1.0 - 1e-9)).astype(int)
    first_m = (low_m + high_m) / 2.0 - (count - 1) * step_m / 2.0
    east_m, north_m = (first_m[axis] + step_m * np.arange(count[axis]) for axis in (0, 1))
    return east_m, north_m


def mean_gain_db(channel: Channel, sites: Sites, place_m: FloatArray) -> FloatArray:
    """Return the mean gains in dB, over sight and walls, between places of shape (P, 2) and every cell, shape (P, C).

    Every place and every site has the same draws, so that the mean changes from place to place as the model does.
    """
    path_loss = over_the_ground(channel.path_loss)
    paths = paths_between(place_m, sites.site_m, sites.image_m)
    paths = replace(paths, ground_m=np.maximum(paths.ground_m, NEAREST_M))
    streams, total, count = Streams(0), np.zeros((1, 1)), 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # corners of the ground may lie outside the model's range
        while count < DRAWS:
            chance = path_loss.init(1, 1, streams.stream("coverage", count))
            large = path_loss.large_scale(chance, paths)
            nothing = np.zeros((1, 1))
            total = total + linear_to_db(coupled(large, nothing, paths, sites, channel.element))
            count += 1
            if chance is None:  # nothing in it is a matter of chance
                break
    return np.asarray(total / count)


def over_the_ground(path_loss: Any) -> Any:
    """Return a model as it is meant for places: sight by each link's own luck, and no refusal outside its range."""
    ours = {field.name for field in fields(path_loss)}
    changes: dict[str, Any] = {"enforce_ranges": False} if "enforce_ranges" in ours else {}
    if getattr(path_loss, "line_of_sight", None) == "correlated":
        changes["line_of_sight"] = "random"
    return replace(path_loss, **changes)


def surface(
    axes: Axes, found: Ground, sites: Sites, devices: tuple[FloatArray, FloatArray]
) -> PathCollection:
    """Draw the ground, borders between cells, sites, and devices in the colour of their own gain; return these.

    Args:
        axes: The panel.
        found: The ground.
        sites: The sites.
        devices: Where devices are and their gain in dB, shapes (K, 2) and (K,).
    """
    (west_m, east_m), (south_m, north_m) = edges_m(found.east_m), edges_m(found.north_m)
    (device_m, device_db), best_db = devices, found.best_db
    low, high = (float(each) for each in np.percentile(np.append(best_db, device_db), [1.0, 99.5]))
    shades: Any = {"cmap": "cividis", "vmin": low, "vmax": high}
    extent = (west_m, east_m, south_m, north_m)
    axes.imshow(best_db, origin="lower", extent=extent, interpolation="bilinear", **shades)
    borders(axes, found)
    size = 16.0 if len(device_m) <= 100 else 5.0
    ringed: Any = {"s": size, "edgecolors": "white", "linewidths": 0.6, "zorder": 3, **shades}
    dots = axes.scatter(device_m[:, 0], device_m[:, 1], c=device_db, **ringed)
    axes.plot(*sites.site_m.T, zorder=4, **SITE)
    axes.set(xlim=(west_m, east_m), ylim=(south_m, north_m), aspect="equal")
    axes.set(xlabel="east [m]", ylabel="north [m]")
    axes.grid(visible=False)
    return dots


def edges_m(along_m: FloatArray) -> tuple[float, float]:
    """Return where the first of some evenly spaced places begins and the last one ends."""
    half_m = float(along_m[1] - along_m[0]) / 2.0
    return float(along_m[0]) - half_m, float(along_m[-1]) + half_m


def borders(axes: Axes, found: Ground) -> None:
    """Draw where a cell is heard as well as the best other."""
    for lead_db in found.leads_db:
        if lead_db.max() > 0.0 > lead_db.min():
            axes.contour(
                found.east_m, found.north_m, lead_db, [0.0], colors="white", linewidths=0.7
            )


def by_distance(axes: Axes, found: Ground, device_m: FloatArray, device_db: FloatArray) -> None:
    """Draw gains by the distance to the site that serves: of the places the middle and nine in ten, and every device."""
    best_db, far_m = found.best_db.ravel(), found.ground_m
    edges_m = np.linspace(0.0, max(far_m.max(), device_m.max()), BINS + 1)
    place = np.digitize(far_m, edges_m[1:-1])
    there = np.unique(place)
    low, middle, high = np.transpose(
        [np.percentile(best_db[place == each], [5.0, 50.0, 95.0]) for each in there]
    )
    at_m = (edges_m[there] + edges_m[there + 1]) / 2.0
    axes.fill_between(at_m, low, high, color="#0072B2", alpha=0.2, linewidth=0)
    axes.plot(at_m, middle, color="#0072B2", marker="", linestyle="-")
    axes.plot(device_m, device_db, **DEVICE)
    axes.set(
        xlabel="distance to the site [m]",
        ylabel=GAIN,
        xlim=(0.0, 1.03 * edges_m[-1]),
    )


def handles(*, several: bool) -> dict[str, Any]:
    """Return label → what stands for it in a legend."""
    found: dict[str, Any] = {
        "site": Line2D([], [], **SITE),
        "a device's own gain": Line2D([], [], **DEVICE),
        "places without shadowing, 5 to 95 %": Line2D(
            [], [], color="#0072B2", marker="", linestyle="-"
        ),
    }
    border = {CELL: Line2D([], [], color="0.6", linewidth=0.9, marker="", linestyle="-")}
    return {**found, **border} if several else found
