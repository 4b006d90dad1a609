"""Urban cells of TR 38.901: macro cells above the roofs and micro cells in street canyons."""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np

from channel_models.large_scale.buildings import Population
from channel_models.large_scale.conditions import Chance, Statistics, draw_chance, large_scale_of
from channel_models.large_scale.line_of_sight import (
    Sight,
    SightRule,
    luck_at,
    uma_c,
    uma_line_of_sight_probability,
    umi_line_of_sight_probability,
)
from channel_models.large_scale.path_loss import LargeScale, between_antennas_m
from channel_models.large_scale.penetration import (
    car_penetration,
    refuse_single_frequency,
    wall_penetration,
)
from channel_models.large_scale.spreads import by_condition, spreads
from channel_models.large_scale.validity import Release, check_range, refuse_release
from channel_models.layouts.geometry import Paths
from channel_models.refusals import refuse_negative
from channel_models.standards import table
from channel_models.units import SPEED_OF_LIGHT_38901, FloatArray, Positive, Share

Nlos = Literal["standard", "optional"]
WallModel = Literal["materials", "single_frequency"]
Height = Annotated[float, ("above", 1.0)]
"""Height above the least effective height of the environment, below which no breakpoint is defined."""


@dataclass(frozen=True)
class UrbanMacro:
    """Urban macro cell (UMa) of TR 38.901.

    With d the distance between the antennas in m, f the carrier in GHz, h the heights of base and device in m, and h_E
    the effective height of the environment, 1 m for devices up to 13 m high:

    - in sight: 28.0 + 22 lg d + 20 lg f up to the breakpoint 4 (h_base − h_E)(h_device − h_E) f/c along the ground,
      then 28.0 + 40 lg d + 20 lg f − 9 lg(breakpoint² + (h_base − h_device)²);
    - out of sight: 13.54 + 39.08 lg d + 20 lg f − 0.6 (h_device − 1.5), and never less than in sight; optionally
      32.4 + 30 lg d + 20 lg f;
    - in a building, on one of its floors: the wall, 0.5 dB/m inside and a normal deviation on top.

    Attributes:
        carrier_ghz: Carrier frequency, in GHz.
        base_height_m: Height of the base station's antennas, in m; the table is written for 25.
        device_height_m: Height of the devices outdoors, in m; the table is written for 1.5 to 22.5.
        line_of_sight: Whether links are in sight by the model's probability, each with luck of its own (random) or
            neighbours alike (correlated), always or never.
        nlos: Loss out of sight, the standard's or its optional one.
        indoor_share: Share of devices in buildings, on floors up to 22.5 m high.
        high_loss_share: Share of buildings whose walls have high penetration loss.
        penetration: Loss of walls from their materials, or the model of one frequency for carriers below 6 GHz.
        car_share: Share of the devices outdoors that are in cars.
        car_metallised: Whether the windows of cars are metallised.
        map_half_width_m: How far the map of correlated sight reaches from the origin, in m.
        release: Release of the standard, 16 or 19; infrared-reflecting glass and spreads differ.
        enforce_ranges: Refuse what lies outside the standard's ranges, instead of warning once.

    Reference:
        3GPP TR 38.901, Tables 7.4.1-1 and 7.4.2-1, sections 7.4.3 and 7.6.3.3, c = 3.0e8 m/s [VV]; optional loss [S].

    >>> from channel_models.layouts.geometry import paths_between
    >>> model = UrbanMacro(carrier_ghz=5.0, line_of_sight="always")
    >>> paths = paths_between(np.array([[1000.0, 0.0]]), np.zeros((1, 2)))
    >>> model.large_scale(model.init(1, 1, np.random.default_rng(1)), paths).loss_db.round(4)
    array([[109.7252]])
    """

    scenario = "UMa"

    carrier_ghz: Positive = 3.5
    base_height_m: Height = 25.0
    device_height_m: Height = 1.5
    line_of_sight: SightRule = "random"
    nlos: Nlos = "standard"
    indoor_share: Share = 0.0
    high_loss_share: Share = 0.5
    penetration: WallModel = "materials"
    car_share: Share = 0.0
    car_metallised: bool = False
    map_half_width_m: Positive = 1000.0
    release: Release = 19
    enforce_ranges: bool = False

    def __post_init__(self) -> None:
        _check(self)

    def init(self, devices: int, sites: int, rng: np.random.Generator) -> Chance:
        """Return the sight, the whereabouts and the spreads of K devices and S sites."""
        tall = self.indoor_share > 0.0 or self.device_height_m > 13.0
        return draw_chance(
            devices, sites, rng, sight=_sight(self), population=_population(self), environment=tall
        )

    def large_scale(self, state: Chance, paths: Paths) -> LargeScale:
        """Return the losses, arrays of shape (K, S)."""
        refuse_negative("ground_m", paths.ground_m)
        height_m, ground_m = state.whereabouts.height_m, paths.ground_m
        outdoor_m = ground_m - state.whereabouts.inside_m(ground_m)
        probability = uma_line_of_sight_probability(outdoor_m, height_m)
        if state.environment is None:
            return _links(self, state, paths, probability, 1.0)
        environment_m = uma_environment_m(state.environment, ground_m, height_m)
        return _links(self, state, paths, probability, environment_m)


@dataclass(frozen=True)
class UrbanMicro:
    """Urban micro cell in a street canyon (UMi) of TR 38.901.

    With d the distance between the antennas in m, f the carrier in GHz and h the heights of base and device in m:

    - in sight: 32.4 + 21 lg d + 20 lg f up to the breakpoint 4 (h_base − 1)(h_device − 1) f/c along the ground,
      then 32.4 + 40 lg d + 20 lg f − 9.5 lg(breakpoint² + (h_base − h_device)²);
    - out of sight: 22.4 + 35.3 lg d + 21.3 lg f − 0.3 (h_device − 1.5), and never less than in sight; optionally
      32.4 + 31.9 lg d + 20 lg f;
    - in a building, on one of its floors: the wall, 0.5 dB/m inside and a normal deviation on top.

    Attributes:
        carrier_ghz: Carrier frequency, in GHz.
        base_height_m: Height of the base station's antennas, in m; the table is written for 10.
        device_height_m: Height of the devices outdoors, in m; the table is written for 1.5 to 22.5.
        line_of_sight: Whether links are in sight by the model's probability, each with luck of its own (random) or
            neighbours alike (correlated), always or never.
        nlos: Loss out of sight, the standard's or its optional one.
        indoor_share: Share of devices in buildings, on floors up to 22.5 m high.
        high_loss_share: Share of buildings whose walls have high penetration loss.
        penetration: Loss of walls from their materials, or the model of one frequency for carriers below 6 GHz.
        car_share: Share of the devices outdoors that are in cars.
        car_metallised: Whether the windows of cars are metallised.
        map_half_width_m: How far the map of correlated sight reaches from the origin, in m.
        release: Release of the standard, 16 or 19; infrared-reflecting glass and spreads differ.
        enforce_ranges: Refuse what lies outside the standard's ranges, instead of warning once.

    Reference:
        3GPP TR 38.901, Tables 7.4.1-1 and 7.4.2-1, sections 7.4.3 and 7.6.3.3, c = 3.0e8 m/s [VV]; optional loss [S].

    >>> from channel_models.layouts.geometry import paths_between
    >>> model = UrbanMicro(carrier_ghz=5.0, line_of_sight="always")
    >>> paths = paths_between(np.array([[1000.0, 0.0]]), np.zeros((1, 2)))
    >>> model.large_scale(model.init(1, 1, np.random.default_rng(1)), paths).loss_db.round(4)
    array([[119.3114]])
    """

    scenario = "UMi"

    carrier_ghz: Positive = 3.5
    base_height_m: Height = 10.0
    device_height_m: Height = 1.5
    line_of_sight: SightRule = "random"
    nlos: Nlos = "standard"
    indoor_share: Share = 0.0
    high_loss_share: Share = 0.5
    penetration: WallModel = "materials"
    car_share: Share = 0.0
    car_metallised: bool = False
    map_half_width_m: Positive = 1000.0
    release: Release = 19
    enforce_ranges: bool = False

    def __post_init__(self) -> None:
        _check(self)

    def init(self, devices: int, sites: int, rng: np.random.Generator) -> Chance:
        """Return the sight, the whereabouts and the spreads of K devices and S sites."""
        return draw_chance(devices, sites, rng, sight=_sight(self), population=_population(self))

    def large_scale(self, state: Chance, paths: Paths) -> LargeScale:
        """Return the losses, arrays of shape (K, S)."""
        refuse_negative("ground_m", paths.ground_m)
        outdoor_m = paths.ground_m - state.whereabouts.inside_m(paths.ground_m)
        return _links(self, state, paths, umi_line_of_sight_probability(outdoor_m), 1.0)


def uma_environment_m(
    uniform: FloatArray, ground_m: FloatArray, device_height_m: FloatArray
) -> FloatArray:
    """Return the effective heights h_E of the environment, shape (K, S).

    1 m with probability 1/(1 + C), else uniform on {12, 15, …, h_device − 1.5}. The part of a uniform beyond that
    probability is uniform again, so one is enough for both.

    Args:
        uniform: Uniforms on [0, 1), shape (K, S).
        ground_m: Distance along the ground, shape (K, S).
        device_height_m: Height of the devices, shape (K, 1) or (1, 1).

    Reference:
        3GPP TR 38.901, note 1 of Table 7.4.1-1 [VV].

    >>> uma_environment_m(np.array([[0.0, 0.99]]), np.array([[300.0, 300.0]]), np.array([[22.5]]))
    array([[ 1., 21.]])
    """
    c = uma_c(ground_m, device_height_m)
    beyond = uniform * (1.0 + c) - 1.0  # between 0 and C where the height is not 1 m
    heights = np.maximum(np.floor((device_height_m - 13.5) / 3.0) + 1.0, 1.0)
    step = np.minimum(np.floor(heights * beyond / np.where(c > 0.0, c, 1.0)), heights - 1.0)
    return np.asarray(np.where(beyond < 0.0, 1.0, 12.0 + 3.0 * step))


def _check(cell: UrbanMacro | UrbanMicro) -> None:
    refuse_release(cell.release)
    refuse_single_frequency(cell.penetration, cell.carrier_ghz)
    asked = {
        "f_c": cell.carrier_ghz,
        "h_BS": cell.base_height_m,
        "h_UT": cell.device_height_m,
    }
    for symbol, value in asked.items():
        check_range(cell.scenario, symbol, value, enforce=cell.enforce_ranges)
    if cell.car_share > 0.0:
        check_range("cars", "f_c", cell.carrier_ghz, enforce=cell.enforce_ranges)


def _sight(cell: UrbanMacro | UrbanMicro) -> Sight:
    correlation_m = table("tr38901_large_scale")[cell.scenario]["d_cor_LOS"]
    return Sight(cell.line_of_sight, correlation_m, cell.map_half_width_m)


def _population(cell: UrbanMacro | UrbanMicro) -> Population:
    single = cell.penetration == "single_frequency"
    low, high = (
        wall_penetration("single_frequency" if single else wall, cell.carrier_ghz, cell.release)
        for wall in ("low", "high")
    )
    return Population(
        device_height_m=cell.device_height_m,
        indoor_share=cell.indoor_share,
        car_share=cell.car_share,
        floors=True,
        depth_m=table("tr38901_large_scale")[cell.scenario]["d_2D_in"],
        depth_per_link=single,
        low=low,
        high=high,
        high_loss_share=cell.high_loss_share,
        car=car_penetration(metallised=cell.car_metallised),
    )


def _links(
    cell: UrbanMacro | UrbanMicro,
    state: Chance,
    paths: Paths,
    probability: FloatArray,
    environment_m: FloatArray | float,
) -> LargeScale:
    sight = luck_at(state.luck, paths.position_m) < probability
    height_m, ground_m = state.whereabouts.height_m, paths.ground_m
    in_sight_db, hidden_db = _losses_db(cell, ground_m, height_m, environment_m)
    check_range(cell.scenario, "d_2D", ground_m, enforce=cell.enforce_ranges)
    found = table("tr38901_large_scale")[cell.scenario]
    return large_scale_of(
        Statistics(
            sigma_db=by_condition(found["sigma_SF"], _hidden(cell)),
            correlation_m=by_condition(found["d_cor"]),
            spreads=spreads(cell.scenario, cell.carrier_ghz, cell.release),
        ),
        state,
        ground_m,
        cell.base_height_m - height_m,
        sight=sight,
        basic_db=np.where(sight, in_sight_db, hidden_db),
    )


def _hidden(cell: UrbanMacro | UrbanMicro) -> str:
    """Return the table's entry for links out of sight."""
    return "NLOS" if cell.nlos == "standard" else "optional"


def _losses_db(
    cell: UrbanMacro | UrbanMicro,
    ground_m: FloatArray,
    height_m: FloatArray,
    environment_m: FloatArray | float,
) -> tuple[FloatArray, FloatArray]:
    """Return the losses of Table 7.4.1-1 in sight and out of sight, both of shape (K, S)."""
    found = table("tr38901_large_scale")[cell.scenario]
    los, nlos = found["LOS"], found[_hidden(cell)]
    rise_m = cell.base_height_m - height_m
    lg_d, lg_f = np.log10(between_antennas_m(ground_m, rise_m)), np.log10(cell.carrier_ghz)
    d_bp_m = breakpoint_m(cell.carrier_ghz, cell.base_height_m, height_m, environment_m)
    bend_db = los["D"] * np.log10(d_bp_m**2 + rise_m**2)
    slope_db = np.where(ground_m <= d_bp_m, los["B"] * lg_d, los["B_far"] * lg_d - bend_db)
    in_sight_db = los["A"] + slope_db + los["C"] * lg_f
    hidden_db = nlos["A"] + nlos["B"] * lg_d + nlos["C"] * lg_f - nlos["E"] * (height_m - 1.5)
    if cell.nlos == "standard":
        hidden_db = np.maximum(in_sight_db, hidden_db)
    return in_sight_db, hidden_db


def breakpoint_m(
    carrier_ghz: float,
    base_height_m: float,
    device_height_m: FloatArray | float,
    environment_m: FloatArray | float = 1.0,
) -> FloatArray:
    """Return the breakpoint distance 4 (h_BS − h_E)(h_UT − h_E) f/c, c = 3.0e8 m/s; shapes broadcast.

    It is 0 where the base station stands below the effective height of the environment.

    Args:
        carrier_ghz: Carrier frequency f, in GHz.
        base_height_m: Height h_BS of the base station's antennas.
        device_height_m: Height h_UT of the devices.
        environment_m: Effective height h_E of the environment.

    Reference:
        3GPP TR 38.901, note 1 of Table 7.4.1-1 [VV].

    >>> float(breakpoint_m(5.0, 25.0, 1.5))
    800.0
    """
    above_m2 = np.maximum(base_height_m - environment_m, 0.0) * np.maximum(
        device_height_m - environment_m, 0.0
    )
    return np.asarray(4.0 * above_m2 * carrier_ghz * 1e9 / SPEED_OF_LIGHT_38901)
