"""Random waypoint: what holds at the start holds for ever, and nobody leaves the area or breaks the speed limit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from channel_models.layouts.random_waypoint import RandomWaypoint, mean_distance_m
from channel_models.testing import check_mobility

DEVICES = 20_000
BRISK = RandomWaypoint(
    1.0, 10.0, pause_s=20.0, length_m=300.0, width_m=200.0, centre_m=(50.0, -20.0)
)
MODELS = [
    BRISK,
    RandomWaypoint(),
    RandomWaypoint(pause_s=0.0),
    RandomWaypoint(3.0, 3.0),
    RandomWaypoint(0.1, 30.0, pause_s=1.0, length_m=10.0, width_m=1000.0),
]


def moved(model, *times_s, devices=DEVICES, seed=1):
    """Return positions at the start and at these times, shape (T + 1, K, 2)."""
    rng = np.random.default_rng(seed)
    state, position_m = model.init(np.zeros((devices, 2)), rng)
    played = [position_m]
    for elapsed_s in np.diff([0.0, *times_s]):
        state, position_m = model.step(state, elapsed_s, rng)
        played.append(position_m)
    return np.stack(played)


def speed_m_s(model, at_s, seed=2):
    """Return how fast devices are at a time; hardly any ends its trip within a millisecond."""
    _, *two = moved(model, at_s, at_s + 1e-3, seed=seed)
    return np.hypot(*(two[1] - two[0]).T) / 1e-3


@pytest.mark.parametrize("model", MODELS)
def test_random_waypoint_conforms(model):
    check_mobility(model)


def test_the_mean_speed_at_the_start_is_that_of_the_long_run():
    # On a trip the density goes with 1/v, so that the mean is (b - a) / ln(b / a), and less for those who rest.
    walking = 9.0 / np.log(10.0)
    trip_s = mean_distance_m(300.0, 200.0) * np.log(10.0) / 9.0
    wanted = walking * trip_s / (trip_s + 20.0)
    for at_s in (0.0, 30.0, 300.0, 3000.0):
        found = speed_m_s(BRISK, at_s)
        assert found.mean() == pytest.approx(wanted, abs=4.0 * found.std() / np.sqrt(DEVICES))
    assert wanted < 0.75 * 5.5  # the mean of fresh trips, which the classic mistake starts from


def test_the_law_of_the_speed_stays_that_of_its_start():
    start, later = speed_m_s(BRISK, 0.0, seed=3), speed_m_s(BRISK, 500.0, seed=4)
    assert stats.ks_2samp(start, later).pvalue > 1e-3
    walking = start[start > 0.5]
    log_uniform = stats.loguniform(1.0, 10.0)
    assert stats.kstest(walking, lambda v: log_uniform.cdf(np.round(v, 6))).pvalue > 1e-3


@pytest.mark.parametrize("pause_s", [0.0, 20.0, 200.0])
def test_as_many_rest_at_the_start_as_later(pause_s):
    model = RandomWaypoint(1.0, 10.0, pause_s=pause_s, length_m=300.0, width_m=200.0)
    share = model.resting_share
    trip_s = mean_distance_m(300.0, 200.0) * np.log(10.0) / 9.0
    assert share == pytest.approx(pause_s / (pause_s + trip_s))
    for at_s in (0.0, 400.0):
        rests = np.mean(speed_m_s(model, at_s) == 0.0)
        assert rests == pytest.approx(share, abs=4.0 * np.sqrt(0.25 / DEVICES) + 1e-3)


def test_positions_keep_the_law_of_their_start():
    start_m, soon_m, late_m = moved(BRISK, 15.0, 1000.0, seed=5)
    middle_m = np.array(BRISK.centre_m)
    for later_m in (soon_m, late_m):
        for axis in (0, 1):
            assert stats.ks_2samp(start_m[:, axis], later_m[:, axis]).pvalue > 1e-3
        radius_m = [np.hypot(*(each - middle_m).T) for each in (start_m, later_m)]
        assert stats.ks_2samp(*radius_m).pvalue > 1e-3
    # Devices on their way prefer the middle: uniform is what they are not.
    assert stats.kstest((start_m[:, 0] - 50.0) / 300.0 + 0.5, "uniform").pvalue < 1e-6


def test_rests_that_are_under_way_end_evenly():
    resting = RandomWaypoint(1.0, 2.0, pause_s=1000.0, length_m=100.0, width_m=100.0)
    state, _ = resting.init(np.zeros((DEVICES, 2)), np.random.default_rng(6))
    left_s = state.rest_s[state.rest_s > 0.0]
    assert len(left_s) / DEVICES == pytest.approx(resting.resting_share, abs=0.01)
    assert stats.kstest(left_s / 1000.0, "uniform").pvalue > 1e-3


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(MODELS),
    st.lists(st.floats(0.0, 500.0), min_size=1, max_size=4),
    st.integers(0, 1000),
)
def test_nobody_leaves_the_rectangle_or_goes_too_fast(model, steps_s, seed):
    times_s = np.cumsum(steps_s)
    played_m = moved(model, *times_s, devices=50, seed=seed)
    side_m = np.array([model.length_m, model.width_m])
    assert (np.abs(played_m - model.centre_m) <= 0.5 * side_m + 1e-9).all()
    way_m = np.hypot(*np.diff(played_m, axis=0).transpose(2, 0, 1))
    assert (way_m <= model.speed_max_m_s * np.array(steps_s)[:, None] + 1e-9).all()


def test_a_trip_goes_straight_at_one_speed_and_ends_in_a_rest():
    model = RandomWaypoint(2.0, 2.0, pause_s=50.0, length_m=100.0, width_m=100.0)
    played_m = moved(model, *np.arange(1.0, 400.0), devices=40)
    way_m = np.hypot(*np.diff(played_m, axis=0).transpose(2, 0, 1))
    np.testing.assert_allclose(way_m[(way_m > 0.0) & (way_m > 1.9999)], 2.0)
    for device in range(40):
        still = way_m[:, device] < 1e-12
        lengths = np.diff(np.flatnonzero(np.diff(np.r_[False, still, False].astype(int))))[::2]
        assert set(lengths[1:-1]) <= {49, 50}


def test_one_long_step_and_many_short_ones_follow_one_law():
    long_m = moved(BRISK, 200.0, seed=7)[-1]
    short_m = moved(BRISK, *np.linspace(2.0, 200.0, 100), seed=8)[-1]
    for axis in (0, 1):
        assert stats.ks_2samp(long_m[:, axis], short_m[:, axis]).pvalue > 1e-3


@pytest.mark.parametrize(("a", "b"), [(1.0, 1.0), (300.0, 200.0), (1000.0, 1.0), (1.0, 50.0)])
def test_the_mean_distance_in_a_rectangle(a, b):
    place = np.random.default_rng(9).random((2, 200_000, 2)) * (a, b)
    apart = np.hypot(*(place[0] - place[1]).T)
    assert mean_distance_m(a, b) == pytest.approx(apart.mean(), abs=4.0 * apart.std() / 447.0)
    assert mean_distance_m(a, b) == pytest.approx(mean_distance_m(b, a))


def test_a_thin_rectangle_is_a_line():
    assert mean_distance_m(1e6, 1.0) == pytest.approx(1e6 / 3.0, rel=1e-3)


def test_speeds_are_in_order_and_time_does_not_run_back():
    with pytest.raises(
        ValueError, match=r"^speed_max_m_s must be at least speed_min_m_s, got 1\.0 and 2\.0"
    ):
        RandomWaypoint(2.0, 1.0)
    rng = np.random.default_rng(1)
    state, _ = BRISK.init(np.zeros((2, 2)), rng)
    with pytest.raises(ValueError, match=r"^elapsed_s must be finite and at least 0, got -1\.0"):
        BRISK.step(state, -1.0, rng)
