"""What links really carry, and whether a plan made with a gap comes true on them."""

from dataclasses import replace

import numpy as np
import pytest

from channel_models.channel import Channel
from channel_models.large_scale.path_loss import LogDistance
from channel_models.large_scale.shadowing import NoShadowing
from channel_models.rates.estimation import sinr_with_error
from channel_models.rates.links import FiniteBlocklength, Gap, Outage, Shannon, rate_bps
from channel_models.rates.mcs import Mcs
from channel_models.small_scale.doppler import AutoRegressive
from channel_models.small_scale.fading import Rician
from wflsim.contracts import Turn
from wflsim.errors import UserError
from wflsim.randomness import Streams
from wflsim.scenario.loading import parse
from wflsim.simulation.agreeing import answer, rates_of
from wflsim.simulation.air import Air, Sensed, as_planned, sense
from wflsim.simulation.loop import stage
from wflsim.simulation.posing import Site, Window, finishes_s
from wflsim.simulation.setting import settle

HARD = {
    "mcs": "radio.link=mcs",
    "finite": "radio.link={kind: finite_blocklength, blocklength: 300}",
    "outage": "radio.link=outage",
    "pilots": "radio.estimation={kind: pilots, length: 4, power_dbm: -10}",
    "wideband": "channel.fading={kind: tdl, profile: C, blocks: 16}",
    "cells": "channel={layout: {kind: hexagonal, intersite_m: 900}, element: sector, "
    "interference: {kind: load, load: 0.05}}",
}
NO_LOSS = LogDistance(intercept_db=0.0)


class Counting:
    """An allocator that counts how often it is asked."""

    def __init__(self, inner):
        self.inner, self.asked = inner, 0

    def allocate(self, problem, rng):
        self.asked += 1
        return self.inner.allocate(problem, rng)


def posed(text, *assignments, variant="pruned"):
    scenario = parse(text, "t", assignments).scenario
    setting, system = settle(scenario.world), scenario.systems[variant]
    _, links = setting.world.channel.step(setting.channel, 0.0, setting.streams.at(0))
    sensed = sense(links, setting.world.radio, setting.streams.at(0))
    holdings, turn = setting.holdings, Turn(0, 0, setting.streams)
    exchange = system.algorithm.plan(holdings.anatomy, holdings.samples, turn, None)
    site = Site(setting.devices, setting.world, system)
    window = Window(setting.world.radio.bandwidth_hz, np.ones(len(exchange.participants), np.int64))
    asked = site.pose(exchange, sensed, window)
    return asked, exchange, setting, Counting(system.allocator), sensed


def played(asked, exchange, setting, allocator):
    final, allocation = answer(asked, allocator, lambda: np.random.default_rng(1))
    keep, rate_bps = exchange.whole_units(allocation.keep), rates_of(final, allocation)
    return final, allocation, exchange.sent_bits(keep) / rate_bps, keep, rate_bps


def air(link, blocks=((1e-9, 1e-9), (3e-9, 1e-9)), blur=0.0):
    block_gain = np.array(blocks)
    count = len(block_gain)
    return Air(
        link, block_gain.mean(axis=1), block_gain, np.full(count, 1e-20), np.full(count, blur)
    )


@pytest.mark.parametrize("link", [Shannon(), Gap(gap_db=3.0)])
def test_a_flat_link_behind_a_gap_carries_the_formula(link):
    flat = air(link, blocks=((1e-12,), (3e-12,)))
    hz, watt = np.array([1e5, 0.0]), np.array([0.1, 0.2])
    expected = rate_bps(hz, watt, flat.gain, 1e-20, link.snr_gap)
    np.testing.assert_allclose(flat.rate_bps(hz, watt), expected, rtol=1e-12)
    np.testing.assert_allclose(flat.gap(hz, watt), [link.snr_gap, 1.0], rtol=1e-9)


def test_an_uneven_band_carries_the_mean_of_its_blocks():
    uneven = air(Shannon())
    hz, watt = np.full(2, 1e6), np.full(2, 1e-5)
    snr = 1e-5 * uneven.block_gain / (1e-20 * 1e6)
    np.testing.assert_allclose(
        uneven.rate_bps(hz, watt), 1e6 * np.log2(1.0 + snr).mean(axis=1), rtol=1e-12
    )
    assert uneven.gap(hz, watt)[1] > 1.0


def test_an_estimate_caps_the_ratio():
    blurred = air(Shannon(), blocks=((1e-9,), (1e-9,)), blur=0.01)
    rate = blurred.rate_bps(np.full(2, 1e6), np.array([1e-6, 1e12]))
    snr = 1e-6 * 1e-9 / (1e-20 * 1e6)
    np.testing.assert_allclose(
        rate, 1e6 * np.log2(1.0 + np.array([snr / (1.0 + 0.01 * snr), 100.0])), rtol=1e-6
    )


def test_a_link_has_a_ceiling_if_its_schemes_or_its_estimate_have_one():
    assert np.isinf(air(Shannon()).efficiency_max).all()
    assert np.isinf(air(Gap()).efficiency_max).all()
    link = Mcs()
    ceiling = air(link, blocks=((1e-9, 1e-9), (3e-9, 3e-9))).efficiency_max
    np.testing.assert_allclose(ceiling, link.efficiency(1e9))
    strong_w, band_hz = np.full(2, 1e9), np.full(2, 1e6)
    rate = air(link).rate_bps(band_hz, strong_w)
    np.testing.assert_allclose(rate, band_hz * air(link).efficiency_max)
    blurred = air(Shannon(), blocks=((1e-9, 1e-9), (3e-9, 3e-9)), blur=0.01).efficiency_max
    np.testing.assert_allclose(blurred, np.log2(1.0 + 100.0))


def test_a_plan_that_differs_by_rounding_is_the_plan():
    planned, found = np.array([1.0, 2.0, np.inf]), np.array([1.0 + 1e-12, 2.1, np.inf])
    np.testing.assert_array_equal(as_planned(planned, found), [1.0, 2.1, np.inf])


def test_a_link_behind_a_gap_is_planned_once_and_played_to_the_bit(tiny):
    asked, exchange, setting, allocator, _ = posed(tiny)
    final, allocation, found_s, keep, _ = played(asked, exchange, setting, allocator)
    assert allocator.asked == 1
    assert final is asked
    upload_s = final.problem.upload_s(keep, allocation.bandwidth_hz, allocation.power_w)
    np.testing.assert_allclose(found_s, upload_s, rtol=1e-12)


@pytest.mark.parametrize("name", HARD)
def test_every_link_carries_what_was_planned_for_it(tiny, name):
    asked, exchange, setting, allocator, _ = posed(tiny, HARD[name])
    final, allocation, found_s, keep, rate = played(asked, exchange, setting, allocator)
    promised = final.problem.upload_s(keep, allocation.bandwidth_hz, allocation.power_w)
    assert np.all(found_s <= promised * (1.0 + 1e-9))
    finish_s = finishes_s(final.problem, keep, rate)
    assert np.all(finish_s <= final.deadline_s * (1.0 + 1e-9))
    np.testing.assert_allclose(
        rate,
        asked.uplink.rate_bps(np.asarray(allocation.bandwidth_hz), np.asarray(allocation.power_w)),
        rtol=1e-8,
    )


def test_links_of_their_own_shape_are_planned_more_than_once(tiny):
    asked, exchange, setting, allocator, _ = posed(tiny, HARD["pilots"])
    played(asked, exchange, setting, allocator)
    assert 1 < allocator.asked <= 12


@pytest.mark.parametrize("link", [Mcs(), Outage(), FiniteBlocklength(blocklength=200)])
def test_a_weak_device_uses_no_more_band_than_its_power_is_good_for(link):
    weak = air(link, blocks=((1e-14,), (2e-14,)))
    hz, watt = np.full(2, 1e6), np.full(2, 1e-3)
    narrow, wide = weak.rate_bps(hz, watt), weak.rate_bps(10.0 * hz, watt)
    assert np.all(narrow > 0.0)
    np.testing.assert_allclose(wide, narrow, rtol=1e-9)
    np.testing.assert_allclose(narrow[1], 2.0 * narrow[0], rtol=1e-9)
    assert np.all(narrow >= 1e6 * link.efficiency(watt * weak.gain / (1e-20 * 1e6)))


def test_a_strong_device_uses_all_of_its_band():
    strong = air(Mcs(), blocks=((1e-9,), (2e-9,)))
    rate = strong.rate_bps(np.full(2, 1e6), np.full(2, 1e-5))
    np.testing.assert_allclose(rate, 1e6 * Mcs().efficiency(1e-5 * strong.gain / 1e-14))


def test_an_estimate_below_the_threshold_carries_nothing():
    blind = air(Mcs(), blocks=((1e-12,), (1e-12,)), blur=100.0)
    np.testing.assert_array_equal(blind.rate_bps(np.full(2, 1e6), np.ones(2)), 0.0)
    assert np.all(np.isinf(blind.gap(np.full(2, 1e6), np.ones(2))))


def test_a_broadcast_that_a_device_cannot_hear_is_told(tiny, monkeypatch):
    monkeypatch.setattr(Air, "rate_bps", lambda self, hz, watt: np.zeros_like(hz))
    with pytest.raises(UserError, match=r"radio\.link: device 0 hears nothing of the server"):
        posed(tiny)


def test_pilots_cost_time_and_blur_the_gain(tiny):
    exact, *_ = posed(tiny)
    asked, exchange, setting, *_, sensed = posed(tiny, HARD["pilots"])
    pilots_s = setting.world.radio.estimation.pilots_s(len(exchange.participants))
    assert asked.receive_s == pytest.approx(exact.receive_s + pilots_s, rel=1e-12)
    assert pilots_s == pytest.approx(4 * 4 * 1e-3 / 14.0)
    assert np.all(asked.uplink.blur > 0.0)
    assert np.all(exact.uplink.blur == 0.0)
    assert np.all(sensed.estimate != sensed.links.antenna_gain)


def test_other_cells_add_to_the_noise_of_both_directions(tiny):
    alone, *_ = posed(tiny)
    *_, sensed = posed(tiny, HARD["cells"])
    assert isinstance(sensed, Sensed)
    links = sensed.links
    assert np.all(links.uplink_interference_w_per_hz > 0.0)
    assert np.all(links.downlink_interference_w_per_hz > 0.0)
    radio = parse(tiny, "t", [HARD["cells"]]).scenario.world.radio
    who = np.arange(4)
    np.testing.assert_allclose(
        sensed.uplink(radio, who).noise_w_per_hz,
        radio.noise_w_per_hz + links.uplink_interference_w_per_hz,
    )
    np.testing.assert_allclose(
        sensed.broadcast(radio, who).noise_w_per_hz,
        radio.noise_w_per_hz + links.downlink_interference_w_per_hz,
    )
    assert np.all(alone.uplink.noise_w_per_hz == radio.noise_w_per_hz)


@pytest.mark.parametrize("name", HARD)
def test_a_whole_run_meets_its_deadlines_on_every_link(tiny, name):
    scenario = parse(tiny, "t", [HARD[name]]).scenario
    for report in stage(settle(scenario.world), scenario.systems["pruned"]).rounds():
        for game in report.played:
            assert game.timeline.taken.all()


def test_devices_that_move_change_their_losses_between_rounds(tiny):
    scenario = parse(tiny, "t", ["channel.mobility={kind: gauss_markov, mean_speed_m_s: 30}"])
    world = scenario.scenario.world
    reports = list(stage(settle(world), scenario.scenario.systems["fedavg"]).rounds())
    gains = [report.links.large_scale_gain for report in reports]
    assert np.all(gains[0] != gains[-1])


def test_an_estimates_error_is_alike_in_every_block():
    blurred = replace(air(Shannon()), blur=np.full(2, 0.02))
    watt, hz = np.full(2, 1e-6), np.full(2, 1e6)
    error_variance = 0.02 * blurred.gain[:, None]
    sinr = sinr_with_error(blurred.block_gain, error_variance, 1e-6, 1e-20 * 1e6)
    expected = 1e6 * np.log2(1.0 + sinr).mean(axis=1)
    np.testing.assert_allclose(blurred.rate_bps(hz, watt), expected, rtol=1e-12)


def test_what_is_spawned_for_the_set_up_is_no_rounds_stream():
    streams = Streams(1)
    rounds = {streams.stream("fading", round_).random() for round_ in range(50)}
    spawned = {child.random() for child in streams.stream("fading").spawn(50)}
    assert not rounds & spawned


def test_fading_that_remembers_has_unit_power_in_every_round():
    fading = Rician(k_db=3.0, doppler=AutoRegressive(speed_m_s=1.0))
    channel = Channel(NO_LOSS, NoShadowing(), fading, antennas=1)
    streams = Streams(1)
    state = channel.init(np.tile([1000.0, 0.0], (4000, 1)), streams.at())
    for round_ in range(4):
        state, links = channel.step(state, 0.01, streams.at(round_))
        assert (np.abs(links.fading) ** 2).mean() == pytest.approx(1.0, abs=0.06)


def test_what_a_step_refuses_is_told_at_its_key_before_anything_is_played(tiny):
    text = "channel.fading={kind: rician, k_db: null}"
    loaded = parse(tiny, "t", [text])
    with pytest.raises(UserError, match="channel"):
        settle(loaded.scenario.world, loaded.blaming)
