"""Where devices stand, and how far that is."""

import numpy as np
import pytest
from scipy import stats

from channel_models.layouts.geometry import distance_2d_m, distance_3d_m
from channel_models.layouts.placements import Explicit, Ring


def test_a_ring_is_uniform_in_area():
    positions = Ring(50.0, 400.0).place(20_000, np.random.default_rng(1))
    radius = distance_2d_m(positions)
    share = (radius**2 - 50.0**2) / (400.0**2 - 50.0**2)
    bearing = np.arctan2(positions[:, 1], positions[:, 0])
    assert stats.kstest(share, "uniform").pvalue > 1e-3
    assert stats.kstest(bearing, stats.uniform(-np.pi, 2.0 * np.pi).cdf).pvalue > 1e-3
    assert radius.min() >= 50.0
    assert radius.max() <= 400.0


def test_a_disc_holds_a_quarter_of_its_devices_within_half_its_radius():
    radius = distance_2d_m(Ring(0.0, 100.0).place(20_000, np.random.default_rng(2)))
    assert np.mean(radius < 50.0) == pytest.approx(0.25, abs=3.0 * np.sqrt(0.25 * 0.75 / 20_000))


@pytest.mark.parametrize(("low", "high"), [(100.0, 100.0), (400.0, 50.0)])
def test_a_ring_needs_room(low, high):
    with pytest.raises(
        ValueError, match=rf"^radius_max_m must exceed radius_min_m, got {high} and {low}"
    ):
        Ring(low, high)


def test_explicit_positions_are_taken_as_they_are():
    given = ((3.0, 4.0), (0.0, 0.0))
    positions = Explicit(given).place(2, np.random.default_rng(1))
    np.testing.assert_array_equal(positions, given)
    np.testing.assert_array_equal(distance_2d_m(positions), [5.0, 0.0])


def test_explicit_positions_must_be_as_many_as_the_devices():
    with pytest.raises(ValueError, match=r"^positions_m lists 1 positions, .* has 3 devices"):
        Explicit(((3.0, 4.0),)).place(3, np.random.default_rng(1))


def test_the_antennas_are_further_apart_than_the_ground_says():
    np.testing.assert_allclose(
        distance_3d_m(np.array([0.0, 10.0]), 23.5), [23.5, np.hypot(10.0, 23.5)]
    )
