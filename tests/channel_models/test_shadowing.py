"""Shadowing: its deviation, and whose deviation that is."""

import numpy as np
import pytest
from scipy import stats

from channel_models.path_loss import UrbanMacro
from channel_models.shadowing import LogNormal, NoShadowing

LINKS = 40_000


@pytest.mark.parametrize(("sight", "sigma_db"), [("always", 4.0), ("never", 6.0)])
def test_urban_macro_shadows_by_its_own_deviation(sight, sigma_db):
    rng = np.random.default_rng(5)
    model = UrbanMacro(line_of_sight=sight)
    drawn_db = LogNormal().draw(model.draw(np.full(LINKS, 300.0), rng).sigma_db, rng)
    assert drawn_db.std() == pytest.approx(sigma_db, abs=3.0 * sigma_db / np.sqrt(2 * LINKS))
    assert drawn_db.mean() == pytest.approx(0.0, abs=3.0 * sigma_db / np.sqrt(LINKS))


def test_shadowing_is_normal_in_decibels():
    drawn_db = LogNormal(sigma_db=8.0).draw(np.full(LINKS, 4.0), np.random.default_rng(6))
    assert stats.kstest(drawn_db, stats.norm(0.0, 8.0).cdf).pvalue > 1e-3


def test_a_deviation_of_its_own_replaces_the_models():
    sigma_db = np.array([4.0, 6.0])
    own = LogNormal(sigma_db=3.0).draw(sigma_db, np.random.default_rng(7))
    taken = LogNormal().draw(sigma_db, np.random.default_rng(7))
    np.testing.assert_allclose(own / 3.0, taken / sigma_db)


def test_no_shadowing_is_a_deviation_of_zero():
    sigma_db = np.full(5, 8.0)
    none = NoShadowing().draw(sigma_db, np.random.default_rng(1))
    np.testing.assert_array_equal(
        none, LogNormal(sigma_db=0.0).draw(sigma_db, np.random.default_rng(1))
    )
