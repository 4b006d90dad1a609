"""Where devices stand, and how far that is."""

import numpy as np
import pytest
from scipy import stats

from channel_models.layouts.geometry import distance_2d_m, distance_3d_m, paths_between
from channel_models.layouts.placements import Explicit, HallFloor, HexagonalCell, Ring
from channel_models.layouts.sites import Hall, Hexagonal
from channel_models.testing import check_placement


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


@pytest.mark.parametrize(
    "placement",
    [
        HexagonalCell(),
        HexagonalCell(200.0, "all", 1, 10.0),
        HexagonalCell(100.0, distance_min_m=49.0),
        HexagonalCell(cells="all", rings=0, distance_min_m=0.0),
        HallFloor(),
        HallFloor(300.0, 150.0, 50.0),
    ],
)
def test_placements_of_a_layout_conform(placement):
    check_placement(placement)


def of_hexagon(position_m, intersite_m):
    """Return the greatest distance from the middle towards an edge: below intersite_m / 2 within the cell."""
    turn = np.radians(np.arange(0.0, 360.0, 60.0))
    return (position_m @ np.stack([np.cos(turn), np.sin(turn)])).max(axis=1) / intersite_m


def test_a_hexagonal_cell_is_uniform_in_area():
    position_m = HexagonalCell(500.0, distance_min_m=0.0).place(30_000, np.random.default_rng(3))
    # The share of a hexagon's area within a smaller one grows with the square of its size.
    assert stats.kstest((2.0 * of_hexagon(position_m, 500.0)) ** 2, "uniform").pvalue > 1e-3
    bearing = np.degrees(np.arctan2(position_m[:, 1], position_m[:, 0])) % 360.0
    for width_deg in (60.0, 120.0):
        counts = np.bincount((bearing // width_deg).astype(int))
        assert stats.chisquare(counts).pvalue > 1e-3
    # Within a sixth, the area up to the angle a from the middle of an edge goes with tan a.
    a = np.radians((bearing + 30.0) % 60.0 - 30.0)
    assert stats.kstest(0.5 + 0.5 * np.sqrt(3.0) * np.tan(a), "uniform").pvalue > 1e-3


def test_nobody_stands_too_near_and_the_rest_is_as_uniform_as_before():
    position_m = HexagonalCell(200.0, distance_min_m=60.0).place(20_000, np.random.default_rng(4))
    radius_m = distance_2d_m(position_m)
    assert radius_m.min() >= 60.0
    assert of_hexagon(position_m, 200.0).max() <= 0.5
    near = radius_m[radius_m < 100.0]
    assert stats.kstest((near**2 - 60.0**2) / (100.0**2 - 60.0**2), "uniform").pvalue > 1e-3
    share = np.pi * (100.0**2 - 60.0**2) / (np.sqrt(0.75) * 200.0**2 - np.pi * 60.0**2)
    assert len(near) / 20_000 == pytest.approx(share, abs=3.0 * np.sqrt(share / 20_000))


def test_all_cells_hold_alike_and_each_device_is_nearest_to_its_own_site():
    position_m = HexagonalCell(500.0, "all").place(19_000, np.random.default_rng(5))
    paths = paths_between(position_m, Hexagonal().sites().site_m)
    counts = np.bincount(paths.ground_m.argmin(axis=1), minlength=19)
    assert stats.chisquare(counts).pvalue > 1e-3
    assert paths.ground_m.min() >= 35.0
    assert paths.ground_m.min(axis=1).max() <= 500.0 / np.sqrt(3.0)


def test_the_cell_of_the_server_is_nearest_to_the_server():
    position_m = HexagonalCell().place(2000, np.random.default_rng(6))
    assert (
        paths_between(position_m, Hexagonal().sites().site_m).ground_m.argmin(axis=1) == 0
    ).all()


def test_a_cell_needs_room_around_its_site():
    with pytest.raises(
        ValueError,
        match=r"^distance_min_m must be less than half of intersite_m, got 100\.0 and 200\.0",
    ):
        HexagonalCell(200.0, distance_min_m=100.0)


@pytest.mark.parametrize("numbers", [(120.0, 50.0, 20.0), (300.0, 150.0, 50.0), (90.0, 20.0, 30.0)])
def test_the_floor_of_a_hall_is_that_of_its_layout(numbers):
    position_m = HallFloor(*numbers).place(20_000, np.random.default_rng(7))
    length_m, width_m, _ = numbers
    site_m = Hall(*numbers).sites().site_m
    middle_m = 0.5 * (site_m.min(axis=0) + site_m.max(axis=0))
    share = (position_m - middle_m) / (length_m, width_m) + 0.5
    assert share.min() >= 0.0
    assert share.max() <= 1.0
    for axis in (0, 1):
        assert stats.kstest(share[:, axis], "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(share.T)[0, 1]) < 4.0 / np.sqrt(20_000)
