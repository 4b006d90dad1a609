"""Shadowing: its deviation, whose deviation that is, and who shadows together."""

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from channel_models.large_scale.path_loss import (
    IN_SIGHT,
    INDOORS,
    OUT_OF_SIGHT,
    LargeScale,
    LogDistance,
)
from channel_models.large_scale.shadowing import LogNormal, NoShadowing, ShadowMap, Track
from channel_models.large_scale.urban import UrbanMacro
from channel_models.layouts.geometry import paths_between
from channel_models.testing import check_shadowing

LINKS = 40_000
D = 20.0
SITES = 30
HALF_WIDTH_M = 300.0

# Deviation in and out of sight, as expected by ns-3's ThreeGppShadowingTestCase at 6 GHz.
DEVIATIONS = {
    "RMa at 100 m": (4.0, 8.0),
    "RMa at 4 km": (6.0, 8.0),
    "UMa": (4.0, 6.0),
    "UMi": (4.0, 7.82),
    "InH": (3.0, 8.03),
}


def links(model, distance_m):
    """Return paths and losses of many devices at one distance."""
    paths = paths_between(np.tile([distance_m, 0.0], (LINKS, 1)), np.zeros((1, 2)))
    state = model.init(LINKS, 1, np.random.default_rng(4))
    return model.large_scale(state, paths), paths


def large_scale(condition, sigma_db=1.0, correlation_m=D):
    """Return links of these conditions, shape (K, S)."""
    condition = np.asarray(condition, dtype=np.uint8)
    return LargeScale(
        loss_db=np.full(condition.shape, 100.0),
        sigma_db=np.broadcast_to(np.asarray(sigma_db, dtype=np.float64), condition.shape),
        condition=condition,
        correlation_m=np.broadcast_to(np.asarray(correlation_m, dtype=np.float64), condition.shape),
    )


def towards(position_m, sites=1):
    return paths_between(np.asarray(position_m, dtype=np.float64), np.zeros((sites, 2)))


def scattered(seed=1):
    """Return 9 x 9 positions, 3 D apart or so, of which hardly any two shadow together."""
    apart_m = np.arange(-4, 5) * 3.0 * D
    jitter_m = np.random.default_rng(seed).uniform(-0.5, 0.5, (81, 2)) * D
    return np.stack(np.meshgrid(apart_m, apart_m), axis=-1).reshape(-1, 2) + jitter_m


def shadowed(shadowing, large, paths, seed=5):
    rng = np.random.default_rng(seed)
    devices, sites = paths.ground_m.shape
    return shadowing.step(shadowing.init(devices, sites, rng), large, paths, rng)[1]


def along(shadowing, *stops, seed=6):
    """Return the shadowing at each stop, a condition and positions, shape (T, K, S)."""
    rng = np.random.default_rng(seed)
    found = []
    for condition, position_m in stops:
        paths = towards(position_m, SITES)
        if not found:
            state = shadowing.init(len(position_m), SITES, rng)
        large = large_scale(np.full(paths.ground_m.shape, condition))
        state, value_db = shadowing.step(state, large, paths, rng)
        found.append(value_db)
    return np.stack(found)


def correlated(one, two):
    return np.mean(one * two), 1.0 / np.sqrt(one.size)


@pytest.mark.parametrize("model", [Track(), Track(3.0, 50.0), Track(correlation_m=1e-3)])
def test_tracks_conform(model):
    check_shadowing(model)


@pytest.mark.slow
@pytest.mark.parametrize("model", [ShadowMap(map_half_width_m=500.0), ShadowMap(3.0, 100.0, 500.0)])
def test_maps_conform(model):
    check_shadowing(model)


@pytest.mark.parametrize(("sight", "sigma_db"), [("always", 4.0), ("never", 6.0)])
def test_urban_macro_shadows_by_its_own_deviation(sight, sigma_db):
    drawn_db = shadowed(LogNormal(), *links(UrbanMacro(line_of_sight=sight), 300.0))
    assert drawn_db.std() == pytest.approx(sigma_db, abs=3.0 * sigma_db / np.sqrt(2 * LINKS))
    assert drawn_db.mean() == pytest.approx(0.0, abs=3.0 * sigma_db / np.sqrt(LINKS))


@pytest.mark.parametrize("scenario", DEVIATIONS)
@pytest.mark.parametrize(
    "model",
    [LogNormal(), Track(), ShadowMap(map_half_width_m=HALF_WIDTH_M)],
    ids=lambda m: type(m).__name__,
)
def test_each_link_has_the_deviation_of_its_condition(scenario, model):
    assert len(DEVIATIONS) == 5
    paths = towards(scattered(), SITES)
    condition = np.random.default_rng(7).integers(0, 2, paths.ground_m.shape)
    sigma_db = np.array(DEVIATIONS[scenario])[condition]
    drawn_db = shadowed(model, large_scale(condition, sigma_db), paths)
    for each in (IN_SIGHT, OUT_OF_SIGHT):
        of_one = drawn_db[condition == each]
        error = 1.0 / np.sqrt(2 * of_one.size)
        assert of_one.std() == pytest.approx(DEVIATIONS[scenario][each], rel=4.0 * error)
        assert stats.kstest(of_one / DEVIATIONS[scenario][each], "norm").pvalue > 1e-3


def test_shadowing_is_normal_in_decibels():
    drawn_db = shadowed(LogNormal(sigma_db=8.0), *links(UrbanMacro(), 300.0))[:, 0]
    assert stats.kstest(drawn_db, stats.norm(0.0, 8.0).cdf).pvalue > 1e-3


@pytest.mark.parametrize("kind", [LogNormal, Track, ShadowMap])
def test_a_deviation_of_its_own_replaces_the_models(kind):
    paths = towards([[10.0, 0.0], [20.0, 0.0], [30.0, 40.0]])
    large = large_scale([[0], [1], [2]], [[4.0], [6.0], [7.0]])
    own, taken = (shadowed(model, large, paths) for model in (kind(sigma_db=3.0), kind()))
    np.testing.assert_allclose(own / 3.0, taken / large.sigma_db)
    assert len(np.unique(taken)) == 3


def test_no_shadowing_is_a_deviation_of_zero():
    large, paths = links(UrbanMacro(), 100.0)
    np.testing.assert_array_equal(
        shadowed(NoShadowing(), large, paths), shadowed(LogNormal(sigma_db=0.0), large, paths)
    )


@pytest.mark.parametrize("lag", [0.25, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("model", [Track(), ShadowMap(map_half_width_m=HALF_WIDTH_M)])
def test_along_a_way_shadowing_falls_off_as_the_exponential(model, lag):
    here_m = scattered()
    there_m = here_m + lag * D * np.array([0.6, 0.8])
    one, two = along(model, (IN_SIGHT, here_m), (IN_SIGHT, there_m))
    found, error = correlated(one, two)
    assert found == pytest.approx(np.exp(-lag), abs=4.0 * error)
    assert two.std() == pytest.approx(1.0, abs=4.0 * error)


@pytest.mark.parametrize("lag", [0.05, 0.25, 1.0])
def test_on_a_map_neighbours_shadow_together_and_on_a_track_they_do_not(lag):
    here_m = scattered()
    pairs_m = np.concatenate([here_m, here_m + np.array([0.0, lag * D])])
    for model, wanted in ((ShadowMap(map_half_width_m=HALF_WIDTH_M), np.exp(-lag)), (Track(), 0.0)):
        (value,) = along(model, (OUT_OF_SIGHT, pairs_m))
        found, error = correlated(value[:81], value[81:])
        assert found == pytest.approx(wanted, abs=4.0 * error + 0.02 * (lag < 0.1))


@pytest.mark.parametrize("model", [Track(), ShadowMap(map_half_width_m=HALF_WIDTH_M)])
def test_sites_shadow_alone(model):
    (value,) = along(model, (IN_SIGHT, scattered()))
    together = np.corrcoef(value.T)[np.triu_indices(SITES, 1)]
    assert abs(together.mean()) < 4.0 / np.sqrt(81 * together.size)
    assert np.abs(together).max() < 5.0 / 9.0


@pytest.mark.parametrize("model", [Track(), ShadowMap(map_half_width_m=HALF_WIDTH_M)])
def test_conditions_shadow_alone(model):
    kinds = (IN_SIGHT, OUT_OF_SIGHT, INDOORS)
    values = along(model, *((condition, scattered()) for condition in kinds))
    for one, two in combinations(range(3), 2):
        found, error = correlated(values[one], values[two])
        assert abs(found) < 4.0 * error


@pytest.mark.parametrize("model", [Track(), ShadowMap(map_half_width_m=HALF_WIDTH_M)])
def test_a_link_that_returns_to_sight_finds_what_it_left(model):
    here_m = scattered()
    there_m = here_m + np.array([0.5 * D, 0.0])
    stops = [(IN_SIGHT, here_m), (OUT_OF_SIGHT, here_m), (INDOORS, here_m), (IN_SIGHT, here_m)]
    before, *_, after = along(model, *stops)
    np.testing.assert_array_equal(before, after)
    # Half a correlation distance out of sight counts for a link in sight as well.
    moved = along(model, stops[0], (OUT_OF_SIGHT, there_m), (IN_SIGHT, there_m))
    found, error = correlated(moved[0], moved[2])
    assert found == pytest.approx(np.exp(-0.5), abs=4.0 * error)


def test_a_track_forgets_the_place_and_a_map_does_not():
    here_m, away_m = scattered(), scattered() + 10.0 * D
    stops = [(IN_SIGHT, here_m), (IN_SIGHT, away_m), (IN_SIGHT, here_m)]
    before, _, after = along(ShadowMap(map_half_width_m=500.0), *stops)
    np.testing.assert_array_equal(before, after)
    before, _, after = along(Track(), *stops)
    found, error = correlated(before, after)
    assert abs(found) < 4.0 * error


@pytest.mark.parametrize("model", [Track(), Track(correlation_m=50.0)])
def test_many_short_steps_forget_as_much_as_a_long_one(model):
    here_m = scattered()
    stops = [(IN_SIGHT, here_m + np.array([share * D, 0.0])) for share in np.linspace(0.0, 1.0, 11)]
    values = along(model, *stops)
    found, error = correlated(values[0], values[-1])
    assert found == pytest.approx(np.exp(-D / (model.correlation_m or D)), abs=4.0 * error)


@pytest.mark.parametrize("model", [Track(), ShadowMap(map_half_width_m=HALF_WIDTH_M)])
def test_each_link_has_the_correlation_distance_of_its_condition(model):
    here_m = scattered()
    for condition, correlation_m in ((IN_SIGHT, 10.0), (OUT_OF_SIGHT, 37.0), (INDOORS, 15.0)):
        rng = np.random.default_rng(8)
        state = model.init(81, SITES, rng)
        large = large_scale(np.full((81, SITES), condition), correlation_m=correlation_m)
        state, one = model.step(state, large, towards(here_m, SITES), rng)
        _, two = model.step(state, large, towards(here_m + np.array([10.0, 0.0]), SITES), rng)
        found, error = correlated(one, two)
        assert found == pytest.approx(np.exp(-10.0 / correlation_m), abs=4.0 * error)


def test_a_correlation_distance_of_its_own_replaces_the_models():
    paths = towards(scattered(), SITES)
    mixed = large_scale(np.zeros((81, SITES)), correlation_m=np.linspace(5.0, 50.0, 81)[:, None])
    model = ShadowMap(correlation_m=30.0, map_half_width_m=HALF_WIDTH_M)
    plain = large_scale(np.zeros((81, SITES)), correlation_m=30.0)
    own = shadowed(model, mixed, paths)
    np.testing.assert_array_equal(
        own, shadowed(ShadowMap(map_half_width_m=HALF_WIDTH_M), plain, paths)
    )


def test_a_map_is_drawn_when_needed_and_is_the_same_whoever_needs_it():
    model, rng = ShadowMap(map_half_width_m=100.0), np.random.default_rng(9)
    none = model.init(2, 1, rng)
    one, _ = model.step(none, large_scale([[0], [0]]), towards([[5.0, 0.0], [9.0, 0.0]]), rng)
    both, late = model.step(one, large_scale([[0], [1]]), towards([[5.0, 0.0], [9.0, 0.0]]), rng)
    same, at_once = model.step(
        none, large_scale([[0], [1]]), towards([[5.0, 0.0], [9.0, 0.0]]), rng
    )
    assert [len(state.fields) for state in (none, one, both, same)] == [0, 1, 2, 2]
    assert both.fields[0, D] is one.fields[0, D]
    np.testing.assert_array_equal(late, at_once)
    again, _ = model.step(both, large_scale([[1], [0]]), towards([[7.0, 0.0], [9.0, 0.0]]), rng)
    assert again is both


@pytest.mark.parametrize("model", [Track(), ShadowMap()])
def test_a_model_without_a_correlation_distance_asks_for_one(model):
    large, paths = links(LogDistance(), 100.0)
    with pytest.raises(
        ValueError, match=r"^correlation_m must be a number of metres, .* knows none, got null"
    ):
        shadowed(model, large, paths)


def test_a_device_beyond_the_map_is_named():
    with pytest.raises(
        ValueError, match=r"^position_m must stay .*raise map_half_width_m, got 101\.0 for device 1"
    ):
        shadowed(
            ShadowMap(map_half_width_m=100.0),
            large_scale([[0], [0], [1]]),
            towards([[0.0, 0.0], [101.0, 0.0], [0.0, 0.0]]),
        )
