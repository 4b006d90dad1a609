"""Closed forms against numbers of others, against integrals and against chance."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from channel_models.rates.capacity import (
    ergodic_rate,
    ergodic_zf_rate,
    finite_error,
    finite_rate,
    hardened_mrc_sinr,
    hardened_zf_sinr,
    least_energy_per_bit,
    outage_probability,
    outage_rate,
)
from channel_models.rates.receivers import mrc_gain, zf_sinr

DRAWS = 100_000
REAL = True


def limit_db(rate):
    return 10.0 * np.log10(least_energy_per_bit(rate))


# Each row: what is computed, what it must be, and how closely, from the number of digits that were given.
TABLE = [
    (ergodic_rate(1.0), 0.860347, 1e-6),
    (ergodic_rate(10.0), 2.906515, 1e-6),
    (ergodic_rate(100.0), 5.884048, 1e-6),
    (ergodic_rate(10.0, 4), 5.181077, 1e-6),
    (ergodic_rate(10.0, 8), 6.250324, 1e-6),
    (ergodic_rate(10.0, 64), 9.312916, 1e-6),
    (ergodic_zf_rate(10.0, 8, 4), 5.530282, 1e-6),
    (outage_probability(1.0, 10.0), 0.0951626, 1e-7),
    (outage_probability(1.0, 100.0), 0.00995017, 1e-8),
    (outage_probability(1.0, 10.0, 2), 0.00467884, 1e-8),
    (outage_probability(1.0, 10.0, 4), 3.846834e-6, 1e-12),
    (finite_rate(1.0, 100, 1e-3), 0.647122, 1e-6),
    (finite_rate(10.0, 500, 1e-3), 3.269843, 1e-6),
    (finite_rate(10.0**0.5, 1000, 1e-6), 1.851847, 1e-6),
    (finite_rate(1.0, 500, 1e-3, REAL), 0.386871, 1e-6),  # yp-mit/spectre, normapx_awgn.m
    # mhostetter/sdr, shannon_limit_ebn0: codes of these rates over real symbols, two of which make a complex one
    (limit_db(0.0), -1.591745, 1e-6),
    (limit_db(2.0 / 8.0), -1.21002545, 1e-8),
    (limit_db(2.0 / 4.0), -0.8174569, 1e-7),
    (limit_db(2.0 / 3.0), -0.54974021, 1e-8),
    (limit_db(2.0 / 2.0), 0.0, 1e-12),
    (limit_db(4.0 / 3.0), 0.56859734, 1e-8),
    (limit_db(6.0 / 4.0), 0.85986396, 1e-8),
    (limit_db(14.0 / 8.0), 1.30533298, 1e-8),
]


def test_the_numbers_of_others():
    met = [abs(float(found) - expected) <= within for found, expected, within in TABLE]
    assert sum(met) == 23, [row for row, held in zip(TABLE, met, strict=True) if not held]


class TestErgodic:
    @pytest.mark.parametrize("antennas", [1, 3, 64])
    @pytest.mark.parametrize("snr", [1e-6, 1.9e-3, 2.1e-3, 0.1, 1.0, 1e4])
    def test_it_is_the_mean_over_a_gamma_variable(self, antennas, snr):
        gamma = stats.gamma(antennas)
        mean, _ = integrate.quad(
            lambda x: np.log1p(snr * x) * gamma.pdf(x),
            0.0,
            gamma.isf(1e-18),
            epsrel=1e-11,
            limit=400,
        )
        assert ergodic_rate(snr, antennas) == pytest.approx(mean / np.log(2.0), rel=1e-9)

    @pytest.mark.parametrize("antennas", [1, 8, 64, 500])
    def test_both_ways_to_reckon_meet(self, antennas):
        below, above = 1.0 / (500.0 + 1e-9), 1.0 / (500.0 - 1e-9)
        ratio = ergodic_rate(below, antennas) / ergodic_rate(above, antennas)
        assert ratio == pytest.approx(1.0, abs=3e-11)

    def test_shapes_are_those_of_the_ratio_and_nothing_carries_nothing(self):
        snr = np.array([[0.0, 1.0], [10.0, 1e-12]])
        found = ergodic_rate(snr, 8)
        assert found.shape == (2, 2)
        assert found[0, 0] == pytest.approx(0.0, abs=1e-25)
        assert found[1, 0] == pytest.approx(float(ergodic_rate(10.0, 8)), rel=1e-14)
        assert found[1, 1] == pytest.approx(8e-12 / np.log(2.0), rel=1e-9)

    @pytest.mark.parametrize("antennas", [1, 4])
    def test_chance_agrees(self, antennas):
        gain = np.random.default_rng(1).gamma(antennas, size=DRAWS)
        rate = np.log2(1.0 + 10.0 * gain)
        assert rate.mean() == pytest.approx(
            float(ergodic_rate(10.0, antennas)), abs=3.0 * rate.std() / np.sqrt(DRAWS)
        )

    def test_chance_agrees_on_zero_forcing(self):
        parts = np.random.default_rng(2).standard_normal((20_000, 4, 16)) * np.sqrt(0.5)
        rate = np.log2(1.0 + zf_sinr(parts.view(np.complex128), 10.0, 1.0)[:, 1])
        assert rate.mean() == pytest.approx(
            float(ergodic_zf_rate(10.0, 8, 4)), abs=3.0 * rate.std() / np.sqrt(20_000)
        )

    def test_zero_forcing_needs_antennas(self):
        with pytest.raises(ValueError, match="antennas must be at least 4, the devices, got 3"):
            ergodic_zf_rate(10.0, antennas=3, devices=4)


class TestOutage:
    @pytest.mark.parametrize(("snr", "antennas"), [(10.0, 1), (3.0, 2), (1.0, 4)])
    def test_chance_agrees(self, snr, antennas):
        parts = np.random.default_rng(3).standard_normal((DRAWS, 2 * antennas)) * np.sqrt(0.5)
        out = np.log2(1.0 + snr * mrc_gain(parts.view(np.complex128))) < 1.5
        expected = float(outage_probability(1.5, snr, antennas))
        assert out.mean() == pytest.approx(
            expected, abs=3.0 * np.sqrt(expected * (1.0 - expected) / DRAWS)
        )

    @given(st.floats(0.01, 12.0), st.floats(1e-2, 1e4), st.integers(1, 16))
    def test_rate_and_probability_undo_each_other(self, rate, snr, antennas):
        probability = outage_probability(rate, snr, antennas)
        if 1e-250 < probability < 1.0 - 1e-6:
            assert outage_rate(probability, snr, antennas) == pytest.approx(rate, rel=1e-6)

    def test_no_outage_is_no_rate(self):
        assert outage_rate(0.0, 10.0) == 0.0


class TestHardened:
    """The bounds, from means over draws of what the receivers do with estimates of the channels."""

    snr = np.array([0.5, 1.0, 2.0])
    gain = np.array([1.0, 0.5, 2.0])
    estimated = np.array([0.8, 0.3, 1.9])
    antennas = 8

    def from_means(self, filters, estimate, error):
        """Return |E w₀ᴴh₀|² ρ₀ / (Σ ρ_i E|w₀ᴴh_i|² − |E w₀ᴴh₀|² ρ₀ + E‖w₀‖²), the bound's definition."""
        seen = np.einsum("tm,tkm->tk", filters.conj(), estimate + error)
        signal = self.snr[0] * np.abs(seen[:, 0].mean()) ** 2
        power = np.sum(self.snr * np.mean(np.abs(seen) ** 2, axis=0))
        return signal / (power - signal + np.mean(np.sum(np.abs(filters) ** 2, axis=1)))

    def drawn(self):
        rng = np.random.default_rng(4)
        parts = rng.standard_normal((2, DRAWS, 3, 2 * self.antennas)) * np.sqrt(0.5)
        estimate, error = parts.view(np.complex128)
        scale = np.sqrt(np.stack([self.estimated, self.gain - self.estimated]))[:, None, :, None]
        return estimate * scale[0], error * scale[1]

    def test_maximum_ratio_combining(self):
        estimate, error = self.drawn()
        found = hardened_mrc_sinr(self.snr, self.gain, self.estimated, self.antennas)[0]
        assert self.from_means(estimate[:, 0], estimate, error) == pytest.approx(found, rel=0.02)

    def test_zero_forcing(self):
        estimate, error = self.drawn()
        inverse = np.linalg.inv(estimate.conj() @ np.swapaxes(estimate, 1, 2))
        filters = np.einsum("tkm,tk->tm", estimate, inverse[:, :, 0])
        found = hardened_zf_sinr(self.snr, self.gain, self.estimated, self.antennas)[0]
        assert self.from_means(filters, estimate, error) == pytest.approx(found, rel=0.02)

    def test_one_ratio_serves_all(self):
        one = hardened_mrc_sinr(2.0, self.gain, self.estimated, 8)
        each = hardened_mrc_sinr(np.full(3, 2.0), self.gain, self.estimated, 8)
        np.testing.assert_allclose(one, each)

    def test_zero_forcing_needs_more_antennas_than_devices(self):
        with pytest.raises(ValueError, match="antennas must exceed 3, the devices, got 3"):
            hardened_zf_sinr(self.snr, self.gain, self.estimated, 3)


class TestFiniteBlocks:
    @given(st.floats(0.05, 1e3), st.floats(50.0, 1e5), st.floats(1e-9, 0.4), st.booleans())
    def test_rate_and_error_undo_each_other(self, snr, symbols, error, real):
        rate = finite_rate(snr, symbols, error, real)
        if rate > 0.0:
            assert finite_error(snr, symbols, rate, real) == pytest.approx(error, rel=1e-6)

    def test_long_blocks_reach_capacity(self):
        assert finite_rate(3.0, 1e12, 1e-3) == pytest.approx(2.0, abs=1e-5)
        assert finite_rate(3.0, 1e12, 1e-3, REAL) == pytest.approx(1.0, abs=1e-5)

    def test_a_complex_symbol_is_two_real_ones(self):
        # All but the logarithm, which counts symbols: lg2(2n) / (2n) against lg2(n) / (2n).
        twice = 2.0 * finite_rate(3.0, 400, 1e-3, REAL)
        assert twice - finite_rate(3.0, 200, 1e-3) == pytest.approx(1.0 / 400.0, rel=1e-9)

    def test_rates_are_never_negative(self):
        assert finite_rate(0.01, 20, 1e-9) == 0.0

    def test_more_power_loses_fewer_blocks(self):
        errors = finite_error(np.linspace(0.5, 3.0, 30), 200, 1.0)
        assert np.all(np.diff(errors) < 0.0)
        assert errors[0] > 0.99
