"""Placements: where devices stand around the base station at the origin."""

from dataclasses import dataclass
from typing import Annotated, Literal, Protocol

import numpy as np

from channel_models.layouts.geometry import distance_2d_m
from channel_models.layouts.lattices import (
    hexagonal_m,
    in_hexagon_m,
    middle_of,
    rows_and_columns_m,
    whole_rings,
)
from channel_models.units import FloatArray, NonNegative, Positive


class Placement(Protocol):
    """A rule that puts devices on the ground around the base station at the origin."""

    def place(self, devices: int, rng: np.random.Generator) -> FloatArray:
        """Return positions in m, shape (K, 2); more devices move none of the earlier ones."""
        ...


@dataclass(frozen=True)
class Ring:
    """Devices uniform in area between two circles around the base station.

    r = √(r_min² + u (r_max² − r_min²)) with u uniform on [0, 1), and a uniform bearing.

    Attributes:
        radius_min_m: Radius of the inner circle, within which no device stands, in m.
        radius_max_m: Radius of the outer circle, beyond which no device stands, in m.

    >>> Ring(radius_max_m=100.0).place(3, np.random.default_rng(1)).shape
    (3, 2)
    """

    radius_min_m: NonNegative = 50.0
    radius_max_m: Positive = 400.0

    def __post_init__(self) -> None:
        if not self.radius_max_m > self.radius_min_m:
            raise ValueError(
                f"radius_max_m must exceed radius_min_m, got {self.radius_max_m} and {self.radius_min_m}"
            )

    def place(self, devices: int, rng: np.random.Generator) -> FloatArray:
        """Return positions in m, shape (K, 2)."""
        area, turn = rng.random((devices, 2)).T
        inner_m2, outer_m2 = self.radius_min_m**2, self.radius_max_m**2
        radius_m = np.sqrt(inner_m2 + area * (outer_m2 - inner_m2))
        bearing = 2.0 * np.pi * turn
        return np.stack([radius_m * np.cos(bearing), radius_m * np.sin(bearing)], axis=1)


@dataclass(frozen=True)
class HexagonalCell:
    """Devices uniform in the hexagonal cell of the server's site, or over the cells of all sites.

    Give it the numbers of the hexagonal layout. Who falls too near to the site of his cell is placed anew in it.

    Attributes:
        intersite_m: Distance between neighbouring sites, in m: the width of a cell from edge to edge.
        cells: Whether devices stand in the cell of the server's site (server) or in those of all sites (all).
        rings: Rings of sites around the server's; of no account in the server's cell alone.
        distance_min_m: Least distance to the nearest site along the ground, in m.

    Reference:
        3GPP TR 38.901, Table 7.2-1: uniform in area, at least 10 m (UMi) or 35 m (UMa) from a site [VV].

    >>> HexagonalCell().place(3, np.random.default_rng(1)).shape
    (3, 2)
    """

    intersite_m: Positive = 500.0
    cells: Literal["server", "all"] = "server"
    rings: Annotated[int, ("least", 0), ("most", 30)] = 2
    distance_min_m: NonNegative = 35.0

    def __post_init__(self) -> None:
        if not self.distance_min_m < 0.5 * self.intersite_m:
            raise ValueError(
                f"distance_min_m must be less than half of intersite_m, got {self.distance_min_m} and {self.intersite_m}"
            )

    def place(self, devices: int, rng: np.random.Generator) -> FloatArray:
        """Return positions in m, shape (K, 2)."""
        of_cell, of_place = rng.spawn(2)
        site_m = hexagonal_m(
            whole_rings(self.rings if self.cells == "all" else 0), self.intersite_m
        )
        cell = (of_cell.random(devices) * len(site_m)).astype(np.intp)
        within_m = np.zeros((devices, 2))
        homeless = np.ones(devices, dtype=np.bool_)
        while homeless.any():
            drawn_m = in_hexagon_m(of_place.spawn(1)[0].random((devices, 3)), self.intersite_m)
            within_m = np.where(homeless[:, None], drawn_m, within_m)
            homeless &= distance_2d_m(within_m) < self.distance_min_m
        return np.asarray(site_m[cell] + within_m)


@dataclass(frozen=True)
class HallFloor:
    """Devices uniform over the floor of a hall.

    Give it the numbers of the hall that is the layout: the server's site, at the origin, is then where the layout
    has it, and not in the middle of the floor.

    Attributes:
        length_m: Length of the hall along x, in m.
        width_m: Width of the hall along y, in m.
        spacing_m: Distance between neighbouring sites, in m.

    Reference:
        3GPP TR 38.901, Tables 7.2-2 and 7.2-4 [VV].

    >>> HallFloor().place(3, np.random.default_rng(1)).shape
    (3, 2)
    """

    length_m: Positive = 120.0
    width_m: Positive = 50.0
    spacing_m: Annotated[float, ("least", 1.0)] = 20.0

    def place(self, devices: int, rng: np.random.Generator) -> FloatArray:
        """Return positions in m, shape (K, 2)."""
        site_m = rows_and_columns_m(self.length_m, self.width_m, self.spacing_m)
        from_centre_m = (rng.random((devices, 2)) - 0.5) * (self.length_m, self.width_m)
        return np.asarray(from_centre_m - site_m[middle_of(site_m)])


@dataclass(frozen=True)
class Explicit:
    """Devices at given positions.

    Attributes:
        positions_m: One pair (x, y) per device, in m from the base station at the origin.

    >>> Explicit(positions_m=((100.0, 0.0), (0.0, 200.0))).place(2, np.random.default_rng(1))
    array([[100.,   0.],
           [  0., 200.]])
    """

    positions_m: tuple[tuple[float, float], ...]

    def place(self, devices: int, rng: np.random.Generator) -> FloatArray:
        """Return the given positions in m, shape (K, 2); nothing is drawn."""
        if len(self.positions_m) != devices:
            raise ValueError(
                f"positions_m lists {len(self.positions_m)} positions, but the scenario has {devices} devices"
            )
        return np.array(self.positions_m, dtype=np.float64).reshape(devices, 2)
