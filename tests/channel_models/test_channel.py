"""The composed channel: what its gains are made of, and what they depend on."""

from collections.abc import Callable

import numpy as np
import pytest

from channel_models.channel import Channel
from channel_models.large_scale.path_loss import LogDistance
from channel_models.large_scale.shadowing import LogNormal, NoShadowing
from channel_models.large_scale.urban import UrbanMacro
from channel_models.layouts.placements import Ring
from channel_models.small_scale.fading import NoFading, Rayleigh, Rician

CHANNELS = [
    Channel(),
    Channel(UrbanMacro(), LogNormal(), Rician(), antennas=4),
    Channel(LogDistance(), NoShadowing(), NoFading(), antennas=1),
]


def draw(*key) -> Callable[[str], np.random.Generator]:
    purposes = ("mobility", "path_loss", "shadowing", "fading")
    return lambda purpose: np.random.default_rng(
        np.random.SeedSequence(1, spawn_key=(*key, purposes.index(purpose)))
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
    for links in (one, two):
        links.antenna_gain[:] /= np.sqrt(links.large_scale_gain)[:, None]
    np.testing.assert_allclose(one.antenna_gain, two.antenna_gain)
