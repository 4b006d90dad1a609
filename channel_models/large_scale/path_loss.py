"""Path loss: how much power a link loses over its distance, before shadowing and fading."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from channel_models.layouts.geometry import Paths, distance_3d_m
from channel_models.refusals import refuse_negative, refuse_not_positive
from channel_models.units import BoolArray, Decibel, FloatArray, NonNegative, Positive

SPEED_OF_LIGHT = 299_792_458.0
"""Speed of light in m/s, exact; TR 38.901 rounds it to 3.0e8 where it speaks of breakpoints."""

IN_SIGHT, OUT_OF_SIGHT, INDOORS = 0, 1, 2
"""Conditions of a link: nothing between device and base station; something; a wall, the device being inside."""

ConditionArray = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class LargeScale:
    """What a path-loss model says of the links between K devices and S sites; all arrays have shape (K, S).

    Attributes:
        loss_db: Path loss in dB, penetration included, shadowing not.
        sigma_db: Standard deviation of the shadowing that belongs to each link, in dB.
        condition: IN_SIGHT, OUT_OF_SIGHT or INDOORS; shadowing differs between them.
        correlation_m: Distance over which that shadowing's correlation falls to 1/e; None where the model knows none.
        zenith_rad: Angle at the site between the vertical and the device; None where the model knows no heights.
        k_factor_db: Power of the path in sight over that of all others, −inf out of sight; None where unknown.
        delay_spread_s: Root mean square spread of the paths' delays; None where unknown.
    """

    loss_db: FloatArray
    sigma_db: FloatArray
    condition: ConditionArray
    correlation_m: FloatArray | None = None
    zenith_rad: FloatArray | None = None
    k_factor_db: FloatArray | None = None
    delay_spread_s: FloatArray | None = None

    @property
    def line_of_sight(self) -> BoolArray:
        """Whether each link is outdoors and in line of sight, shape (K, S)."""
        return np.asarray(self.condition == IN_SIGHT)


class PathLoss(Protocol):
    """A model of the power lost over a distance: all chance in ``init``, all geometry in ``large_scale``."""

    def init(self, devices: int, sites: int, rng: np.random.Generator) -> Any:
        """Return what chance decides once for K devices and S sites; more devices change none of the earlier ones."""
        ...

    def large_scale(self, state: Any, paths: Paths) -> LargeScale:
        """Return the losses where the devices stand now; the same places give the same losses."""
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

    >>> from channel_models.layouts.geometry import paths_between
    >>> paths = paths_between(np.array([[1000.0, 0.0]]), np.zeros((1, 2)))
    >>> LogDistance().large_scale(None, paths).loss_db
    array([[128.1]])
    """

    intercept_db: Decibel = 128.1
    slope_db: Positive = 37.6
    sigma_db: NonNegative = 8.0

    def init(self, devices: int, sites: int, rng: np.random.Generator) -> None:
        """Return nothing: no chance is in this loss."""

    def large_scale(self, state: None, paths: Paths) -> LargeScale:
        """Return the losses, arrays of shape (K, S)."""
        refuse_not_positive("ground_m", paths.ground_m)
        loss_db = self.intercept_db + self.slope_db * np.log10(paths.ground_m / 1000.0)
        return LargeScale(
            loss_db=loss_db,
            sigma_db=np.full(loss_db.shape, self.sigma_db),
            condition=np.full(loss_db.shape, OUT_OF_SIGHT, dtype=np.uint8),
        )


@dataclass(frozen=True)
class FreeSpace:
    """Loss between two antennas with nothing around them: 20 lg(4π d f/c), with the exact c = 299 792 458 m/s.

    d is the straight line between the antennas. Every link is in sight, and nothing shadows it.

    Attributes:
        carrier_ghz: Carrier frequency f, in GHz.
        base_height_m: Height of the base station's antennas, in m.
        device_height_m: Height of the devices, in m.

    Reference:
        H. T. Friis, A note on a simple transmission formula, Proceedings of the IRE 34(5), 1946 [S].

    >>> from channel_models.layouts.geometry import paths_between
    >>> paths = paths_between(np.array([[100.0, 0.0]]), np.zeros((1, 2)))
    >>> FreeSpace(carrier_ghz=5.0, base_height_m=1.5).large_scale(None, paths).loss_db.round(3)
    array([[86.427]])
    """

    carrier_ghz: Positive = 3.5
    base_height_m: Positive = 25.0
    device_height_m: Positive = 1.5

    def init(self, devices: int, sites: int, rng: np.random.Generator) -> None:
        """Return nothing: no chance is in this loss."""

    def large_scale(self, state: None, paths: Paths) -> LargeScale:
        """Return the losses, arrays of shape (K, S)."""
        rise_m = self.base_height_m - self.device_height_m
        loss_db = free_space_db(between_antennas_m(paths.ground_m, rise_m), self.carrier_ghz)
        return LargeScale(
            loss_db=loss_db,
            sigma_db=np.zeros_like(loss_db),
            condition=np.full(loss_db.shape, IN_SIGHT, dtype=np.uint8),
            zenith_rad=zenith_rad(paths.ground_m, rise_m),
        )


@dataclass(frozen=True)
class CloseIn:
    """Free space up to one metre, then a power of the distance: FSPL(1 m) + 10 n lg d.

    d is the straight line between the antennas in m, and FSPL(1 m) = 20 lg(4π f/c) with the exact c. It knows no line
    of sight: every link counts as out of sight.

    Attributes:
        carrier_ghz: Carrier frequency f, in GHz.
        exponent: Path-loss exponent n.
        sigma_db: Standard deviation of the shadowing that belongs to this loss, in dB.
        base_height_m: Height of the base station's antennas, in m.
        device_height_m: Height of the devices, in m.

    Reference:
        S. Sun et al., Investigation of prediction accuracy, sensitivity, and parameter stability of large-scale
        propagation path loss models for 5G wireless communications, IEEE Transactions on Vehicular Technology 65(5),
        2016 [S]. The defaults are the optional loss out of sight in a street canyon of 3GPP TR 38.901,
        Table 7.4.1-1, read as this model: 31.9 lg d, deviation 8.2 dB [S].

    >>> from channel_models.layouts.geometry import paths_between
    >>> paths = paths_between(np.array([[100.0, 0.0]]), np.zeros((1, 2)))
    >>> CloseIn(carrier_ghz=5.0, base_height_m=1.5).large_scale(None, paths).loss_db.round(3)
    array([[110.227]])
    """

    carrier_ghz: Positive = 3.5
    exponent: Positive = 3.19
    sigma_db: NonNegative = 8.2
    base_height_m: Positive = 10.0
    device_height_m: Positive = 1.5

    def init(self, devices: int, sites: int, rng: np.random.Generator) -> None:
        """Return nothing: no chance is in this loss."""

    def large_scale(self, state: None, paths: Paths) -> LargeScale:
        """Return the losses, arrays of shape (K, S)."""
        rise_m = self.base_height_m - self.device_height_m
        lg_d = np.log10(between_antennas_m(paths.ground_m, rise_m))
        loss_db = free_space_db(1.0, self.carrier_ghz) + 10.0 * self.exponent * lg_d
        return LargeScale(
            loss_db=loss_db,
            sigma_db=np.full(loss_db.shape, self.sigma_db),
            condition=np.full(loss_db.shape, OUT_OF_SIGHT, dtype=np.uint8),
            zenith_rad=zenith_rad(paths.ground_m, rise_m),
        )


def free_space_db(distance_m: FloatArray | float, carrier_ghz: float) -> FloatArray:
    """Return 20 lg(4π d f/c), the loss of free space in dB, with the exact speed of light; any shape.

    Args:
        distance_m: Distance d between the antennas.
        carrier_ghz: Carrier frequency f, in GHz.

    >>> free_space_db(np.array([1.0, 10.0]), 1.0).round(3)
    array([32.448, 52.448])
    """
    per_m = 4.0 * np.pi * carrier_ghz * 1e9 / SPEED_OF_LIGHT
    return np.asarray(20.0 * np.log10(distance_m * per_m))


def between_antennas_m(ground_m: FloatArray, rise_m: FloatArray | float) -> FloatArray:
    """Return the straight lines d_3D between antennas in m; a line without length is refused.

    Args:
        ground_m: Distance along the ground, finite and not negative, shape (K, S).
        rise_m: Height of the base station above the device, broadcast to that shape.
    """
    refuse_negative("ground_m", ground_m)
    line_m = distance_3d_m(ground_m, rise_m)
    refuse_not_positive("distance_m", line_m)
    return line_m


def zenith_rad(ground_m: FloatArray, rise_m: FloatArray | float) -> FloatArray:
    """Return the angle at the site between the vertical and the device, in rad; shapes broadcast.

    π/2 is level with the base station, more is below.

    Args:
        ground_m: Distance along the ground.
        rise_m: Height of the base station above the device.

    >>> zenith_rad(np.array([10.0, 10.0]), np.array([0.0, 10.0])) / np.pi
    array([0.5 , 0.75])
    """
    return np.asarray(np.arctan2(ground_m, -np.asarray(rise_m)))
