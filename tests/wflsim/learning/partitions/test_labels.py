import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wflsim.contracts import Samples
from wflsim.learning.partitions.labels import Dirichlet, Shards
from wflsim.learning.partitions.skew import effective_classes, total_variation


def counts_of(partition, labels, devices, seed=0):
    samples = Samples(np.zeros((len(labels), 1), np.float32), labels)
    parts = partition.split(samples, np.zeros((devices, 2)), np.random.default_rng(seed)).parts
    classes = int(labels.max()) + 1
    return np.array([np.bincount(labels[part], minlength=classes) for part in parts])


@given(st.integers(1, 40), st.integers(1, 6), st.integers(0, 50))
@settings(max_examples=30, deadline=None)
def test_shards_use_every_sample_once_and_make_equal_devices_of_few_classes(devices, per, seed):
    counts = counts_of(Shards(per), np.repeat(np.arange(10), 120), devices, seed)
    assert counts.sum() == 1200
    assert counts.sum(axis=1).max() - counts.sum(axis=1).min() <= per
    if devices * per >= 10:  # no shard is longer than a class, so it touches two at most
        assert (np.count_nonzero(counts, axis=1) <= 2 * per).all()


def test_the_shards_of_the_paper_give_two_classes_at_most():
    counts = counts_of(Shards(2), np.repeat(np.arange(10), 6000), 100)
    assert (counts.sum(axis=1) == 600).all()
    assert set(np.count_nonzero(counts, axis=1)) == {1, 2}
    assert set(np.unique(counts)) == {0, 300, 600}


def test_more_shards_than_samples_are_refused():
    with pytest.raises(ValueError, match=r"^per_device asks for 24 shards on 8 devices, got 20"):
        counts_of(Shards(3), np.arange(20) % 4, 8)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 5.0])
def test_shares_of_a_class_have_the_variance_of_a_dirichlet(alpha):
    devices, members = 6, 400
    counts = counts_of(Dirichlet(alpha, least=1), np.repeat(np.arange(900), members), devices)
    variance = (devices - 1) / devices**2 / (devices * alpha + 1)
    assert (counts / members).var(axis=0).mean() == pytest.approx(variance, rel=0.08)


def test_mixes_have_the_second_moment_of_a_dirichlet_where_what_there_is_hardly_binds():
    alpha, classes = 20.0, 10
    counts = counts_of(Dirichlet(alpha, "equal"), np.arange(300_000) % classes, 1000)
    mix = counts / counts.sum(axis=1, keepdims=True)
    expected = (alpha / classes + 1) / (alpha + 1)
    assert (mix**2).sum(axis=1).mean() == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize("balance", ["none", "capped", "equal"])
def test_a_smaller_concentration_makes_mixes_more_unlike(balance):
    labels = np.arange(6000) % 10
    found = [
        total_variation(counts_of(Dirichlet(alpha, balance), labels, 20)).mean()
        for alpha in (0.03, 0.3, 3.0, 30.0, 1e6)
    ]
    assert found == sorted(found, reverse=True)
    assert found[0] > 0.6
    assert found[-1] < 0.01


@given(st.integers(2, 60), st.floats(1e-3, 100), st.sampled_from(["none", "capped", "equal"]))
@settings(max_examples=40, deadline=None)
def test_every_sample_is_used_once_and_nobody_has_too_few(devices, alpha, balance):
    labels = np.arange(1100) % 11
    counts = counts_of(Dirichlet(alpha, balance, least=7), labels, devices)
    assert (counts.sum(axis=0) == 100).all()
    assert counts.sum(axis=1).min() >= 7
    if balance == "equal":
        assert np.ptp(counts.sum(axis=1)) <= 1


def test_a_device_that_is_full_gets_no_more():
    labels = np.repeat(np.arange(50), 40)
    none, capped = (
        counts_of(Dirichlet(0.1, balance), labels, 10, 2) for balance in ("none", "capped")
    )
    assert capped.sum(axis=1).max() < 200 + 40 <= none.sum(axis=1).max()


def test_a_prior_that_is_not_even_is_kept():
    labels = np.repeat(np.arange(4), [1000, 500, 250, 250])
    counts = counts_of(Dirichlet(1e6, "equal"), labels, 10)
    assert np.abs(counts - np.array([100, 50, 25, 25])).max() <= 1


def test_more_than_there_is_is_refused():
    with pytest.raises(
        ValueError, match=r"^least asks for 5 samples on each of 30 devices, got 100"
    ):
        counts_of(Dirichlet(), np.arange(100) % 10, 30)


def test_measures_of_skew():
    pure = np.eye(4, dtype=int) * 9
    assert total_variation(pure).tolist() == [0.75] * 4
    assert effective_classes(pure).tolist() == [1.0] * 4
    even = np.full((3, 5), 7)
    assert total_variation(even).tolist() == [0.0] * 3
    assert effective_classes(even) == pytest.approx(5.0)
