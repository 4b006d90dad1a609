"""Lines between devices and sites, with and without a layout that repeats itself."""

import numpy as np
import pytest

from channel_models.layouts.geometry import paths_between
from channel_models.layouts.placements import HexagonalCell
from channel_models.layouts.sites import Hexagonal

LAYOUTS = [Hexagonal(), Hexagonal(200.0, rings=1), Hexagonal(100.0, rings=3), Hexagonal(rings=0)]


def spread(layout, devices=300, seed=1):
    """Return devices uniform over all cells of a layout."""
    cells = HexagonalCell(layout.intersite_m, "all", layout.rings, 0.0)
    return cells.place(devices, np.random.default_rng(seed))


def seen(layout, position_m):
    sites = layout.sites()
    return paths_between(position_m, sites.site_m, sites.image_m)


def turned(position_m, turn_deg):
    cos, sin = np.cos(np.radians(turn_deg)), np.sin(np.radians(turn_deg))
    return position_m @ np.array([[cos, sin], [-sin, cos]])


def test_without_images_the_line_is_straight():
    paths = paths_between(
        np.array([[30.0, 40.0], [-5.0, 0.0]]), np.array([[0.0, 0.0], [30.0, 0.0]])
    )
    np.testing.assert_allclose(paths.ground_m, [[50.0, 40.0], [5.0, 35.0]])
    np.testing.assert_allclose(
        paths.bearing_rad, [[np.arctan2(40.0, 30.0), np.pi / 2], [np.pi, np.pi]]
    )


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_nearest_of_all_images_is_seen(layout):
    position_m, sites = spread(layout), layout.sites()
    everywhere_m = sites.site_m[:, None] + sites.image_m
    line_m = position_m[:, None, None] - everywhere_m
    paths = seen(layout, position_m)
    np.testing.assert_allclose(paths.ground_m, np.hypot(*line_m.transpose(3, 0, 1, 2)).min(axis=2))
    end_m = paths.ground_m * np.stack([np.cos(paths.bearing_rad), np.sin(paths.bearing_rad)])
    apart_m = np.hypot(*(end_m[:, :, :, None] - line_m.transpose(3, 0, 1, 2)))
    assert apart_m.min(axis=2).max() < 1e-9


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_device_has_every_site_within_the_radius_of_the_layout(layout):
    # The layout's repetitions tile the ground, each image the centre of a hexagon around it.
    radius_m = np.hypot(*layout.sites().image_m[1]) / np.sqrt(3.0)
    ground_m = seen(layout, spread(layout, 3000)).ground_m
    assert ground_m.max() <= radius_m * (1.0 + 1e-12)
    alone = Hexagonal(layout.intersite_m, layout.rings, wrap_around=False)
    assert layout.rings == 0 or seen(alone, spread(layout, 3000)).ground_m.max() > radius_m


@pytest.mark.parametrize("layout", LAYOUTS)
def test_turning_a_device_by_a_sixth_only_renames_the_sites(layout):
    position_m = spread(layout)
    still = np.sort(seen(layout, position_m).ground_m, axis=1)
    for turn_deg in range(60, 360, 60):
        moved = np.sort(seen(layout, turned(position_m, turn_deg)).ground_m, axis=1)
        np.testing.assert_allclose(moved, still, atol=1e-9 * layout.intersite_m)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("image", range(1, 7))
def test_where_the_layout_repeats_itself_it_is_the_same(layout, image):
    # Devices half way to an image see the same from the other side, so that any sum over sites agrees.
    shift_m = layout.sites().image_m[image]
    beside_m = np.random.default_rng(2).uniform(-0.2, 0.2, (200, 2)) * layout.intersite_m
    one, two = (seen(layout, beside_m + side * shift_m).ground_m for side in (0.5, -0.5))
    np.testing.assert_allclose(one, two, atol=1e-9 * layout.intersite_m)
    np.testing.assert_allclose(np.sum(1.0 / (1.0 + one) ** 2, 1), np.sum(1.0 / (1.0 + two) ** 2, 1))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_cell_has_as_many_neighbours_as_the_servers(layout):
    sites = layout.sites()
    for position_m in sites.site_m:
        ground_m = np.sort(seen(layout, position_m[None]).ground_m[0])
        np.testing.assert_allclose(ground_m, np.sort(seen(layout, np.zeros((1, 2))).ground_m[0]))
    assert layout.rings == 0 or np.sum(np.isclose(ground_m, layout.intersite_m)) == 6
