"""The composed channel: what its gains are made of, and what they depend on."""

from collections.abc import Callable
from dataclasses import replace
from zlib import crc32

import numpy as np
import pytest

from channel_models.channel import Channel
from channel_models.large_scale.path_loss import LogDistance
from channel_models.large_scale.shadowing import LogNormal, NoShadowing, ShadowMap
from channel_models.large_scale.urban import UrbanMacro, UrbanMicro
from channel_models.layouts.gauss_markov import GaussMarkov
from channel_models.layouts.placements import Ring
from channel_models.layouts.sites import Hexagonal
from channel_models.rates.interference import FullBuffer, Neighbours
from channel_models.small_scale.elements import Column
from channel_models.small_scale.fading import NoFading, Rayleigh, Rician
from channel_models.small_scale.tapped_delay import TappedDelayLine

CHANNELS = [
    Channel(),
    Channel(UrbanMacro(), LogNormal(), Rician(), antennas=4),
    Channel(LogDistance(), NoShadowing(), NoFading(), antennas=1),
]


def draw(*key) -> Callable[[str], np.random.Generator]:
    return lambda purpose: np.random.default_rng(
        np.random.SeedSequence(1, spawn_key=(*key, crc32(purpose.encode())))
    )


def played(channel, devices):
    positions = Ring().place(devices, np.random.default_rng(1))
    state = channel.init(positions, draw(0))
    return channel.step(state, 1.0, draw(1))[1]


def test_without_chance_the_gain_is_the_path_loss():
    channel = Channel(LogDistance(), NoShadowing(), NoFading(), antennas=8)
    state = channel.init(np.array([[1000.0, 0.0], [0.0, 100.0]]), draw(0))
    _, links = channel.step(state, 1.0, draw(1))
    expected = 10.0 ** (-np.array([128.1, 90.5]) / 10.0)
    np.testing.assert_allclose(links.large_scale_gain, expected)
    np.testing.assert_allclose(links.uplink_gain, 8.0 * expected)
    np.testing.assert_allclose(links.broadcast_gain, expected)


def test_shadowing_adds_to_the_loss():
    state = Channel().init(Ring().place(30, np.random.default_rng(1)), draw(0))
    np.testing.assert_allclose(
        -10.0 * np.log10(state.gain), state.large.loss_db[:, 0] + state.shadowing_db[:, 0]
    )
    assert state.shadowing_db.std() > 4.0


@pytest.mark.parametrize("channel", CHANNELS)
def test_the_same_streams_give_the_same_bits(channel):
    np.testing.assert_array_equal(played(channel, 7).antenna_gain, played(channel, 7).antenna_gain)


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_device_more_changes_no_other(channel):
    few, more = played(channel, 7), played(channel, 8)
    assert few.antenna_gain.shape == (7, channel.antennas)
    np.testing.assert_array_equal(more.large_scale_gain[:7], few.large_scale_gain)
    np.testing.assert_array_equal(more.antenna_gain[:7], few.antenna_gain)


def test_shadowing_stays_while_fading_moves():
    channel = Channel()
    before = channel.init(Ring().place(5, np.random.default_rng(1)), draw(0))
    middle, first = channel.step(before, 1.0, draw(1))
    after, second = channel.step(middle, 1.0, draw(2))
    np.testing.assert_array_equal(after.gain, before.gain)
    np.testing.assert_array_equal(first.large_scale_gain, second.large_scale_gain)
    assert np.all(first.antenna_gain != second.antenna_gain)


def test_another_path_loss_leaves_the_fading_alone():
    one = played(Channel(LogDistance(), NoShadowing(), Rayleigh()), 5)
    two = played(Channel(UrbanMacro(), LogNormal(), Rayleigh()), 5)
    np.testing.assert_array_equal(one.fading, two.fading)
    assert np.all(one.large_scale_gain != two.large_scale_gain)


NETWORK = Channel(
    path_loss=UrbanMicro(indoor_share=0.5),
    shadowing=ShadowMap(map_half_width_m=300.0),
    fading=Rician(k_db=None),
    antennas=2,
    layout=Hexagonal(intersite_m=200.0, rings=1),
    element=Column(),
    interference=FullBuffer(Neighbours(placement=Ring(10.0, 100.0))),
)
TWO_RINGS = Ring(20.0, 80.0)


def test_a_network_couples_every_device_to_every_cell():
    position_m = TWO_RINGS.place(6, np.random.default_rng(1))
    state = NETWORK.init(position_m, draw(0))
    assert state.coupling.shape == (6, 7 * 3)
    assert state.large.loss_db.shape == (6, 7)
    _, links = NETWORK.step(state, 1.0, draw(1))
    best = state.coupling.max(axis=1)
    np.testing.assert_array_equal(links.large_scale_gain, best)
    assert np.all(links.uplink_interference_w_per_hz > 0.0)
    assert np.all(links.downlink_interference_w_per_hz > 0.0)


def test_the_coupling_is_pattern_less_loss_less_shadowing():
    state = NETWORK.init(TWO_RINGS.place(6, np.random.default_rng(1)), draw(0))
    sites = NETWORK.layout.sites()
    for device, site, sector in ((0, 0, 0), (3, 4, 2), (5, 6, 1)):
        turn = state.paths.bearing_rad[device, site] - sites.sector_rad[sector]
        pattern_db = NETWORK.element.gain_db(turn, state.large.zenith_rad[device, site])
        gone_db = state.large.loss_db[device, site] + state.shadowing_db[device, site]
        found_db = 10.0 * np.log10(state.coupling[device, 3 * site + sector])
        assert found_db == pytest.approx(float(pattern_db) - gone_db, abs=1e-9)


def test_a_device_more_changes_no_other_in_a_network():
    few, more = (
        NETWORK.step(
            NETWORK.init(TWO_RINGS.place(devices, np.random.default_rng(1)), draw(0)), 1.0, draw(1)
        )[1]
        for devices in (5, 9)
    )
    for name in ("large_scale_gain", "fading", "uplink_interference_w_per_hz"):
        np.testing.assert_array_equal(getattr(more, name)[:5], getattr(few, name))
    np.testing.assert_array_equal(
        more.downlink_interference_w_per_hz[:5], few.downlink_interference_w_per_hz
    )


def test_moving_devices_are_looked_at_anew_and_those_that_stand_are_not():
    moving = replace(NETWORK, mobility=GaussMarkov(mean_speed_m_s=20.0, length_m=500.0))
    position_m = TWO_RINGS.place(4, np.random.default_rng(1))
    for channel, moves in ((NETWORK, False), (moving, True)):
        before = channel.init(position_m, draw(0))
        after, _ = channel.step(before, 1.0, draw(1))
        assert (after.large is not before.large) is moves
        assert np.any(after.paths.position_m != position_m) == moves


def test_wideband_coefficients_have_a_gain_in_each_block():
    channel = Channel(fading=TappedDelayLine(blocks=5), antennas=3)
    state = channel.init(TWO_RINGS.place(4, np.random.default_rng(1)), draw(0))
    _, links = channel.step(state, 1.0, draw(1))
    assert links.antenna_gain.shape == (4, 3, 5)
    power = np.abs(links.antenna_gain) ** 2
    np.testing.assert_allclose(links.block_gain, power.sum(axis=1))
    np.testing.assert_allclose(links.uplink_gain, power.sum(axis=1).mean(axis=1))
    np.testing.assert_allclose(links.broadcast_gain, power.mean(axis=(1, 2)))


def test_fading_knows_the_links_that_it_fades():
    asked = []

    class Asking(Rayleigh):
        def step(self, state, around, elapsed_s, rng):
            asked.append(around)
            return super().step(state, around, elapsed_s, rng)

    channel = replace(NETWORK, fading=Asking())
    state = channel.init(TWO_RINGS.place(6, np.random.default_rng(1)), draw(0))
    channel.step(state, 1.0, draw(1))
    (around,) = asked
    sector_rad = NETWORK.layout.sites().sector_rad
    assert np.any(state.serving >= 3)  # some are served by another site than the first
    for device, cell in enumerate(state.serving):
        site, sector = divmod(cell, 3)
        assert around.k_factor_db[device] == state.large.k_factor_db[device, site]
        assert around.delay_spread_s[device] == state.large.delay_spread_s[device, site]
        bearing_rad = state.paths.bearing_rad[device, site] - sector_rad[sector]
        assert around.bearing_rad[device] == pytest.approx(bearing_rad)


@pytest.mark.parametrize(
    ("position_m", "sentence"),
    [
        ([[np.nan, 1.0]], "position_m must be finite, got nan for device 0, axis 0"),
        ([[1.0, 2.0, 3.0]], r"position_m must have shape \(K, 2\), got \(1, 3\)"),
        ([[5000.0, 0.0]], "raise map_half_width_m, got 5000"),
    ],
)
def test_impossible_places_are_named(position_m, sentence):
    with pytest.raises(ValueError, match=sentence):
        NETWORK.init(np.array(position_m), draw(0))


def test_no_antenna_is_refused():
    with pytest.raises(ValueError, match="antennas must be at least 1, got 0"):
        Channel(antennas=0).init(np.array([[50.0, 0.0]]), draw(0))
