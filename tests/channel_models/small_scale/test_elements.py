"""Elements, against the gains that Sionna 2.2 and ns-3's test of planar arrays give."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from channel_models.small_scale.arrays import array_gain, planar_array
from channel_models.small_scale.elements import Column, Isotropic, Sector
from channel_models.units import linear_to_db

ELEMENTS = [Isotropic(), Sector(), Sector(5.0, 90.0, 90.0, 25.0), Column(), Column(4, 95.0)]
# Zenith and azimuth in degrees, gain in dBi: the element of TR 38.901, Table 7.3-1, in Sionna 2.2.
POINTS = [
    (90.0, 0.0, 8.0),
    (90.0, 32.5, 5.0),
    (90.0, 65.0, -4.0),
    (57.5, 0.0, 5.0),
    (25.0, 0.0, -4.0),
    (90.0, 180.0, -22.0),
    (120.0, 40.0, 0.8994),
]
ANGLES = st.floats(-20.0, 20.0)
ZENITHS = st.floats(0.0, np.pi)


def gain_db(element, zenith_deg, azimuth_deg):
    return element.gain_db(np.radians(np.array(azimuth_deg)), np.radians(np.array(zenith_deg)))


def planar_db(rows, columns):
    """Return the gain of an array of sector elements towards the horizon, where it points, 20° off its face."""
    response = planar_array(np.array(np.pi / 2), np.radians(np.array(20.0)), rows, columns)
    beam = array_gain(response / np.sqrt(rows * columns), response)
    return float(gain_db(Sector(), 90.0, 0.0) + linear_to_db(beam))


# ns-3, src/antenna/test/test-uniform-planar-array.cc, 0.001 dB.
ARRAYS = [
    ("single", float(gain_db(Sector(), 90.0, 0.0)), 8.0),
    ("10 × 1", float(gain_db(Column(tilt_deg=90.0), 90.0, 0.0)), 18.0),
    ("10 × 10", planar_db(10, 10), 28.0),
    ("isotropic", float(gain_db(Isotropic(), 33.0, 77.0)), 0.0),
]


def test_every_case_is_run():
    assert len(POINTS) == len(set(POINTS)) == 7
    assert len({name for name, _, _ in ARRAYS}) == 4


@pytest.mark.parametrize(("zenith_deg", "azimuth_deg", "expected_db"), POINTS)
def test_the_element_is_the_table(zenith_deg, azimuth_deg, expected_db):
    assert gain_db(Sector(), zenith_deg, azimuth_deg) == pytest.approx(expected_db, abs=1e-4)


@pytest.mark.parametrize(("name", "found_db", "expected_db"), ARRAYS)
def test_arrays_gain_what_ns_3_expects(name, found_db, expected_db):
    assert found_db == pytest.approx(expected_db, abs=1e-3), name


def test_the_element_for_indoors_is_wider_and_weaker():
    indoor = Sector(
        peak_dbi=5.0, azimuth_beamwidth_deg=90.0, zenith_beamwidth_deg=90.0, limit_db=25.0
    )
    np.testing.assert_allclose(
        gain_db(indoor, [90.0, 90.0, 45.0, 90.0], [0.0, 45.0, 0.0, 180.0]), [5.0, 2.0, 2.0, -20.0]
    )


def test_the_two_beamwidths_are_not_mixed_up():
    narrow = Sector(azimuth_beamwidth_deg=20.0, zenith_beamwidth_deg=60.0)
    np.testing.assert_allclose(gain_db(narrow, [90.0, 60.0], [10.0, 0.0]), 5.0)


@given(ANGLES, ZENITHS, st.integers(-3, 3), st.sampled_from(ELEMENTS))
def test_whole_turns_change_nothing(azimuth, zenith, turns, element):
    here = element.gain_db(np.array(azimuth), np.array(zenith))
    there = element.gain_db(np.array(azimuth + 2.0 * np.pi * turns), np.array(zenith))
    mirrored = element.gain_db(np.array(-azimuth), np.array(zenith))
    assert here == pytest.approx(there, abs=1e-9)
    assert here == pytest.approx(mirrored, abs=1e-9)


@given(ANGLES, ZENITHS)
def test_the_element_stays_between_its_peak_and_its_limit(azimuth, zenith):
    assert -22.0 <= Sector().gain_db(np.array(azimuth), np.array(zenith)) <= 8.0


def test_a_column_looks_down_at_its_tilt():
    zenith_deg = np.arange(60.0, 121.0)
    found_db = gain_db(Column(), zenith_deg, 0.0)
    assert zenith_deg[found_db.argmax()] == 102.0
    assert found_db.max() == pytest.approx(18.0 - 12.0 * (12.0 / 65.0) ** 2)


def test_a_column_of_one_is_its_element():
    zenith_deg, azimuth_deg = np.linspace(0.0, 180.0, 19), np.linspace(-180.0, 180.0, 19)
    element = Sector(peak_dbi=3.0, azimuth_beamwidth_deg=70.0)
    np.testing.assert_allclose(
        gain_db(Column(1, 102.0, element), zenith_deg, azimuth_deg),
        gain_db(element, zenith_deg, azimuth_deg),
        atol=1e-9,
    )


def test_a_null_is_deep_and_finite():
    null_deg = np.degrees(np.arccos(np.cos(np.radians(90.0)) - 2.0 / 10.0))  # sin(10 · π/10) = 0
    found_db = gain_db(Column(tilt_deg=90.0), null_deg, 0.0)
    assert -200.0 < found_db < -150.0


@pytest.mark.parametrize("element", ELEMENTS)
def test_shapes_broadcast(element):
    assert element.gain_db(np.zeros((5, 1, 3)), np.ones((5, 4, 1))).shape == (5, 4, 3)
