"""Urban cells of TR 38.901."""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np

from channel_models.large_scale.line_of_sight import uma_line_of_sight_probability
from channel_models.large_scale.path_loss import IN_SIGHT, OUT_OF_SIGHT, LargeScale
from channel_models.layouts.geometry import Paths, distance_3d_m
from channel_models.refusals import refuse_negative
from channel_models.units import SPEED_OF_LIGHT_38901, BoolArray, FloatArray


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

    >>> from channel_models.layouts.geometry import paths_between
    >>> paths = paths_between(np.array([[1000.0, 0.0]]), np.zeros((1, 2)))
    >>> UrbanMacro(carrier_ghz=5.0, line_of_sight="always").large_scale(np.zeros((1, 1)), paths).loss_db.round(4)
    array([[109.7252]])
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

    def init(self, devices: int, sites: int, rng: np.random.Generator) -> FloatArray:
        """Return how lucky each link is with its sight, uniform on [0, 1), shape (K, S)."""
        return rng.random((devices, sites))

    def large_scale(self, state: FloatArray, paths: Paths) -> LargeScale:
        """Return the losses, arrays of shape (K, S)."""
        refuse_negative("ground_m", paths.ground_m)
        sight = self._sight(paths.ground_m, state)
        in_sight_db = self._in_sight_db(paths.ground_m)
        out_of_sight_db = np.maximum(in_sight_db, self._out_of_sight_db(paths.ground_m))
        return LargeScale(
            loss_db=np.where(sight, in_sight_db, out_of_sight_db),
            sigma_db=np.where(sight, 4.0, 6.0),
            condition=np.where(sight, IN_SIGHT, OUT_OF_SIGHT).astype(np.uint8),
        )

    def _sight(self, ground_m: FloatArray, luck: FloatArray) -> BoolArray:
        if self.line_of_sight == "random":
            probability = uma_line_of_sight_probability(ground_m, self.device_height_m)
            return np.asarray(luck < probability)
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
