import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from wflsim.learning.partitions.dealing import log_gamma_draws, raised, repaired, whole
from wflsim.learning.partitions.tables import dealt, fitted

SIZES = st.lists(st.integers(0, 40), min_size=1, max_size=12)


@given(SIZES, st.integers(1, 10))
@settings(deadline=None)
def test_raised_sizes_are_those_of_giving_one_at_a_time_from_the_largest(sizes, least):
    sizes = np.array(sizes)
    if sizes.sum() < least * len(sizes):
        sizes = sizes + least
    expected = np.maximum(sizes, least)
    for _ in range(int(expected.sum() - sizes.sum())):
        expected[np.argmax(expected)] -= 1
    found = raised(sizes, least)
    assert sorted(found) == sorted(expected)
    assert found.sum() == sizes.sum()
    assert (found[sizes < least] == least).all()


@given(SIZES.filter(sum), st.integers(0, 500))
@settings(deadline=None)
def test_whole_numbers_add_up_and_stay_within_one(weights, total):
    shares = np.array(weights) / sum(weights)
    found = whole(shares, total)
    assert found.sum() == total
    assert (np.abs(found - shares * total) < 1 + 1e-9).all()


def test_a_repair_moves_no_more_than_it_must():
    holder = np.repeat(np.arange(4), [50, 1, 0, 30])
    found = repaired(holder, 4, 6, np.random.default_rng(0))
    assert np.bincount(found).tolist() == [39, 6, 6, 30]
    assert (found != holder).sum() == 11
    untouched = np.repeat(np.arange(3), 10)
    assert np.array_equal(repaired(untouched, 3, 10, np.random.default_rng(0)), untouched)


@pytest.mark.parametrize("shape", [0.05, 0.7, 3.0])
def test_logarithms_of_gamma_draws_have_the_law_of_gamma(shape):
    draws = np.exp(log_gamma_draws(np.full(4000, shape), np.random.default_rng(6)))
    assert stats.kstest(draws, "gamma", (shape,)).pvalue > 0.01


def random_sums(rng, devices, classes):
    holder, label = rng.integers(devices, size=900), rng.integers(classes, size=900)
    sizes = np.bincount(holder, minlength=devices) + 1
    members = np.bincount(label, minlength=classes)
    members[0] += devices
    return sizes, members


@given(st.integers(1, 30), st.integers(1, 12), st.floats(0, 300), st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_a_fitted_table_has_the_sums_that_were_asked_for_whatever_the_weights(
    devices, classes, strength, seed
):
    rng = np.random.default_rng(seed)
    sizes, members = random_sums(rng, devices, classes)
    members = np.maximum(members, 1)
    sizes[0] += members.sum() - sizes.sum()
    table = fitted(strength * rng.normal(size=(devices, classes)), sizes, members, rng)
    assert (table >= 0).all()
    assert np.array_equal(table.sum(axis=1), sizes)
    assert np.array_equal(table.sum(axis=0), members)


def test_a_fitted_table_is_the_weights_scaled_by_rows_and_columns():
    rng = np.random.default_rng(1)
    weights = rng.normal(size=(5, 4))
    table = fitted(weights, np.full(5, 400_000), np.full(4, 500_000), rng)
    left = np.log(table) - weights
    left = left - left.mean(axis=0) - left.mean(axis=1, keepdims=True) + left.mean()
    assert np.abs(left).max() < 1e-4


def test_equal_weights_make_every_cell_equal_to_within_one():
    rng = np.random.default_rng(2)
    table = fitted(
        np.zeros((9, 10)), np.full(9, 47), np.full(10, 423 // 10) + (np.arange(10) < 3), rng
    )
    assert table.min() >= 4
    assert table.max() <= 6


def test_samples_are_dealt_as_the_table_says():
    labels = np.array([3, 7, 3, 3, 7, 7, 7])
    holder = dealt(np.array([[1, 3], [2, 1]]), labels, np.random.default_rng(0))
    counts = [[np.sum((holder == k) & (labels == c)) for c in (3, 7)] for k in (0, 1)]
    assert counts == [[1, 3], [2, 1]]
