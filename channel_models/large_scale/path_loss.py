"""Path loss: how much power a link loses over its distance, before shadowing and fading."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from channel_models.layouts.geometry import Paths
from channel_models.refusals import refuse_not_positive
from channel_models.units import BoolArray, Decibel, FloatArray, NonNegative, Positive

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
