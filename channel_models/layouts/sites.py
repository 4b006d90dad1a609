"""Sites: where base stations stand and where their sectors look."""

from dataclasses import dataclass
from typing import Annotated, Literal, Protocol

import numpy as np

from channel_models.layouts.lattices import (
    hexagonal_m,
    middle_of,
    rows_and_columns_m,
    turned,
    whole_rings,
)
from channel_models.units import FloatArray, Positive


@dataclass(frozen=True, eq=False)
class Sites:
    """The base stations of a layout; the first is the server's.

    Attributes:
        site_m: Positions in m, shape (S, 2).
        sector_rad: Bearings of a site's sectors, counter-clockwise from +x, in rad, shape (N,); one cell is one sector.
        image_m: Displacements at which the layout repeats itself, the zero first, in m, shape (W, 2).
    """

    site_m: FloatArray
    sector_rad: FloatArray
    image_m: FloatArray

    @property
    def cells(self) -> int:
        """Number of cells C = S N, ordered site by site."""
        return len(self.site_m) * len(self.sector_rad)


class Layout(Protocol):
    """A rule that puts base stations on the ground."""

    def sites(self) -> Sites:
        """Return the base stations, the server's first, at the origin."""
        ...


@dataclass(frozen=True)
class OneCell:
    """One base station at the origin and nobody else.

    >>> OneCell().sites().cells
    1
    """

    def sites(self) -> Sites:
        """Return the one site."""
        return Sites(np.zeros((1, 2)), np.zeros(1), np.zeros((1, 2)))


@dataclass(frozen=True)
class Hexagonal:
    """Sites on a triangular lattice around the server's, whose cells are hexagons; the first neighbour is along +x.

    With wrap-around, the layout repeats itself at the six turns by 60° of the lattice vector (n + 1, n), n the number
    of rings, and each site is seen at its nearest image, so that a cell at the rim has as many neighbours as the
    server's.

    Attributes:
        intersite_m: Distance between neighbouring sites, in m.
        rings: Rings of sites around the server's: 0, 1, 2 make 1, 7, 19 sites.
        sectors: Sectors of a site: one all around, or three that look to 30°, 150° and 270°.
        wrap_around: Whether the layout repeats itself beyond its rim.

    Reference:
        3GPP TR 38.901, Table 7.2-1 and section 7.8 (19 sites, three sectors, wrap-around) [VV].

    >>> Hexagonal().sites().cells, Hexagonal().sites().site_m[1]
    (57, array([500.,   0.]))
    """

    intersite_m: Positive = 500.0
    rings: Annotated[int, ("least", 0), ("most", 30)] = 2
    sectors: Literal[1, 3] = 3
    wrap_around: bool = True

    def sites(self) -> Sites:
        """Return the sites, ring by ring, counter-clockwise from +x in each."""
        repeats = [np.array([[self.rings + 1, self.rings]])]
        while len(repeats) < 6:
            repeats.append(turned(repeats[-1]))
        nowhere = np.zeros((1, 2), dtype=np.intp)
        steps = np.concatenate([nowhere, *repeats] if self.wrap_around else [nowhere])
        return Sites(
            hexagonal_m(whole_rings(self.rings), self.intersite_m),
            _sectors_rad(self.sectors),
            hexagonal_m(steps, self.intersite_m),
        )


@dataclass(frozen=True)
class Hall:
    """Sites under the ceiling of an office or a factory, in columns and rows; nothing is beyond its walls.

    Along each wall as many sites as whole spacings fit, at least one; what remains is shared by opposite walls. The
    server's site is the one in the middle, or the next to the south-west of it: in the open office of 120 m by 50 m
    the third of six columns in the southern of two rows, 50 m from the western wall and 15 m from the southern one.

    Attributes:
        length_m: Length of the hall along x, in m.
        width_m: Width of the hall along y, in m.
        spacing_m: Distance between neighbouring sites, in m.
        sectors: Sectors of a site: one all around, or three that look to 30°, 150° and 270°.

    Reference:
        3GPP TR 38.901, Table 7.2-2: the open office of 120 m by 50 m with 12 sites, 20 m apart [VV]; Tables 7.2-4 and
        7.8-7: factory halls of 120 m by 60 m and 300 m by 150 m with 18 sites, 20 m and 50 m apart [1].

    >>> len(Hall().sites().site_m), len(Hall(300.0, 150.0, 50.0, sectors=1).sites().site_m)
    (12, 18)
    """

    length_m: Positive = 120.0
    width_m: Positive = 50.0
    spacing_m: Annotated[float, ("least", 1.0)] = 20.0
    sectors: Literal[1, 3] = 3

    def sites(self) -> Sites:
        """Return the sites, the server's first, then row by row from the south-west."""
        site_m = rows_and_columns_m(self.length_m, self.width_m, self.spacing_m)
        server = middle_of(site_m)
        others_m = np.delete(site_m, server, axis=0)
        site_m = np.concatenate([site_m[[server]], others_m]) - site_m[server]
        return Sites(site_m, _sectors_rad(self.sectors), np.zeros((1, 2)))


def _sectors_rad(sectors: int) -> FloatArray:
    return np.radians([30.0, 150.0, 270.0]) if sectors == 3 else np.zeros(1)
