"""Fading with its receivers, against closed forms of outage and ergodic rate, three standard errors wide."""

import numpy as np
import pytest
from scipy import integrate, special, stats

from channel_models.rates.receivers import broadcast_gain, mrc_gain
from channel_models.small_scale.fading import NoFading, Rayleigh, Rician, Surroundings

LINKS = 100_000
AROUND = Surroundings(np.zeros(1))
ERGODIC_10_DB = {1: 2.906515, 4: 5.181077, 8: 6.250324}
OUTAGE = {(10.0, 1): 0.0951626, (100.0, 1): 0.00995017, (10.0, 2): 0.00467884}


def coefficients(model, links, antennas, seed=8):
    setup, rng = np.random.default_rng(seed), np.random.default_rng(seed + 1)
    return model.step(model.init(links, antennas, setup), AROUND, 1.0, rng)[1]


@pytest.mark.parametrize("antennas", ERGODIC_10_DB)
def test_ergodic_rate_of_maximum_ratio_combining(antennas):
    rate = np.log2(1.0 + 10.0 * mrc_gain(coefficients(Rayleigh(), LINKS, antennas)))
    assert rate.mean() == pytest.approx(
        ERGODIC_10_DB[antennas], abs=3.0 * rate.std() / np.sqrt(LINKS)
    )


@pytest.mark.parametrize("antennas", ERGODIC_10_DB)
def test_the_ergodic_rates_are_those_of_a_gamma_variable(antennas):
    gamma = stats.gamma(antennas)
    rate, _ = integrate.quad(
        lambda x: np.log2(1.0 + 10.0 * x) * gamma.pdf(x), 0.0, 100.0, limit=200
    )
    assert rate == pytest.approx(ERGODIC_10_DB[antennas], abs=1e-5)


@pytest.mark.parametrize(("snr", "antennas"), OUTAGE)
def test_outage_at_one_bit_per_hertz(snr, antennas):
    expected = OUTAGE[snr, antennas]
    gain = mrc_gain(coefficients(Rayleigh(), LINKS, antennas))
    outage = np.mean(np.log2(1.0 + snr * gain) < 1.0)
    assert stats.gamma.cdf(1.0 / snr, antennas) == pytest.approx(expected, rel=1e-5)
    assert outage == pytest.approx(expected, abs=3.0 * np.sqrt(expected * (1.0 - expected) / LINKS))


def test_a_broadcast_has_diversity_but_no_array_gain():
    h = coefficients(Rayleigh(), LINKS, 8)
    np.testing.assert_allclose(8.0 * broadcast_gain(h), mrc_gain(h), rtol=1e-12)
    assert broadcast_gain(h).mean() == pytest.approx(1.0, abs=3.0 / np.sqrt(8 * LINKS))
    assert broadcast_gain(h).var() == pytest.approx(1.0 / 8.0, rel=0.05)


def test_one_antenna_broadcasts_as_it_receives():
    h = coefficients(Rayleigh(), 50, 1)
    np.testing.assert_array_equal(broadcast_gain(h), mrc_gain(h))


def test_rayleigh_is_circular_and_white():
    h = coefficients(Rayleigh(), LINKS, 3)
    covariance = h.T @ h.conj() / LINKS
    np.testing.assert_allclose(covariance, np.eye(3), atol=4.0 / np.sqrt(LINKS))
    np.testing.assert_allclose(h.T @ h / LINKS, 0.0, atol=6.0 / np.sqrt(LINKS))


def test_rayleigh_forgets_between_steps():
    rng = np.random.default_rng(9)
    state, first = Rayleigh().step(Rayleigh().init(LINKS, 1, rng), AROUND, 1.0, rng)
    _, second = Rayleigh().step(state, AROUND, 1.0, rng)
    assert abs(np.vdot(first, second)) / LINKS < 4.0 / np.sqrt(LINKS)


@pytest.mark.parametrize("k_db", [-100.0, 0.0, 9.0])
def test_rician_power_varies_as_its_factor_says(k_db):
    k = 10.0 ** (k_db / 10.0)
    power = np.abs(coefficients(Rician(k_db), LINKS, 1)[:, 0]) ** 2
    variance = (1.0 + 2.0 * k) / (1.0 + k) ** 2  # of |h|² with mean 1
    assert power.mean() == pytest.approx(1.0, abs=3.0 * np.sqrt(variance / LINKS))
    assert power.var() == pytest.approx(variance, rel=0.05)


def test_the_path_in_sight_is_a_plane_wave_that_stays():
    model, rng = Rician(k_db=200.0), np.random.default_rng(10)
    state = model.init(4, 6, rng)
    state, first = model.step(state, AROUND, 1.0, rng)
    _, second = model.step(state, AROUND, 1.0, rng)
    turn = first[:, 1:] / first[:, :-1]
    np.testing.assert_allclose(first, second, atol=1e-8)
    np.testing.assert_allclose(np.abs(first), 1.0, atol=1e-8)
    np.testing.assert_allclose(turn, turn[:, :1] * np.ones(5), atol=1e-8)
    assert len(set(np.angle(first[:, 0]).round(6))) == 4


def test_phase_and_bearing_of_the_path_in_sight_are_uniform():
    h = coefficients(Rician(k_db=200.0), LINKS, 2)
    assert abs(h.mean()) < 4.0 / np.sqrt(LINKS)
    turn = h[:, 1] / h[:, 0]  # e^{jπ sin θ}, whose mean over uniform θ is J0(π)
    assert abs(turn.mean() - special.j0(np.pi)) < 4.0 / np.sqrt(LINKS)


def test_no_fading_is_one_everywhere():
    np.testing.assert_array_equal(coefficients(NoFading(), 2, 3), np.ones((2, 3)))
