"""Slowness: factors of mean one, with the tails that they promise."""

import numpy as np
import pytest
from scipy import stats

from wflsim.world.slowness import LogNormal, Pareto, Punctual

MANY = 200_000
KINDS = [Punctual(), LogNormal(0.3), LogNormal(1.0), Pareto(2.5), Pareto(6.0)]


def drawn(kind, devices=MANY, seed=1):
    return kind.factors(devices, np.random.default_rng(seed))


def test_the_punctual_factor_is_exactly_one():
    assert (drawn(Punctual()) == 1.0).all()


@pytest.mark.parametrize("sigma", [0.1, 0.5, 1.0])
def test_the_log_normal_factor_has_mean_one(sigma):
    deviation = np.sqrt(np.expm1(sigma**2) / MANY)
    assert abs(drawn(LogNormal(sigma)).mean() - 1.0) < 3.0 * deviation


@pytest.mark.parametrize("shape", [3.0, 5.0, 20.0])
def test_the_pareto_factor_has_mean_one(shape):
    deviation = np.sqrt(1.0 / (shape * (shape - 2.0)) / MANY)
    assert abs(drawn(Pareto(shape)).mean() - 1.0) < 3.0 * deviation


@pytest.mark.parametrize("sigma", [0.2, 1.5])
def test_the_log_normal_factor_has_its_distribution(sigma):
    law = stats.lognorm(s=sigma, scale=np.exp(-(sigma**2) / 2))
    assert stats.kstest(drawn(LogNormal(sigma)), law.cdf).pvalue > 0.01


@pytest.mark.parametrize("shape", [1.2, 2.0, 4.0])
def test_the_pareto_factor_has_its_tail(shape):
    least = (shape - 1.0) / shape

    def below(x):
        return np.where(x > least, 1.0 - (least / np.maximum(x, least)) ** shape, 0.0)

    factors = drawn(Pareto(shape))
    assert factors.min() >= least
    assert stats.kstest(factors, below).pvalue > 0.01


@pytest.mark.parametrize("kind", KINDS)
def test_a_device_more_changes_nobody(kind):
    assert (drawn(kind, 1000)[:10] == drawn(kind, 10)).all()


def test_another_spread_keeps_everybodys_place():
    order = np.argsort(drawn(LogNormal(0.1), 100))
    assert (order == np.argsort(drawn(LogNormal(2.0), 100))).all()
    order = np.argsort(drawn(Pareto(1.1), 100))
    assert (order == np.argsort(drawn(Pareto(9.0), 100))).all()
