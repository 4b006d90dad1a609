"""Path loss: how much power a link loses over its distance, before shadowing and fading."""

from dataclasses import dataclass
from typing import Annotated, Literal, Protocol

import numpy as np

from channel_models.geometry import distance_3d_m
from channel_models.line_of_sight import uma_line_of_sight_probability
from channel_models.units import (
    SPEED_OF_LIGHT_38901,
    BoolArray,
    Decibel,
    FloatArray,
    NonNegative,
    Positive,
)


@dataclass(frozen=True, eq=False)
class LargeScale:
    """What a path-loss model says of K links.

    Attributes:
        loss_db: Path loss in dB, shape (K,).
        sigma_db: Standard deviation of the shadowing that belongs to each link, in dB, shape (K,).
        line_of_sight: Whether each link is in line of sight, shape (K,).
    """

    loss_db: FloatArray
    sigma_db: FloatArray
    line_of_sight: BoolArray


class PathLoss(Protocol):
    """A model of the power lost over a distance."""

    def draw(self, distance_2d_m: FloatArray, rng: np.random.Generator) -> LargeScale:
        """Return the loss of each link from its distance along the ground in m, shape (K,)."""
        ...


@dataclass(frozen=True)
class LogDistance:
    """Loss that grows with the logarithm of the distance along the ground: intercept + slope · lg(d / 1 km).

    It knows no line of sight: every link counts as out of sight.

    Attributes:
        intercept_db: Loss at 1 km, in dB.
        slope_db: Loss added by each factor ten in distance, in dB.
        sigma_db: Standard deviation of the shadowing that belongs to this loss, in dB.

    Reference:
        3GPP TR 36.814, Table A.2.1.1-1, macro cell at 2 GHz: 128.1 + 37.6 lg d_km, deviation 8 dB [S].

    >>> LogDistance().draw(np.array([1000.0]), np.random.default_rng(1)).loss_db
    array([128.1])
    """

    intercept_db: Decibel = 128.1
    slope_db: Positive = 37.6
    sigma_db: NonNegative = 8.0

    def draw(self, distance_2d_m: FloatArray, rng: np.random.Generator) -> LargeScale:
        """Return the loss of each link, arrays of shape (K,); nothing is drawn."""
        _refuse(distance_2d_m, distance_2d_m > 0.0, "finite and above 0")
        return LargeScale(
            loss_db=self.intercept_db + self.slope_db * np.log10(distance_2d_m / 1000.0),
            sigma_db=np.full(distance_2d_m.shape, self.sigma_db),
            line_of_sight=np.zeros(distance_2d_m.shape, dtype=np.bool_),
        )


@dataclass(frozen=True)
class UrbanMacro:
    """Urban macro cell (UMa) of TR 38.901, outdoor devices.

    With d the distance between the antennas in m, f the carrier in GHz and h the heights of base and device in m:

    - in sight: 28.0 + 22 lg d + 20 lg f up to the breakpoint 4 (h_base − 1)(h_device − 1) f/c along the ground,
      then 28.0 + 40 lg d + 20 lg f − 9 lg(breakpoint² + (h_base − h_device)²);
    - out of sight: 13.54 + 39.08 lg d + 20 lg f − 0.6 (h_device − 1.5), and never less than in sight.

    The table is valid from 10 m to 5 km along the ground; outside, the formulas are evaluated as they stand.

    Attributes:
        carrier_ghz: Carrier frequency, in GHz.
        base_height_m: Height of the base station's antennas, in m; the table is written for 25.
        device_height_m: Height of the devices, in m, up to 13 (above, the ground's effective height is random).
        line_of_sight: Whether links are in sight by the model's probability (random), always or never.

    Reference:
        3GPP TR 38.901, Table 7.4.1-1 (loss, deviation 4 dB in sight and 6 dB out of sight), c = 3.0e8 m/s [VV].

    >>> far = np.array([1000.0])
    >>> UrbanMacro(carrier_ghz=5.0, line_of_sight="always").draw(far, np.random.default_rng(1)).loss_db.round(4)
    array([109.7252])
    """

    carrier_ghz: Annotated[float, ("least", 0.5), ("most", 100.0)] = 3.5
    base_height_m: Annotated[float, ("above", 1.0)] = 25.0
    device_height_m: Annotated[float, ("least", 1.5), ("most", 13.0)] = 1.5
    line_of_sight: Literal["random", "always", "never"] = "random"

    def __post_init__(self) -> None:
        if not self.base_height_m > self.device_height_m:
            raise ValueError(
                f"base_height_m must exceed device_height_m, got {self.base_height_m} and {self.device_height_m}"
            )

    def draw(self, distance_2d_m: FloatArray, rng: np.random.Generator) -> LargeScale:
        """Return the loss of each link, arrays of shape (K,); sight is drawn where it is random."""
        _refuse(distance_2d_m, distance_2d_m >= 0.0, "finite and at least 0")
        sight = self._sight(distance_2d_m, rng)
        in_sight_db = self._in_sight_db(distance_2d_m)
        out_of_sight_db = np.maximum(in_sight_db, self._out_of_sight_db(distance_2d_m))
        return LargeScale(
            loss_db=np.where(sight, in_sight_db, out_of_sight_db),
            sigma_db=np.where(sight, 4.0, 6.0),
            line_of_sight=sight,
        )

    def _sight(self, ground_m: FloatArray, rng: np.random.Generator) -> BoolArray:
        if self.line_of_sight == "random":
            probability = uma_line_of_sight_probability(ground_m, self.device_height_m)
            return np.asarray(rng.random(ground_m.shape) < probability)
        return np.full(ground_m.shape, self.line_of_sight == "always")

    def _in_sight_db(self, ground_m: FloatArray) -> FloatArray:
        rise_m = self.base_height_m - self.device_height_m
        heights_m2 = (self.base_height_m - 1.0) * (self.device_height_m - 1.0)
        breakpoint_m = 4.0 * heights_m2 * self.carrier_ghz * 1e9 / SPEED_OF_LIGHT_38901
        lg_d, lg_f = np.log10(distance_3d_m(ground_m, rise_m)), np.log10(self.carrier_ghz)
        near_db = 22.0 * lg_d
        far_db = 40.0 * lg_d - 9.0 * np.log10(breakpoint_m**2 + rise_m**2)
        return np.asarray(28.0 + 20.0 * lg_f + np.where(ground_m <= breakpoint_m, near_db, far_db))

    def _out_of_sight_db(self, ground_m: FloatArray) -> FloatArray:
        lg_d = np.log10(distance_3d_m(ground_m, self.base_height_m - self.device_height_m))
        lg_f = np.log10(self.carrier_ghz)
        return np.asarray(13.54 + 39.08 * lg_d + 20.0 * lg_f - 0.6 * (self.device_height_m - 1.5))


def _refuse(distance_m: FloatArray, allowed: BoolArray, rule: str) -> None:
    refused = ~(allowed & np.isfinite(distance_m))
    if refused.any():
        device = int(np.argmax(refused))
        raise ValueError(
            f"distance_2d_m must be {rule}, got {distance_m[device]} for device {device}"
        )
