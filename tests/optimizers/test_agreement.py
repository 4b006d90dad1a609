"""Three routes to the optimum agree: dual decomposition, conic solver, and plain local search."""

import numpy as np
import pytest
from scipy.optimize import minimize

from optimizers import solve, solve_kkt
from optimizers.convex import solve_convex
from optimizers.testing import random_problem

LOADS = (0.1, 0.3, 0.5, 0.7, 0.9)
CASES = [(k, seed) for k in (3, 10) for seed in range(20)] + [(100, seed) for seed in range(4)]


@pytest.mark.parametrize(("devices", "seed"), CASES)
def test_kkt_and_conic_solver_agree(devices, seed):
    problem = random_problem(np.random.default_rng(seed), devices, LOADS[seed % 5])
    exact, conic = solve_kkt(problem), solve_convex(problem)
    assert exact.objective == pytest.approx(conic.objective, rel=1e-6)
    assert exact.certificate.price == pytest.approx(conic.certificate.price, rel=1e-4)
    assert exact.objective <= conic.objective * (1 + 1e-12)
    np.testing.assert_allclose(exact.keep, conic.keep, atol=1e-3)
    for answer in (exact, conic):
        assert max(answer.certificate.violation.values()) <= 1e-9
        assert answer.certificate.gap <= 1e-6 * answer.objective
    assert exact.certificate.gap <= 1e-8 * exact.objective


@pytest.mark.parametrize("seed", range(4))
def test_agree_with_and_without_computing_slope(seed):
    rng = np.random.default_rng(seed)
    problem = random_problem(rng, 6, 0.5)
    problem = problem.changed(slope_s=problem.slope_s * rng.integers(0, 2, 6))
    exact, conic = solve_kkt(problem), solve_convex(problem)
    assert exact.objective == pytest.approx(conic.objective, rel=1e-6)
    assert exact.certificate.price == pytest.approx(conic.certificate.price, rel=1e-4)


@pytest.mark.parametrize("seed", range(8))
def test_agree_where_devices_have_nothing_to_send_or_to_prune(seed):
    rng = np.random.default_rng(seed)
    problem = random_problem(rng, 6, 0.4)
    problem = problem.changed(
        slope_s=problem.slope_s * rng.integers(0, 2, 6),
        prunable_bits=problem.prunable_bits * rng.integers(0, 2, 6),
        fixed_bits=problem.fixed_bits * rng.integers(0, 2, 6),
    )
    exact, conic = solve_kkt(problem), solve_convex(problem)
    assert exact.certificate.status == conic.certificate.status == "optimal"
    assert exact.objective == pytest.approx(conic.objective, rel=1e-6)


def test_agree_on_one_device_that_the_band_limits():
    problem = random_problem(np.random.default_rng(1), 1, 0.4)
    exact, conic = solve_kkt(problem), solve_convex(problem)
    assert 0.1 < exact.keep[0] < 1.0
    assert exact.objective == pytest.approx(conic.objective, rel=1e-6)
    assert exact.certificate.price == pytest.approx(conic.certificate.price, rel=1e-4)


def test_agree_with_many_deadlines_and_large_weights():
    problem = random_problem(np.random.default_rng(5), 8, 0.4)
    problem = problem.changed(
        deadline_s=problem.deadline_s * np.linspace(1.0, 1.4, 8), weight=problem.weight * 1e4
    )
    exact, conic = solve_kkt(problem), solve_convex(problem)
    assert exact.objective == pytest.approx(conic.objective, rel=1e-6)
    assert exact.certificate.price == pytest.approx(conic.certificate.price, rel=1e-4)


def test_conic_solver_repeats_itself_to_the_bit():
    problem = random_problem(np.random.default_rng(6), 5)
    first = solve_convex(problem)
    solve_convex(problem.changed(deadline_s=problem.deadline_s * 1.1))
    np.testing.assert_array_equal(solve_convex(problem).bandwidth_hz, first.bandwidth_hz)


def test_coarse_conic_answer_says_inaccurate():
    problem = random_problem(np.random.default_rng(2), 10)
    answer = solve_convex(problem, tolerance=1e-2)
    told = answer.certificate
    optimum = solve_kkt(problem).objective
    assert told.status == "inaccurate"
    assert told.gap >= answer.objective - optimum > 0


@pytest.mark.parametrize("seed", range(5))
def test_local_search_on_the_original_problem_never_wins(seed):
    """SLSQP over (r, b) with the constraints exactly as they are stated, from several starts."""
    rng = np.random.default_rng(seed)
    problem = random_problem(rng, 3, LOADS[seed])
    best = solve_kkt(problem)
    unit_hz = problem.bandwidth_hz / 3

    def slack(point):
        finish = problem.finish_s(point[:3], point[3:] * unit_hz)
        return np.append(1.0 - finish / problem.deadline_s, 1.0 - point[3:].sum() / 3)

    found = []
    for start in range(3):
        share = rng.dirichlet(np.full(3, 4.0)) * 3 if start else best.bandwidth_hz / unit_hz
        result = minimize(
            lambda point: problem.weight @ (1.0 - point[:3]),
            np.append(np.full(3, 0.1), share),
            method="SLSQP",
            bounds=[(0.1, 1.0)] * 3 + [(0.02, 3.0)] * 3,
            constraints={"type": "ineq", "fun": slack},
            options={"ftol": 1e-13, "maxiter": 500},
        )
        if slack(result.x).min() >= -1e-9:
            found.append(result.fun)
    assert found
    assert min(found) >= best.objective - 1e-7
    assert min(found) == pytest.approx(best.objective, rel=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_no_random_split_of_the_band_wins(seed):
    """With r in closed form for each split, 20000 splits of the band stay above the optimum."""
    rng = np.random.default_rng(seed)
    problem = random_problem(rng, 3, 0.5)
    best = solve(problem)
    bands = rng.dirichlet(np.full(3, 2.0), 20_000) * problem.bandwidth_hz
    rate = bands * np.log2(1 + problem.snr_hz() / bands)
    window = problem.deadline_s - problem.fixed_s
    keep = (window * rate - problem.fixed_bits) / (problem.prunable_bits + problem.slope_s * rate)
    valid = (keep >= problem.keep_min).all(axis=1)
    objective = (problem.weight * (1 - np.minimum(keep, 1.0))).sum(axis=1)[valid]
    assert objective.min() >= best.objective
    assert objective.min() <= best.objective * 1.02
