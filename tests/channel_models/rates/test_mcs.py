"""The link that sends the schemes of a standard: which it sends, and what arrives."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channel_models.rates.block_errors import Curve
from channel_models.rates.effective_sinr import eesm_beta, exponential_effective_snr
from channel_models.rates.links import effective_snr, gap_at
from channel_models.rates.mcs import Mcs
from channel_models.rates.modulation import schemes
from channel_models.rates.retransmissions import draw_attempts
from channel_models.rates.transport_blocks import (
    code_blocks,
    resource_elements,
    transport_block_bits,
)
from channel_models.units import db_to_linear, linear_to_db

RANGE_DB = np.linspace(-15.0, 30.0, 181)
SNR = db_to_linear(RANGE_DB)


def by_hand(snr, number=1, prbs=50, target=0.1, attempts=4):
    """What each scheme delivers by the formulas, 0 where its first attempt misses the target, shape (N, I)."""
    known = schemes(number)
    elements = resource_elements(prbs)
    size = transport_block_bits(elements * known.efficiency, known.code_rate)
    count, bits = code_blocks(size, known.code_rate)
    reached, made, first = 1.0, 0.0, None
    for attempt in range(1, attempts + 1):
        lost = 1 - (1 - Curve().error_probability(attempt * snr[:, None], known, bits)) ** count
        first = lost if first is None else first
        made = made + reached
        reached = reached * lost
    delivered = size / elements * (1.0 - reached) / made
    return np.where(first <= target, delivered, 0.0), delivered[:, 0]


@pytest.mark.parametrize(("number", "target"), [(1, 0.1), (2, 0.1), (1, 0.01), (2, 0.5)])
def test_of_the_schemes_that_meet_the_target_the_best_is_sent(number, target):
    allowed, lowest = by_hand(SNR, number, target=target)
    best = np.where(allowed.max(axis=1) > 0.0, allowed.max(axis=1), lowest)
    link = Mcs(table=number, target_error=target)
    np.testing.assert_allclose(link.efficiency(SNR), best, rtol=1e-6, atol=1e-12)
    some = allowed.max(axis=1) > 0.0
    np.testing.assert_array_equal(link.mcs(SNR)[some], allowed.argmax(axis=1)[some])


def test_the_first_attempt_meets_the_target_wherever_a_scheme_can():
    errors = Mcs().attempt_errors(SNR)
    assert errors.shape == (len(SNR), 4)
    assert np.all(errors[RANGE_DB > -5.0, 0] <= 0.1)
    assert np.all(errors[RANGE_DB < -7.0, 0] > 0.1)
    assert np.all(np.diff(errors, axis=1) <= 0.0)


def test_schemes_climb_to_the_top_and_leave_out_those_that_pay_nowhere():
    sent = Mcs().mcs(SNR)
    assert sent[0] == 0
    assert sent[-1] == 28
    assert np.all(np.diff(sent) >= 0)
    assert 17 not in Mcs().ladder.schemes.index
    assert Mcs(table=2).ladder.schemes.index.tolist() == list(range(28))


def test_repeats_reach_further_and_information_further_than_power():
    weak = db_to_linear(np.array([-12.0, -10.0, -8.0]))
    once, chase, incremental = (
        Mcs(attempts=attempts, combining=how).efficiency(weak)
        for attempts, how in [(1, "none"), (4, "chase"), (4, "incremental")]
    )
    assert np.all(chase > once)
    assert np.all(incremental >= chase)
    assert incremental[1] > 1.02 * chase[1]
    assert chase[0] > 0.04
    assert once[0] < 1e-9


def test_what_arrives_is_what_drawn_attempts_carry():
    link, blocks = Mcs(), 200_000
    snr = db_to_linear(np.array([-9.0, -5.4, 4.36, 12.0]))
    errors = link.attempt_errors(snr)
    attempts, failures = draw_attempts(errors, np.full(4, blocks), np.random.default_rng(1))
    size = link.ladder.efficiency[np.searchsorted(link.ladder.schemes.index, link.mcs(snr))]
    carried = size * (blocks - failures) / attempts
    assert np.sum(attempts > blocks) >= 2
    # An attempt count between 1 and 4 spreads by 1.5 at most, a relative 3σ of 4.5 / √blocks.
    np.testing.assert_allclose(carried, link.efficiency(snr), rtol=4.5 / blocks**0.5)


def test_overhead_and_losses_are_taken_off():
    np.testing.assert_allclose(
        Mcs(overhead=0.25).efficiency(SNR), 0.75 * Mcs().efficiency(SNR), rtol=1e-12
    )
    lossy = Mcs(errors=Curve(extra_loss_db=2.0))
    np.testing.assert_allclose(
        lossy.efficiency(SNR * 10**0.2), Mcs().efficiency(SNR), rtol=1e-9, atol=1e-12
    )


def test_the_gap_to_shannon_is_two_to_three_decibels_until_the_table_ends():
    for number, end_db in [(1, 18.0), (2, 25.0)]:
        inside = SNR[(RANGE_DB >= 0.0) & (end_db >= RANGE_DB)]
        gap_db = linear_to_db(gap_at(Mcs(table=number), inside))
        assert gap_db.min() > 1.3
        assert gap_db.max() < 3.8
        assert 2.2 < np.median(gap_db) < 2.8


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32), st.floats(-5.0, 25.0), st.sampled_from([1, 2]))
def test_over_a_selective_band_the_scheme_is_the_one_of_its_own_ratio(seed, mean_db, number):
    link = Mcs(table=number)
    blocks = db_to_linear(mean_db) * np.random.default_rng(seed).exponential(1.0, (6, 16))
    one = effective_snr(link, blocks)
    assert np.all((one >= blocks.min(axis=-1)) & (one <= blocks.mean(axis=-1)))
    beta = eesm_beta(schemes(number).at(link.mcs(one)))
    np.testing.assert_allclose(one, exponential_effective_snr(blocks, beta), rtol=1e-12)


def test_a_higher_scheme_would_not_be_sent_at_its_own_ratio():
    link, rng = Mcs(), np.random.default_rng(1)
    blocks = 30.0 * rng.exponential(1.0, (200, 16))
    sent = link.mcs(effective_snr(link, blocks))
    for index, beta in zip(link.ladder.schemes.index, eesm_beta(link.ladder.schemes), strict=True):
        own = link.mcs(exponential_effective_snr(blocks, beta))
        assert not np.any((index > sent) & (own >= index))


@dataclass(frozen=True)
class Silent:
    """A table without the lowest schemes and one in the middle: there nothing is ever decoded."""

    missing: tuple[int, ...] = (0, 1, 2, 12)

    def error_probability(self, snr, schemes, code_block_bits):
        lost = Curve().error_probability(snr, schemes, code_block_bits)
        return np.where(np.isin(schemes.index, self.missing), 1.0, lost)


def test_schemes_that_a_table_lacks_are_passed_over():
    link = Mcs(errors=Silent())
    assert not set(Silent().missing) & set(link.ladder.schemes.index.tolist())
    assert link.efficiency(1e3) == Mcs().efficiency(1e3)
    assert np.all(np.diff(link.efficiency(SNR)) >= 0.0)
    nothing = Mcs(errors=Silent(missing=tuple(range(29))))
    np.testing.assert_array_equal(nothing.efficiency(SNR), 0.0)
    with pytest.raises(ValueError, match="link must carry something"):
        _ = nothing.snr_gap
