from hashlib import sha256

import numpy as np
import pytest

from wflsim.contracts import Samples
from wflsim.learning.partitions.alike import Iid, Quantity
from wflsim.learning.partitions.hold_out import hold_out
from wflsim.learning.partitions.labels import Classes


def split(partition, count, classes, devices, seed):
    samples = Samples(np.zeros((count, 1), np.float32), np.arange(count) % classes)
    return partition.split(samples, np.zeros((devices, 2)), np.random.default_rng(seed)).parts


def test_the_two_oldest_partitions_draw_what_they_always_drew():
    assert [part.tolist() for part in split(Iid(), 24, 4, 5, 7)] == [
        [3, 4, 14, 15, 18],
        [0, 10, 12, 17, 19],
        [1, 7, 8, 13, 22],
        [5, 6, 16, 20, 23],
        [2, 9, 11, 21],
    ]
    assert [part.tolist() for part in split(Classes(), 24, 4, 5, 7)] == [
        [0, 7, 8, 11, 12, 19],
        [1, 10, 17, 18],
        [2, 3, 14, 15, 23],
        [4, 5, 9, 16, 20],
        [6, 13, 21, 22],
    ]
    train, test = hold_out(np.arange(3, 20), np.arange(30) % 3, 0.25, np.random.default_rng(5))
    assert train.tolist() == [3, 4, 5, 6, 7, 9, 11, 13, 14, 15, 17, 18, 19]
    assert test.tolist() == [8, 10, 12, 16]


@pytest.mark.parametrize(
    ("partition", "devices", "digest"),
    [
        (Iid(), 23, "204633b319be620e"),
        (Classes(), 23, "284ea98338b231ae"),
        (Classes(5), 200, "419dc0934bc66b36"),
    ],
)
def test_and_they_do_so_at_the_size_of_the_digits(partition, devices, digest):
    found = sha256()
    for part in split(partition, 1797, 10, devices, 11):
        found.update(np.array([len(part), *part], dtype=np.int64).tobytes())
    assert found.hexdigest()[:16] == digest


@pytest.mark.parametrize("partition", [Iid(), Classes(1)])
def test_a_device_without_a_sample_is_refused(partition):
    with pytest.raises(ValueError, match=r"^devices must hold a sample each, got 3 of 8 without"):
        split(partition, 5, 5, 8, 0)


@pytest.mark.parametrize(("law", "spread"), [("gamma", 1.4), ("log_normal", 0.7), ("pareto", 0.25)])
def test_the_spread_is_the_standard_deviation_over_the_mean_under_every_law(law, spread):
    weights = Quantity(law, spread).weights(400_000, np.random.default_rng(4))
    assert weights.min() > 0
    assert weights.mean() == pytest.approx(1.0, rel=0.01)
    assert weights.std() == pytest.approx(spread, rel=0.03)


def test_gamma_weights_are_the_dirichlet_sizes_of_the_literature():
    concentration, devices = 0.5, 8
    draws = np.random.default_rng(0)
    partition = Quantity("gamma", concentration**-0.5, least=1)
    shares = np.array([partition.weights(devices, draws) for _ in range(20_000)])
    shares /= shares.sum(axis=1, keepdims=True)
    variance = (devices - 1) / devices**2 / (devices * concentration + 1)
    assert shares.var(axis=0).mean() == pytest.approx(variance, rel=0.02)


@pytest.mark.parametrize("law", ["gamma", "log_normal", "pareto"])
def test_sizes_spread_with_the_knob_and_never_fall_below_the_least(law):
    even, wide = (split(Quantity(law, spread), 1000, 10, 20, 3) for spread in (0.0, 3.0))
    assert {len(part) for part in even} == {50}
    sizes = [len(part) for part in wide]
    assert sum(sizes) == 1000
    assert min(sizes) >= 5
    assert np.std(sizes) > 25


def test_more_than_there_is_is_refused():
    assert {len(part) for part in split(Quantity(spread=2.0, least=50), 1000, 10, 20, 3)} == {50}
    with pytest.raises(ValueError, match=r"^least asks for 51 samples on each of 20 devices"):
        split(Quantity(spread=2.0, least=51), 1000, 10, 20, 3)
