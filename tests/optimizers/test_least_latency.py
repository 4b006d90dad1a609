"""At the least latency all devices finish together and the band is full."""

import numpy as np
import pytest

from optimizers import RoundProblem, least_latency
from optimizers.testing import random_problem


@pytest.mark.parametrize("devices", [1, 2, 10, 200])
@pytest.mark.parametrize("keep", [0.1, 1.0])
def test_all_finish_together(devices, keep):
    problem = random_problem(np.random.default_rng(devices), devices)
    seconds, bands = least_latency(problem, keep)
    np.testing.assert_allclose(problem.finish_s(keep, bands), seconds, rtol=1e-12)
    assert bands.sum() == pytest.approx(problem.bandwidth_hz, rel=1e-14)


def test_deadline_is_ignored():
    problem = random_problem(np.random.default_rng(1), 4)
    other = problem.changed(deadline_s=9.0)
    assert least_latency(problem, 0.5)[0] == least_latency(other, 0.5)[0]


def test_falls_in_bandwidth_and_rises_in_keep():
    problem = random_problem(np.random.default_rng(2), 6)
    times = [least_latency(problem, keep)[0] for keep in np.linspace(0.1, 1.0, 10)]
    assert np.all(np.diff(times) > 0)
    wider = [
        least_latency(problem.changed(bandwidth_hz=band), 0.5)[0]
        for band in (1e6, 1e7, 1e9, 1e13, 1e17)
    ]
    assert np.all(np.diff(wider) < 0)


def test_slow_computer_with_tiny_message():
    problem = RoundProblem(
        gain=[1e-9, 1e-11], noise_w_per_hz=2e-20, bandwidth_hz=1e6, power_max_w=0.1,
        fixed_s=[900.0, 0.0], slope_s=0.0, fixed_bits=[1.0, 1e6], prunable_bits=0.0,
        deadline_s=np.inf,
    )  # fmt: skip
    seconds, bands = least_latency(problem, 1.0)
    np.testing.assert_allclose(problem.finish_s(1.0, bands), seconds, rtol=1e-12)


def test_without_bits_computing_decides():
    problem = random_problem(np.random.default_rng(3), 3)
    silent = problem.changed(
        prunable_bits=problem.prunable_bits * [0, 1, 1],
        fixed_bits=problem.fixed_bits * [0, 1, 1],
        fixed_s=[5e3, 0.1, 0.1],
    )
    seconds, bands = least_latency(silent, 1.0)
    assert seconds == pytest.approx(5e3 + silent.slope_s[0])
    assert bands[0] == 0.0
    mute, _ = least_latency(problem.changed(fixed_bits=0.0, prunable_bits=0.0), 1.0)
    assert mute == pytest.approx((problem.fixed_s + problem.slope_s).max())


def test_no_gain_takes_for_ever():
    problem = random_problem(np.random.default_rng(4), 3)
    seconds, bands = least_latency(problem.changed(gain=problem.gain * [1, 0, 1]), 1.0)
    assert seconds == np.inf
    np.testing.assert_allclose(bands, problem.bandwidth_hz / 3)
