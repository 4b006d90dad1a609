"""Devices that stay."""

import numpy as np

from channel_models.layouts.mobility import Static
from channel_models.testing import check_mobility


def test_static_devices_keep_the_very_same_arrays():
    placed_m = np.array([[1.0, 2.0], [3.0, 4.0]])
    rng = np.random.default_rng(1)
    state, first_m = Static().init(placed_m, rng)
    state, later_m = Static().step(state, 100.0, rng)
    assert first_m is placed_m
    assert later_m is placed_m
    check_mobility(Static())
