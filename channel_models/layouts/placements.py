"""Placements: where devices stand around the base station at the origin."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

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
