"""Rural macro cells of TR 38.901."""

from dataclasses import dataclass, replace

import numpy as np

from channel_models.large_scale.buildings import Population
from channel_models.large_scale.conditions import Chance, Statistics, draw_chance, large_scale_of
from channel_models.large_scale.line_of_sight import (
    Sight,
    SightRule,
    luck_at,
    rma_line_of_sight_probability,
)
from channel_models.large_scale.path_loss import LargeScale, between_antennas_m
from channel_models.large_scale.penetration import car_penetration, wall_penetration
from channel_models.large_scale.spreads import by_condition, spreads
from channel_models.large_scale.validity import Release, check_range, refuse_release
from channel_models.layouts.geometry import Paths
from channel_models.standards import table
from channel_models.units import SPEED_OF_LIGHT_38901, BoolArray, FloatArray, Positive, Share


@dataclass(frozen=True)
class RuralMacro:
    """Rural macro cell (RMa) of TR 38.901.

    With d the distance between the antennas in m, f the carrier in GHz, W the width of streets and h the height of
    buildings, h_b that of the base and h_d that of the device, all in m:

    - in sight: L(d) = 20 lg(40π d f/3) + min(0.03 h^1.72, 10) lg d − min(0.044 h^1.72, 14.77) + 0.002 d lg h up to
      the breakpoint b = 2π h_b h_d f/c along the ground, then L(b) + 40 lg(d/b);
    - out of sight: 161.04 − 7.1 lg W + 7.5 lg h − (24.37 − 3.7 (h/h_b)²) lg h_b + (43.42 − 3.1 lg h_b)(lg d − 3)
      + 20 lg f − (3.2 lg²(11.75 h_d) − 4.97), and never less than in sight;
    - in a building: a wall of low loss, 0.5 dB/m inside and a normal deviation on top.

    Attributes:
        carrier_ghz: Carrier frequency, in GHz; the table is written up to 30.
        base_height_m: Height of the base station's antennas, in m; the table is written for 10 to 150.
        device_height_m: Height of the devices, indoors too, in m; the table is written for 1 to 10.
        line_of_sight: Whether links are in sight by the model's probability, each with luck of its own (random) or
            neighbours alike (correlated), always or never.
        building_height_m: Average height of buildings h, in m; the table is written for 5 to 50.
        street_width_m: Average width of streets W, in m; the table is written for 5 to 50.
        indoor_share: Share of devices in buildings.
        car_share: Share of the devices outdoors that are in cars.
        car_metallised: Whether the windows of cars are metallised.
        map_half_width_m: How far the map of correlated sight reaches from the origin, in m.
        release: Release of the standard, 16 or 19; what is used of them agrees.
        enforce_ranges: Refuse what lies outside the standard's ranges, instead of warning once.

    Reference:
        3GPP TR 38.901, Tables 7.4.1-1 and 7.4.2-1, sections 7.4.3 and 7.6.3.3, c = 3.0e8 m/s [VV].

    >>> from channel_models.layouts.geometry import paths_between
    >>> model = RuralMacro(carrier_ghz=5.0, line_of_sight="always")
    >>> paths = paths_between(np.array([[1000.0, 0.0]]), np.zeros((1, 2)))
    >>> model.large_scale(model.init(1, 1, np.random.default_rng(1)), paths).loss_db.round(4)
    array([[108.5577]])
    """

    carrier_ghz: Positive = 3.5
    base_height_m: Positive = 35.0
    device_height_m: Positive = 1.5
    line_of_sight: SightRule = "random"
    building_height_m: Positive = 5.0
    street_width_m: Positive = 20.0
    indoor_share: Share = 0.0
    car_share: Share = 0.0
    car_metallised: bool = False
    map_half_width_m: Positive = 1000.0
    release: Release = 19
    enforce_ranges: bool = False

    def __post_init__(self) -> None:
        refuse_release(self.release)
        asked = {
            "f_c": self.carrier_ghz,
            "h_BS": self.base_height_m,
            "h_UT": self.device_height_m,
            "h": self.building_height_m,
            "W": self.street_width_m,
        }
        for symbol, value in asked.items():
            check_range("RMa", symbol, value, enforce=self.enforce_ranges)
        if self.car_share > 0.0:
            check_range("cars", "f_c", self.carrier_ghz, enforce=self.enforce_ranges)

    def init(self, devices: int, sites: int, rng: np.random.Generator) -> Chance:
        """Return the sight, the whereabouts and the spreads of K devices and S sites."""
        found = table("tr38901_large_scale")["RMa"]
        population = Population(
            device_height_m=self.device_height_m,
            indoor_share=self.indoor_share,
            car_share=self.car_share,
            depth_m=found["d_2D_in"],
            low=wall_penetration("low", self.carrier_ghz, self.release),
            car=car_penetration(metallised=self.car_metallised),
        )
        sight = Sight(self.line_of_sight, found["d_cor_LOS"], self.map_half_width_m)
        return draw_chance(devices, sites, rng, sight=sight, population=population)

    def large_scale(self, state: Chance, paths: Paths) -> LargeScale:
        """Return the losses, arrays of shape (K, S)."""
        ground_m, found = paths.ground_m, table("tr38901_large_scale")["RMa"]
        rise_m = self.base_height_m - state.whereabouts.height_m
        distance_m = between_antennas_m(ground_m, rise_m)
        outdoor_m = ground_m - state.whereabouts.inside_m(ground_m)
        sight = luck_at(state.luck, paths.position_m) < rma_line_of_sight_probability(outdoor_m)
        check_range("RMa", "d_2D", ground_m, enforce=self.enforce_ranges)
        check_range("RMa out of sight", "d_2D", ground_m, enforce=self.enforce_ranges, among=~sight)
        near = ground_m <= self._breakpoint_m
        in_sight_db = self._in_sight_db(distance_m, near)
        hidden_db = np.maximum(in_sight_db, self._out_of_sight_db(distance_m))
        said = large_scale_of(
            Statistics(
                sigma_db=by_condition(found["sigma_SF"]),
                correlation_m=by_condition(found["d_cor"]),
                spreads=spreads("RMa", self.carrier_ghz, self.release),
            ),
            state,
            ground_m,
            rise_m,
            sight=sight,
            basic_db=np.where(sight, in_sight_db, hidden_db),
        )
        far = ~near & said.line_of_sight
        return replace(said, sigma_db=np.where(far, found["sigma_SF"]["LOS_far"], said.sigma_db))

    @property
    def _breakpoint_m(self) -> float:
        heights_m2 = self.base_height_m * self.device_height_m
        return 2.0 * np.pi * heights_m2 * self.carrier_ghz * 1e9 / SPEED_OF_LIGHT_38901

    def _in_sight_db(self, distance_m: FloatArray, near: BoolArray) -> FloatArray:
        before_m = np.where(near, distance_m, self._breakpoint_m)
        h = self.building_height_m
        slope, offset = min(0.03 * h**1.72, 10.0), min(0.044 * h**1.72, 14.77)
        lg_d = np.log10(before_m)
        before_db = 20.0 * (np.log10(40.0 * np.pi * self.carrier_ghz / 3.0) + lg_d) + slope * lg_d
        before_db += 0.002 * np.log10(h) * before_m - offset
        return np.asarray(before_db + 40.0 * np.log10(distance_m / before_m))

    def _out_of_sight_db(self, distance_m: FloatArray) -> FloatArray:
        h, lg_base = self.building_height_m, np.log10(self.base_height_m)
        street_db = 7.5 * np.log10(h) - 7.1 * np.log10(self.street_width_m)
        base_db = (24.37 - 3.7 * (h / self.base_height_m) ** 2) * lg_base
        device_db = 3.2 * np.log10(11.75 * self.device_height_m) ** 2 - 4.97
        slope_db = (43.42 - 3.1 * lg_base) * (np.log10(distance_m) - 3.0)
        lg_f = np.log10(self.carrier_ghz)
        return np.asarray(161.04 + street_db - base_db + slope_db + 20.0 * lg_f - device_db)
