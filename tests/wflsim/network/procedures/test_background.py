"""Background: the wait in a queue of equal packets, against its closed forms and a queue that is played."""

import numpy as np
import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from wflsim.network.procedures.background import Poisson, Silent


def waits(load, devices=40_000, seed=1, rate_bps=1.0, packet_bits=1.0):
    background = Poisson(load=load, packet_bits=packet_bits)
    rng = np.random.default_rng(seed)
    return background.wait_s(np.full(devices, rate_bps), device=np.arange(devices), rng=rng)


def test_the_silent_make_nobody_wait():
    wait_s = Silent().wait_s(np.ones(3), device=np.arange(3), rng=np.random.default_rng(1))
    assert wait_s.tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("load", [0.05, 0.3, 0.6, 0.9, 0.97])
def test_mean_and_spread_are_those_of_pollaczek_and_khinchine(load):
    wait = waits(load)
    mean = load / (2 * (1 - load))
    second = 2 * mean**2 + load / (3 * (1 - load))
    assert abs(wait.mean() - mean) < 3 * wait.std() / len(wait) ** 0.5
    assert abs((wait**2).mean() - second) < 3 * (wait**2).std() / len(wait) ** 0.5


@pytest.mark.parametrize("load", [0.1, 0.5, 0.8])
def test_the_queue_is_empty_as_often_as_the_band_is_free(load):
    empty = waits(load) == 0.0
    assert abs(empty.mean() - (1 - load)) < 3 * (load * (1 - load) / len(empty)) ** 0.5


def queued(load, packets, rng):
    """Return the waits of real packets of one second each at a resource that serves one at a time."""
    env, waited = simpy.Environment(), []
    link = simpy.Resource(env)

    def packet():
        came = env.now
        with link.request() as turn:
            yield turn
            waited.append(env.now - came)
            yield env.timeout(1.0)

    def source():
        for gap_s in rng.exponential(1.0 / load, packets):
            yield env.timeout(gap_s)
            env.process(packet())

    env.process(source())
    env.run()
    return np.array(waited)


@pytest.mark.parametrize("load", [0.3, 0.6])
def test_an_update_waits_as_packets_wait_that_are_played(load):
    packets = queued(load, 30_000, np.random.default_rng(2))[1000:]
    batches = packets[: len(packets) // 58 * 58].reshape(58, -1).mean(axis=1)
    drawn = waits(load, devices=20_000)
    error = np.hypot(batches.std() / 58**0.5, drawn.std() / len(drawn) ** 0.5)
    assert abs(drawn.mean() - batches.mean()) < 3 * error
    assert ks_2samp(packets[::25], drawn).pvalue > 1e-3  # far enough apart to be independent


def test_a_wait_scales_with_packets_and_rates():
    once = waits(0.7, devices=50)
    np.testing.assert_allclose(waits(0.7, 50, rate_bps=4.0, packet_bits=12.0), 3.0 * once)


def test_without_load_or_rate_nobody_waits():
    assert not waits(0.0).any()
    rate_bps = np.array([0.0, 1.0])
    wait_s = np.array(
        [
            Poisson(load=0.9).wait_s(rate_bps, device=np.arange(2), rng=np.random.default_rng(seed))
            for seed in range(20)
        ]
    )
    assert not wait_s[:, 0].any()
    assert wait_s[:, 1].any()


@settings(deadline=None)
@given(st.floats(0.0, 0.99), st.integers(0, 2**32), st.permutations(range(8)))
def test_a_device_draws_the_same_whoever_else_waits(load, seed, order):
    background, device = Poisson(load=load), np.array(order)
    rate_bps = np.linspace(1e3, 1e6, 8)
    full = background.wait_s(rate_bps, device=np.arange(8), rng=np.random.default_rng(seed))
    some = background.wait_s(
        rate_bps[device[:5]], device=device[:5], rng=np.random.default_rng(seed)
    )
    np.testing.assert_array_equal(some, full[device[:5]])


def test_what_a_draw_needed_is_not_seen_by_who_draws_next():
    after = []
    for load in (0.0, 0.5, 0.99):
        rng = np.random.default_rng(3)
        Poisson(load=load).wait_s(np.ones(50), device=np.arange(50), rng=rng)
        after.append((rng.random(), rng.spawn(1)[0].random()))
    assert after[0] == after[1] == after[2]


def test_more_load_never_shortens_a_wait():
    few, more = waits(0.4, devices=500), waits(0.8, devices=500)
    assert np.all(few <= more)


def test_nobody_is_nobody():
    none = np.zeros(0)
    assert Poisson().wait_s(none, device=none.astype(int), rng=np.random.default_rng(1)).size == 0
