"""The rate of a link: its laws and its limits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channel_models.rates.links import Gap, Shannon, rate_bps

NOISE = 2e-20
bandwidths = st.floats(1.0, 1e9)
powers = st.floats(1e-4, 10.0)
gains = st.floats(1e-16, 1e-6)


def test_rate_is_shannons():
    assert rate_bps(1e6, 0.1, 3e-13, 1e-20) == pytest.approx(2e6)
    assert rate_bps(1e6, 0.1, 3e-13, 1e-20, snr_gap=3.0) == pytest.approx(1e6)


@pytest.mark.parametrize("bandwidth_hz", [0.0, 5e-324, 1e-250])
def test_no_bandwidth_no_rate_no_warning(bandwidth_hz):
    assert rate_bps(bandwidth_hz, 1.0, 1e-6, NOISE) == pytest.approx(0.0, abs=1e-190)


def test_no_power_no_rate():
    np.testing.assert_array_equal(rate_bps(np.array([0.0, 1e6]), 0.0, 1e-10, NOISE), [0.0, 0.0])


def test_shapes_broadcast():
    rate = rate_bps(np.full((3, 1), 1e6), np.array([0.1, 0.2]), 1e-12, NOISE)
    assert rate.shape == (3, 2)


@settings(deadline=None)
@given(bandwidths, powers, gains, st.floats(1.01, 10.0))
def test_more_bandwidth_or_power_carries_more(bandwidth_hz, power_w, gain, factor):
    rate = rate_bps(bandwidth_hz, power_w, gain, NOISE)
    assert rate_bps(factor * bandwidth_hz, power_w, gain, NOISE) > rate * (1.0 - 1e-12)
    assert rate_bps(bandwidth_hz, factor * power_w, gain, NOISE) > rate


@settings(deadline=None)
@given(bandwidths, bandwidths, powers, powers, gains)
def test_rate_is_concave_in_bandwidth_and_power_together(one_hz, two_hz, one_w, two_w, gain):
    ends = rate_bps(np.array([one_hz, two_hz]), np.array([one_w, two_w]), gain, NOISE)
    middle = rate_bps((one_hz + two_hz) / 2.0, (one_w + two_w) / 2.0, gain, NOISE)
    assert middle >= ends.mean() * (1.0 - 1e-12)


@settings(deadline=None)
@given(bandwidths, powers, gains)
def test_rate_stays_below_its_wideband_limit(bandwidth_hz, power_w, gain):
    limit = power_w * gain / (NOISE * np.log(2.0))
    assert rate_bps(bandwidth_hz, power_w, gain, NOISE) <= limit * (1.0 + 1e-12)


def test_the_wideband_limit_is_reached():
    limit = 0.1 * 1e-15 / (NOISE * np.log(2.0))
    assert rate_bps(1e12, 0.1, 1e-15, NOISE) == pytest.approx(limit, rel=1e-6)


def test_a_gap_of_nothing_is_shannon():
    assert Gap(gap_db=0.0).snr_gap == Shannon().snr_gap == 1.0


def test_the_default_gap_is_that_of_its_bit_error_rate():
    assert Gap().snr_gap == pytest.approx(-np.log(5.0 * 5e-5) / 1.5, rel=2e-3)
