"""Frequencies by successive convex approximation: falling, never worse than a start, near a grid's best."""

import numpy as np
import pytest

from optimizers import solve_kkt
from optimizers.convex.cpu_frequency import Processors, at_frequencies, solve_with_frequencies
from optimizers.kkt import solve_many
from optimizers.testing import random_problem


def some_round(seed, devices, tightness=(0.3, 0.9), **changes):
    """A round whose budgets do not allow the largest frequencies, and its processors."""
    rng = np.random.default_rng(seed)
    problem = random_problem(rng, devices, rng.uniform(0.3, 0.8), **changes)
    fastest_hz = rng.uniform(1e9, 2e9, devices)
    processors = Processors(
        cycles_fixed=0.1 * problem.fixed_s * fastest_hz,
        cycles_slope=problem.slope_s * fastest_hz,
        frequency_max_hz=fastest_hz,
        kappa=np.full(devices, rng.uniform(0.5, 2.0) * 1e-28),
    )
    problem = problem.changed(fixed_s=0.5 * problem.fixed_s, slope_s=0.0, energy_j=np.inf)
    answer = solve_kkt(at_frequencies(problem, processors, fastest_hz))
    cycles = processors.cycles_fixed + processors.cycles_slope * answer.keep
    used_j = processors.kappa * fastest_hz**2 * cycles + answer.power_w * answer.upload_s
    return problem.changed(energy_j=used_j * rng.uniform(*tightness, devices)), processors


@pytest.mark.parametrize("seed", range(3))
def test_history_falls_and_the_original_constraints_hold(seed):
    problem, processors = some_round(seed, 5)
    plan = solve_with_frequencies(problem, processors)
    assert np.all(np.diff(plan.history) < 0.0)
    assert plan.history[-1] == plan.allocation.objective
    assert plan.allocation.certificate.status == "optimal"
    answer, speed = plan.allocation, plan.frequency_hz
    assert np.all((speed > 0.0) & (speed <= processors.frequency_max_hz))
    cycles = processors.cycles_fixed + processors.cycles_slope * answer.keep
    used_j = processors.kappa * speed**2 * cycles + answer.power_w * answer.upload_s
    assert np.all(used_j <= problem.energy_j * (1 + 1e-9))
    assert np.all(
        problem.fixed_s + cycles / speed + answer.upload_s <= problem.deadline_s * (1 + 1e-9)
    )


@pytest.mark.parametrize("part", [0.9, 0.6, 0.4])
def test_never_worse_than_the_start(part):
    problem, processors = some_round(1, 4, (0.7, 0.95))
    start_hz = part * processors.frequency_max_hz
    at_start = solve_kkt(at_frequencies(problem, processors, start_hz))
    assert at_start.certificate.feasible
    plan = solve_with_frequencies(problem, processors, start_hz)
    assert plan.history[0] == pytest.approx(at_start.objective, rel=1e-9)
    assert plan.allocation.objective <= at_start.objective


@pytest.mark.parametrize("seed", range(4))
def test_a_grid_of_frequencies_finds_nothing_much_better(seed):
    """The method is local; on these rounds it also is at the best of a fine grid."""
    problem, processors = some_round(seed, 2)
    parts = np.linspace(0.1, 1.0, 19)
    grid = np.stack(np.meshgrid(parts, parts), axis=-1).reshape(-1, 2)
    answers = solve_many(
        [at_frequencies(problem, processors, p * processors.frequency_max_hz) for p in grid]
    )
    best = min(a.objective for a in answers if a.certificate.feasible)
    assert solve_with_frequencies(problem, processors).allocation.objective <= best + 1e-4


def test_the_largest_frequencies_where_energy_does_not_limit():
    problem, processors = some_round(2, 4)
    problem = problem.changed(energy_j=np.inf)
    plan = solve_with_frequencies(problem, processors)
    plain = solve_kkt(at_frequencies(problem, processors, processors.frequency_max_hz))
    np.testing.assert_array_equal(plan.frequency_hz, processors.frequency_max_hz)
    assert plan.allocation.objective == pytest.approx(plain.objective, rel=1e-12)


def test_frequencies_do_not_matter_without_work():
    problem, processors = some_round(2, 3)
    idle = Processors(0.0 * processors.kappa, 0.0 * processors.kappa,
                      processors.frequency_max_hz, processors.kappa)  # fmt: skip
    plan = solve_with_frequencies(problem, idle)
    plain = solve_kkt(problem.changed(slope_s=0.0, slope_j=0.0))
    assert plan.allocation.objective == pytest.approx(plain.objective, rel=1e-9)


@pytest.mark.parametrize("changes", [{"error": "quadratic"}, {"error": "lorenz"}])
def test_other_errors_ceilings_and_rent(changes):
    problem, processors = some_round(3, 4, **changes)
    problem = problem.changed(efficiency_max=9.0, rent=1e-9)
    plan = solve_with_frequencies(problem, processors)
    assert len(plan.history) > 1
    assert plan.allocation.certificate.feasible


def test_a_hopeless_round_says_so():
    problem, processors = some_round(2, 3)
    plan = solve_with_frequencies(problem.changed(deadline_s=1e-3), processors)
    assert plan.history == ()
    assert not plan.allocation.certificate.feasible
    with pytest.raises(ValueError, match="problem: CPU frequencies need a deadline"):
        solve_with_frequencies(problem.changed(deadline_s=np.inf, energy_j=np.inf), processors)
