"""Receivers: their laws, against filters written out, and against others' solvers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from channel_models.rates.receivers import (
    block_gain,
    broadcast_gain,
    conjugate_sinr,
    mmse_sinr,
    mrc_gain,
    mrc_sinr,
    multicast_covariance,
    multicast_gain,
    regularised_sinr,
    zf_sinr,
)

NOISE = 0.3
POWERS = np.array([0.5, 1.0, 2.0, 4.0])


def rayleigh(*shape, seed=1):
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)) * np.sqrt(0.5)


def output_sinr(filters, h, powers, noise):
    """Return what filters (rows w_k, applied as w_kᴴ y) make of y = Σ_i √p_i h_i s_i + n."""
    received = np.abs(filters.conj() @ h.T) ** 2 * powers
    own = np.diagonal(received)
    return own / (received.sum(axis=1) - own + noise * np.sum(np.abs(filters) ** 2, axis=1))


def mmse_filters(h, powers, noise):
    covariance = (h.T * powers) @ h.conj() + noise * np.eye(h.shape[1])
    return np.linalg.solve(covariance, h.T).T


class TestOwnBand:
    def test_the_gain_is_the_power_of_all_antennas(self):
        h = rayleigh(5, 7)
        np.testing.assert_allclose(mrc_gain(h), np.sum(np.abs(h) ** 2, axis=1), rtol=1e-13)
        np.testing.assert_allclose(mrc_gain(h.T[::2]), np.sum(np.abs(h.T[::2]) ** 2, axis=1))

    def test_blocks_are_summed_over_antennas_and_averaged(self):
        h = rayleigh(5, 7, 3)
        every = np.sum(np.abs(h) ** 2, axis=1)
        np.testing.assert_allclose(block_gain(h), every, rtol=1e-13)
        np.testing.assert_allclose(mrc_gain(h), every.mean(axis=1), rtol=1e-13)
        np.testing.assert_allclose(broadcast_gain(h), every.mean(axis=1) / 7.0, rtol=1e-13)

    def test_one_block_is_none(self):
        h = rayleigh(5, 7)
        np.testing.assert_array_equal(block_gain(h), mrc_gain(h)[:, None])
        np.testing.assert_allclose(block_gain(h[:, :, None]), block_gain(h), rtol=1e-13)
        np.testing.assert_allclose(broadcast_gain(h[:, :, None]), broadcast_gain(h), rtol=1e-13)

    @pytest.mark.parametrize("shape", [(64,), (5,), (3, 4)])
    def test_more_devices_change_no_bit_of_the_others(self, shape):
        h = rayleigh(33, *shape) if len(shape) == 2 else rayleigh(33, shape[0])
        for gain in (mrc_gain, block_gain, broadcast_gain):
            for fewer in (1, 2, 7, 30):
                np.testing.assert_array_equal(gain(h)[:fewer], gain(h[:fewer]))

    def test_a_broadcast_has_diversity_and_no_array_gain(self):
        gain = broadcast_gain(rayleigh(50_000, 8))
        assert gain.mean() == pytest.approx(1.0, abs=3.0 / np.sqrt(8 * 50_000))
        assert stats.kstest(gain, stats.gamma(8, scale=1.0 / 8.0).cdf).pvalue > 1e-3


class TestUplink:
    @pytest.mark.parametrize(
        ("sinr", "filters"),
        [
            (mrc_sinr, lambda h: h),
            (zf_sinr, lambda h: np.linalg.pinv(h).conj().T),
            (mmse_sinr, lambda h: mmse_filters(h, POWERS, NOISE)),
        ],
    )
    def test_it_is_what_the_filter_makes_of_the_signals(self, sinr, filters):
        h = rayleigh(4, 6)
        np.testing.assert_allclose(
            sinr(h, POWERS, NOISE), output_sinr(filters(h), h, POWERS, NOISE), rtol=1e-10
        )

    def test_the_predicted_sinr_is_the_one_measured(self):
        h, symbols = rayleigh(4, 6), 200_000
        sent = rayleigh(symbols, 4, seed=2) * np.sqrt(POWERS)
        heard = sent @ h + np.sqrt(NOISE) * rayleigh(symbols, 6, seed=3)
        seen = heard @ mmse_filters(h, POWERS, NOISE).conj().T
        correlation = np.sum(seen * sent.conj(), axis=0) / np.sum(np.abs(sent) ** 2, axis=0)
        rest = seen - correlation * sent
        measured = np.abs(correlation) ** 2 * POWERS / np.mean(np.abs(rest) ** 2, axis=0)
        np.testing.assert_allclose(measured, mmse_sinr(h, POWERS, NOISE), rtol=5 / np.sqrt(symbols))

    @settings(deadline=None, max_examples=200)
    @given(st.integers(1, 8), st.integers(0, 8), st.integers(0, 2**32 - 1), st.floats(-60.0, 60.0))
    def test_no_linear_receiver_beats_the_least_square_error(self, devices, spare, seed, snr_db):
        rng = np.random.default_rng(seed)
        h = rayleigh(devices, devices + spare, seed=seed)
        powers = 10.0 ** (snr_db / 10.0) * rng.uniform(0.1, 10.0, devices)
        best = mmse_sinr(h, powers, 1.0) * (1.0 + 1e-6)
        assert np.all(best >= zf_sinr(h, powers, 1.0))
        assert np.all(best >= mrc_sinr(h, powers, 1.0))

    def test_with_loud_noise_it_is_maximum_ratio_combining(self):
        h = rayleigh(4, 6)
        for noise in (1e6, 1e12):
            np.testing.assert_allclose(
                mmse_sinr(h, POWERS, noise), mrc_sinr(h, POWERS, noise), rtol=100.0 / noise + 1e-9
            )

    def test_without_noise_it_is_zero_forcing(self):
        h = rayleigh(4, 6)
        np.testing.assert_allclose(mmse_sinr(h, POWERS, 1e-9), zf_sinr(h, POWERS, 1e-9), rtol=1e-7)

    @pytest.mark.parametrize("sinr", [mrc_sinr, zf_sinr, mmse_sinr, conjugate_sinr])
    def test_alone_every_receiver_collects_all_power(self, sinr):
        h = rayleigh(1, 5)
        np.testing.assert_allclose(sinr(h, 2.0, NOISE), 2.0 * mrc_gain(h) / NOISE, rtol=1e-12)

    @pytest.mark.parametrize(
        "sinr", [mrc_sinr, zf_sinr, mmse_sinr, conjugate_sinr, regularised_sinr]
    )
    def test_leading_axes_are_groups(self, sinr):
        h = rayleigh(3, 2, 4, 6)
        every = sinr(h, POWERS, NOISE)
        assert every.shape == (3, 2, 4)
        np.testing.assert_allclose(every[2, 1], sinr(h[2, 1], POWERS, NOISE), rtol=1e-12)

    def test_more_devices_than_antennas_can_not_be_forced_apart(self):
        with pytest.raises(
            ValueError, match=r"h must have at least as many antennas as devices .* got 2 for 3"
        ):
            zf_sinr(rayleigh(3, 2), 1.0, 1.0)
        assert np.all(mmse_sinr(rayleigh(3, 2), 1.0, 1.0) > 0.0)

    def test_zero_forcing_leaves_a_gamma_variable(self):
        draws = 20_000
        sinr = zf_sinr(rayleigh(draws, 4, 8), 10.0, 1.0)
        assert stats.kstest(sinr[:, 2] / 10.0, stats.gamma(5).cdf).pvalue > 1e-3
        assert sinr[:, 0].mean() == pytest.approx(50.0, abs=3.0 * 10.0 * np.sqrt(5.0 / draws))


class TestDownlink:
    def beams(self, h, ridge):
        raw = h.conj().T @ np.linalg.inv(h @ h.conj().T + ridge * np.eye(len(h)))
        return raw / np.linalg.norm(raw, axis=0)

    def sinr(self, h, beams):
        received = np.abs(h @ beams) ** 2 * POWERS
        own = np.diagonal(received)
        return own / (received.sum(axis=1) - own + NOISE)

    def test_conjugate_beams(self):
        h = rayleigh(4, 6)
        beams = h.conj().T / np.linalg.norm(h, axis=1)
        np.testing.assert_allclose(conjugate_sinr(h, POWERS, NOISE), self.sinr(h, beams))

    def test_regularised_zero_forcing(self):
        h = rayleigh(4, 6)
        beams = self.beams(h, 4.0 * NOISE / POWERS.sum())
        np.testing.assert_allclose(regularised_sinr(h, POWERS, NOISE), self.sinr(h, beams))

    def test_its_limits(self):
        h = rayleigh(4, 6)
        np.testing.assert_allclose(
            regularised_sinr(h, POWERS, 1e9), conjugate_sinr(h, POWERS, 1e9), rtol=1e-6
        )
        np.testing.assert_allclose(
            regularised_sinr(h, POWERS, 1e-9), zf_sinr(h, POWERS, 1e-9), rtol=1e-6
        )


class TestMulticast:
    def test_a_broadcast_reaches_its_weakest_member(self):
        h = rayleigh(9, 4)
        assert multicast_gain(h) == broadcast_gain(h).min()
        assert multicast_gain(h, np.eye(4) / 4.0) == pytest.approx(multicast_gain(h), rel=1e-12)

    def test_a_covariance_is_heard_by_every_device_in_its_own_direction(self):
        h, beam = rayleigh(3, 4), rayleigh(1, 4, seed=2)[0]
        heard = np.abs(h @ beam) ** 2
        covariance = np.outer(beam, beam.conj())
        assert multicast_gain(h, covariance) == pytest.approx(heard.min(), rel=1e-12)

    def test_one_device_gets_a_beam(self):
        h = rayleigh(1, 6)
        best = multicast_covariance(h, 1e-6)
        assert multicast_gain(h, best) == pytest.approx(mrc_gain(h)[0], rel=2e-6)

    def test_orthogonal_devices_share_by_their_gains(self):
        h = np.diag([1.0, 2.0, 3.0]).astype(complex)
        best = 1.0 / np.sum(1.0 / mrc_gain(h))
        assert multicast_gain(h, multicast_covariance(h, 1e-6)) == pytest.approx(best, rel=2e-6)

    @settings(deadline=None, max_examples=40)
    @given(st.integers(1, 12), st.integers(1, 8), st.integers(0, 2**32 - 1), st.floats(0.0, 80.0))
    def test_it_lies_between_the_broadcast_and_a_beam_at_the_weakest(
        self, devices, antennas, seed, spread_db
    ):
        rng = np.random.default_rng(seed)
        h = rayleigh(devices, antennas, seed=seed)
        h = h * 10.0 ** (rng.uniform(-80.0 - spread_db, -80.0, devices) / 20.0)[:, None]
        best = multicast_covariance(h)
        assert np.trace(best).real == pytest.approx(1.0)
        assert np.linalg.eigvalsh(best)[0] >= -1e-12
        found = multicast_gain(h, best)
        assert multicast_gain(h) * (1.0 - 1e-3) <= found <= mrc_gain(h).min() * (1.0 + 1e-9)

    @pytest.mark.filterwarnings("ignore")
    def test_another_solver_finds_the_same(self):
        import cvxpy

        h = rayleigh(6, 4)
        covariance, worst = cvxpy.Variable((4, 4), hermitian=True), cvxpy.Variable()
        heard = [cvxpy.real(row @ covariance @ row.conj()) >= worst for row in h]
        bounds = [covariance >> 0, cvxpy.real(cvxpy.trace(covariance)) == 1.0]
        value = cvxpy.Problem(cvxpy.Maximize(worst), heard + bounds).solve(solver="CLARABEL")
        assert multicast_gain(h, multicast_covariance(h, 1e-6)) == pytest.approx(value, rel=1e-5)

    def test_an_impossible_tolerance_is_told(self):
        with pytest.raises(ValueError, match=r"tolerance must be finite and from 1e-6 .* got 0.0"):
            multicast_covariance(rayleigh(3, 2), tolerance=0.0)

    def test_it_never_hands_out_what_it_has_not_proved(self, monkeypatch):
        monkeypatch.setattr("channel_models.rates.receivers._INTERIOR_STEPS", 2)
        with pytest.raises(ArithmeticError, match="no covariance within"):
            multicast_covariance(rayleigh(3, 2))
