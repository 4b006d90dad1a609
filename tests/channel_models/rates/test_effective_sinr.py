"""The one ratio that stands for many."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from channel_models.rates.effective_sinr import (
    capacity_effective_snr,
    eesm_beta,
    exponential_effective_snr,
)
from channel_models.rates.modulation import schemes

ratios = arrays(np.float64, st.integers(1, 12), elements=st.floats(0.0, 1e6))
betas = st.floats(0.5, 200.0)


@given(ratios, betas)
def test_it_lies_between_the_least_and_the_mean(snr, beta):
    found = exponential_effective_snr(snr, beta)
    assert snr.min() * (1 - 1e-12) <= found <= snr.mean() * (1 + 1e-9) + 1e-9


@given(ratios, betas, st.floats(1.0, 3.0))
def test_a_larger_beta_forgives_more(snr, beta, factor):
    mild, strict = (
        exponential_effective_snr(snr, factor * beta),
        exponential_effective_snr(snr, beta),
    )
    assert mild >= strict * (1 - 1e-9) - 1e-9


@given(st.floats(0.0, 1e9), betas, st.integers(1, 30))
def test_equal_ratios_stand_for_themselves(snr, beta, blocks):
    assert exponential_effective_snr(np.full(blocks, snr), beta) == pytest.approx(snr)
    assert capacity_effective_snr(np.full(blocks, snr), beta) == pytest.approx(snr)


def test_it_is_the_formula():
    snr = np.random.default_rng(1).exponential(10.0, (7, 5, 24))
    beta = np.linspace(1.6, 34.28, 5)
    formula = -beta * np.log(np.mean(np.exp(-snr / beta[:, None]), axis=-1))
    np.testing.assert_allclose(exponential_effective_snr(snr, beta), formula, rtol=1e-12)


def test_the_limits_of_beta_are_the_least_and_the_mean():
    snr = np.array([3.0, 5.0, 10.0])
    assert exponential_effective_snr(snr, 1e-9) == pytest.approx(3.0)
    assert exponential_effective_snr(snr, 1e6) == pytest.approx(6.0, rel=1e-5)


def test_strong_blocks_do_not_vanish():
    assert exponential_effective_snr(np.array([1e5, 1e6]), 1.6) == pytest.approx(
        1e5 + 1.6 * np.log(2.0)
    )


@given(ratios, st.floats(1.0, 20.0))
def test_one_block_at_the_capacity_ratio_carries_the_mean(snr, gap):
    one = capacity_effective_snr(snr, gap)
    assert np.log1p(one / gap) == pytest.approx(np.log1p(snr / gap).mean())
    assert one <= snr.mean() * (1 + 1e-9)


def test_betas_are_as_published():
    first, second = eesm_beta(schemes(1)), eesm_beta(schemes(2))
    assert (len(first), len(second)) == (29, 28)
    assert first[[0, 9, 10, 16, 17, 28]].tolist() == [1.6, 1.82, 3.97, 6.5, 9.95, 34.28]
    assert second[[0, 4, 5, 10, 11, 20, 27]].tolist() == [
        1.6,
        1.79,
        4.27,
        6.5,
        10.97,
        56.48,
        132.54,
    ]
    assert np.all(np.diff(first) > 0.0)
    assert np.all(np.diff(second) > 0.0)
    assert first.sum() == pytest.approx(308.35)


def test_the_same_scheme_has_the_same_beta_in_both_tables():
    known = {}
    for number in (1, 2):
        table = schemes(number)
        for bits, rate, beta in zip(
            table.bits_per_symbol, table.code_rate, eesm_beta(table), strict=True
        ):
            known.setdefault((int(bits), float(rate)), set()).add(float(beta))
    assert len(known) == 37
    assert all(len(found) == 1 for found in known.values())
