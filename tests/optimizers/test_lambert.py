"""The inverses undo the forward functions to rounding."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from optimizers.lambert import (
    LN2,
    least_bandwidth_hz,
    marginal_nats,
    rate_bps,
    snr_for_marginal,
    snr_for_share,
)


def test_share_round_trip():
    share = np.concatenate([np.linspace(1e-4, 0.9999, 20001)[1:-1], [1e-12, 1 - 1e-6, 1 - 1e-10]])
    snr = snr_for_share(share)
    np.testing.assert_allclose(np.log1p(snr) / snr, share, rtol=1e-13)


def test_marginal_round_trip():
    snr = np.logspace(-8, 12, 2001)
    np.testing.assert_allclose(snr_for_marginal(marginal_nats(snr)), snr, rtol=1e-13)


def test_marginal_small_snr_follows_series():
    snr = np.array([1e-9, 1e-6, 1e-4])
    np.testing.assert_allclose(
        marginal_nats(snr),
        snr**2 / 2 - 2 * snr**3 / 3 + 3 * snr**4 / 4 - 4 * snr**5 / 5,
        rtol=1e-13,
    )


def test_marginal_is_slope_of_rate():
    bands, step = np.array([1e5, 1e6, 1e7]), 1e-5
    snr_hz = np.full(3, 4e6)
    slope = (rate_bps(snr_hz, bands * (1 + step)) - rate_bps(snr_hz, bands * (1 - step))) / (
        2 * step * bands
    )
    np.testing.assert_allclose(marginal_nats(snr_hz / bands) / LN2, slope, rtol=1e-6)


@given(st.floats(1.0, 1e12), st.floats(1e-6, 0.9999))
def test_least_bandwidth_carries_the_rate_exactly(snr_hz, share):
    rate = np.array([share * snr_hz / LN2])
    bands = least_bandwidth_hz(np.array([snr_hz]), rate)
    np.testing.assert_allclose(rate_bps(np.array([snr_hz]), bands), rate, rtol=1e-12)


def test_least_bandwidth_at_the_limits():
    snr_hz = np.array([1e6, 1e6, 0.0, 0.0])
    rate = np.array([0.0, 1e6 / LN2, 1.0, 0.0])
    np.testing.assert_array_equal(least_bandwidth_hz(snr_hz, rate), [0.0, np.inf, np.inf, 0.0])
    assert least_bandwidth_hz(snr_hz[:1], np.array([np.inf]))[0] == np.inf
