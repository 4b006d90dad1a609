"""Repeats: drawn counts against the closed form and against attempts stepped one by one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from channel_models.rates.retransmissions import (
    combined_snr,
    draw_attempts,
    expected_attempts,
    residual_error,
)

errors = arrays(np.float64, st.integers(1, 6), elements=st.floats(0.0, 1.0))


def stepped(attempt_errors, blocks, rng):
    """Attempts and failures of each block, tried one after another."""
    attempts, waiting = np.zeros(blocks, dtype=int), np.ones(blocks, dtype=bool)
    for error in attempt_errors:
        attempts += waiting
        waiting &= rng.random(blocks) < error
    return attempts, waiting


def test_the_closed_form_is_the_sum_written_out():
    p = np.array([0.4, 0.2, 0.1, 0.05])
    assert expected_attempts(p) == pytest.approx(1 + 0.4 + 0.4 * 0.2 + 0.4 * 0.2 * 0.1)
    assert residual_error(p) == pytest.approx(0.4 * 0.2 * 0.1 * 0.05)
    np.testing.assert_array_equal(
        expected_attempts(np.stack([p, 0 * p, 0 * p + 1])).round(9), [1.488, 1, 4]
    )


@given(errors, st.integers(0, 1000), st.integers(0, 2**32))
def test_a_draw_counts_every_block(attempt_errors, blocks, seed):
    counts = np.array([blocks, 3])
    attempts, failures = draw_attempts(attempt_errors, counts, np.random.default_rng(seed))
    cap = len(attempt_errors)
    assert np.all((failures >= 0) & (failures <= counts))
    assert np.all(attempts >= counts + (cap - 1) * failures)
    assert np.all(attempts <= cap * counts)


def test_certain_outcomes_are_drawn_as_such():
    p = np.array([[0.0, 0.5, 0.5], [1.0, 0.0, 0.5], [1.0, 1.0, 1.0]])
    attempts, failures = draw_attempts(p, np.full(3, 10), np.random.default_rng(1))
    assert attempts.tolist() == [10, 20, 30]
    assert failures.tolist() == [0, 0, 10]


def test_drawn_counts_have_the_mean_and_spread_of_stepped_ones():
    p, blocks, devices = np.array([0.5, 0.3, 0.2, 0.1]), 50, 20_000
    drawn, lost = draw_attempts(
        np.tile(p, (devices, 1)), np.full(devices, blocks), np.random.default_rng(1)
    )
    made, waiting = stepped(p, blocks * devices, np.random.default_rng(2))
    made = made.reshape(devices, blocks).sum(axis=1)
    deviation = made.std()
    assert abs(drawn.mean() - blocks * expected_attempts(p)) < 3 * deviation / devices**0.5
    assert abs(made.mean() - blocks * expected_attempts(p)) < 3 * deviation / devices**0.5
    # The variance of a sample variance of a nearly normal sum is 2 σ⁴ / n.
    assert abs(drawn.var() / deviation**2 - 1.0) < 3 * (4.0 / devices) ** 0.5
    share, many = residual_error(p), blocks * devices
    error = (share * (1 - share) / many) ** 0.5
    assert abs(lost.sum() / many - share) < 3 * error
    assert abs(waiting.mean() - share) < 3 * error


def test_more_devices_change_no_earlier_draw():
    p = np.random.default_rng(1).random((40, 4))
    blocks = np.arange(40) ** 3
    attempts, failures = draw_attempts(p, blocks, np.random.default_rng(7))
    fewer = draw_attempts(p[:25], blocks[:25], np.random.default_rng(7))
    np.testing.assert_array_equal(fewer[0], attempts[:25])
    np.testing.assert_array_equal(fewer[1], failures[:25])
    again = draw_attempts(p, blocks, np.random.default_rng(7))
    np.testing.assert_array_equal(again[0], attempts)


def test_chase_adds_powers_and_incremental_redundancy_information():
    np.testing.assert_allclose(
        combined_snr(np.array([0.5, 2.0]), 3, "chase"), [[0.5, 1, 1.5], [2, 4, 6]]
    )
    np.testing.assert_allclose(
        np.log2(1.0 + combined_snr(2.0, 4, "incremental")), np.log2(3.0) * np.arange(1, 5)
    )
    np.testing.assert_array_equal(combined_snr(2.0, 3, "none"), [2.0, 2.0, 2.0])


@given(st.floats(0.0, 1e30), st.integers(1, 8))
def test_information_is_never_behind_power_nor_power_behind_nothing(snr, attempts):
    none, chase, incremental = (
        combined_snr(snr, attempts, how) for how in ("none", "chase", "incremental")
    )
    assert np.all(chase >= none)
    assert np.all(incremental >= chase * (1 - 1e-12))
    assert np.all(np.isfinite(incremental))
    assert incremental[0] == pytest.approx(snr)


def test_nonsense_is_refused():
    rng = np.random.default_rng(1)
    with pytest.raises(
        ValueError, match=r"attempt_errors must be finite and between 0 and 1, got 1.5"
    ):
        draw_attempts(np.array([[0.5, 1.5]]), np.array([1]), rng)
    with pytest.raises(
        ValueError, match=r"blocks must be finite and at least 0, got -1.0 for device 1"
    ):
        draw_attempts(np.array([0.5]), np.array([1, -1]), rng)
