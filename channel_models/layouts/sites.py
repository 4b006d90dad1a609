"""Sites: where base stations stand and where their sectors look."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from channel_models.units import FloatArray


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
