"""The rate of a link: its laws and its limits, on every rung of the ladder."""

import pickle
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channel_models.rates.block_errors import Curve
from channel_models.rates.links import (
    OPERATING_SNR_DB,
    FiniteBlocklength,
    Gap,
    Outage,
    Shannon,
    carried_bps,
    effective_snr,
    gap_at,
    planning_gap,
    rate_bps,
)
from channel_models.rates.mcs import Mcs
from channel_models.testing import check_link
from channel_models.units import db_to_linear, linear_to_db

LINKS = [
    Shannon(),
    Gap(),
    Gap(gap_db=0.0),
    FiniteBlocklength(),
    FiniteBlocklength(blocklength=20, error=0.5),
    FiniteBlocklength(blocklength=1, error=0.9),
    FiniteBlocklength(blocklength=100, error=1e-9),
    FiniteBlocklength(blocklength=10_000_000, error=1e-6),
    Outage(),
    Outage(waterfall_db=-40.0),
    Outage(waterfall_db=40.0),
    Mcs(),
    Mcs(table=2, combining="incremental", attempts=8),
    Mcs(attempts=1, combining="none", resource_blocks=1),
    Mcs(target_error=0.9, resource_blocks=275, errors=Curve(extra_loss_db=20.0)),
]
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


@pytest.mark.parametrize("link", LINKS, ids=repr)
@settings(deadline=None, max_examples=60)
@given(st.floats(-60.0, 60.0), st.floats(0.0, 30.0))
def test_every_link_grows_with_the_ratio_and_never_beats_shannon(link, snr_db, more_db):
    snr = db_to_linear(np.array([snr_db, snr_db + more_db]))
    less, more = link.efficiency(snr)
    assert 0.0 <= less <= more
    assert np.all(link.efficiency(snr) <= np.log2(1.0 + snr) * (1.0 + 1e-9) + 1e-15)


@pytest.mark.parametrize("link", LINKS, ids=repr)
def test_every_link_grows_on_a_fine_scale_too(link):
    carried = link.efficiency(db_to_linear(np.linspace(-40.0, 60.0, 40_001)))
    assert np.all(np.diff(carried) >= -1e-12)
    assert carried[-1] > 0.0


@pytest.mark.parametrize("link", LINKS, ids=repr)
def test_every_link_is_nothing_without_signal_and_finite_with_much(link):
    carried = link.efficiency(np.array([0.0, 1e-300, 1e-30, 1e30]))
    assert carried[0] == 0.0
    assert np.all(carried[1:3] <= 2e-30)
    assert 0.0 < carried[3] < 100.0


@pytest.mark.parametrize("link", LINKS, ids=repr)
def test_every_link_keeps_shapes_and_values(link):
    snr = db_to_linear(np.linspace(-10.0, 30.0, 24))
    flat = link.efficiency(snr)
    np.testing.assert_array_equal(link.efficiency(snr.reshape(2, 3, 4)), flat.reshape(2, 3, 4))
    assert link.efficiency(np.zeros((0,))).shape == (0,)
    assert link.efficiency(float(snr[12])) == pytest.approx(flat[12], rel=1e-12)
    assert np.shape(link.efficiency(10.0)) == ()


@pytest.mark.parametrize("link", LINKS, ids=repr)
def test_every_link_conforms_and_travels(link):
    check_link(link)
    again = pickle.loads(pickle.dumps(link))
    assert again == link
    assert hash(again) == hash(link)
    assert again.efficiency(7.0) == link.efficiency(7.0)


@pytest.mark.parametrize("link", LINKS, ids=repr)
def test_the_planning_gap_is_worse_than_one_half_of_the_range_and_better_than_the_other(link):
    gap = gap_at(link, db_to_linear(OPERATING_SNR_DB))
    found = gap[np.isfinite(gap)]
    assert link.snr_gap >= 1.0
    assert np.sum(found <= link.snr_gap * (1 + 1e-9)) >= len(found) / 2
    assert np.sum(found >= link.snr_gap * (1 - 1e-9)) >= len(found) / 2


def test_the_rungs_are_in_order_at_every_operating_ratio():
    snr = db_to_linear(OPERATING_SNR_DB)
    shannon, short, coded = (
        link.efficiency(snr) for link in (Shannon(), FiniteBlocklength(), Mcs())
    )
    assert np.all(shannon > short)
    assert np.all(short > coded)
    assert linear_to_db(Mcs().snr_gap) == pytest.approx(2.4, abs=0.1)
    assert linear_to_db(Mcs(errors=Curve(extra_loss_db=3.0)).snr_gap) == pytest.approx(5.3, abs=0.3)


@pytest.mark.parametrize(
    ("blocklength", "snr_db", "error", "rate"),
    [(100, 0.0, 1e-3, 0.647122), (500, 10.0, 1e-3, 3.269843), (1000, 5.0, 1e-6, 1.851847)],
)
def test_short_codes_carry_the_published_rates(blocklength, snr_db, error, rate):
    link = FiniteBlocklength(blocklength, error)
    assert link.efficiency(db_to_linear(snr_db)) == pytest.approx((1 - error) * rate, abs=1e-6)


def test_short_codes_carry_nothing_where_the_leading_terms_leave_nothing():
    link = FiniteBlocklength(blocklength=100, error=1e-3)
    carried = link.efficiency(db_to_linear(np.linspace(-40.0, 0.0, 401)))
    first = np.flatnonzero(carried)[0]
    assert first > 200
    # Where it begins, it begins with the refinement log2(n) / (2n) at least.
    assert carried[first] >= 0.999 * np.log2(100) / 200


def test_a_code_that_cannot_work_is_refused():
    with pytest.raises(ValueError, match="blocklength must let something through at 20 dB"):
        FiniteBlocklength(blocklength=1, error=1e-9)


def test_outage_wants_its_threshold_in_decibels():
    lost = Outage(waterfall_db=linear_to_db(1.08)).error_probability(10.0)
    assert lost == pytest.approx(0.102, abs=5e-4)
    assert Outage().error_probability(10.0) == pytest.approx(lost, rel=1e-3)
    mistaken = Outage(waterfall_db=linear_to_db(0.023)).error_probability(10.0)
    assert mistaken == pytest.approx(0.0023, abs=5e-6)
    right = Outage(waterfall_db=0.023).error_probability(10.0)
    assert right == pytest.approx(1.0 - np.exp(-1.00531 / 10.0), rel=1e-5)


def test_outage_takes_lost_messages_off():
    link = Outage(waterfall_db=3.0)
    snr = np.array([0.5, 10.0])
    expected = np.log2(1.0 + snr) * np.exp(-(10.0**0.3) / snr)
    np.testing.assert_allclose(link.efficiency(snr), expected, rtol=1e-12)
    np.testing.assert_allclose(1.0 - link.error_probability(snr), np.exp(-(10.0**0.3) / snr))


@settings(deadline=None)
@given(bandwidths, powers, gains, st.floats(0.0, 10.0))
def test_a_gap_carries_the_rate_that_it_is_planned_with(bandwidth_hz, power_w, gain, gap_db):
    link = Gap(gap_db=gap_db)
    planned = rate_bps(bandwidth_hz, power_w, gain, NOISE, link.snr_gap)
    carried = carried_bps(link, bandwidth_hz, power_w, gain, NOISE)
    assert carried == pytest.approx(planned, rel=1e-9)


@pytest.mark.parametrize("link", LINKS, ids=repr)
def test_no_bandwidth_carries_nothing_and_warns_of_nothing(link):
    carried = carried_bps(link, np.array([0.0, 5e-324, 1e-250, 1e6]), 1.0, 1e-6, NOISE)
    np.testing.assert_allclose(carried[:3], 0.0, atol=1e-190)
    assert carried[3] > 0.0
    np.testing.assert_array_equal(carried_bps(link, np.array([0.0, 1e6]), 0.0, 1e-6, NOISE), 0.0)


@pytest.mark.parametrize("link", LINKS, ids=repr)
def test_equal_blocks_carry_what_one_does(link):
    snr = db_to_linear(np.linspace(0.0, 30.0, 31))
    one = effective_snr(link, np.repeat(snr[:, None], 12, axis=1))
    np.testing.assert_allclose(one, snr, rtol=1e-9)


@pytest.mark.parametrize("link", [Shannon(), Gap()], ids=repr)
def test_over_a_selective_band_shannon_carries_the_mean(link):
    blocks = np.random.default_rng(1).exponential(10.0, (9, 24))
    found = link.efficiency(effective_snr(link, blocks))
    np.testing.assert_allclose(found, link.efficiency(blocks).mean(axis=-1), rtol=1e-12)


@dataclass(frozen=True)
class Deaf:
    """Carries nothing at all."""

    snr_gap: float = 1.0

    def efficiency(self, snr):
        return 0.0 * np.asarray(snr)


def test_a_link_that_carries_nothing_has_no_planning_gap():
    assert np.isinf(gap_at(Deaf(), 10.0))
    with pytest.raises(ValueError, match="link must carry something between 0 and 20 dB"):
        planning_gap(Deaf())
