"""Arrays, against their formulas term by term and against the laws that every beam obeys."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channel_models.small_scale.arrays import (
    array_gain,
    column_gain,
    linear_array,
    planar_array,
    powers,
    tilted_column,
)

ANGLE = st.floats(-np.pi, np.pi)
MANY = st.integers(1, 40)


@given(ANGLE, st.integers(1, 300))
def test_powers_are_powers(angle, count):
    expected = 0.25 * np.exp(1j * angle * np.arange(count))
    found = powers(np.exp(1j * np.array([angle])), count, 0.25)
    np.testing.assert_allclose(found, expected[None], atol=1e-12)


@given(ANGLE, MANY, st.floats(0.1, 2.0))
def test_a_linear_array_turns_by_the_sine_of_the_bearing(bearing, antennas, spacing):
    expected = [np.exp(2j * np.pi * spacing * m * np.sin(bearing)) for m in range(antennas)]
    np.testing.assert_allclose(
        linear_array(np.array(bearing), antennas, spacing), expected, atol=1e-12
    )


@given(st.floats(0.0, np.pi), ANGLE)
def test_a_planar_array_counts_beside_before_above(zenith, bearing):
    up, beside = 0.7 * np.cos(zenith), 0.4 * np.sin(zenith) * np.sin(bearing)
    expected = [np.exp(2j * np.pi * (up * m + beside * n)) for m in range(3) for n in range(4)]
    found = planar_array(np.array(zenith), np.array(bearing), 3, 4, (0.7, 0.4))
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_shapes_broadcast():
    zenith, bearing = np.full((5, 1), 1.0), np.zeros((1, 7))
    assert linear_array(np.zeros((5, 7)), 3).shape == (5, 7, 3)
    assert planar_array(zenith, bearing, 2, 3).shape == (5, 7, 6)
    assert column_gain(zenith, 4, 1.5).shape == (5, 1)


@settings(max_examples=50)
@given(ANGLE, ANGLE, MANY)
def test_no_direction_gains_more_than_the_one_pointed_at(at, elsewhere, antennas):
    weights = linear_array(np.array(at), antennas) / np.sqrt(antennas)
    assert array_gain(weights, linear_array(np.array(at), antennas)) == pytest.approx(antennas)
    assert array_gain(weights, linear_array(np.array(elsewhere), antennas)) <= antennas + 1e-9


@given(st.floats(0.0, np.pi), st.floats(0.0, np.pi), MANY, st.sampled_from([0.5, 0.8, 1.0]))
def test_the_gain_of_a_column_is_that_of_its_weights(zenith, tilt, rows, spacing):
    response = powers(np.exp(2j * np.pi * spacing * np.cos(np.array([zenith]))), rows)
    summed = array_gain(tilted_column(rows, tilt, spacing), response)
    found = column_gain(np.array([zenith]), rows, tilt, spacing)
    np.testing.assert_allclose(found, summed, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("tilt_deg", [60.0, 90.0, 102.0, 110.0])
def test_a_column_looks_where_it_is_tilted(tilt_deg):
    zenith_deg = np.arange(0.0, 180.5, 0.5)
    gain = column_gain(np.radians(zenith_deg), 10, np.radians(tilt_deg))
    assert zenith_deg[gain.argmax()] == tilt_deg
    assert gain.max() == pytest.approx(10.0)
    assert np.sum(np.abs(tilted_column(10, np.radians(tilt_deg))) ** 2) == pytest.approx(1.0)


def test_wavelength_spacing_has_a_second_beam():
    gain = column_gain(np.array([0.0, np.pi / 2, np.pi]), 8, np.pi / 2, spacing=1.0)
    np.testing.assert_allclose(gain, 8.0)


@pytest.mark.parametrize("rows", [1, 2, 10, 33])
def test_half_wavelength_columns_radiate_what_they_are_given(rows):
    cosine = (np.arange(4000) + 0.5) / 2000.0 - 1.0  # uniform in solid angle
    gain = column_gain(np.arccos(cosine), rows, np.radians(102.0))
    assert gain.mean() == pytest.approx(1.0, abs=1e-9)


def test_a_device_more_changes_no_bit():
    bearing = np.random.default_rng(1).uniform(-3.0, 3.0, 60)
    full = linear_array(bearing, 17)
    for devices in range(1, 60):
        np.testing.assert_array_equal(linear_array(bearing[:devices], 17), full[:devices])
