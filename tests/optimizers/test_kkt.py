"""The optimum obeys the optimality conditions, is monotone, and has the right limits."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizers import RoundProblem, least_latency, solve, solve_kkt
from optimizers.frontier import needed_hz
from optimizers.lambert import LN2, marginal_nats, snr_for_marginal
from optimizers.testing import ERRORS, random_problem

PRUNE_LESS_WITH_MORE = ("deadline_s", "bandwidth_hz", "power_max_w")


@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.floats(0.01, 1.2))
@settings(max_examples=60, deadline=None)
def test_conditions_of_optimality(seed, devices, load):
    problem = random_problem(np.random.default_rng(seed), devices, load)
    answer = solve_kkt(problem)
    told = answer.certificate
    assert told.status == "optimal"
    assert max(told.violation.values()) <= 1e-12
    assert told.stationarity <= 1e-9
    assert told.gap <= 1e-8 * max(told.objective, 1e-3)
    assert told.complementarity <= 1e-9
    assert told.reason == ""
    assert "slack" not in told.held


@given(st.integers(0, 2**32 - 1), st.sampled_from(["devices", "weights", "gains"]))
@settings(max_examples=40, deadline=None)
def test_conditions_of_optimality_in_odd_rounds(seed, kind):
    """Silent devices, zero weights, β = 0, no prunable bits, gains over twelve decades."""
    rng = np.random.default_rng(seed)
    problem = random_problem(rng, 8, load=0.4)
    columns = {
        "devices": {
            "slope_s": problem.slope_s * rng.integers(0, 2, 8),
            "prunable_bits": problem.prunable_bits * rng.integers(0, 2, 8),
            "fixed_bits": problem.fixed_bits * rng.integers(0, 2, 8),
        },
        "weights": {"weight": rng.integers(0, 2, 8) * 1e6},
        "gains": {"gain": problem.gain * 10.0 ** rng.uniform(0.0, 12.0, 8)},
    }[kind]
    problem = problem.changed(**columns)
    answer = solve_kkt(problem)
    told = answer.certificate
    assert told.status == "optimal", told.reason
    assert told.gap <= 1e-8 * problem.weight.sum()
    assert max(told.violation.values()) <= 1e-12


@pytest.mark.parametrize("name", PRUNE_LESS_WITH_MORE)
@pytest.mark.parametrize("seed", range(3))
def test_value_is_monotone(name, seed):
    problem = random_problem(np.random.default_rng(seed), 7, load=0.2)
    base = getattr(problem, name)
    values = [
        solve_kkt(problem.changed(**{name: base * factor})).objective
        for factor in np.linspace(1.0, 2.0, 9)
    ]
    assert np.all(np.diff(values) < 1e-12)
    assert values[-1] < values[0]


def test_unlimited_band_prunes_nothing():
    problem = random_problem(np.random.default_rng(1), 6, load=0.5)
    wide = problem.changed(bandwidth_hz=1e15, power_max_w=problem.power_max_w * 1e3)
    answer = solve_kkt(wide.changed(deadline_s=2.0))
    np.testing.assert_array_equal(answer.keep, np.ones(6))
    assert answer.certificate.price == 0.0
    assert answer.certificate.gap == 0.0


def test_least_deadline_prunes_most():
    problem = random_problem(np.random.default_rng(2), 6)
    seconds, bands = least_latency(problem, problem.keep_min)
    answer = solve_kkt(problem.changed(deadline_s=seconds))
    np.testing.assert_allclose(answer.keep, problem.keep_min, rtol=1e-9)
    np.testing.assert_allclose(answer.bandwidth_hz, bands, rtol=1e-9)
    assert answer.certificate.status == "optimal"


def test_without_computing_slope_lambert_answers():
    problem = random_problem(np.random.default_rng(3), 8, load=0.3).changed(slope_s=0.0)
    seconds = [least_latency(problem, keep)[0] for keep in (0.1, 1.0)]
    problem = problem.changed(deadline_s=0.7 * seconds[0] + 0.3 * seconds[1])
    answer = solve_kkt(problem)
    inside = np.array(answer.certificate.held) == "deadline"
    assert inside.sum() >= 2
    nats = answer.certificate.price * LN2 * problem.prunable_bits
    nats = nats / (problem.weight * (problem.deadline_s - problem.fixed_s))
    snr = problem.snr_hz() / answer.bandwidth_hz
    np.testing.assert_allclose(snr_for_marginal(nats[inside]), snr[inside], rtol=1e-10)
    np.testing.assert_allclose(marginal_nats(snr[inside]), nats[inside], rtol=1e-10)


def test_equal_devices_share_equally():
    one = random_problem(np.random.default_rng(4), 1)
    same = RoundProblem(
        gain=one.gain[0], noise_w_per_hz=one.noise_w_per_hz[0], bandwidth_hz=5e6,
        power_max_w=one.power_max_w[0], fixed_s=[0.1] * 5, slope_s=0.3, fixed_bits=1e5,
        prunable_bits=1e7, deadline_s=2.0,
    )  # fmt: skip
    answer = solve_kkt(same)
    np.testing.assert_allclose(answer.bandwidth_hz, 1e6, rtol=1e-10)


def test_given_ratios_that_fit():
    problem = random_problem(np.random.default_rng(5), 5, load=0.5)
    fixed = problem.changed(keep_min=0.2, keep_max=0.2)
    answer = solve_kkt(fixed)
    assert answer.certificate.status == "optimal"
    np.testing.assert_array_equal(answer.keep, 0.2)
    assert answer.bandwidth_hz.sum() == pytest.approx(problem.bandwidth_hz)


def test_spare_band_ends_uploads_early():
    problem = random_problem(np.random.default_rng(6), 5, load=1.4)
    answer = solve_kkt(problem)
    assert np.all(answer.keep == 1.0)
    assert answer.bandwidth_hz.sum() == pytest.approx(problem.bandwidth_hz)
    assert np.all(problem.finish_s(answer.keep, answer.bandwidth_hz) < problem.deadline_s)


def test_no_deadline_is_least_latency():
    problem = random_problem(np.random.default_rng(7), 5).changed(deadline_s=np.inf)
    answer = solve_kkt(problem)
    seconds, _ = least_latency(problem, 1.0)
    finish = problem.finish_s(answer.keep, answer.bandwidth_hz)
    np.testing.assert_allclose(finish, seconds, rtol=1e-12)
    assert answer.certificate.status == "optimal"
    assert (answer.certificate.price, answer.certificate.gap) == (0.0, 0.0)


def test_warm_start_gives_the_same_answer():
    problem = random_problem(np.random.default_rng(8), 12)
    cold = solve_kkt(problem)
    warm = solve_kkt(problem, price=cold.certificate.price * 1.05)
    np.testing.assert_allclose(warm.bandwidth_hz, cold.bandwidth_hz, rtol=1e-10)


def test_a_known_price_saves_evaluations():
    cold, warm = 0, 0
    for seed, error in enumerate(ERRORS * 5):
        problem = random_problem(np.random.default_rng(seed), 10, error=error)
        told = solve_kkt(problem).certificate
        cold += told.iterations
        warm += solve_kkt(problem, price=told.price).certificate.iterations
    assert warm < cold


@pytest.mark.parametrize("method", ["kkt", "convex", "uniform_ratio"])
@pytest.mark.parametrize("load", [-0.01, -0.05, -0.12])
def test_remedies_help(method, load):
    problem = random_problem(np.random.default_rng(9), 6, load)
    answer = solve(problem, method)
    told = answer.certificate
    assert not told.feasible
    np.testing.assert_array_equal(answer.keep, problem.keep_min)
    seconds = float(re.search(r"least deadline for all is (\S+) s", told.reason)[1])
    assert seconds == pytest.approx(least_latency(problem, problem.keep_min)[0], rel=2e-5)
    assert solve(problem.changed(deadline_s=seconds), method).certificate.feasible
    band = re.search(r"least bandwidth (\S+) Hz", told.reason)
    assert (band is None) == np.isinf(needed_hz(problem, problem.keep_min)).any()
    if band:
        wider = problem.changed(bandwidth_hz=float(band[1]))
        assert solve(wider, method).certificate.feasible


def test_hopeless_devices_are_named():
    problem = random_problem(np.random.default_rng(10), 6, load=0.5)
    deadline = problem.deadline_s * 1.0
    deadline[4] = problem.fixed_s[4]
    told = solve_kkt(problem.changed(deadline_s=deadline)).certificate
    assert not told.feasible
    assert told.reason.startswith("device 4 cannot meet the deadline at any bandwidth")
    told = solve_kkt(problem.changed(gain=problem.gain * [1, 0, 1, 0, 1, 1])).certificate
    assert told.reason.startswith("devices 1, 3 cannot send at all")


def test_unknown_method_lists_the_known():
    with pytest.raises(ValueError, match=r"unknown method 'magic' \(known: kkt, convex"):
        solve(random_problem(np.random.default_rng(0), 2), "magic")
