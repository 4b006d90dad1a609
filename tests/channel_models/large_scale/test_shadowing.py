"""Shadowing: its deviation, and whose deviation that is."""

import numpy as np
import pytest
from scipy import stats

from channel_models.large_scale.shadowing import LogNormal, NoShadowing
from channel_models.large_scale.urban import UrbanMacro
from channel_models.layouts.geometry import paths_between

LINKS = 40_000


def links(model, distance_m):
    """Return paths and losses of many devices at one distance."""
    paths = paths_between(np.tile([distance_m, 0.0], (LINKS, 1)), np.zeros((1, 2)))
    state = model.init(LINKS, 1, np.random.default_rng(4))
    return model.large_scale(state, paths), paths


def shadowed(shadowing, large, paths, seed=5):
    rng = np.random.default_rng(seed)
    return shadowing.step(shadowing.init(LINKS, 1, rng), large, paths, rng)[1][:, 0]


@pytest.mark.parametrize(("sight", "sigma_db"), [("always", 4.0), ("never", 6.0)])
def test_urban_macro_shadows_by_its_own_deviation(sight, sigma_db):
    drawn_db = shadowed(LogNormal(), *links(UrbanMacro(line_of_sight=sight), 300.0))
    assert drawn_db.std() == pytest.approx(sigma_db, abs=3.0 * sigma_db / np.sqrt(2 * LINKS))
    assert drawn_db.mean() == pytest.approx(0.0, abs=3.0 * sigma_db / np.sqrt(LINKS))


def test_shadowing_is_normal_in_decibels():
    drawn_db = shadowed(LogNormal(sigma_db=8.0), *links(UrbanMacro(), 300.0))
    assert stats.kstest(drawn_db, stats.norm(0.0, 8.0).cdf).pvalue > 1e-3


def test_a_deviation_of_its_own_replaces_the_models():
    large, paths = links(UrbanMacro(), 100.0)
    own, taken = (shadowed(model, large, paths) for model in (LogNormal(sigma_db=3.0), LogNormal()))
    assert len(np.unique(large.sigma_db)) == 2
    np.testing.assert_allclose(own / 3.0, taken / large.sigma_db[:, 0])


def test_no_shadowing_is_a_deviation_of_zero():
    large, paths = links(UrbanMacro(), 100.0)
    np.testing.assert_array_equal(
        shadowed(NoShadowing(), large, paths), shadowed(LogNormal(sigma_db=0.0), large, paths)
    )
