"""Path loss, against the values that ns-3 and Sionna agree on, and against what every loss obeys."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channel_models.large_scale.path_loss import LogDistance
from channel_models.large_scale.urban import UrbanMacro
from channel_models.layouts.geometry import paths_between

DISTANCES = (10.0, 100.0, 1000.0, 5000.0)
UMA_5_GHZ = {
    "always": (72.9380, 86.2362, 109.7252, 137.6794),
    "never": (82.5131, 106.1356, 144.7641, 172.0753),
}
CASES = [
    (sight, distance_m, loss_db)
    for sight, losses_db in UMA_5_GHZ.items()
    for distance_m, loss_db in zip(DISTANCES, losses_db, strict=True)
]


def east(*distances_m):
    """Return devices at these distances to the east of one site."""
    return paths_between(np.array([(d, 0.0) for d in distances_m]), np.zeros((1, 2)))


def links(model, *distances_m, seed=1):
    state = model.init(len(distances_m), 1, np.random.default_rng(seed))
    return model.large_scale(state, east(*distances_m))


def loss_db(model, *distances_m):
    return links(model, *distances_m).loss_db[:, 0]


def test_every_urban_macro_case_is_run():
    assert len(CASES) == len(set(CASES)) == 8


@pytest.mark.parametrize(("sight", "distance_m", "expected_db"), CASES)
def test_urban_macro_is_the_table(sight, distance_m, expected_db):
    model = UrbanMacro(carrier_ghz=5.0, line_of_sight=sight)
    assert loss_db(model, distance_m)[0] == pytest.approx(expected_db, abs=1e-3)


def test_the_speed_of_light_is_the_rounded_one():
    # With 299 792 458 m/s the loss beyond the breakpoint is 109.7198 dB, 0.0054 dB less.
    exact_db = 109.7198
    assert loss_db(UrbanMacro(5.0, line_of_sight="always"), 1000.0)[0] - exact_db > 0.005


def test_the_two_slopes_meet_at_the_breakpoint():
    breakpoint_m = 4.0 * 24.0 * 0.5 * 5e9 / 3e8
    model = UrbanMacro(carrier_ghz=5.0, line_of_sight="always")
    near_db, far_db = loss_db(model, breakpoint_m, np.nextafter(breakpoint_m, np.inf))
    assert breakpoint_m == pytest.approx(800.0)
    assert near_db == pytest.approx(far_db, abs=1e-9)


@settings(max_examples=50, deadline=None)
@given(st.floats(10.0, 5000.0), st.floats(0.5, 100.0), st.floats(1.5, 13.0))
def test_urban_macro_obeys(distance_m, carrier_ghz, height_m):
    clear = UrbanMacro(carrier_ghz, 25.0, height_m, "always")
    hidden = UrbanMacro(carrier_ghz, 25.0, height_m, "never")
    assert loss_db(hidden, distance_m) >= loss_db(clear, distance_m)
    for model in (clear, hidden):
        here, further = loss_db(model, distance_m, 1.1 * distance_m)
        assert further > here
        higher_band = UrbanMacro(1.1 * carrier_ghz, 25.0, height_m, model.line_of_sight)
        assert loss_db(higher_band, distance_m)[0] > here - 1e-9


def test_no_link_out_of_sight_loses_less_than_one_in_sight():
    high = {"carrier_ghz": 5.0, "device_height_m": 13.0}
    hidden_db = loss_db(UrbanMacro(**high, line_of_sight="never"), 10.0)
    clear_db = loss_db(UrbanMacro(**high, line_of_sight="always"), 10.0)
    table_db = 13.54 + 39.08 * np.log10(np.hypot(10.0, 12.0)) + 20.0 * np.log10(5.0) - 0.6 * 11.5
    assert hidden_db == clear_db > table_db


def test_random_sight_takes_the_loss_and_deviation_of_each_link():
    drawn = links(UrbanMacro(), *np.full(200, 60.0), seed=4)
    clear = loss_db(UrbanMacro(line_of_sight="always"), 60.0)[0]
    hidden = loss_db(UrbanMacro(line_of_sight="never"), 60.0)[0]
    assert 0 < drawn.line_of_sight.sum() < 200
    np.testing.assert_array_equal(drawn.loss_db, np.where(drawn.line_of_sight, clear, hidden))
    np.testing.assert_array_equal(drawn.sigma_db, np.where(drawn.line_of_sight, 4.0, 6.0))


@pytest.mark.parametrize(
    ("distance_m", "expected_db"), [(1.0, 15.3), (5.0, 41.58127216), (1000.0, 128.1)]
)
def test_log_distance_values(distance_m, expected_db):
    assert loss_db(LogDistance(), distance_m)[0] == pytest.approx(expected_db, abs=1e-8)


def test_log_distance_says_its_deviation_and_no_sight():
    drawn = links(LogDistance(sigma_db=7.0), 50.0, 60.0)
    np.testing.assert_array_equal(drawn.sigma_db, [[7.0], [7.0]])
    assert not drawn.line_of_sight.any()


@pytest.mark.parametrize("model", [LogDistance(), UrbanMacro()])
@pytest.mark.parametrize("distance_m", [-3.0, np.nan, np.inf])
def test_impossible_distances_are_named(model, distance_m):
    with pytest.raises(
        ValueError, match=rf"^ground_m must be finite .*got {distance_m} for device 1, site 0$"
    ):
        model.large_scale(
            np.zeros((2, 1)), replace(east(100.0, 1.0), ground_m=np.array([[100.0], [distance_m]]))
        )


def test_right_below_the_mast_only_a_model_with_heights_has_a_loss():
    assert np.isfinite(loss_db(UrbanMacro(), 0.0)).all()
    with pytest.raises(ValueError, match=r"above 0, got 0\.0 for device 0, site 0"):
        loss_db(LogDistance(), 0.0)


def test_the_base_station_stands_above_the_devices():
    with pytest.raises(
        ValueError, match=r"^base_height_m must exceed device_height_m, got 10\.0 and 12\.0"
    ):
        UrbanMacro(base_height_m=10.0, device_height_m=12.0)
