"""Indoor cells of TR 38.901: offices and factory halls."""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np

from channel_models.large_scale.buildings import Population
from channel_models.large_scale.conditions import Chance, Statistics, draw_chance, large_scale_of
from channel_models.large_scale.line_of_sight import (
    FactoryHall,
    Office,
    Sight,
    SightRule,
    inf_clutter_m,
    inf_line_of_sight_probability,
    inh_line_of_sight_probability,
    luck_at,
)
from channel_models.large_scale.path_loss import LargeScale, between_antennas_m
from channel_models.large_scale.spreads import Spreads, by_condition, factory_spreads, spreads
from channel_models.large_scale.validity import Release, check_range, refuse_release
from channel_models.layouts.geometry import Paths
from channel_models.standards import table
from channel_models.units import FloatArray, Positive


@dataclass(frozen=True)
class IndoorOffice:
    """Indoor office (InH) of TR 38.901; devices and base stations are in the same office.

    With d the distance between the antennas in m and f the carrier in GHz:

    - in sight: 32.4 + 17.3 lg d + 20 lg f;
    - out of sight: 17.3 + 38.3 lg d + 24.9 lg f, and never less than in sight; optionally 32.4 + 31.9 lg d + 20 lg f.

    Attributes:
        carrier_ghz: Carrier frequency, in GHz.
        base_height_m: Height of the base station's antennas, in m.
        device_height_m: Height of the devices, in m.
        line_of_sight: Whether links are in sight by the model's probability, each with luck of its own (random) or
            neighbours alike (correlated), always or never.
        nlos: Loss out of sight, the standard's or its optional one.
        office: Office with rooms and corridors (mixed) or without (open).
        map_half_width_m: How far the map of correlated sight reaches from the origin, in m.
        release: Release of the standard, 16 or 19; what is used of them agrees.
        enforce_ranges: Refuse what lies outside the standard's ranges, instead of warning once.

    Reference:
        3GPP TR 38.901, Tables 7.2-2, 7.4.1-1 and 7.4.2-1, section 7.6.3.3 [VV]; optional loss [S].

    >>> from channel_models.layouts.geometry import paths_between
    >>> model = IndoorOffice(carrier_ghz=5.0, device_height_m=1.5, line_of_sight="always")
    >>> paths = paths_between(np.array([[10.0, 0.0]]), np.zeros((1, 2)))
    >>> model.large_scale(model.init(1, 1, np.random.default_rng(1)), paths).loss_db.round(4)
    array([[63.763]])
    """

    carrier_ghz: Positive = 3.5
    base_height_m: Positive = 3.0
    device_height_m: Positive = 1.0
    line_of_sight: SightRule = "random"
    nlos: Literal["standard", "optional"] = "standard"
    office: Office = "mixed"
    map_half_width_m: Positive = 150.0
    release: Release = 19
    enforce_ranges: bool = False

    def __post_init__(self) -> None:
        refuse_release(self.release)
        check_range("InH", "f_c", self.carrier_ghz, enforce=self.enforce_ranges)

    def init(self, devices: int, sites: int, rng: np.random.Generator) -> Chance:
        """Return the sight and the spreads of K devices and S sites."""
        correlation_m = table("tr38901_large_scale")["InH"]["d_cor_LOS"]
        sight = Sight(self.line_of_sight, correlation_m, self.map_half_width_m)
        population = Population(self.device_height_m)
        return draw_chance(devices, sites, rng, sight=sight, population=population)

    def large_scale(self, state: Chance, paths: Paths) -> LargeScale:
        """Return the losses, arrays of shape (K, S)."""
        found = table("tr38901_large_scale")["InH"]
        out_of_sight = "NLOS" if self.nlos == "standard" else "optional"
        rise_m = self.base_height_m - state.whereabouts.height_m
        distance_m = between_antennas_m(paths.ground_m, rise_m)
        check_range("InH", "d_3D", distance_m, enforce=self.enforce_ranges)
        probability = inh_line_of_sight_probability(paths.ground_m, self.office)
        sight = luck_at(state.luck, paths.position_m) < probability
        in_sight_db = _abc_db(found["LOS"], distance_m, self.carrier_ghz)
        hidden_db = _abc_db(found[out_of_sight], distance_m, self.carrier_ghz)
        if self.nlos == "standard":
            hidden_db = np.maximum(in_sight_db, hidden_db)
        return large_scale_of(
            Statistics(
                sigma_db=by_condition(found["sigma_SF"], out_of_sight),
                correlation_m=by_condition(found["d_cor"]),
                spreads=spreads("InH", self.carrier_ghz, self.release),
            ),
            state,
            paths.ground_m,
            rise_m,
            sight=sight,
            basic_db=np.where(sight, in_sight_db, hidden_db),
        )


@dataclass(frozen=True)
class IndoorFactory:
    """Factory hall (InF) of TR 38.901, of sparse (S) or dense (D) clutter and low (L) or high (H) base stations.

    With d the distance between the antennas in m and f the carrier in GHz:

    - in sight: 31.84 + 21.50 lg d + 19.00 lg f;
    - out of sight, and never less than in sight: SL 33 + 25.5 lg d + 20 lg f, DL 18.6 + 35.7 lg d + 20 lg f and never
      less than SL, SH 32.4 + 23.0 lg d + 20 lg f, DH 33.63 + 21.9 lg d + 20 lg f;
    - where both ends stand above the clutter (HH) every link is in sight.

    The deviation in sight is disputed: 4.0, 4.3 and 4.32 dB are found; we take 4.3 dB [1].

    Attributes:
        carrier_ghz: Carrier frequency, in GHz.
        base_height_m: Height of the base station's antennas, in m; null takes the hall's.
        device_height_m: Height of the devices, in m; null takes the hall's.
        line_of_sight: Whether links are in sight by the model's probability, each with luck of its own (random) or
            neighbours alike (correlated), always or never.
        hall: Sparse or dense clutter, low or high base stations; HH for both ends above the clutter.
        clutter_density: Share r of the floor that clutter covers; null takes the hall's.
        clutter_size_m: Typical size of the clutter, in m; null takes the hall's.
        clutter_height_m: Height of the clutter, in m; null takes the hall's.
        hall_length_m: Length of the hall, in m; null takes the hall's.
        hall_width_m: Width of the hall, in m; null takes the hall's.
        hall_height_m: Height of the hall, in m; null takes the hall's.
        map_half_width_m: How far the map of correlated sight reaches from the origin, in m.
        release: Release of the standard, 16 or 19; what is used of them agrees.
        enforce_ranges: Refuse what lies outside the standard's ranges, instead of warning once.

    Reference:
        3GPP TR 38.901, Tables 7.4.1-1 and 7.4.2-1, section 7.6.3.3 [V]. The halls are those of Table 7.8-7, which knows
        no HH: its hall and mast are SH's, and its devices stand as high as the mast [S].

    >>> from channel_models.layouts.geometry import paths_between
    >>> model = IndoorFactory(carrier_ghz=5.0, hall="DL", line_of_sight="never")
    >>> paths = paths_between(np.array([[10.0, 0.0], [100.0, 0.0]]), np.zeros((1, 2)))
    >>> model.large_scale(model.init(2, 1, np.random.default_rng(1)), paths).loss_db.ravel().round(4)
    array([ 72.4794, 103.9794])
    """

    carrier_ghz: Positive = 3.5
    base_height_m: Positive | None = None
    device_height_m: Positive | None = None
    line_of_sight: SightRule = "random"
    hall: FactoryHall = "SL"
    clutter_density: Annotated[float, ("above", 0.0), ("below", 1.0)] | None = None
    clutter_size_m: Positive | None = None
    clutter_height_m: Positive | None = None
    hall_length_m: Positive | None = None
    hall_width_m: Positive | None = None
    hall_height_m: Positive | None = None
    map_half_width_m: Positive = 150.0
    release: Release = 19
    enforce_ranges: bool = False

    def __post_init__(self) -> None:
        refuse_release(self.release)
        check_range("InF", "f_c", self.carrier_ghz, enforce=self.enforce_ranges)
        if self.hall == "HH" and self.line_of_sight == "never":
            raise ValueError("line_of_sight must not be never in a hall of kind HH, got never")
        device_m = self._of_hall("h_UT", self.device_height_m)
        for name, symbol, height_m in (
            ("clutter_height_m", "h_c", self.clutter_height_m),
            ("base_height_m", "h_BS", self.base_height_m),
        ):
            found_m = self._of_hall(symbol, height_m)
            if self.hall in {"SH", "DH"} and not found_m > device_m:
                raise ValueError(
                    f"{name} must exceed device_height_m, {device_m}, in a hall of kind {self.hall}, got {found_m}"
                )

    def init(self, devices: int, sites: int, rng: np.random.Generator) -> Chance:
        """Return the sight and the spreads of K devices and S sites."""
        correlation_m = self._of_hall("d_clutter", self.clutter_size_m) / 2.0
        sight = Sight(self.line_of_sight, correlation_m, self.map_half_width_m)
        population = Population(self._of_hall("h_UT", self.device_height_m))
        return draw_chance(devices, sites, rng, sight=sight, population=population)

    def large_scale(self, state: Chance, paths: Paths) -> LargeScale:
        """Return the losses, arrays of shape (K, S)."""
        found = table("tr38901_large_scale")["InF"]
        rise_m = self._of_hall("h_BS", self.base_height_m) - state.whereabouts.height_m
        distance_m = between_antennas_m(paths.ground_m, rise_m)
        check_range("InF", "d_3D", distance_m, enforce=self.enforce_ranges)
        probability = inf_line_of_sight_probability(paths.ground_m, self._clutter_m)
        sight = luck_at(state.luck, paths.position_m) < probability
        in_sight_db = _abc_db(found["LOS"], distance_m, self.carrier_ghz)
        hidden_db = in_sight_db
        for other in found["largest_of"][self.hall]:
            other_db = _abc_db(found[other], distance_m, self.carrier_ghz)
            hidden_db = np.maximum(hidden_db, other_db)
        return large_scale_of(
            Statistics(
                sigma_db=by_condition(found["sigma_SF"], self.hall),
                correlation_m=by_condition(found["d_cor"]),
                spreads=self._spreads,
            ),
            state,
            paths.ground_m,
            rise_m,
            sight=sight,
            basic_db=np.where(sight, in_sight_db, hidden_db),
        )

    @property
    def _clutter_m(self) -> float:
        return inf_clutter_m(
            self.hall,
            self._of_hall("r", self.clutter_density),
            self._of_hall("d_clutter", self.clutter_size_m),
            height_m=self._of_hall("h_c", self.clutter_height_m),
            base_height_m=self._of_hall("h_BS", self.base_height_m),
            device_height_m=self._of_hall("h_UT", self.device_height_m),
        )

    @property
    def _spreads(self) -> Spreads:
        return factory_spreads(
            self._of_hall("length", self.hall_length_m),
            self._of_hall("width", self.hall_width_m),
            self._of_hall("height", self.hall_height_m),
        )

    def _of_hall(self, symbol: str, own: float | None) -> float:
        """Return a quantity of its own, or that of the standard's hall."""
        found: float = table("tr38901_large_scale")["InF"]["halls"][self.hall][symbol]
        return found if own is None else own


def _abc_db(of: dict[str, float], distance_m: FloatArray, carrier_ghz: float) -> FloatArray:
    """Return A + B lg d + C lg f, any shape."""
    return np.asarray(of["A"] + of["B"] * np.log10(distance_m) + of["C"] * np.log10(carrier_ghz))
