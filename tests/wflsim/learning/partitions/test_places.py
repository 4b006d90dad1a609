import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from wflsim.contracts import Samples
from wflsim.learning.partitions.places import Spatial
from wflsim.learning.partitions.skew import total_variation

LABELS = np.arange(1000) % 10
SAMPLES = Samples(np.zeros((1050, 1), np.float32), np.append(LABELS, np.zeros(50, int)), None, 50)
PLACES_M = 300.0 * np.random.default_rng(5).uniform(-1, 1, size=(50, 2))


def counts_of(strength, places_m=PLACES_M, seed=0):
    parts = Spatial(strength).split(SAMPLES, places_m, np.random.default_rng(seed)).parts
    return np.array([np.bincount(LABELS[part], minlength=10) for part in parts])


def homes_m(seed=0):
    radius_m = np.hypot(*PLACES_M.T).max()
    return radius_m * Spatial().homes(10, np.random.default_rng(seed))


@pytest.mark.parametrize("strength", [0.0, 5.0, 1000.0])
def test_sizes_are_equal_and_every_sample_is_used(strength):
    counts = counts_of(strength)
    assert (counts.sum(axis=1) == 20).all()
    assert (counts.sum(axis=0) == 100).all()


def test_without_strength_every_device_has_the_mix_of_the_whole():
    assert (counts_of(0.0) == 2).all()


def test_mixes_part_as_the_strength_grows():
    found = [total_variation(counts_of(strength)).mean() for strength in (0, 1, 3, 10, 100)]
    assert found == sorted(found)
    assert found[-1] > 0.8


def test_a_large_strength_carries_samples_over_the_least_squared_distances():
    counts = counts_of(300.0)
    squared = ((PLACES_M[:, None] - homes_m()) ** 2).sum(axis=2)
    lots, classes = np.repeat(squared, 20, axis=0), np.repeat(np.arange(10), 100)
    rows, columns = linear_sum_assignment(lots[:, classes])
    least = lots[rows, classes[columns]].sum()
    assert least <= (counts * squared).sum() * (1 + 1e-9) <= 1.03 * least


def test_neighbours_hold_the_same_and_the_opposite_side_does_not():
    apart_m = np.array([400.0, 0.0])
    places_m = np.concatenate([PLACES_M[:25] + apart_m, PLACES_M[:25] - apart_m])
    counts = counts_of(10.0, places_m)
    east, west = counts[:25].sum(axis=0), counts[25:].sum(axis=0)
    assert 0.5 * np.abs(east - west).sum() / 500 > 0.7


def test_the_unit_of_length_does_not_matter():
    assert np.array_equal(counts_of(8.0), counts_of(8.0, 1000.0 * PLACES_M))


def test_devices_in_one_place_are_all_alike():
    assert (counts_of(50.0, np.zeros((50, 2))).sum(axis=1) == 20).all()
    one = counts_of(50.0, np.full((50, 2), 70.0))
    assert one.max() <= 3


def test_homes_are_spread_over_the_disc_and_drawn():
    homes = Spatial().homes(10, np.random.default_rng(0))
    radius = np.sort(np.hypot(*homes.T))
    assert radius**2 == pytest.approx((np.arange(10) + 0.5) / 10)
    apart = np.hypot(*(homes[:, None] - homes[None]).transpose(2, 0, 1))
    assert apart[~np.eye(10, dtype=bool)].min() > 0.3
    assert not np.allclose(homes, Spatial().homes(10, np.random.default_rng(1)))


def test_fewer_samples_than_devices_are_refused():
    few = Samples(np.zeros((4, 1), np.float32), np.arange(4) % 2)
    with pytest.raises(ValueError, match=r"^least asks for 1 samples on each of 50 devices, got 4"):
        Spatial().split(few, PLACES_M, np.random.default_rng(0))
