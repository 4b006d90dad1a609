"""Rural cells: the two slopes, what buildings and streets do to them, and devices in houses and cars."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channel_models.large_scale.path_loss import INDOORS
from channel_models.large_scale.rural import RuralMacro
from channel_models.layouts.geometry import paths_between

DEVICES = 40_000


def around(distance_m, devices=1):
    return paths_between(np.tile([distance_m, 0.0], (devices, 1)), np.zeros((1, 2)))


def drawn(model, paths, seed=5):
    state = model.init(*paths.ground_m.shape, np.random.default_rng(seed))
    return state, model.large_scale(state, paths)


def loss_db(model, distance_m):
    return drawn(model, around(distance_m))[1].loss_db[0, 0]


def require_mean(samples, mean, sigma):
    assert np.mean(samples) == pytest.approx(mean, abs=3.0 * sigma / np.sqrt(np.size(samples)))


# Where h is high both minima of the loss in sight take their other arm: 0.03 h^1.72 < 10 up to 29.3 m,
# 0.044 h^1.72 < 14.77 up to 29.4 m.
@pytest.mark.parametrize(
    ("height_m", "slope", "offset"), [(10.0, 1.5744, 2.3092), (40.0, 10.0, 14.77)]
)
def test_buildings_bend_the_loss_in_sight(height_m, slope, offset):
    model = RuralMacro(2.0, building_height_m=height_m, line_of_sight="always")
    d = np.hypot(500.0, 33.5)
    expected_db = 20.0 * np.log10(40.0 * np.pi * d * 2.0 / 3.0) + slope * np.log10(d) - offset
    expected_db += 0.002 * np.log10(height_m) * d
    assert loss_db(model, 500.0) == pytest.approx(expected_db, abs=1e-3)


@settings(deadline=None, max_examples=30)
@given(st.floats(15.0, 20.0), st.floats(1.0, 2.0), st.floats(0.5, 1.0))
def test_the_two_slopes_meet_at_the_breakpoint(base_m, device_m, carrier_ghz):
    at_m = 2.0 * np.pi * base_m * device_m * carrier_ghz * 1e9 / 3.0e8
    assert 10.0 < at_m < 1000.0
    model = RuralMacro(carrier_ghz, base_m, device_m, line_of_sight="always")
    near_db, far_db = loss_db(model, at_m), loss_db(model, np.nextafter(at_m, np.inf))
    # The standard puts d_3D into one slope and the ground's breakpoint into the other: they differ by 40 dB a decade.
    seam_db = 40.0 * np.log10(np.hypot(at_m, base_m - device_m) / at_m)
    assert -1e-6 <= far_db - near_db <= seam_db
    assert loss_db(model, 10.0 * at_m) - far_db == pytest.approx(40.0, abs=seam_db + 1e-6)


def test_out_of_sight_follows_streets_buildings_and_heights():
    usual = RuralMacro(5.0, line_of_sight="never")
    wide = RuralMacro(5.0, street_width_m=40.0, line_of_sight="never")
    assert loss_db(usual, 900.0) - loss_db(wide, 900.0) == pytest.approx(7.1 * np.log10(2.0))
    tall = RuralMacro(5.0, building_height_m=10.0, line_of_sight="never")
    gain_db = 3.7 * (100.0 - 25.0) / 35.0**2 * np.log10(35.0)
    rise_db = loss_db(tall, 900.0) - loss_db(usual, 900.0)
    assert rise_db == pytest.approx(7.5 * np.log10(2.0) + gain_db)
    d = np.hypot(900.0, 57.0)
    expected_db = 161.04 - 7.1 * np.log10(20.0) + 7.5 * np.log10(5.0)
    expected_db -= (24.37 - 3.7 * (5.0 / 60.0) ** 2) * np.log10(60.0)
    expected_db += (43.42 - 3.1 * np.log10(60.0)) * (np.log10(d) - 3.0) + 20.0 * np.log10(5.0)
    expected_db -= 3.2 * np.log10(11.75 * 3.0) ** 2 - 4.97
    model = RuralMacro(5.0, 60.0, 3.0, line_of_sight="never")
    assert loss_db(model, 900.0) == pytest.approx(expected_db, abs=1e-9)


def test_out_of_sight_never_loses_less_than_in_sight():
    assert loss_db(RuralMacro(line_of_sight="never"), 10.0) == loss_db(
        RuralMacro(line_of_sight="always"), 10.0
    )


def test_houses_have_walls_of_low_loss_and_are_10_m_deep():
    # 12.698 dB and deviation 4.4 dB at 3.5 GHz.
    model = RuralMacro(indoor_share=0.5, device_height_m=2.0, line_of_sight="always")
    state, found = drawn(model, around(300.0, DEVICES))
    at = state.whereabouts
    np.testing.assert_array_equal(at.height_m, 2.0)
    np.testing.assert_array_equal(found.condition == INDOORS, at.indoor)
    require_mean(at.indoor, 0.5, 0.5)
    inside = at.depth_m[at.indoor]
    assert inside.max() < 10.0
    require_mean(inside, 10.0 / 3.0, 10.0 / np.sqrt(18.0))
    require_mean(at.penetration_db[at.indoor], 12.698, 4.4)
    outdoors_db = loss_db(RuralMacro(device_height_m=2.0, line_of_sight="always"), 300.0)
    np.testing.assert_allclose(
        found.loss_db, outdoors_db + at.penetration_db + 0.5 * at.depth_m, atol=1e-9
    )
    np.testing.assert_array_equal(found.sigma_db, np.where(at.indoor, 8.0, 4.0))
    np.testing.assert_array_equal(found.correlation_m, np.where(at.indoor, 120.0, 37.0))


def test_everyone_may_be_in_a_car():
    state, found = drawn(RuralMacro(car_share=1.0), around(300.0, DEVICES))
    require_mean(state.whereabouts.penetration_db, 9.0, 5.0)
    assert not np.any(found.condition == INDOORS)


def test_shadowing_widens_beyond_the_breakpoint_in_sight_alone():
    model = RuralMacro(indoor_share=0.5)
    at_m = 2.0 * np.pi * 35.0 * 1.5 * 3.5e9 / 3.0e8
    for distance_m, in_sight_db in ((at_m, 4.0), (1.0001 * at_m, 6.0)):
        found = drawn(model, around(distance_m, 500))[1]
        assert set(np.unique(found.condition)) == {0, 1, 2}
        np.testing.assert_array_equal(
            found.sigma_db, np.array([in_sight_db, 8.0, 8.0])[found.condition]
        )
