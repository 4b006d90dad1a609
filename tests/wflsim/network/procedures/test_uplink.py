"""Uplink: slots counted one by one, repeats stepped block by block, and closed forms of what arrives."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from channel_models.rates.retransmissions import expected_attempts, residual_error
from wflsim.clock import NEVER, Instants
from wflsim.network.procedures.uplink import Slots, Whole, failures

ERRORS = np.array([0.1, 0.01, 0.001, 1e-4])
POOR = np.array([0.5, 0.4, 0.3])
SLOT_S = 0.5e-3  # at 30 kHz
RATE_BPS = 2e6  # 1000 bits a slot
patterns = st.text("DSU", min_size=1, max_size=10).filter(lambda text: "U" in text)


def at(instants_ns):
    instants_ns = np.asarray(instants_ns, dtype=np.int64)
    return Instants(instants_ns, np.zeros(len(instants_ns)))


def send(uplink, bits, rate_bps=RATE_BPS, errors=None, *, granted=None, seed=1):
    """Return how uploads of some bits go, one a device."""
    bits = np.asarray(bits, dtype=float)
    granted = at(np.zeros(len(bits))) if granted is None else granted
    chance = None if errors is None else np.broadcast_to(errors, (len(bits), len(errors)))
    return uplink.send(
        granted,
        bits,
        np.broadcast_to(np.asarray(rate_bps, dtype=float), bits.shape),
        chance,
        device=np.arange(len(bits)),
        rng=np.random.default_rng(seed),
    )


def raw_bits(errors, rate_bps=RATE_BPS):
    """Return what a slot carries so that the rate arrives."""
    return rate_bps * SLOT_S * expected_attempts(errors) / (1 - residual_error(errors))


# The ideal uplink.


@given(st.floats(0.0, 1e12), st.floats(1e-3, 1e12), st.integers(0, 10**15), st.floats(0.0, 1e3))
def test_the_ideal_uplink_ends_after_bits_over_rate_and_nothing_else(bits, rate, start_ns, after_s):
    granted = Instants(np.array([start_ns]), np.array([after_s]))
    sent = send(Whole(), [bits], rate, ERRORS, granted=granted)
    assert sent.done.after_s[0] == after_s + np.float64(bits) / np.float64(rate)
    assert sent.done.start_ns is granted.start_ns
    assert sent.airtime_s[0] == np.float64(bits) / np.float64(rate)
    assert sent.delivered.all()


def test_the_ideal_uplink_without_bits_takes_no_time_and_without_rate_never_ends():
    sent = send(Whole(), [0.0, 0.0, 1.0], [0.0, 1.0, 0.0])
    assert sent.done.after_s.tolist() == sent.airtime_s.tolist() == [0.0, 0.0, np.inf]
    assert sent.delivered.tolist() == [True, True, False]
    assert sent.blocks.tolist() == sent.attempts.tolist() == [0, 0, 1]
    assert (Whole().share, Whole().block_hz, Whole().expected_s) == (1.0, 0.0, 0.0)


# Slots without errors.


@settings(deadline=None)
@given(patterns, st.integers(0, 3), st.integers(0, 10**8), st.integers(1, 60), st.booleans())
def test_without_errors_the_slots_of_the_pattern_are_counted(text, mu, start_ns, blocks, zeros):
    uplink, length_ns = Slots(numerology=mu, pattern=text, decode_s=3e-6), 10**6 >> mu
    bits = blocks * 1e6 * (length_ns / 1e9) - 0.5
    errors = np.zeros(4) if zeros else None
    sent = send(uplink, [bits], 1e6, errors, granted=at([start_ns]))
    slot, left = -(-start_ns // length_ns), blocks
    while left:
        left -= text[slot % len(text)] == "U"
        slot += 1
    assert sent.done.ns[0] == slot * length_ns + 3000
    assert sent.blocks[0] == sent.attempts[0] == blocks
    assert sent.airtime_s[0] == pytest.approx(blocks * length_ns / 1e9)
    assert sent.delivered.all()
    assert uplink.share == text.count("U") / len(text)


@pytest.mark.parametrize("mu", [0, 1, 2, 3])
def test_all_uplink_without_errors_is_the_ideal_to_less_than_two_slots(mu):
    rng = np.random.default_rng(1)
    granted, bits = at(rng.integers(0, 10**9, 200)), rng.uniform(0.0, 1e6, 200)
    uplink = Slots(numerology=mu, pattern="U", decode_s=0.0)
    late_s = send(uplink, bits, granted=granted).done.after_s - bits / RATE_BPS
    assert np.all(late_s >= -1e-12)
    assert late_s.max() < 2 * 1e-3 / 2**mu


@pytest.mark.parametrize("text", ["U", "DDDSU", "DSUU", "DDSUUDSUUU", "UDUDDDDU"])
def test_an_upload_takes_on_average_what_is_expected_whatever_the_pattern(text):
    uplink, rng, uploads = Slots(pattern=text), np.random.default_rng(2), 40_000
    granted = at(rng.integers(0, 10**12, uploads))
    bits = 1000.0 * (100 + len(text) * 100 * rng.random(uploads))
    took_s = send(uplink, bits, granted=granted).done.after_s
    late_s = took_s - bits / (uplink.share * RATE_BPS)
    assert abs(late_s.mean() - uplink.expected_s) < 3 * late_s.std() / uploads**0.5
    assert uplink.expected_s == pytest.approx(0.6e-3)


def test_an_exact_fit_needs_no_further_block_for_its_rounding():
    rates = np.random.default_rng(1).uniform(1e3, 1e9, 1000)
    bits = rates * SLOT_S * 1000.0
    assert np.all(send(Slots(), bits, rates).blocks == 1000)
    assert np.all(send(Slots(), bits * 1.0001, rates).blocks == 1001)


# What never begins or ends.


def test_without_bits_an_upload_is_over_and_without_rate_it_never_is():
    granted = Instants(np.full(5, 7), np.array([0.5, 0.5, 0.5, np.inf, 0.5]))
    bits, rate_bps = [0.0, 0.0, 5.0, 5.0, 1e300], [0.0, 1e6, 0.0, 1e6, 1e-300]
    for errors in (None, ERRORS):
        sent = send(Slots(), bits, rate_bps, errors, granted=granted)
        assert sent.done.after_s.tolist() == [0.5, 0.5, np.inf, np.inf, np.inf]
        assert sent.done.ns[2:].tolist() == [NEVER] * 3
        assert sent.delivered.tolist() == [True, True, False, False, False]
        assert sent.blocks.tolist() == sent.attempts.tolist() == [0] * 5
        assert sent.airtime_s.tolist() == [0.0, 0.0, np.inf, np.inf, np.inf]


def test_a_link_that_loses_everything_never_delivers():
    sent = send(Slots(), [5.0], errors=np.ones(4))
    assert (sent.done.after_s[0], bool(sent.delivered[0])) == (np.inf, False)


def test_an_upload_of_more_than_two_years_is_never_over_and_overflows_nothing():
    nearly_all = np.full(8, 1 - 1e-9)
    blocks = 10.0 ** np.arange(1, 13, 0.1)
    for errors in (POOR, np.full(8, 0.999), nearly_all):
        uploads = send(Slots(rlc_attempts=32), blocks * raw_bits(errors), errors=errors)
        never = uploads.done.ns == NEVER
        assert np.all(never[1:] >= never[:-1])
        assert (bool(never[0]), bool(never[-1])) == (False, True)
        assert np.all(uploads.airtime_s[~never] <= 0.2 * uploads.done.after_s[~never])
        assert not uploads.delivered[never].any()
        assert np.all(uploads.attempts >= uploads.blocks)


# Repeats.


def stepped(uplink, blocks, errors, rng):
    """Return when one upload ends in slots and its attempts, stepped slot by slot, without radio link control."""
    text, fresh, slot, used, lost = uplink.pattern, blocks, 0, 0, 0
    back = []  # slot from which a repeat may be sent, attempts made
    while fresh or back:
        if text[slot % len(text)] == "U":
            ready = min((repeat for repeat in back if repeat[0] <= slot), default=None)
            if ready:
                back.remove(ready)
            made = ready[1] if ready else 0
            if ready or fresh:
                fresh -= not ready
                used += 1
                if rng.random() < errors[made]:
                    lost += made + 1 == len(errors)
                    if made + 1 < len(errors):
                        back.append((slot + uplink.round_trip_slots, made + 1))
        slot += 1
    return slot, used, lost


@pytest.mark.parametrize("text", ["DDDSU", "DDDU", "U"])
@pytest.mark.parametrize("blocks", [1, 2, 7, 30])
def test_where_a_repeat_can_take_the_next_uplink_slot_all_is_as_if_stepped(text, blocks):
    uplink = Slots(pattern=text, round_trip_slots=len(text), rlc_attempts=0, decode_s=0.0)
    rng, uploads = np.random.default_rng(1), 1500
    one_by_one = np.array([stepped(uplink, blocks, POOR, rng) for _ in range(uploads)], dtype=float)
    sent = send(uplink, np.full(uploads, blocks * raw_bits(POOR)), errors=POOR)
    at_once = np.stack([sent.done.after_s / SLOT_S, sent.attempts, ~sent.delivered], axis=1)
    one_by_one[:, 2] = one_by_one[:, 2] > 0
    error = np.hypot(at_once.std(axis=0), one_by_one.std(axis=0)) / uploads**0.5
    assert np.all(abs(at_once.mean(axis=0) - one_by_one.mean(axis=0)) < 3 * error)
    spread = at_once.std(axis=0)[:2] / one_by_one.std(axis=0)[:2]
    assert np.all(abs(spread - 1) < 0.12)
    # No slot is left empty: the end follows from the number of slots.
    last_ns = [np.flatnonzero(np.array(list(text * 200)) == "U")[n - 1] for n in sent.attempts]
    np.testing.assert_allclose(sent.done.after_s, (np.array(last_ns) + 1) * SLOT_S)


@pytest.mark.parametrize(("text", "trip"), [("U", 4), ("U", 10), ("DSUUU", 8)])
@pytest.mark.parametrize("blocks", [1, 3, 40])
def test_where_blocks_overtake_each_other_uploads_end_early_by_less_than_half_a_round_trip(
    text, trip, blocks
):
    uplink = Slots(pattern=text, round_trip_slots=trip, rlc_attempts=0, decode_s=0.0)
    rng, uploads = np.random.default_rng(1), 1500
    one_by_one = np.array([stepped(uplink, blocks, POOR, rng)[:2] for _ in range(uploads)])
    sent = send(uplink, np.full(uploads, blocks * raw_bits(POOR)), errors=POOR)
    error = np.hypot(sent.attempts.std(), one_by_one[:, 1].std()) / uploads**0.5
    assert abs(sent.attempts.mean() - one_by_one[:, 1].mean()) < 3 * error
    late = one_by_one[:, 0].mean() - (sent.done.after_s / SLOT_S).mean()
    noise = np.hypot((sent.done.after_s / SLOT_S).std(), one_by_one[:, 0].std()) / uploads**0.5
    assert -3 * noise < late < trip / 2


@pytest.mark.parametrize("errors", [ERRORS, POOR, np.array([0.3])], ids=["usual", "poor", "once"])
@pytest.mark.parametrize("again", [0, 2])
def test_the_rate_is_what_arrives_a_second_on_the_air(errors, again):
    uplink, uploads = Slots(rlc_attempts=again), 4000
    bits = 50 * raw_bits(errors)
    sent = send(uplink, np.full(uploads, bits), errors=errors)
    assert np.all(sent.blocks == 50)
    assert np.all(sent.attempts >= sent.blocks)
    np.testing.assert_allclose(sent.airtime_s, sent.attempts * SLOT_S)
    # What is given up in the end has been paid for and did not arrive.
    arrived = bits * (1 - residual_error(errors) ** (1 + again))
    carried = sent.airtime_s * RATE_BPS
    assert abs(carried.mean() - arrived) <= 3 * carried.std() / uploads**0.5


@pytest.mark.parametrize("again", [0, 1, 3])
@pytest.mark.parametrize("blocks", [1, 2, 25])
def test_uploads_are_delivered_as_often_as_all_their_blocks_are(again, blocks):
    uploads, lost = 20_000, residual_error(POOR)
    sent = send(Slots(rlc_attempts=again), np.full(uploads, blocks * raw_bits(POOR)), errors=POOR)
    expected = (1 - lost ** (1 + again)) ** blocks
    error = max((expected * (1 - expected) / uploads) ** 0.5, 1 / uploads)
    assert abs(sent.delivered.mean() - expected) < 3 * error


def test_each_pass_of_the_radio_link_control_costs_its_delay_once():
    errors, delay_s = np.array([0.3]), 1.0
    sent = send(
        Slots(pattern="U", rlc_attempts=3, rlc_delay_s=delay_s),
        np.full(3000, 10 * raw_bits(errors)),
        errors=errors,
    )
    passes = np.floor(sent.done.after_s / delay_s)
    assert set(passes) == {0, 1, 2, 3}
    assert np.all(passes[~sent.delivered] == 3)
    for number in range(3):
        over = np.mean(passes <= number)
        expected = (1 - 0.3 ** (1 + number)) ** 10
        assert abs(over - expected) < 3 * (expected * (1 - expected) / 3000) ** 0.5


def test_a_repeat_of_the_only_block_costs_a_round_trip():
    uplink = Slots(pattern="DDU", round_trip_slots=4, rlc_attempts=0, decode_s=0.0)
    sent = send(uplink, np.ones(2000), errors=np.array([0.5, 0.5, 0.5]))
    # Slots 2, 8 and 14: a round trip of 4 slots is over in time for slot 6, and slot 8 is the next uplink slot.
    np.testing.assert_allclose(sent.done.after_s, (3 + 6 * (sent.attempts - 1)) * SLOT_S)
    assert set(sent.attempts.tolist()) == {1, 2, 3}


# Laws of draws.


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32), st.permutations(range(8)), st.integers(0, 3))
def test_a_device_draws_the_same_whoever_else_sends_whatever(seed, order, again):
    uplink, device = Slots(rlc_attempts=again), np.array(order)[:5]
    rng = np.random.default_rng(seed)
    bits, rate_bps = rng.uniform(0.0, 1e6, 8), rng.uniform(1e5, 1e7, 8)
    errors, granted = rng.random((8, 3)), at(rng.integers(0, 10**9, 8))

    def sent(rows):
        return uplink.send(
            granted.only(rows),
            bits[rows],
            rate_bps[rows],
            errors[rows],
            device=rows,
            rng=np.random.default_rng(seed),
        )

    full, some = sent(np.arange(8)), sent(device)
    np.testing.assert_array_equal(some.done.after_s, full.done.after_s[device])
    for column in ("airtime_s", "delivered", "blocks", "attempts"):
        np.testing.assert_array_equal(getattr(some, column), getattr(full, column)[device])


def test_more_attempts_leave_the_first_ones_as_they_were():
    few = send(Slots(rlc_attempts=0), [500.0] * 500, errors=np.array([0.5, 0.5]))
    more = send(Slots(rlc_attempts=0), [500.0] * 500, errors=np.array([0.5, 0.5, 0.5]))
    assert np.all(few.attempts == np.minimum(more.attempts, 2))


@settings(deadline=None)
@given(patterns, st.floats(0.0, 1e5), st.floats(0.0, 1e5), st.integers(0, 2**32))
def test_more_bits_never_end_sooner_nor_are_delivered_more_surely(text, bits, more, seed):
    uplink = Slots(pattern=text, rlc_attempts=1)
    one, other = (send(uplink, [b] * 5, errors=POOR, seed=seed) for b in (bits, bits + more))
    assert np.all(one.done.after_s <= other.done.after_s)
    assert np.all(one.attempts <= other.attempts)
    assert np.all(one.delivered >= other.delivered)


# Binomial counts.


@pytest.mark.parametrize("trials", [1, 2, 7, 100, 10_000, 10**9])
@pytest.mark.parametrize("chance", [1e-12, 1e-4, 0.1, 0.5, 0.97, 1 - 1e-9])
def test_counts_are_the_inverse_of_the_binomial_distribution(trials, chance):
    uniform = np.concatenate([np.random.default_rng(1).random(300), [2.0**-53, 1 - 2.0**-53]])
    counts = failures(np.full(302, trials), np.full(302, chance), uniform)
    assert np.all((counts >= 0) & (counts <= trials))
    close = 1e-11 if trials < 10**6 else 1e-6  # how well others know the distribution
    assert np.all(binom.cdf(counts, trials, chance) >= uniform - close)
    assert np.all((counts == 0) | (binom.cdf(counts - 1, trials, chance) < uniform + close))


def test_counts_of_few_trials_are_those_of_the_table():
    uniform = np.linspace(0.0, 1.0, 1000, endpoint=False) + 0.5e-3
    steps = np.cumsum(binom.pmf(np.arange(6), 5, 0.3))
    counts = failures(np.full(1000, 5), np.full(1000, 0.3), uniform)
    np.testing.assert_array_equal(counts, np.searchsorted(steps, uniform))


def test_what_is_certain_is_not_drawn():
    trials, chance = np.array([0, 9, 9, 9]), np.array([0.5, 0.0, 1.0, 0.5])
    assert failures(trials, chance, np.array([0.9, 0.9, 0.0, 0.0])).tolist() == [0, 0, 9, 0]


# Fields.


@pytest.mark.parametrize("mu", [0, 1, 2, 3])
def test_a_resource_block_is_twelve_subcarriers(mu):
    assert Slots(numerology=mu).block_hz == 12 * 15e3 * 2**mu
    assert Slots(numerology=mu, grid=False).block_hz == 0.0


def test_processes_that_do_not_cover_the_round_trip_are_refused():
    assert Slots(pattern="U", round_trip_slots=4, processes=4)
    with pytest.raises(ValueError, match=r"^processes must cover the 4 uplink slots .* got 3"):
        Slots(pattern="U", round_trip_slots=4, processes=3)
    with pytest.raises(ValueError, match=r"^pattern must consist of"):
        Slots(pattern="DDS")


def test_nobody_is_nobody():
    for uplink in (Whole(), Slots()):
        assert send(uplink, [], errors=ERRORS).done.after_s.size == 0
