"""Buildings: which devices stand on a floor behind a wall, which sit in a car, and what that costs them."""

from dataclasses import dataclass

import numpy as np

from channel_models.large_scale.penetration import NO_LOSS, Penetration
from channel_models.standards import table
from channel_models.units import BoolArray, FloatArray


@dataclass(frozen=True, eq=False)
class Whereabouts:
    """Where K devices are; arrays have shape (K, 1), or (1, 1) where all devices are alike.

    Attributes:
        height_m: Height above the ground.
        depth_m: How far inside a building along the ground, 0 outdoors; shape (K, S) if drawn for each link.
        penetration_db: Loss through the wall of the building or into the car, its chance included, 0 outdoors.
        indoor: Whether the device is in a building.
    """

    height_m: FloatArray
    depth_m: FloatArray
    penetration_db: FloatArray
    indoor: BoolArray

    def inside_m(self, ground_m: FloatArray) -> FloatArray:
        """Return d_2D-in, the part of each ground distance that lies inside the building, shape (K, S)."""
        return np.minimum(self.depth_m, ground_m)


@dataclass(frozen=True)
class Population:
    """How the devices of a cell spread over streets, cars and buildings.

    Attributes:
        device_height_m: Height of all devices that stand on no floor.
        indoor_share: Share of the devices that are in buildings.
        car_share: Share of the others that are in cars.
        floors: Whether devices in buildings stand on floors, or on the ground like the others.
        depth_m: Largest distance d_2D-in from the outer wall.
        depth_per_link: Draw d_2D-in uniform for each link, not as the lesser of two uniforms for each device.
        low: Loss of most walls.
        high: Loss of the other walls.
        high_loss_share: Share of the devices in buildings that are behind those others.
        car: Loss into a car.
    """

    device_height_m: float
    indoor_share: float = 0.0
    car_share: float = 0.0
    floors: bool = False
    depth_m: float = 0.0
    depth_per_link: bool = False
    low: Penetration = NO_LOSS
    high: Penetration = NO_LOSS
    high_loss_share: float = 0.0
    car: Penetration = NO_LOSS

    def draw(self, devices: int, sites: int, rng: np.random.Generator) -> Whereabouts:
        """Return where K devices are, seen from S sites; more devices move none of the earlier ones."""
        if self.indoor_share == 0.0 and self.car_share == 0.0:
            return all_outdoors(self.device_height_m)
        place, floor, depth, wall, loss = rng.spawn(5)
        at = place.random((devices, 1))
        indoor = at < self.indoor_share
        driving = ~indoor & (at < self.indoor_share + (1.0 - self.indoor_share) * self.car_share)
        strong = wall.random((devices, 1)) < self.high_loss_share
        kinds = [indoor & strong, indoor, driving]
        known = [self.high, self.low, self.car]
        mean_db = np.select(kinds, [kind.mean_db for kind in known])
        sigma_db = np.select(kinds, [kind.sigma_db for kind in known])
        floor_m = (
            floor_height_m(floor.random((devices, 2))) if self.floors else self.device_height_m
        )
        return Whereabouts(
            height_m=np.where(indoor, floor_m, self.device_height_m),
            depth_m=np.where(indoor, self._depth_m(devices, sites, depth), 0.0),
            penetration_db=mean_db + sigma_db * loss.standard_normal((devices, 1)),
            indoor=indoor,
        )

    def _depth_m(self, devices: int, sites: int, rng: np.random.Generator) -> FloatArray:
        if self.depth_per_link:
            return np.asarray(self.depth_m * rng.random((devices, sites)))
        return np.asarray(self.depth_m * rng.random((devices, 2)).min(axis=1, keepdims=True))


def all_outdoors(device_height_m: float) -> Whereabouts:
    """Return the whereabouts of devices that all stand outdoors (or all in one hall) at one height."""
    nothing = np.zeros((1, 1))
    return Whereabouts(np.full((1, 1), device_height_m), nothing, nothing, nothing > 0.0)


def floor_height_m(uniform: FloatArray) -> FloatArray:
    """Return the heights of devices on floors, shape (K, 1): 3 (n_fl − 1) + 1.5.

    n_fl is uniform on 1 … N_fl, and the number N_fl of the building's floors uniform on 4 … 8.

    Args:
        uniform: Uniforms that choose N_fl and n_fl, shape (K, 2).

    Reference:
        3GPP TR 38.901, Table 7.2-1 [V].

    >>> floor_height_m(np.array([[0.0, 0.0], [0.0, 0.99], [0.99, 0.99]])).ravel()
    array([ 1.5, 10.5, 22.5])
    """
    found = table("tr38901_penetration")["floors"]
    fewest, most = found["N_fl"]
    storeys = fewest + np.floor(uniform[:, :1] * (most - fewest + 1))
    return np.asarray(np.floor(uniform[:, 1:] * storeys) * found["h_floor"] + found["h_first"])
