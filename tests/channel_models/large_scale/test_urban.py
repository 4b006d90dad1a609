"""Urban cells: effective heights, floors and depths, walls and cars on top of the loss, and what links say."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channel_models.large_scale.path_loss import IN_SIGHT, INDOORS, OUT_OF_SIGHT
from channel_models.large_scale.urban import (
    UrbanMacro,
    UrbanMicro,
    breakpoint_m,
    uma_environment_m,
)
from channel_models.large_scale.validity import OutOfRange
from channel_models.layouts.geometry import paths_between

DEVICES = 40_000
CELLS = (UrbanMacro, UrbanMicro)


def around(distance_m, devices=DEVICES, sites=1):
    """Return many devices at one distance from sites that stand together."""
    return paths_between(np.tile([distance_m, 0.0], (devices, 1)), np.zeros((sites, 2)))


def drawn(model, paths, seed=5):
    state = model.init(*paths.ground_m.shape, np.random.default_rng(seed))
    return state, model.large_scale(state, paths)


def in_sight_db(cell, ground_m, height_m, environment_m=1.0):
    """Return the loss in sight of Table 7.4.1-1, written out for one link."""
    base_m, f = cell.base_height_m, cell.carrier_ghz
    d3 = np.hypot(ground_m, base_m - height_m)
    d_bp = 4.0 * (base_m - environment_m) * (height_m - environment_m) * f * 1e9 / 3.0e8
    if isinstance(cell, UrbanMacro):
        near, far = 28.0 + 22.0 * np.log10(d3), 28.0 + 40.0 * np.log10(d3)
        far -= 9.0 * np.log10(d_bp**2 + (base_m - height_m) ** 2)
    else:
        near, far = 32.4 + 21.0 * np.log10(d3), 32.4 + 40.0 * np.log10(d3)
        far -= 9.5 * np.log10(d_bp**2 + (base_m - height_m) ** 2)
    return (near if ground_m <= d_bp else far) + 20.0 * np.log10(f)


def require_mean(samples, mean, sigma):
    """Require the mean of independent samples to three standard errors."""
    assert np.mean(samples) == pytest.approx(mean, abs=3.0 * sigma / np.sqrt(np.size(samples)))


def require_share(found, probability):
    require_mean(found, probability, np.sqrt(probability * (1.0 - probability)))


# Effective height of the environment


@pytest.mark.parametrize("height_m", [13.5, 16.5, 22.5])
def test_effective_heights_follow_their_law(height_m):
    distance_m = 300.0
    uniform = np.random.default_rng(1).random((DEVICES, 1))
    found = uma_environment_m(uniform, np.full((DEVICES, 1), distance_m), np.array([[height_m]]))
    c = ((height_m - 13.0) / 10.0) ** 1.5 * 1.25 * 3.0**3 * np.exp(-2.0)
    others = np.arange(12.0, height_m - 1.4, 3.0)
    assert set(np.unique(found)) == {1.0, *others}
    require_share(found == 1.0, 1.0 / (1.0 + c))
    for other in others:
        require_share(found == other, c / (1.0 + c) / len(others))


@settings(deadline=None)
@given(st.floats(0.0, 1.0, exclude_max=True), st.floats(0.0, 5000.0), st.floats(1.5, 23.0))
def test_no_effective_height_reaches_the_device(uniform, distance_m, height_m):
    found = uma_environment_m(
        np.array([[uniform]]), np.array([[distance_m]]), np.array([[height_m]])
    )[0, 0]
    assert found in {1.0, 12.0, 15.0, 18.0, 21.0}
    assert found == 1.0 or found <= max(height_m - 1.5, 12.0) < height_m
    if distance_m <= 18.0 or height_m <= 13.0:
        assert found == 1.0


def test_the_last_uniform_before_one_is_still_an_effective_height():
    # There rounding brings the share of the way through the heights to 1.
    distance_m, height_m = (
        np.linspace(19.0, 2000.0, 4000),
        np.array([[13.5], [16.5], [19.5], [22.5]]),
    )
    last = np.full((4, 4000), np.nextafter(1.0, 0.0))
    found = uma_environment_m(last, np.broadcast_to(distance_m, (4, 4000)), height_m)
    np.testing.assert_array_equal(found.max(axis=1, keepdims=True), height_m - 1.5)


def test_a_macro_cell_draws_an_effective_height_for_each_link():
    # At 0.5 GHz and 1 km every effective height has a breakpoint, and so a loss, of its own.
    model = UrbanMacro(0.5, device_height_m=22.5, line_of_sight="always")
    found = drawn(model, around(1000.0, sites=2))[1].loss_db
    losses = {h: in_sight_db(model, 1000.0, 22.5, h) for h in (1.0, 12.0, 15.0, 18.0, 21.0)}
    np.testing.assert_allclose(np.unique(found.round(6)), sorted(np.round([*losses.values()], 6)))
    c = 0.95**1.5 * 1.25 * 10.0**3 * np.exp(-1000.0 / 150.0)
    for column in found.T:
        for height_m, loss_db in losses.items():
            share = 1.0 / (1.0 + c) if height_m == 1.0 else c / (1.0 + c) / 4.0
            require_share(np.isclose(column, loss_db, atol=1e-6), share)
    assert np.corrcoef(found.T)[0, 1] == pytest.approx(0.0, abs=3.0 / np.sqrt(DEVICES))


def test_effective_heights_are_drawn_only_where_devices_may_be_high():
    shape = (3, 2)
    for model in (UrbanMacro(device_height_m=13.0), UrbanMicro(indoor_share=1.0)):
        assert model.init(*shape, np.random.default_rng(1)).environment is None
    for model in (UrbanMacro(device_height_m=13.1), UrbanMacro(indoor_share=0.1)):
        assert model.init(*shape, np.random.default_rng(1)).environment.shape == shape


# Losses


@pytest.mark.parametrize("cell", CELLS)
@settings(deadline=None, max_examples=30)
@given(st.floats(0.5, 1.0), st.floats(1.6, 2.5))
def test_the_two_slopes_meet_at_the_breakpoint(cell, carrier_ghz, height_m):
    model = cell(carrier_ghz, device_height_m=height_m, line_of_sight="always")
    at_m = float(breakpoint_m(carrier_ghz, model.base_height_m, height_m))
    assert 10.0 < at_m < 500.0
    near, far = np.array([[at_m, 0.0]]), np.array([[np.nextafter(at_m, np.inf), 0.0]])
    losses = [
        drawn(model, paths_between(p, np.zeros((1, 2))))[1].loss_db[0, 0] for p in (near, far)
    ]
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)
    tenfold = drawn(model, paths_between(10.0 * far, np.zeros((1, 2))))[1].loss_db[0, 0]
    assert tenfold - losses[1] > 35.0


def test_no_link_out_of_sight_loses_less_than_one_in_sight():
    high = {"carrier_ghz": 5.0, "device_height_m": 13.0}
    hidden = drawn(UrbanMacro(**high, line_of_sight="never"), around(10.0, 1))[1].loss_db
    clear = drawn(UrbanMacro(**high, line_of_sight="always"), around(10.0, 1))[1].loss_db
    table_db = 13.54 + 39.08 * np.log10(np.hypot(10.0, 12.0)) + 20.0 * np.log10(5.0) - 0.6 * 11.5
    assert hidden == clear > table_db
    level = {"carrier_ghz": 0.5, "device_height_m": 10.5}
    with pytest.warns(OutOfRange, match="^ground_m"):
        hidden = drawn(UrbanMicro(**level, line_of_sight="never"), around(5.0, 1))[1].loss_db
    with pytest.warns(OutOfRange, match="^ground_m"):
        clear = drawn(UrbanMicro(**level, line_of_sight="always"), around(5.0, 1))[1].loss_db
    assert hidden == clear


@pytest.mark.parametrize("cell", CELLS)
def test_height_gains_out_of_sight(cell):
    # 0.6 dB and 0.3 dB a metre, at equal distance between the antennas.
    per_m = 0.6 if cell is UrbanMacro else 0.3
    low = cell(line_of_sight="never")
    high = replace(low, device_height_m=11.5)
    rises = [model.base_height_m - model.device_height_m for model in (low, high)]
    low_db, high_db = (
        drawn(model, around(np.sqrt(300.0**2 - rise**2), 1))[1].loss_db[0, 0]
        for model, rise in zip((low, high), rises, strict=True)
    )
    assert low_db - high_db == pytest.approx(10.0 * per_m, abs=1e-9)


@pytest.mark.parametrize(
    ("cell", "slope", "sigma_db"), [(UrbanMacro, 30.0, 7.8), (UrbanMicro, 31.9, 8.2)]
)
def test_the_optional_loss(cell, slope, sigma_db):
    model = cell(28.0, line_of_sight="never", nlos="optional")
    found = drawn(model, around(200.0, 1))[1]
    d3 = np.hypot(200.0, model.base_height_m - 1.5)
    expected_db = 32.4 + slope * np.log10(d3) + 20.0 * np.log10(28.0)
    assert found.loss_db[0, 0] == pytest.approx(expected_db, abs=1e-9)
    assert found.sigma_db[0, 0] == sigma_db


def test_random_sight_takes_the_loss_and_deviation_of_each_link():
    found = drawn(UrbanMacro(), around(60.0, 200))[1]
    clear, hidden = (
        drawn(UrbanMacro(line_of_sight=sight), around(60.0, 1))[1].loss_db[0, 0]
        for sight in ("always", "never")
    )
    assert 0 < found.line_of_sight.sum() < 200
    np.testing.assert_array_equal(found.loss_db, np.where(found.line_of_sight, clear, hidden))
    np.testing.assert_array_equal(found.sigma_db, np.where(found.line_of_sight, 4.0, 6.0))
    np.testing.assert_array_equal(found.correlation_m, np.where(found.line_of_sight, 37.0, 50.0))


# Indoors


@pytest.mark.parametrize("cell", CELLS)
def test_floors_follow_their_law(cell):
    state, _ = drawn(cell(indoor_share=1.0), around(200.0))
    heights = state.whereabouts.height_m
    assert heights.shape == (DEVICES, 1)
    for floor in range(1, 9):
        # A building has N = 4 … 8 floors, and floor n is one of N where N ≥ n.
        share = sum(1.0 / many for many in range(max(floor, 4), 9)) / 5.0
        require_share(heights == 3.0 * (floor - 1) + 1.5, share)
    assert set(np.unique(heights)) == {3.0 * floor + 1.5 for floor in range(8)}


@pytest.mark.parametrize("cell", CELLS)
def test_depths_are_the_lesser_of_two_uniforms(cell):
    depth_m = drawn(cell(indoor_share=1.0), around(200.0, sites=3))[0].whereabouts.depth_m
    assert depth_m.shape == (DEVICES, 1)
    assert np.all((depth_m >= 0.0) & (depth_m < 25.0))
    sigma_m = 25.0 / np.sqrt(18.0)
    require_mean(depth_m, 25.0 / 3.0, sigma_m)
    # The fourth central moment of min(U, U) is 1/135.
    deviation_m2 = 25.0**2 * np.sqrt(1.0 / 135.0 - 1.0 / 18.0**2)
    require_mean((depth_m - 25.0 / 3.0) ** 2, sigma_m**2, deviation_m2)


@pytest.mark.parametrize("cell", CELLS)
def test_one_frequency_draws_a_uniform_depth_for_each_link(cell):
    model = cell(indoor_share=1.0, penetration="single_frequency")
    at = drawn(model, around(200.0, sites=2))[0].whereabouts
    assert at.depth_m.shape == (DEVICES, 2)
    require_mean(at.depth_m, 12.5, 25.0 / np.sqrt(12.0))
    require_mean((at.depth_m - 12.5) ** 2, 625.0 / 12.0, 625.0 / np.sqrt(180.0))
    assert np.corrcoef(at.depth_m.T)[0, 1] == pytest.approx(0.0, abs=3.0 / np.sqrt(DEVICES))
    np.testing.assert_array_equal(at.penetration_db, 20.0)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("penetration", ["materials", "single_frequency"])
@pytest.mark.parametrize("ground_m", [12.0, 200.0])
def test_indoors_the_loss_is_that_outdoors_plus_wall_and_depth(cell, penetration, ground_m):
    model = cell(5.0, line_of_sight="always", indoor_share=1.0, penetration=penetration)
    state, found = drawn(model, around(ground_m, 300, sites=2))
    at = state.whereabouts
    outdoors_db = np.array([[in_sight_db(model, ground_m, h)] for h in at.height_m[:, 0]])
    inside_m = np.minimum(at.depth_m, ground_m)
    assert (inside_m < at.depth_m).any() == (ground_m < 25.0)
    low = at.height_m[:, 0] < 13.0  # above, a macro cell's effective height is random
    np.testing.assert_allclose(
        found.loss_db[low],
        (outdoors_db + at.penetration_db + 0.5 * inside_m + np.zeros((300, 2)))[low],
        atol=1e-9,
    )
    assert np.all(found.condition == INDOORS)
    assert np.all(found.sigma_db == 7.0)
    assert np.all(found.correlation_m == 7.0)


def test_walls_of_high_and_low_loss_are_equally_many_and_normal():
    # 17.829 and 35.029 dB, deviations 4.4 and 6.5 dB at 28 GHz in release 19.
    paths = around(200.0, sites=2)
    for share in (0.0, 0.5, 1.0):
        model = UrbanMicro(28.0, indoor_share=1.0, high_loss_share=share)
        wall_db = drawn(model, paths)[0].whereabouts.penetration_db
        assert wall_db.shape == (DEVICES, 1)
        mean_db = (1.0 - share) * 17.829 + share * 35.029
        power = (1.0 - share) * (4.4**2 + 17.829**2) + share * (6.5**2 + 35.029**2)
        require_mean(wall_db, mean_db, np.sqrt(power - mean_db**2))
        if share in {0.0, 1.0}:
            sigma_db = 6.5 if share else 4.4
            require_mean((wall_db - mean_db) ** 2, sigma_db**2, np.sqrt(2.0) * sigma_db**2)
    assert UrbanMicro().high_loss_share == UrbanMacro().high_loss_share == 0.5


@pytest.mark.parametrize("cell", CELLS)
def test_a_wall_is_chosen_once_for_a_device(cell):
    model = cell(indoor_share=1.0, line_of_sight="always")
    found = drawn(model, around(200.0, 500, sites=2))[1].loss_db
    if cell is UrbanMicro:
        np.testing.assert_array_equal(found[:, 0], found[:, 1])
    near, far = (drawn(model, around(d, 500))[0].whereabouts.penetration_db for d in (50.0, 400.0))
    np.testing.assert_array_equal(near, far)


@pytest.mark.parametrize(("metallised", "mean_db"), [(False, 9.0), (True, 20.0)])
def test_cars_take_their_share_of_the_devices_outdoors(metallised, mean_db):
    model = UrbanMacro(indoor_share=0.2, car_share=0.3, car_metallised=metallised)
    state, found = drawn(model, around(200.0))
    at = state.whereabouts
    driving = ~at.indoor & (at.penetration_db != 0.0)
    require_share(at.indoor, 0.2)
    require_share(driving, 0.8 * 0.3)
    require_mean(at.penetration_db[driving], mean_db, 5.0)
    require_mean((at.penetration_db[driving] - mean_db) ** 2, 25.0, 25.0 * np.sqrt(2.0))
    np.testing.assert_array_equal(at.depth_m[driving], 0.0)
    np.testing.assert_array_equal(at.height_m[~at.indoor], 1.5)
    assert set(found.condition[driving]) == {IN_SIGHT, OUT_OF_SIGHT}


def test_the_model_of_one_frequency_ends_at_6_ghz():
    UrbanMicro(5.999, penetration="single_frequency")
    for cell in CELLS:
        with pytest.raises(ValueError, match=r"^penetration must be .*got single_frequency$"):
            cell(6.0, penetration="single_frequency")


def test_one_ingredient_changes_no_other():
    paths = around(100.0, 300)
    state, _ = drawn(UrbanMicro(), paths)
    other, _ = drawn(UrbanMicro(indoor_share=0.5, release=16), paths)
    np.testing.assert_array_equal(state.luck, other.luck)
    np.testing.assert_array_equal(state.k_factor, other.k_factor)
    np.testing.assert_array_equal(state.delay_spread, other.delay_spread)


# What else links say


@pytest.mark.parametrize("cell", CELLS)
def test_zenith_is_measured_from_the_vertical_at_the_site(cell):
    model = cell(indoor_share=0.5)
    state, found = drawn(model, around(40.0, 200))
    drop_m = model.base_height_m - state.whereabouts.height_m
    np.testing.assert_allclose(found.zenith_rad, np.pi / 2.0 + np.arctan2(drop_m, 40.0))
    above = state.whereabouts.height_m > model.base_height_m
    assert above.any() == (cell is UrbanMicro)
    np.testing.assert_array_equal(found.zenith_rad < np.pi / 2.0, above)


@pytest.mark.parametrize(("cell", "k_sigma_db"), [(UrbanMacro, 3.5), (UrbanMicro, 5.0)])
def test_only_links_in_sight_outdoors_have_a_k_factor(cell, k_sigma_db):
    _, found = drawn(cell(indoor_share=0.5), around(50.0))
    assert {*np.unique(found.condition)} == {IN_SIGHT, OUT_OF_SIGHT, INDOORS}
    k_db = found.k_factor_db[found.line_of_sight]
    require_mean(k_db, 9.0, k_sigma_db)
    require_mean((k_db - 9.0) ** 2, k_sigma_db**2, np.sqrt(2.0) * k_sigma_db**2)
    assert np.all(found.k_factor_db[~found.line_of_sight] == -np.inf)


@pytest.mark.parametrize("release", [16, 19])
def test_delay_spreads_are_log_normal_by_condition(release):
    _, found = drawn(UrbanMacro(10.0, indoor_share=0.5, release=release), around(50.0))
    laws = {
        16: {IN_SIGHT: (-7.0513, 0.66), OUT_OF_SIGHT: (-6.484, 0.39), INDOORS: (-6.62, 0.32)},
        19: {IN_SIGHT: (-7.1464, 0.596), OUT_OF_SIGHT: (-6.604, 0.39), INDOORS: (-6.62, 0.32)},
    }
    for condition, (mean, sigma) in laws[release].items():
        lg_s = np.log10(found.delay_spread_s[found.condition == condition])
        require_mean(lg_s, mean, sigma)
        require_mean((lg_s - mean) ** 2, sigma**2, np.sqrt(2.0) * sigma**2)
