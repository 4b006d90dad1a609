"""Schedules keep every constraint, are the best of all, and never beat uploads side by side."""

import dataclasses

import numpy as np
import pytest

from optimizers import solve_kkt
from optimizers.tdma import tdma, violations
from optimizers.testing import random_problem


def some_round(seed, devices=5, load=0.5, stretch=1.6, **columns):
    """A round with time enough for one after another."""
    problem = random_problem(np.random.default_rng(seed), devices, load)
    return problem.changed(deadline_s=problem.deadline_s * stretch, **columns)


VARIANTS = {
    "linear": {},
    "quadratic": {"error": "quadratic"},
    "neglog": {"error": "neglog"},
    "energy": {"energy_j": 0.03, "slope_j": 0.01},
    "energy and quadratic": {"energy_j": 0.02, "error": "quadratic"},
    "ceiling": {"efficiency_max": 3.0},
    "no slope": {"slope_s": 0.0},
    "fixed ratio of signal to noise": {"noise_band_hz": 2e6},
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("seed", range(2))
def test_all_constraints_hold(variant, seed):
    problem = some_round(seed, **VARIANTS[variant])
    found = tdma(problem)
    assert found.reason == ""
    assert max(violations(problem, found).values()) <= 1e-9
    lost = problem.weight * problem.error.value(1.0 - found.keep)
    assert found.objective == pytest.approx(lost.sum())
    assert np.any(found.keep > problem.keep_min)


@pytest.mark.parametrize("variant", ["linear", "quadratic", "neglog", "energy", "ceiling"])
def test_side_by_side_is_never_worse(variant):
    for seed in range(3):
        problem = some_round(seed, **VARIANTS[variant])
        assert solve_kkt(problem).objective <= tdma(problem).objective * (1.0 + 1e-8) + 1e-9


def test_the_same_where_nobody_waits_and_energy_limits():
    """Equal readiness and no limit of power: hertz-seconds are all that counts."""
    problem = some_round(
        1, load=0.3, fixed_s=0.2, slope_s=0.0, energy_j=2e-3, power_max_w=1e3, fixed_bits=0.0,
        keep_min=1e-3,
    )  # fmt: skip
    one, other = tdma(problem), solve_kkt(problem)
    assert one.objective == pytest.approx(other.objective, rel=1e-7)
    np.testing.assert_allclose(one.keep, other.keep, rtol=1e-4)


def test_waiting_for_the_last_costs():
    """An early device can use the time in which a slow one computes only side by side."""
    problem = some_round(2, energy_j=5e-3, power_max_w=1e3, slope_s=0.0, keep_min=1e-3)
    late = problem.changed(fixed_s=[0.1, 0.1, 0.1, 0.1, 0.8 * problem.deadline_s[0]])
    assert tdma(late).objective > solve_kkt(late).objective * 1.01


@pytest.mark.parametrize("variant", ["linear", "energy", "quadratic"])
@pytest.mark.parametrize("seed", range(2))
def test_a_general_solver_finds_no_less(variant, seed):
    from scipy.optimize import minimize

    problem = some_round(seed, 3, 0.4, 1.3, **VARIANTS[variant])
    found = tdma(problem)
    gamma = problem.snr_hz(1.0)
    band, deadline = problem.bandwidth_hz, problem.deadline_s[0]

    def lost(point):
        return float(np.sum(problem.weight * problem.error.value(1.0 - point[:3])))

    def room(point):
        keep, seconds, joules = point[:3], point[3:6], point[6:9]
        seconds = np.maximum(seconds, 1e-9)
        sent = seconds * band * np.log2(1.0 + gamma * np.maximum(joules, 0.0) / (band * seconds))
        ready = problem.fixed_s + problem.slope_s * keep
        budget = np.minimum(problem.energy_j, 1e3) - problem.slope_j * keep - joules
        return np.concatenate(
            [
                sent / problem.bits(np.ones(3)) - problem.bits(keep) / problem.bits(np.ones(3)),
                deadline - seconds.sum() - ready,
                problem.power_max_w * seconds - joules,
                budget,
            ]
        )

    best = np.inf
    for factor in (0.7, 0.9, 1.0):
        start = np.concatenate(
            [
                np.maximum(found.keep * factor, problem.keep_min),
                found.upload_s * factor,
                found.upload_s * found.power_w * factor,
            ]
        )
        result = minimize(
            lost, start, method="SLSQP", bounds=[(0.1, 1.0)] * 3 + [(1e-9, None)] * 6,
            constraints={"type": "ineq", "fun": room}, options={"maxiter": 500, "ftol": 1e-12},
        )  # fmt: skip
        if room(result.x).min() > -1e-7:
            best = min(best, result.fun)
    assert np.isfinite(best)
    assert found.objective <= best * (1.0 + 1e-5)
    assert found.objective >= best * (1.0 - 1e-5)


def test_without_deadline_all_is_kept_as_fast_as_can_be():
    problem = some_round(3).changed(deadline_s=np.inf)
    found = tdma(problem)
    np.testing.assert_array_equal(found.keep, 1.0)
    np.testing.assert_allclose(found.power_w, problem.power_max_w)
    assert max(violations(problem, found).values()) <= 1e-9


def test_too_short_deadlines_say_so_and_by_how_much():
    problem = some_round(4, load=-0.2, stretch=1.0)
    found = tdma(problem)
    seconds = float(found.reason.split()[-5])
    assert violations(problem, found)["deadline"] > 0.0
    assert tdma(problem.changed(deadline_s=seconds)).reason == ""
    assert tdma(problem.changed(deadline_s=seconds * 0.999)).reason != ""
    mute = problem.changed(gain=problem.gain * [1, 0, 1, 1, 1])
    assert tdma(mute).reason == "device 1 cannot send its bits"


def test_the_earliest_deadline_counts():
    problem = some_round(5)
    later = problem.changed(deadline_s=problem.deadline_s * np.linspace(1.0, 2.0, 5))
    assert tdma(later).objective == tdma(problem).objective


def test_conic_twin_agrees():
    from optimizers.convex.tdma import conic_tdma

    for seed in range(2):
        problem = some_round(seed, 4)
        _, _, objective = conic_tdma(problem)
        assert tdma(problem).objective == pytest.approx(objective, rel=1e-6)


def test_checks_catch_what_is_wrong():
    problem = some_round(6, energy_j=0.05)
    found = tdma(problem)
    wrong = {
        "deadline": {"start_s": found.start_s + problem.deadline_s},
        "overlap": {"start_s": np.full(5, found.start_s.min())},
        "computing": {"start_s": found.start_s * 0.1},
        "payload": {"upload_s": found.upload_s * 0.9},
        "power": {"power_w": found.power_w + problem.power_max_w},
        "energy": {"power_w": found.power_w + 10.0},
        "keep": {"keep": found.keep * 0.0},
    }
    for name, change in wrong.items():
        assert violations(problem, dataclasses.replace(found, **change))[name] > 1e-3, name


def test_what_is_not_solved_is_refused():
    with pytest.raises(ValueError, match="slot_s"):
        tdma(some_round(0, slot_s=0.3))
    with pytest.raises(ValueError, match="energy_j"):
        tdma(some_round(0, full_power=True, energy_j=1.0))
