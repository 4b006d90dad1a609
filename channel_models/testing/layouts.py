"""Checks of where devices and base stations stand, and how devices move."""

from contextlib import suppress

import numpy as np

from channel_models.layouts.mobility import Mobility
from channel_models.layouts.placements import Placement
from channel_models.layouts.sites import Layout
from channel_models.testing.laws import require, require_array, require_pure, require_same, rng
from channel_models.units import FloatArray


def check_placement(model: Placement, devices: int = 16) -> None:
    """Check a placement; give the number of devices where it serves only one.

    >>> from channel_models.layouts.placements import Ring
    >>> check_placement(Ring())
    """
    positions = model.place(devices, rng(0))
    require_array(positions, (devices, 2), np.floating, "positions")
    require_same(positions, model.place(devices, rng(0)), "positions from the same seed")
    with suppress(ValueError):  # a list of positions serves one number of devices only
        require_same(
            positions[:-3], model.place(devices - 3, rng(0)), "positions of the first devices"
        )


def check_mobility(model: Mobility) -> None:
    """Check a rule of motion.

    >>> from channel_models.layouts.mobility import Static
    >>> check_mobility(Static())
    """
    placed_m = rng(2).uniform(20.0, 80.0, (12, 2))
    asked = placed_m.copy()
    moved = _moved(model, asked)
    require_same(placed_m, asked, "the positions handed in")
    require_same(moved, _moved(model, placed_m), "positions from the same seed")
    require_same(moved[:, :-3], _moved(model, placed_m[:-3]), "positions of the first devices")
    state, _ = model.init(placed_m, rng(0))
    require_pure(state, lambda: model.step(state, 1.0, rng(1))[1], "positions")


def check_layout(model: Layout) -> None:
    """Check a layout.

    >>> from channel_models.layouts.sites import OneCell
    >>> check_layout(OneCell())
    """
    sites = model.sites()
    many, images = len(sites.site_m), len(sites.image_m)
    require_array(sites.site_m, (many, 2), np.floating, "site_m")
    require_array(sites.sector_rad, (len(sites.sector_rad),), np.floating, "sector_rad")
    require_array(sites.image_m, (images, 2), np.floating, "image_m")
    require(many >= 1 and len(sites.sector_rad) >= 1, "a layout needs a site and a sector.")
    require(not sites.site_m[0].any(), "the first site must stand at the origin.")
    require(images >= 1 and not sites.image_m[0].any(), "the first image must be the zero.")
    require_same(sites.site_m, model.sites().site_m, "sites asked for twice")


def _moved(model: Mobility, placed_m: FloatArray) -> FloatArray:
    """Return positions before and after some steps, shape (steps, K, 2)."""
    state, position_m = model.init(placed_m, rng(0))
    played = [position_m]
    for step in range(3):
        state, position_m = model.step(state, 7.0, rng(1, step))
        played.append(position_m)
    for position_m in played:
        require_array(position_m, placed_m.shape, np.floating, "positions")
    return np.stack(played)
