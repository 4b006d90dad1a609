"""The best deadline is the least of all, its value has the right slope, and the limits are known."""

import numpy as np
import pytest

from optimizers import least_latency, solve_kkt
from optimizers.kkt import solve_many
from optimizers.objectives.tradeoff import (
    LogTradeoff,
    TimeTradeoff,
    least_deadline,
    tradeoff,
    tradeoff_log,
)
from optimizers.testing import check_allocator, random_problem

ERRORS = ("linear", "quadratic", "neglog")


def round_without_deadline(seed, devices=6, **columns):
    problem = random_problem(np.random.default_rng(seed), devices)
    return problem.changed(deadline_s=np.inf, **columns)


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize(("seed", "weight"), [(0, 0.03), (1, 0.5), (2, 3.0), (3, 40.0)])
def test_no_deadline_is_better(error, seed, weight):
    problem = round_without_deadline(seed, error=error)
    found = tradeoff(problem, weight)
    low, high = (least_latency(problem, keep)[0] for keep in (problem.keep_min, problem.keep_max))
    grid = np.linspace(low, high, 200)
    answers = solve_many([problem.changed(deadline_s=seconds) for seconds in grid])
    values = weight * grid + np.array([answer.objective for answer in answers])
    assert found.value <= values.min() * (1.0 + 1e-9)
    assert low * (1.0 - 1e-9) <= found.deadline_s <= high * (1.0 + 1e-9)
    assert found.value == pytest.approx(
        weight * found.deadline_s + found.allocation.objective, rel=1e-12
    )
    assert found.allocation.certificate.status == "optimal"


@pytest.mark.parametrize("error", ERRORS)
def test_dear_time_is_short_and_cheap_time_prunes_nothing(error):
    problem = round_without_deadline(1, error=error)
    low, high = (least_latency(problem, keep)[0] for keep in (problem.keep_min, problem.keep_max))
    assert tradeoff(problem, 1e9).deadline_s == pytest.approx(low, rel=1e-8)
    cheap = tradeoff(problem, 1e-4 if error == "linear" else 1e-9)
    if error == "quadratic":  # the last per cents of pruning cost almost nothing
        assert cheap.deadline_s < high
        np.testing.assert_allclose(cheap.allocation.keep, 1.0, atol=1e-3)
    else:
        assert cheap.deadline_s == pytest.approx(high, rel=1e-6)
        np.testing.assert_allclose(cheap.allocation.keep, 1.0, rtol=1e-6)


@pytest.mark.parametrize("error", ERRORS)
def test_dearer_time_is_shorter_and_the_slope_of_the_value_is_the_time(error):
    problem = round_without_deadline(2, error=error)
    weights = np.geomspace(0.05, 50.0, 6)
    found = [tradeoff(problem, weight) for weight in weights]
    deadlines = np.array([answer.deadline_s for answer in found])
    assert np.all(np.diff(deadlines) <= 1e-7)
    assert deadlines[-1] < deadlines[0]
    step = 1e-4
    above, below = (tradeoff(problem, 3.0 * (1.0 + sign * step)).value for sign in (1, -1))
    middle = tradeoff(problem, 3.0).deadline_s
    assert (above - below) / (6.0 * step) == pytest.approx(middle, rel=1e-5)


def test_value_of_the_logarithmic_error_is_convex_in_the_deadline():
    for seed in range(10):
        problem = round_without_deadline(seed, error="neglog", fixed_bits=0.0)
        low = least_latency(problem, problem.keep_min)[0]
        high = least_latency(problem, problem.keep_max)[0]
        grid = np.linspace(low, high, 60)
        answers = solve_many([problem.changed(deadline_s=seconds) for seconds in grid])
        values = np.array([answer.objective for answer in answers])
        assert np.all(np.diff(values, 2) >= -1e-9 * values[0])


@pytest.mark.parametrize("devices", [3, 10])
@pytest.mark.parametrize("seed", range(3))
def test_logarithmic_tradeoff_agrees_with_the_conic_solver(devices, seed):
    from optimizers.convex.tradeoff_log import conic_tradeoff_log

    problem = round_without_deadline(seed, devices, fixed_bits=0.0)
    found = tradeoff_log(problem, 2.0)
    seconds, keep, objective = conic_tradeoff_log(problem, 2.0)
    assert found.value == pytest.approx(objective, rel=1e-6)
    assert found.deadline_s == pytest.approx(seconds, rel=1e-3)
    np.testing.assert_allclose(found.allocation.keep, keep, rtol=1e-2)


def test_logarithmic_tradeoff_is_the_tradeoff_of_that_error():
    problem = round_without_deadline(3)
    one, other = tradeoff_log(problem, 1.5), tradeoff(problem.changed(error="neglog"), 1.5)
    assert (one.deadline_s, one.value) == (other.deadline_s, other.value)


def test_given_deadlines_are_upper_limits():
    problem = round_without_deadline(4)
    free = tradeoff(problem, 1.0)
    late = problem.changed(deadline_s=free.deadline_s * 1.5)
    assert tradeoff(late, 1.0).deadline_s == pytest.approx(free.deadline_s, rel=1e-6)
    soon = problem.changed(deadline_s=free.deadline_s * 0.8)
    assert tradeoff(soon, 1.0).deadline_s == pytest.approx(free.deadline_s * 0.8, rel=1e-8)
    mixed = soon.deadline_s * np.array([1.0, 1.0, 1.0, 2.0, 2.0, 2.0])
    found = tradeoff(problem.changed(deadline_s=mixed), 1.0)
    finish = problem.finish_s(found.allocation.keep, found.allocation.bandwidth_hz)
    assert np.all(finish <= np.minimum(mixed, found.deadline_s) * (1.0 + 1e-9))
    assert tradeoff(soon, 1.0).value >= found.value * (1.0 - 1e-9) >= free.value * (1.0 - 2e-9)


def test_energy_budgets_and_ceilings_are_met():
    problem = round_without_deadline(5).changed(
        deadline_s=100.0, energy_j=0.02, slope_j=0.01, efficiency_max=6.0
    )
    found = tradeoff(problem, 0.5)
    assert found.deadline_s < 50.0
    assert found.allocation.certificate.status == "optimal"
    grid = found.deadline_s * np.linspace(0.9, 1.2, 31)
    answers = solve_many([problem.changed(deadline_s=seconds) for seconds in grid])
    values = [0.5 * s + a.objective for s, a in zip(grid, answers, strict=True)]
    assert found.value <= min(values) * (1.0 + 1e-9)


def test_hopeless_rounds_say_so():
    problem = random_problem(np.random.default_rng(6), 5, load=-0.1)
    found = tradeoff(problem, 1.0)
    assert found.value == np.inf
    assert not found.allocation.certificate.feasible
    assert found.allocation.certificate.reason


def test_price_of_time_must_be_positive():
    with pytest.raises(ValueError, match=r"seconds_weight: 0\.0 must be finite and above 0"):
        tradeoff(round_without_deadline(0), 0.0)


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize(("seed", "share"), [(0, 0.05), (1, 0.3), (2, 0.7), (3, 0.95)])
def test_least_deadline_uses_up_the_error_budget(error, seed, share):
    problem = round_without_deadline(seed, 5, error=error)
    budget = share * problem.objective(problem.keep_min, 0.0)
    seconds, answer = least_deadline(problem, budget)
    assert answer.objective == pytest.approx(budget, rel=1e-9)
    sooner = solve_kkt(problem.changed(deadline_s=seconds * (1.0 - 1e-6)))
    assert sooner.objective > budget


def test_least_deadline_at_its_limits():
    problem = round_without_deadline(7, 5)
    low, high = (least_latency(problem, keep)[0] for keep in (problem.keep_min, problem.keep_max))
    late = problem.changed(deadline_s=0.5 * low)
    assert least_deadline(late, 1e9)[0] == pytest.approx(low, rel=1e-9)
    assert least_deadline(problem, 0.0)[0] == pytest.approx(high, rel=1e-6)
    seconds, answer = least_deadline(problem.changed(keep_max=0.9), 0.01)
    assert seconds == np.inf
    np.testing.assert_array_equal(answer.keep, 0.9)


def test_least_deadline_with_energy_budgets():
    problem = round_without_deadline(9).changed(deadline_s=1.0, energy_j=0.05)
    seconds, answer = least_deadline(problem, 2.0)
    assert answer.objective == pytest.approx(2.0, rel=1e-9)
    assert solve_kkt(problem.changed(deadline_s=0.99 * seconds)).objective > 2.0


def test_least_deadline_is_the_tradeoff_turned_round():
    problem = round_without_deadline(8)
    found = tradeoff(problem, 2.0)
    seconds, _ = least_deadline(problem, found.allocation.objective)
    assert seconds == pytest.approx(found.deadline_s, rel=1e-6)


@pytest.mark.parametrize("allocator", [TimeTradeoff(), TimeTradeoff(20.0), LogTradeoff()])
def test_contract(allocator):
    check_allocator(allocator)
