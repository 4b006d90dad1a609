"""Gauss–Markov mobility: the moments of its velocity, its memory, and its borders."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from channel_models.layouts.gauss_markov import GaussMarkov
from channel_models.testing import check_mobility

DEVICES = 20_000
MODELS = [
    GaussMarkov(),
    GaussMarkov(border="wrap"),
    GaussMarkov(0.0, 0.0, 3.0, 0.5),
    GaussMarkov(1.0, 30.0, 0.0, 10.0, length_m=200.0, width_m=300.0, centre_m=(50.0, 20.0)),
]


def uniform(model, devices=DEVICES, seed=1):
    side_m = (model.length_m, model.width_m)
    share = np.random.default_rng(seed).random((devices, 2)) - 0.5
    return share * side_m + model.centre_m


def velocities(model, *updates, seed=2):
    """Return the velocity after these numbers of updates, shape (T, K, 2)."""
    rng = np.random.default_rng(seed)
    state, _ = model.init(uniform(model), rng)
    played, done = [], 0
    for update in updates:
        state, _ = model.step(state, (update - done) * model.update_s, rng)
        played.append(state.velocity_m_s)
        done = update
    return np.stack(played), state.mean_m_s


@pytest.mark.parametrize("model", MODELS)
def test_gauss_markov_conforms(model):
    check_mobility(model)


@pytest.mark.parametrize("updates", [0, 1, 20])
def test_the_velocity_has_its_moments_from_the_start(updates):
    model = GaussMarkov(memory=0.7, mean_speed_m_s=2.0, deviation_m_s=0.8)
    (velocity,), mean = velocities(model, updates)
    np.testing.assert_allclose(np.hypot(*mean.T), 2.0)
    bearing = np.arctan2(mean[:, 1], mean[:, 0])
    assert stats.kstest(bearing, stats.uniform(-np.pi, 2.0 * np.pi).cdf).pvalue > 1e-3
    off = velocity - mean
    assert np.abs(off.mean(axis=0)).max() < 4.0 * 0.8 / np.sqrt(DEVICES)
    np.testing.assert_allclose(off.std(axis=0), 0.8, rtol=4.0 / np.sqrt(2 * DEVICES))
    assert abs(np.corrcoef(off.T)[0, 1]) < 4.0 / np.sqrt(DEVICES)
    assert stats.kstest(off[:, 0], stats.norm(0.0, 0.8).cdf).pvalue > 1e-3


@pytest.mark.parametrize("memory", [0.0, 0.5, 0.9])
def test_the_velocity_forgets_by_the_power_of_the_memory(memory):
    model = GaussMarkov(memory=memory)
    played, mean = velocities(model, 0, 1, 2, 5)
    off = (played - mean).reshape(4, -1)
    for updates, later in zip((1, 2, 5), off[1:], strict=True):
        rho = memory**updates
        error = (1.0 - rho**2) / np.sqrt(2 * DEVICES)
        assert np.corrcoef(off[0], later)[0, 1] == pytest.approx(rho, abs=4.0 * error)


def test_a_device_with_full_memory_goes_straight_until_it_is_thrown_back():
    model = GaussMarkov(1.0, 10.0, 0.0, length_m=100.0, width_m=100.0)
    rng = np.random.default_rng(3)
    state, placed_m = model.init(np.zeros((200, 2)), rng)
    for seconds in range(1, 9):
        state, position_m = model.step(state, 1.0, rng)
        way_m = np.abs(seconds * state.mean_m_s)
        np.testing.assert_allclose(np.abs(position_m), np.where(way_m > 50.0, 100.0 - way_m, way_m))
    assert (way_m > 50.0).any()
    assert not placed_m.any()


@pytest.mark.parametrize(
    ("border", "wanted_m"), [("reflect", (40.0, -45.0)), ("wrap", (-40.0, -45.0))]
)
def test_borders(border, wanted_m):
    model = GaussMarkov(border=border, length_m=100.0, width_m=100.0)
    beyond_m = np.array([[110.0, 5.0]])
    np.testing.assert_allclose(model._folded_m(beyond_m), [wanted_m])
    for times in (-2, -1, 1, 3):
        again_m = beyond_m + times * (200.0 if border == "reflect" else 100.0)
        np.testing.assert_allclose(model._folded_m(again_m), [wanted_m])


@pytest.mark.parametrize("border", ["reflect", "wrap"])
def test_uniform_positions_stay_uniform(border):
    model = GaussMarkov(
        0.9, 20.0, 5.0, border=border, length_m=200.0, width_m=100.0, centre_m=(70.0, 0.0)
    )
    rng = np.random.default_rng(4)
    state, _ = model.init(uniform(model), rng)
    for elapsed_s in (3.3, 40.0):
        state, position_m = model.step(state, elapsed_s, rng)
        share = (position_m - model.centre_m) / (200.0, 100.0) + 0.5
        for axis in (0, 1):
            assert stats.kstest(share[:, axis], "uniform").pvalue > 1e-3


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(MODELS),
    st.lists(st.floats(0.0, 100.0), min_size=1, max_size=4),
    st.integers(0, 1000),
)
def test_nobody_leaves_the_rectangle(model, steps_s, seed):
    rng = np.random.default_rng(seed)
    state, _ = model.init(uniform(model, 50, seed), rng)
    side_m = np.array([model.length_m, model.width_m])
    for elapsed_s in steps_s:
        state, position_m = model.step(state, elapsed_s, rng)
        assert (np.abs(position_m - model.centre_m) <= 0.5 * side_m + 1e-9).all()


def test_the_velocity_changes_at_its_interval_however_the_time_is_cut():
    model = GaussMarkov(update_s=2.0)
    rng = np.random.default_rng(5)
    state, position_m = model.init(uniform(model, 5), rng)
    first = state.velocity_m_s
    for _ in range(3):
        state, _ = model.step(state, 0.5, rng)
        np.testing.assert_array_equal(state.velocity_m_s, first)
    np.testing.assert_allclose(state.endless_m, position_m + 500.0 + 1.5 * first)
    state, _ = model.step(state, 0.5, rng)
    assert (state.velocity_m_s != first).all()
    assert state.until_s == 2.0


def test_the_first_positions_are_those_of_the_placement():
    placed_m = np.array([[500.0, -500.0], [3.0, 4.0]])
    np.testing.assert_array_equal(
        GaussMarkov().init(placed_m, np.random.default_rng(6))[1], placed_m
    )


def test_a_device_placed_outside_is_named():
    with pytest.raises(
        ValueError,
        match=r"^position_m must be .* around centre_m \(raise length_m and width_m\), got -501\.0 for device 1, axis 1",
    ):
        GaussMarkov().init(np.array([[0.0, 0.0], [0.0, -501.0]]), np.random.default_rng(7))
