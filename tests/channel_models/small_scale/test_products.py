"""Products, against those of numpy, and to the bit whatever stands after a row."""

import numpy as np
import pytest

from channel_models.small_scale.doppler import complex_normal
from channel_models.small_scale.products import products, rows_times

SHAPES = [
    (1, 1, 1),
    (3, 4, 5),
    (64, 64, 2),
    (65, 23, 273),
    (130, 7, 1),
    (1, 23, 3000),
    (300, 300, 2),
]


@pytest.mark.parametrize(("rows", "inner", "columns"), SHAPES)
def test_pieces_make_up_the_product(rows, inner, columns):
    left = complex_normal((2, rows, inner), np.random.default_rng(1))
    right = complex_normal((2, inner, columns), np.random.default_rng(2))
    out = np.full((2, rows, columns), np.nan + 0j)
    products(left, right, out)
    np.testing.assert_allclose(out, left @ right, atol=1e-12)
    parts = np.full((2, rows, columns), np.nan)
    products(left.real, right.imag, parts)
    np.testing.assert_allclose(parts, left.real @ right.imag, atol=1e-12)


@pytest.mark.parametrize("inner", [1, 14, 64])
@pytest.mark.parametrize("columns", [1, 52, 273])
def test_a_row_more_changes_no_bit(inner, columns):
    rows = complex_normal((140, inner), np.random.default_rng(1))
    matrix = complex_normal((inner, columns), np.random.default_rng(2))
    full = rows_times(rows, matrix)
    np.testing.assert_allclose(full, rows @ matrix, atol=1e-12)
    for many in range(141):
        np.testing.assert_array_equal(rows_times(rows[:many], matrix), full[:many])


def test_axes_before_the_last_are_kept():
    rows = complex_normal((5, 3, 4), np.random.default_rng(1))
    matrix = complex_normal((4, 6), np.random.default_rng(2))
    np.testing.assert_allclose(rows_times(rows, matrix), rows @ matrix, atol=1e-12)
    assert rows_times(rows[:0], matrix).shape == (0, 3, 6)
