"""The conic twin agrees with the dual solver on every kind of round, and with plain local search."""

import numpy as np
import pytest
from scipy.optimize import minimize

from optimizers import RoundProblem, solve_kkt
from optimizers.convex import conic, solve_convex
from optimizers.convex import joint as module
from optimizers.convex.program import Shape, compiled
from optimizers.convex.reference import reference
from optimizers.convex.scaling import numbers, shape_of
from optimizers.frontier import needed_hz
from optimizers.least_latency import least_latency
from optimizers.testing import random_problem

ERRORS = ("linear", "quadratic", "neglog", "lorenz")


def feasible(problem, **columns):
    """The changed round, with a band that is large enough for its smallest ratios."""
    changed = problem.changed(**columns)
    least_hz = needed_hz(changed, changed.keep_min).sum()
    return changed.changed(bandwidth_hz=max(changed.bandwidth_hz, 1.3 * least_hz))


def kinds(rng, problem):
    """The round with each structure that the program has rows for."""
    devices = problem.devices
    used_s = solve_kkt(problem).upload_s
    return {
        "as drawn": problem,
        "ceilings for some": feasible(
            problem,
            efficiency_max=np.where(rng.random(devices) < 0.7, rng.uniform(2, 6, devices), np.inf),
        ),
        "deadlines of their own": feasible(
            problem, deadline_s=problem.deadline_s * rng.uniform(1, 1.4, devices)
        ),
        "slots": feasible(
            problem.changed(energy_j=np.inf),
            slot_s=np.where(
                rng.random(devices) < 0.7, used_s * rng.uniform(0.8, 1.2, devices), 9e9
            ),
        ),
        "rent": problem.changed(rent=rng.uniform(0, 3e-7, devices)),
        "fixed power": feasible(problem, full_power=True),
        "fixed ratio of signal to noise": feasible(problem, noise_band_hz=1e6),
        "bounds of their own": feasible(
            problem,
            keep_min=rng.uniform(1e-3, 0.2, devices),
            keep_max=rng.uniform(0.3, 1.0, devices),
        ),
        "no computing for some": feasible(
            problem, slope_s=problem.slope_s * rng.integers(0, 2, devices)
        ),
        "worthless devices": problem.changed(weight=problem.weight * [0.0, *[1.0] * (devices - 1)]),
    }


def distant(problem, factor):
    """The round with other gains, and a deadline between the least latencies, without budgets."""
    moved = problem.changed(gain=problem.gain * factor, deadline_s=np.inf, energy_j=np.inf)
    ends = [least_latency(moved, r)[0] for r in (problem.keep_min, problem.keep_max)]
    return moved.changed(deadline_s=np.mean(ends))


def agree(problem, price_within=1e-4):
    exact, found = solve_kkt(problem), conic(problem)
    assert exact.certificate.status == "optimal"
    scale = max(abs(exact.objective), 1e-3 * problem.weight.sum())
    assert abs(found.objective - exact.objective) <= 1e-6 * scale
    noise = 1e-9 * problem.weight.sum() / problem.bandwidth_hz + 1e-6 * problem.rent.max()
    assert abs(found.price - exact.certificate.price) <= (
        price_within * exact.certificate.price + noise
    )
    answer = solve_convex(problem)
    assert answer.certificate.status == "optimal"
    assert exact.objective <= answer.objective + 1e-11 * scale
    assert answer.objective - exact.objective <= 1e-6 * scale


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("energy", [False, True])
def test_kkt_and_conic_agree_on_every_kind_of_round(energy, error):
    rng = np.random.default_rng(1)
    problem = random_problem(rng, 4, 0.5, shadowing_db=8.0, energy=energy, error=error)
    for name, kind in kinds(rng, problem).items():
        try:
            agree(kind)
        except AssertionError as broken:
            raise AssertionError(name) from broken


@pytest.mark.parametrize("energy", [False, True])
@pytest.mark.parametrize("devices", [3, 10, 100])
def test_agree_under_heavy_shadowing(devices, energy):
    for seed in range(10 if devices < 100 else 3):
        rng = np.random.default_rng(1000 * devices + seed)
        load, shadowing_db = rng.uniform(0.05, 0.95), rng.uniform(8.0, 12.0)
        agree(random_problem(rng, devices, load, shadowing_db=shadowing_db, energy=energy))


@pytest.mark.slow
@pytest.mark.parametrize("energy", [False, True])
def test_agree_on_a_thousand_devices(energy):
    agree(random_problem(np.random.default_rng(1), 1000, 0.5, shadowing_db=10.0, energy=energy))


@pytest.mark.parametrize("factor", [1e-7, 1e-5, 1e-3, 1e3, 1e6])
def test_agree_at_absurd_path_loss(factor):
    """With deadlines of days; there a price hangs on the last digits of the rates."""
    for seed in range(3):
        problem = random_problem(np.random.default_rng(seed), 5, 0.5)
        agree(distant(problem, factor), 1e-4 if factor > 1e-6 else 0.1)


@pytest.mark.parametrize("error", ERRORS[:3])
@pytest.mark.parametrize("energy", [False, True])
def test_local_search_on_the_original_problem_never_wins(energy, error):
    """SLSQP over (r, b, p) with the constraints exactly as they are stated, from several starts."""
    rng = np.random.default_rng(3)
    problem = random_problem(rng, 3, 0.5, energy=energy, error=error)
    best = conic(problem)
    unit_hz = problem.bandwidth_hz / 3

    def slack(point):
        keep, bands_hz = point[:3], point[3:6] * unit_hz
        power_w = point[6:] * problem.power_max_w
        late = 1.0 - problem.finish_s(keep, bands_hz, power_w) / problem.deadline_s
        over = 1.0 - problem.energy_used_j(keep, bands_hz, power_w) / problem.energy_j
        return np.concatenate([late, over, [1.0 - point[3:6].sum() / 3]])

    found = []
    for start in range(6):
        share = rng.dirichlet(np.full(3, 4.0)) * 3 if start else best.bandwidth_hz / unit_hz
        result = minimize(
            lambda point: problem.objective(point[:3], point[3:6] * unit_hz),
            np.concatenate([np.full(3, 0.1), share, np.full(3, 0.8)]),
            method="SLSQP",
            bounds=[(0.1, 1.0)] * 3 + [(0.02, 3.0)] * 3 + [(1e-3, 1.0)] * 3,
            constraints={"type": "ineq", "fun": slack},
            options={"ftol": 1e-13, "maxiter": 500},
        )
        if slack(result.x).min() >= -1e-8:
            found.append(result.fun)
    assert found
    assert min(found) >= best.objective - 1e-6
    assert min(found) == pytest.approx(best.objective, rel=1e-3)


def test_the_price_is_what_a_hertz_saves():
    problem = random_problem(np.random.default_rng(5), 6, 0.4, energy=True, error="quadratic")
    step_hz = 1e-4 * problem.bandwidth_hz
    more, less = (
        conic(problem.changed(bandwidth_hz=problem.bandwidth_hz + sign * step_hz)).objective
        for sign in (1, -1)
    )
    assert conic(problem).price == pytest.approx((less - more) / (2 * step_hz), rel=1e-4)


def test_a_band_with_room_has_no_price():
    problem = random_problem(np.random.default_rng(3), 5, 1.4)
    answer = solve_convex(problem)
    assert answer.certificate.price == 0.0
    np.testing.assert_array_equal(answer.keep, problem.keep_max)
    assert answer.bandwidth_hz.sum() == pytest.approx(problem.bandwidth_hz)


def test_dear_bandwidth_is_left_unused():
    problem = random_problem(np.random.default_rng(3), 5, 0.6).changed(rent=1e-5)
    answer = solve_convex(problem)
    assert answer.bandwidth_hz.sum() < 0.99 * problem.bandwidth_hz
    assert answer.certificate.price == 0.0
    assert answer.objective == pytest.approx(solve_kkt(problem).objective, rel=1e-9)


def test_devices_without_bits_take_no_band():
    problem = random_problem(np.random.default_rng(8), 4, 0.4)
    problem = problem.changed(
        fixed_bits=problem.fixed_bits * [0, 1, 1, 1],
        prunable_bits=problem.prunable_bits * [0, 1, 1, 1],
    )
    found = conic(problem)
    assert found.bandwidth_hz[0] == 0.0
    others = problem.picked(np.arange(1, 4))
    assert found.price == pytest.approx(conic(others).price, rel=1e-5)


def test_free_ratios_are_taken_whole():
    """Neither time nor bits change with the ratio, but the energy that is left to send does."""
    problem = random_problem(np.random.default_rng(8), 3, 0.4)
    problem = problem.changed(
        slope_s=problem.slope_s * [0, 1, 1],
        prunable_bits=problem.prunable_bits * [0, 1, 1],
        slope_j=[0.1, 0.0, 0.0],
        energy_j=[0.05, np.inf, np.inf],
    )
    found = conic(problem)
    assert 0.4 < found.keep[0] < 0.5
    used_j = problem.energy_used_j(found.keep, found.bandwidth_hz, found.power_w)
    assert used_j[0] == pytest.approx(0.05, rel=1e-6)


@pytest.mark.parametrize("columns", [{}, {"keep_min": 0.3, "keep_max": 0.3}])
def test_rounds_that_leave_no_choice(columns):
    problem = random_problem(np.random.default_rng(9), 4, 0.6).changed(**columns)
    tight_hz = needed_hz(problem, problem.keep_min).sum()
    answer = solve_convex(problem.changed(bandwidth_hz=tight_hz))
    assert answer.certificate.feasible
    np.testing.assert_allclose(answer.keep, problem.keep_min, rtol=1e-6)


def test_refuses_what_has_no_optimum():
    problem = random_problem(np.random.default_rng(2), 3, -0.1)
    with pytest.raises(ValueError, match="deadline_s: the smallest ratios need"):
        conic(problem)
    assert not solve_convex(problem).certificate.feasible
    with pytest.raises(ValueError, match="deadline_s: infinite"):
        conic(problem.changed(deadline_s=np.inf))
    assert solve_convex(problem.changed(deadline_s=np.inf)).certificate.status == "optimal"


def test_no_answer_of_the_solver_is_an_error(monkeypatch):
    def fail(program, tolerance):
        raise ArithmeticError("the conic solver ends with status 'solver_error'")

    monkeypatch.setattr(module, "run", fail)
    with pytest.raises(ArithmeticError, match="solver_error"):
        solve_convex(random_problem(np.random.default_rng(2), 3))


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("energy", [False, True])
def test_programs_are_disciplined_with_parameters(energy, error):
    rng = np.random.default_rng(1)
    problem = random_problem(rng, 4, 0.5, shadowing_db=8.0, energy=energy, error=error)
    far = distant(problem, 1e-4).changed(energy_j=1e12 if energy else np.inf)
    at = reference(far, needed_hz(far, far.keep_min))
    assert shape_of(far, at).wideband
    for kind in [far, *kinds(rng, problem).values()]:
        at = reference(kind, needed_hz(kind, kind.keep_min))
        program = compiled(shape_of(kind, at)).problem
        assert program.is_dcp(dpp=True)


def test_another_round_of_the_same_shape_compiles_nothing():
    first, second = (random_problem(np.random.default_rng(seed), 7) for seed in (1, 2))
    conic(first)
    misses = compiled.cache_info().misses
    at = reference(second, needed_hz(second, second.keep_min))
    program = compiled(shape_of(second, at)).problem
    before = program._cache.param_prog
    assert before is not None
    conic(second)
    assert program._cache.param_prog is before
    assert compiled.cache_info().misses == misses


def test_the_shape_has_rows_only_for_what_is_there():
    problem = random_problem(np.random.default_rng(1), 5)
    at = reference(problem, needed_hz(problem, problem.keep_min))
    shape = shape_of(problem, at)
    assert shape == Shape(devices=5, error="Linear")
    names = set(compiled(shape).parameters)
    assert not names & {"left", "ceiling", "rent", "reach_2", "levels"}
    assert names <= set(numbers(problem, shape, at))


def test_no_unit_matters():
    """Hertz or megahertz, watts or milliwatts, weights in any unit: the same answer."""
    problem = random_problem(np.random.default_rng(4), 5, 0.5, energy=True)
    found = conic(problem)
    other = conic(
        problem.changed(
            bandwidth_hz=problem.bandwidth_hz * 1e-6,
            fixed_bits=problem.fixed_bits * 1e-6,
            prunable_bits=problem.prunable_bits * 1e-6,
            noise_w_per_hz=problem.noise_w_per_hz * 1e6,
            weight=problem.weight * 1e5,
        )
    )
    np.testing.assert_allclose(other.keep, found.keep, atol=1e-5)
    assert other.price == pytest.approx(found.price * 1e11, rel=1e-5)


def test_answers_say_what_they_are():
    problem = RoundProblem(
        gain=[1e-10, 2e-10], noise_w_per_hz=2e-20, bandwidth_hz=2e6, power_max_w=0.1, fixed_s=0.1,
        slope_s=0.2, fixed_bits=1e5, prunable_bits=1e7, deadline_s=0.6,
    )  # fmt: skip
    found = conic(problem)
    assert found.status == "optimal"
    assert found.iterations > 0
    assert found.objective == pytest.approx(problem.objective(found.keep, found.bandwidth_hz))
    np.testing.assert_array_equal(found.power_w, problem.power_max_w)
