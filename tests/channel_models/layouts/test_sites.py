"""Layouts: the sites that the standards draw."""

import numpy as np
import pytest

from channel_models.layouts.sites import Hall, Hexagonal, OneCell
from channel_models.testing import check_layout

LAYOUTS = [
    OneCell(), Hexagonal(), Hexagonal(200.0, 1, 1, wrap_around=False), Hexagonal(rings=0), Hexagonal(rings=4),
    Hall(), Hall(120.0, 60.0, 20.0, 1), Hall(300.0, 150.0, 50.0), Hall(10.0, 5.0, 20.0), Hall(90.0, 20.0, 30.0),
]  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_conform(layout):
    check_layout(layout)


@pytest.mark.parametrize(("rings", "sites"), [(0, 1), (1, 7), (2, 19), (3, 37), (10, 331)])
def test_whole_rings_of_sites(rings, sites):
    found = Hexagonal(rings=rings).sites()
    assert len(found.site_m) == len(np.unique(found.site_m.round(6), axis=0)) == sites
    assert found.cells == 3 * sites
    assert np.hypot(*found.site_m.T).max() == pytest.approx(500.0 * rings)


def test_the_lattice_has_its_first_neighbour_to_the_east_and_goes_round_ring_by_ring():
    site_m = Hexagonal(200.0).sites().site_m
    np.testing.assert_allclose(site_m[1], [200.0, 0.0])
    np.testing.assert_allclose(site_m[2], [100.0, 100.0 * np.sqrt(3.0)])
    np.testing.assert_allclose(site_m[7], [400.0, 0.0])
    bearing = np.arctan2(site_m[1:, 1], site_m[1:, 0]) % (2.0 * np.pi)
    assert (np.diff(bearing[:6]) > 0.0).all()
    assert (np.diff(bearing[6:]) > 0.0).all()
    np.testing.assert_allclose(np.hypot(*site_m[1:7].T), 200.0)


def test_neighbours_are_the_intersite_distance_apart():
    site_m = Hexagonal(700.0).sites().site_m
    apart_m = np.hypot(*(site_m[:, None] - site_m).transpose(2, 0, 1))
    apart_m[np.diag_indices(19)] = np.inf
    np.testing.assert_allclose(apart_m.min(axis=1), 700.0)
    assert np.sum(np.isclose(apart_m, 700.0)) == 2 * 42


def test_the_images_of_nineteen_sites_are_those_of_the_standard():
    image_m = Hexagonal(100.0).sites().image_m
    # (3, 2) in steps of the lattice: 3 + 2 / 2 to the east, 2 sin 60 deg to the north.
    np.testing.assert_allclose(image_m[1], [400.0, 100.0 * np.sqrt(3.0)])
    np.testing.assert_allclose(np.hypot(*image_m[1:].T), 100.0 * np.sqrt(19.0))
    turn = np.diff(np.unwrap(np.arctan2(image_m[1:, 1], image_m[1:, 0])))
    np.testing.assert_allclose(turn, np.pi / 3.0)
    assert len(image_m) == 7
    np.testing.assert_array_equal(Hexagonal(wrap_around=False).sites().image_m, [[0.0, 0.0]])


@pytest.mark.parametrize("rings", [0, 1, 2, 3])
def test_the_images_tile_the_lattice_without_gap_or_overlap(rings):
    found = Hexagonal(1.0, rings).sites()
    all_m = (found.site_m[:, None] + found.image_m).reshape(-1, 2)
    assert len(np.unique(all_m.round(6), axis=0)) == 7 * len(found.site_m)
    # A lattice of area A for each of its cells has an image for each S cells.
    assert abs(np.linalg.det(found.image_m[1:3])) == pytest.approx(
        len(found.site_m) * np.sqrt(0.75)
    )


def test_sectors_look_to_corners_of_the_cell():
    np.testing.assert_allclose(np.degrees(Hexagonal().sites().sector_rad), [30.0, 150.0, 270.0])
    np.testing.assert_array_equal(Hexagonal(sectors=1).sites().sector_rad, [0.0])
    np.testing.assert_array_equal(Hall(sectors=1).sites().sector_rad, [0.0])


def test_the_open_office_is_that_of_the_standard():
    site_m = Hall().sites().site_m
    from_corner_m = site_m + np.array([50.0, 15.0])
    wanted = {(x, y) for x in (10.0, 30.0, 50.0, 70.0, 90.0, 110.0) for y in (15.0, 35.0)}
    assert {tuple(place) for place in from_corner_m.tolist()} == wanted
    assert Hall().sites().cells == 36


@pytest.mark.parametrize(
    ("hall", "corner_m", "first_m", "last_m"),
    [
        (Hall(120.0, 60.0, 20.0), (50.0, 30.0), (10.0, 10.0), (110.0, 50.0)),
        (Hall(300.0, 150.0, 50.0), (125.0, 75.0), (25.0, 25.0), (275.0, 125.0)),
    ],
)
def test_factory_halls_have_eighteen_sites_half_a_spacing_from_the_walls(
    hall, corner_m, first_m, last_m
):
    from_corner_m = hall.sites().site_m + corner_m
    assert len(from_corner_m) == 18
    np.testing.assert_allclose(from_corner_m.min(axis=0), first_m)
    np.testing.assert_allclose(from_corner_m.max(axis=0), last_m)


@pytest.mark.parametrize("spacing_m", [1.1, 3.0, 7.7])
def test_a_spacing_that_divides_the_hall_fits_exactly(spacing_m):
    assert len(Hall(9 * spacing_m, 3 * spacing_m, spacing_m).sites().site_m) == 27
    assert len(Hall(0.5 * spacing_m, 0.5 * spacing_m, spacing_m).sites().site_m) == 1
