"""Estimation: what pilots leave unknown, and what they cost."""

import numpy as np
import pytest
from scipy import stats

from channel_models.rates.estimation import (
    Perfect,
    Pilots,
    data_share,
    estimate,
    estimate_variance,
    sinr_with_error,
)
from channel_models.rates.receivers import block_gain, mrc_gain
from channel_models.units import dbm_to_watt

DRAWS = 100_000
NOISE = 2e-20


def rayleigh(*shape, gain=1.0, seed=1):
    rng = np.random.default_rng(seed)
    return np.sqrt(gain / 2.0) * (rng.standard_normal(shape) + 1j * rng.standard_normal(shape))


def rng(seed=2):
    return np.random.default_rng(seed)


@pytest.mark.parametrize(("beta", "rho", "length"), [(1.0, 1.0, 1), (0.2, 3.0, 4), (2.0, 0.1, 1)])
class TestLaw:
    def test_estimate_and_error_have_the_variances_that_were_said(self, beta, rho, length):
        h = rayleigh(DRAWS, 1, gain=beta)
        found, variance = estimate(h, np.full(DRAWS, beta), rho, length, rng())
        gamma = length * rho * beta**2 / (1.0 + length * rho * beta)
        for sample, expected in ((found, gamma), (h - found, beta - gamma)):
            power = np.mean(np.abs(sample) ** 2)
            assert power == pytest.approx(expected, abs=3.0 * expected / np.sqrt(DRAWS))
        np.testing.assert_allclose(variance, beta - gamma, rtol=1e-12)
        assert estimate_variance(beta, rho, length) == pytest.approx(gamma, rel=1e-12)

    def test_the_error_is_orthogonal_to_the_estimate(self, beta, rho, length):
        h = rayleigh(DRAWS, 1, gain=beta)
        found, variance = estimate(h, np.full(DRAWS, beta), rho, length, rng())
        product = np.mean(found.conj() * (h - found))
        spread = np.sqrt(float(estimate_variance(beta, rho, length)) * variance[0] / DRAWS)
        assert abs(product) < 4.0 * spread

    def test_of_gaussian_coefficients_the_estimate_is_gaussian(self, beta, rho, length):
        h = rayleigh(20_000, 4, gain=beta)
        found, _ = estimate(h, np.full(20_000, beta), rho, length, rng())
        gamma = float(estimate_variance(beta, rho, length))
        assert stats.kstest(mrc_gain(found), stats.gamma(4, scale=gamma).cdf).pvalue > 1e-3


class TestEstimate:
    def test_each_device_is_trusted_by_its_own_gain(self):
        gain = np.array([1.0, 100.0])
        h = np.ones((2, 3), dtype=complex)
        quiet, variance = estimate(h, gain, 1e30, 1, rng())
        np.testing.assert_allclose(quiet, h, atol=1e-12)
        np.testing.assert_allclose(variance, 1e-30)
        loud, variance = estimate(h, gain, 1e-30, 1, rng())
        np.testing.assert_allclose(loud, 0.0, atol=1e-12)
        np.testing.assert_allclose(variance, gain)

    @pytest.mark.parametrize("shape", [(9, 3), (9, 3, 2)])
    def test_a_device_more_changes_no_bit_of_the_others(self, shape):
        h, gain = rayleigh(*shape), np.linspace(0.5, 2.0, 9)
        every, variance = Pilots().estimate(h, gain, NOISE, rng())
        few, less = Pilots().estimate(h[:6], gain[:6], NOISE, rng())
        assert every.shape == shape
        np.testing.assert_array_equal(every[:6], few)
        np.testing.assert_array_equal(variance[:6], less)

    def test_nothing_handed_in_is_changed(self):
        h, gain = rayleigh(4, 3), np.ones(4)
        Pilots().estimate(h, gain, NOISE, rng())
        np.testing.assert_array_equal(h, rayleigh(4, 3))

    def test_no_devices_no_estimates(self):
        found, variance = estimate(np.ones((0, 3), dtype=complex), np.ones(0), 1.0, 1, rng())
        assert found.shape == (0, 3)
        assert variance.shape == (0,)


class TestPilots:
    def test_the_energy_of_a_symbol_is_spread_over_the_blocks(self):
        model, gain = Pilots(length=3, power_dbm=20.0, symbol_s=1e-4), np.array([1e-12])
        rho = float(dbm_to_watt(20.0)) * 1e-4 / NOISE
        for shape, blocks in (((1, 2), 1), ((1, 2, 5), 5)):
            _, variance = model.estimate(np.ones(shape, dtype=complex), gain, NOISE, rng())
            assert variance[0] == pytest.approx(
                1e-12 - float(estimate_variance(1e-12, rho / blocks, 3)), rel=1e-9, abs=0.0
            )

    def test_devices_take_turns(self):
        assert Pilots(length=4, symbol_s=1e-4).pilots_s(25) == pytest.approx(0.01)
        assert Perfect().pilots_s(25) == 0.0

    def test_longer_pilots_know_more_and_cost_more(self):
        h, gain = rayleigh(1, 2), np.array([1e-14])
        errors = [Pilots(length=n).estimate(h, gain, NOISE, rng())[1][0] for n in (1, 2, 4)]
        assert errors == sorted(errors, reverse=True)
        assert errors[0] > 1.5 * errors[2]

    def test_perfect_knowledge_is_the_truth(self):
        h = rayleigh(4, 3)
        found, variance = Perfect().estimate(h, np.ones(4), NOISE, rng())
        assert found is h
        np.testing.assert_array_equal(variance, np.zeros(4))


class TestRates:
    def test_what_went_by_the_error_is_noise(self):
        assert sinr_with_error(4.0, 0.5, 2.0, 1.0) == pytest.approx(8.0 / (1.0 + 1.0))
        assert sinr_with_error(4.0, 0.0, 2.0, 1.0) == pytest.approx(8.0)

    def test_power_does_not_help_for_ever(self):
        assert sinr_with_error(4.0, 0.5, 1e12, 1.0) == pytest.approx(8.0, rel=1e-9)

    def test_it_is_what_combining_by_the_estimate_leaves(self):
        beta, power, noise = 1.0, 2.0, 0.7
        known = rayleigh(1, 4)[0]  # one estimate, and many errors and noises around it
        error = rayleigh(DRAWS, 4, gain=0.3, seed=5)
        heard = np.sqrt(power) * error @ known.conj() + np.sqrt(noise) * (
            rayleigh(DRAWS, 4, seed=6) @ known.conj()
        )
        signal = power * np.sum(np.abs(known) ** 2) ** 2 * beta
        found = sinr_with_error(mrc_gain(known[None])[0], 0.3, power, noise)
        assert signal / np.mean(np.abs(heard) ** 2) == pytest.approx(
            float(found), rel=4.0 / np.sqrt(DRAWS)
        )

    def test_blocks_have_ratios_of_their_own(self):
        h = rayleigh(3, 2, 5)
        found = sinr_with_error(block_gain(h), np.full((3, 1), 0.1), 1.0, 1.0)
        np.testing.assert_allclose(found, block_gain(h) / 1.1)

    def test_pilots_take_their_share(self):
        np.testing.assert_allclose(data_share(np.array([0.0, 50.0, 300.0]), 200.0), [1, 0.75, 0])
