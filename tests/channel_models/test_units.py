"""Decibels, watts and the noise floor."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channel_models.units import (
    db_to_linear,
    dbm_to_watt,
    linear_to_db,
    noise_w_per_hz,
    watt_to_dbm,
)

levels_db = st.floats(-300.0, 300.0)


@settings(deadline=None)
@given(levels_db)
def test_decibels_come_back(level_db):
    assert linear_to_db(db_to_linear(level_db)) == pytest.approx(level_db, abs=1e-9)
    assert watt_to_dbm(dbm_to_watt(level_db)) == pytest.approx(level_db, abs=1e-9)


@settings(deadline=None)
@given(levels_db, levels_db)
def test_a_sum_of_decibels_is_a_product_of_ratios(one_db, two_db):
    product = db_to_linear(one_db) * db_to_linear(two_db)
    assert db_to_linear(one_db + two_db) == pytest.approx(product, rel=1e-9)


def test_arrays_keep_their_shape():
    level_db = np.array([[0.0, 10.0], [-30.0, 3.0]])
    assert db_to_linear(level_db).shape == (2, 2)
    np.testing.assert_allclose(linear_to_db(db_to_linear(level_db)), level_db, atol=1e-12)


@pytest.mark.parametrize(
    ("bandwidth_hz", "noise_dbm"), [(1.0, -174), (200e3, -121), (1e6, -114), (20e6, -101)]
)
def test_noise_of_a_link_budget(bandwidth_hz, noise_dbm):
    # Whole decibels, as in pyphysim's tests at 23 °C.
    assert round(float(watt_to_dbm(noise_w_per_hz(0.0) * bandwidth_hz))) == noise_dbm


def test_the_noise_figure_adds_in_decibels():
    assert noise_w_per_hz(10.0) == pytest.approx(10.0 * noise_w_per_hz(0.0))
