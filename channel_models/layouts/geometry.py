"""Geometry: the straight lines between devices and sites along the ground, wrapped around where the layout says so."""

from dataclasses import dataclass

import numpy as np

from channel_models.refusals import refuse_positions
from channel_models.units import FloatArray


@dataclass(frozen=True, eq=False)
class Paths:
    """Where K devices stand, seen from S sites.

    Attributes:
        position_m: Positions of the devices in m, shape (K, 2).
        ground_m: Distance between device and site along the ground in m, shape (K, S).
        bearing_rad: Direction from the site to the device, counter-clockwise from +x, in rad, shape (K, S).
    """

    position_m: FloatArray
    ground_m: FloatArray
    bearing_rad: FloatArray


def paths_between(
    position_m: FloatArray, site_m: FloatArray, image_m: FloatArray | None = None
) -> Paths:
    """Return the lines between devices and sites; each site is seen at its nearest image.

    Args:
        position_m: Positions of the devices in m, shape (K, 2).
        site_m: Positions of the sites in m, shape (S, 2).
        image_m: Displacements in m at which the layout repeats itself, the zero among them, shape (W, 2).

    >>> paths_between(np.array([[30.0, 40.0]]), np.zeros((1, 2))).ground_m
    array([[50.]])
    """
    refuse_positions(position_m)
    images = np.zeros((1, 2)) if image_m is None else image_m
    east_m, north_m = _lines(position_m, site_m + images[0])
    for image in images[1:]:
        east, north = _lines(position_m, site_m + image)
        nearer = east**2 + north**2 < east_m**2 + north_m**2
        np.copyto(east_m, east, where=nearer)
        np.copyto(north_m, north, where=nearer)
    return Paths(position_m, np.hypot(east_m, north_m), np.arctan2(north_m, east_m))


def _lines(position_m: FloatArray, site_m: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return how far east and how far north of each site each device is in m, both of shape (K, S)."""
    return position_m[:, :1] - site_m[:, 0], position_m[:, 1:] - site_m[:, 1]


def distance_2d_m(position_m: FloatArray) -> FloatArray:
    """Return the distance to the origin along the ground in m, shape (K,), from positions of shape (K, 2).

    >>> distance_2d_m(np.array([[30.0, 40.0]]))
    array([50.])
    """
    return np.asarray(np.hypot(position_m[:, 0], position_m[:, 1]), dtype=np.float64)


def distance_3d_m(ground_m: FloatArray, rise_m: FloatArray | float) -> FloatArray:
    """Return the distance between two antennas in m; shapes broadcast.

    Args:
        ground_m: Distance along the ground.
        rise_m: Height of the base station above the device.

    >>> distance_3d_m(np.array([30.0]), 40.0)
    array([50.])
    """
    return np.asarray(np.hypot(ground_m, rise_m), dtype=np.float64)
