"""Searches along one variable find what is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizers.objectives.batches import first_point, least_point


@given(st.floats(1.0, 9.0))
def test_least_point_of_a_kink_and_of_a_bowl(where):
    grid = np.linspace(1.0, 9.0, 20)
    assert least_point(lambda x: np.abs(x - where), grid) == pytest.approx(where, rel=2e-9)
    assert least_point(lambda x: 1.0 + (x - where) ** 2, grid) == pytest.approx(where, abs=1e-6)


def test_least_point_beside_what_is_not_allowed():
    found = least_point(lambda x: np.where(x < np.pi, np.inf, x), np.linspace(1.0, 9.0, 20))
    assert found == pytest.approx(np.pi, rel=2e-9)
    assert found >= np.pi


@given(st.floats(1.0, 9.0))
def test_first_point_holds_and_is_first(where):
    found = first_point(lambda x: x >= where, 1.0, 9.0)
    assert found >= where
    assert found == pytest.approx(where, rel=1e-12)


def test_first_point_that_holds_at_once():
    assert first_point(lambda x: x > 0.0, 1.0, 9.0) == 1.0
