"""Fading with its receivers, against closed forms of outage and ergodic rate, three standard errors wide."""

import numpy as np
import pytest
from scipy import integrate, special, stats

from channel_models.rates.receivers import broadcast_gain, mrc_gain
from channel_models.small_scale.correlation import (
    Exponential,
    LocalScattering,
    exponential_correlation,
)
from channel_models.small_scale.doppler import AutoRegressive, Jakes
from channel_models.small_scale.fading import Nakagami, NoFading, Rayleigh, Rician, Surroundings
from channel_models.testing import check_fading

LINKS = 100_000
AROUND = Surroundings(np.zeros(1))
ERGODIC_10_DB = {1: 2.906515, 4: 5.181077, 8: 6.250324}
OUTAGE = {(10.0, 1): 0.0951626, (100.0, 1): 0.00995017, (10.0, 2): 0.00467884}
KINDS = [
    Rayleigh(),
    Rayleigh(Exponential(0.9)),
    Rayleigh(LocalScattering()),
    Rayleigh(doppler=AutoRegressive()),
    Rayleigh(Exponential(), Jakes()),
    Rician(),
    Rician(k_db=None),
    Rician(0.0, LocalScattering(), AutoRegressive()),
    Nakagami(),
    Nakagami(0.5),
    Nakagami(4.0),
    NoFading(),
]


def coefficients(model, links, antennas, seed=8, around=AROUND):
    setup, rng = np.random.default_rng(seed), np.random.default_rng(seed + 1)
    return model.step(model.init(links, antennas, setup), around, 1.0, rng)[1]


@pytest.mark.parametrize("model", KINDS)
def test_every_kind_conforms(model):
    check_fading(model)


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


@pytest.mark.parametrize(
    ("snr", "expected"), [(1.0, 0.860347), (10.0, 2.906515), (100.0, 5.884048)]
)
def test_ergodic_rate_of_one_antenna(snr, expected):
    rate = np.log2(1.0 + snr * mrc_gain(coefficients(Rayleigh(), LINKS, 1)))
    closed = np.exp(1.0 / snr) * special.exp1(1.0 / snr) / np.log(2.0)
    assert closed == pytest.approx(expected, abs=1e-6)
    assert rate.mean() == pytest.approx(expected, abs=3.0 * rate.std() / np.sqrt(LINKS))


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


def test_rayleigh_by_default_is_one_draw_of_normals():
    parts = np.random.default_rng(9).standard_normal((5, 8))
    h = coefficients(Rayleigh(), 5, 4)
    np.testing.assert_array_equal(h, np.sqrt(0.5) * (parts[:, ::2] + 1j * parts[:, 1::2]))


def test_correlated_rayleigh_varies_more_in_its_sum():
    h = coefficients(Rayleigh(Exponential(0.8)), LINKS, 4)
    expected = exponential_correlation(0.8, 4)
    np.testing.assert_allclose(h.T @ h.conj() / LINKS, expected, atol=4.0 / np.sqrt(LINKS))
    assert mrc_gain(h).var() == pytest.approx(np.sum(expected**2), rel=0.05)


@pytest.mark.parametrize("k_db", [-100.0, 0.0, 9.0])
def test_rician_power_varies_as_its_factor_says(k_db):
    k = 10.0 ** (k_db / 10.0)
    power = np.abs(coefficients(Rician(k_db), LINKS, 1)[:, 0]) ** 2
    variance = (1.0 + 2.0 * k) / (1.0 + k) ** 2  # of |h|² with mean 1
    assert power.mean() == pytest.approx(1.0, abs=3.0 * np.sqrt(variance / LINKS))
    assert power.var() == pytest.approx(variance, rel=0.05)


def test_rician_takes_each_link_s_own_factor():
    k_db = np.where(np.arange(LINKS) % 2, 12.0, -np.inf)
    around = Surroundings(np.zeros(LINKS), k_factor_db=k_db)
    power = np.abs(coefficients(Rician(k_db=None), LINKS, 1, around=around)[:, 0]) ** 2
    k = 10.0**1.2
    assert power[1::2].var() == pytest.approx((1.0 + 2.0 * k) / (1.0 + k) ** 2, rel=0.05)
    assert power[::2].var() == pytest.approx(1.0, rel=0.05)
    assert power.mean() == pytest.approx(1.0, abs=3.0 / np.sqrt(LINKS))


def test_out_of_sight_rician_is_its_scatter():
    bearing = np.linspace(-1.0, 1.0, 6)
    hidden = Surroundings(bearing, k_factor_db=np.full(6, -np.inf))
    weak = coefficients(Rician(k_db=-300.0), 6, 4, around=hidden)
    np.testing.assert_allclose(coefficients(Rician(None), 6, 4, around=hidden), weak, atol=1e-12)


def test_rician_without_any_factor_says_what_to_set():
    with pytest.raises(ValueError, match=r"^k_db must be set, .* got None$"):
        coefficients(Rician(k_db=None), 3, 2)


def test_the_path_in_sight_is_a_plane_wave_that_stays():
    bearing = np.array([-1.2, 0.0, 0.3, 1.5])
    around = Surroundings(bearing)
    model, rng = Rician(k_db=200.0), np.random.default_rng(10)
    state = model.init(4, 6, rng)
    state, first = model.step(state, around, 1.0, rng)
    _, second = model.step(state, around, 1.0, rng)
    turn = first[:, 1:] / first[:, :-1]
    np.testing.assert_allclose(first, second, atol=1e-8)
    np.testing.assert_allclose(np.abs(first), 1.0, atol=1e-8)
    np.testing.assert_allclose(turn, np.exp(1j * np.pi * np.sin(bearing))[:, None] * np.ones(5))
    assert len(set(np.angle(first[:, 0]).round(6))) == 4


def test_the_path_in_sight_follows_a_device_that_moves():
    model, rng = Rician(k_db=200.0), np.random.default_rng(10)
    state = model.init(1, 2, rng)
    state, here = model.step(state, Surroundings(np.array([0.0])), 1.0, rng)
    _, there = model.step(state, Surroundings(np.array([np.pi / 6.0])), 1.0, rng)
    np.testing.assert_allclose(there, here * [1.0, 1.0j], atol=1e-8)


def test_the_phase_of_the_path_in_sight_is_uniform():
    h = coefficients(Rician(k_db=200.0), LINKS, 1)[:, 0]
    assert stats.kstest(np.angle(h) / (2.0 * np.pi) + 0.5, stats.uniform.cdf).pvalue > 0.01


def test_rician_scatter_has_its_correlation_and_its_memory():
    k, model = 1.0, Rician(0.0, Exponential(0.9), AutoRegressive(speed_m_s=0.0))
    rng = np.random.default_rng(10)
    state, first = model.step(model.init(LINKS, 3, rng), AROUND, 1.0, rng)
    _, second = model.step(state, AROUND, 1.0, rng)
    np.testing.assert_allclose(first, second, atol=1e-12)
    # At broadside the plane wave is the same at all antennas.
    expected = (k + exponential_correlation(0.9, 3)) / (k + 1.0)
    np.testing.assert_allclose(first.T @ first.conj() / LINKS, expected, atol=4.0 / np.sqrt(LINKS))


@pytest.mark.parametrize("m", [0.5, 1.0, 3.0])
def test_nakagami_power_is_a_gamma_variable(m):
    h = coefficients(Nakagami(m), LINKS, 1)[:, 0]
    power = np.abs(h) ** 2
    assert stats.kstest(power, stats.gamma(m, scale=1.0 / m).cdf).pvalue > 0.01
    assert power.mean() == pytest.approx(1.0, abs=3.0 / np.sqrt(m * LINKS))
    assert power.var() == pytest.approx(1.0 / m, rel=0.06)
    assert stats.kstest(np.angle(h) / (2.0 * np.pi) + 0.5, stats.uniform.cdf).pvalue > 0.01


def test_nakagami_of_one_is_rayleigh():
    nakagami, rayleigh = (coefficients(model, LINKS, 1) for model in (Nakagami(1.0), Rayleigh()))
    assert stats.ks_2samp(np.abs(nakagami[:, 0]), np.abs(rayleigh[:, 0])).pvalue > 0.01


def test_no_fading_is_one_everywhere():
    np.testing.assert_array_equal(coefficients(NoFading(), 2, 3), np.ones((2, 3)))


@pytest.mark.parametrize("model", KINDS)
def test_a_process_without_antennas_is_refused(model):
    with pytest.raises(ValueError, match=r"^antennas must be at least 1, got 0$"):
        model.init(3, 0, np.random.default_rng(1))
    with pytest.raises(ValueError, match=r"^links must be at least 0, got -1$"):
        model.init(-1, 2, np.random.default_rng(1))


@pytest.mark.parametrize("model", KINDS)
def test_a_process_without_links_is_empty(model):
    around = Surroundings(np.zeros(0), k_factor_db=np.zeros(0))
    assert coefficients(model, 0, 3, around=around).shape == (0, 3)


@pytest.mark.parametrize("model", KINDS)
def test_a_device_more_changes_no_bit(model):
    def some(links):
        around = Surroundings(
            np.linspace(-1.0, 1.0, 40)[:links], np.linspace(-9.0, 9.0, 40)[:links]
        )
        return coefficients(model, links, 5, around=around)

    full = some(40)
    for links in range(1, 40):
        np.testing.assert_array_equal(some(links), full[:links])
