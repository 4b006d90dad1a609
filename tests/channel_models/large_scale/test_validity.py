"""Validity: one warning outside the standard's ranges, or an error that names field and value."""

import warnings

import numpy as np
import pytest

from channel_models.large_scale.indoor import IndoorFactory, IndoorOffice
from channel_models.large_scale.rural import RuralMacro
from channel_models.large_scale.urban import UrbanMacro, UrbanMicro
from channel_models.large_scale.validity import OutOfRange
from channel_models.layouts.geometry import paths_between

FIELDS = [
    (UrbanMacro, "carrier_ghz", 0.49, 101.0),
    (UrbanMacro, "base_height_m", 24.0, 26.0),
    (UrbanMacro, "device_height_m", 1.4, 22.6),
    (UrbanMicro, "carrier_ghz", 0.49, 101.0),
    (UrbanMicro, "base_height_m", 9.0, 11.0),
    (UrbanMicro, "device_height_m", 1.4, 22.6),
    (RuralMacro, "carrier_ghz", 0.49, 30.1),
    (RuralMacro, "base_height_m", 9.9, 151.0),
    (RuralMacro, "device_height_m", 0.9, 10.1),
    (RuralMacro, "building_height_m", 4.9, 51.0),
    (RuralMacro, "street_width_m", 4.9, 51.0),
    (IndoorOffice, "carrier_ghz", 0.49, 101.0),
    (IndoorFactory, "carrier_ghz", 0.49, 101.0),
]
# Ranges of distance: along the ground outdoors, between the antennas indoors.
DISTANCES = [
    (UrbanMacro, {}, "ground_m", 9.9, 5001.0),
    (UrbanMicro, {}, "ground_m", 9.9, 5001.0),
    (RuralMacro, {"line_of_sight": "always"}, "ground_m", 9.9, 10001.0),
    (RuralMacro, {"line_of_sight": "never"}, "ground_m", 9.9, 5001.0),
    (IndoorOffice, {"base_height_m": 1.0}, "distance_m", 0.9, 151.0),
    (IndoorFactory, {}, "distance_m", 0.9, 601.0),
]


def ask(model, *distances_m):
    paths = paths_between(np.array([(d, 0.0) for d in distances_m]), np.zeros((1, 2)))
    state = model.init(len(distances_m), 1, np.random.default_rng(1))
    return model.large_scale(state, paths)


@pytest.mark.parametrize(("model", "field", "below", "above"), FIELDS)
def test_a_field_out_of_range_warns_or_is_refused(model, field, below, above):
    for value in (below, above):
        with pytest.warns(OutOfRange, match=rf"^{field} is not ") as told:
            model(**{field: value})
        assert len(told) == 1
        assert str(value) not in str(told[0].message)
        with pytest.raises(ValueError, match=rf"^{field} must be finite and .*, got {value}$"):
            model(**{field: value}, enforce_ranges=True)


@pytest.mark.parametrize(("model", "options", "name", "below", "above"), DISTANCES)
def test_a_distance_out_of_range_warns_or_is_refused(model, options, name, below, above):
    within = (np.nextafter(below + 0.1, np.inf), above - 1.0)
    ask(model(**options, enforce_ranges=True), *within)
    for distance_m in (below, above):
        with pytest.warns(OutOfRange, match=rf"^{name} is not from "):
            found = ask(model(**options), within[0], distance_m)
        assert np.isfinite(found.loss_db).all()
        with pytest.raises(ValueError, match=rf"^{name} must .*, got {distance_m} for device 1"):
            ask(model(**options, enforce_ranges=True), within[0], distance_m)


def test_beyond_5_km_in_the_country_only_links_out_of_sight_are_out_of_range():
    devices = 200
    with pytest.raises(ValueError, match=r"5000 in RMa out of sight .* got 7000\.0 for device"):
        ask(RuralMacro(enforce_ranges=True), *devices * [7000.0])
    ask(RuralMacro(line_of_sight="always", enforce_ranges=True), *devices * [7000.0])


def test_cars_have_a_range_of_their_own():
    UrbanMicro(61.0)
    for model in (UrbanMicro, UrbanMacro):
        with pytest.warns(OutOfRange, match=r"carrier_ghz is not from 0\.6 to 60.* cars"):
            model(61.0, car_share=0.1)
    with pytest.raises(ValueError, match=r"carrier_ghz .*from 0\.6 to 60 in cars .*got 0\.55"):
        RuralMacro(0.55, car_share=0.1, enforce_ranges=True)


def test_pythons_usual_filter_shows_a_warning_once():
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("default")
        for carrier_ghz in (101.0, 102.0):
            model = UrbanMicro(carrier_ghz)
            for distance_m in (5.0, 6.0, 7.0):
                ask(model, distance_m)
    assert sorted(str(one.message).split()[0] for one in told) == ["carrier_ghz", "ground_m"]


def test_the_defaults_are_in_range():
    for model in (UrbanMacro, UrbanMicro, RuralMacro, IndoorOffice):
        ask(model(enforce_ranges=True), 20.0)
    for hall in ("SL", "DL", "SH", "DH", "HH"):
        ask(IndoorFactory(hall=hall, enforce_ranges=True), 20.0)


def test_floors_are_no_field_out_of_range():
    ask(UrbanMicro(indoor_share=1.0, enforce_ranges=True), *100 * [50.0])
