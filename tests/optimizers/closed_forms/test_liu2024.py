"""The price equation with full power is the joint optimum of a plain round, and feasible elsewhere."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizers import solve_kkt
from optimizers.closed_forms.liu2024 import Liu2024
from optimizers.lambert import rate_bps
from optimizers.testing import random_problem


def _answer(problem):
    return Liu2024().allocate(problem, np.random.default_rng(0))


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.floats(0.1, 1.2))
@settings(max_examples=30, deadline=None)
def test_on_a_plain_round_it_is_the_joint_optimum(seed, devices, load):
    problem = random_problem(np.random.default_rng(seed), devices, load)
    ours, joint = _answer(problem), solve_kkt(problem)
    assert ours.certificate.status == joint.certificate.status
    assert ours.objective == pytest.approx(joint.objective, abs=1e-8 * devices)
    np.testing.assert_array_equal(ours.power_w, problem.power_max_w)


def test_the_price_equation_holds_by_difference_quotients():
    problem = random_problem(np.random.default_rng(4), 9, 0.6)
    answer = _answer(problem)
    left_s = problem.deadline_s - problem.fixed_s

    def ratio(bands_hz):
        rate = rate_bps(problem.snr_hz(), bands_hz)
        return (left_s * rate - problem.fixed_bits) / (
            problem.prunable_bits + problem.slope_s * rate
        )

    inside = (answer.keep > 0.1 + 1e-9) & (answer.keep < 1.0 - 1e-9)
    assert inside.sum() >= 3
    step_hz = answer.bandwidth_hz * 1e-5
    up, down = ratio(answer.bandwidth_hz + step_hz), ratio(answer.bandwidth_hz - step_hz)
    worth = problem.weight * (up - down) / (2.0 * step_hz)
    np.testing.assert_allclose(worth[inside], answer.certificate.price, rtol=1e-7)


def test_with_room_nothing_is_pruned_at_price_0():
    problem = random_problem(np.random.default_rng(5), 6, 1.3)
    answer = _answer(problem)
    np.testing.assert_allclose(answer.keep, 1.0)
    assert answer.certificate.price == 0.0
    assert answer.certificate.status == "optimal"


def test_newton_needs_few_prices():
    counts = [
        _answer(random_problem(np.random.default_rng(seed), 20, 0.5)).certificate.iterations
        for seed in range(10)
    ]
    assert 2 <= max(counts) <= 12


@pytest.mark.parametrize("error", ["quadratic", "neglog", "lorenz"])
def test_another_error_model_is_not_called_optimal(error):
    problem = random_problem(np.random.default_rng(4), 9, 0.5, error=error)
    assert _answer(problem).certificate.status == "feasible"


@pytest.mark.parametrize("error", ["linear", "quadratic", "neglog"])
def test_what_it_does_not_know_costs_and_is_never_called_optimal(error):
    losses = []
    for seed in range(8):
        problem = random_problem(np.random.default_rng(seed), 8, 0.5, energy=True, error=error)
        answer = _answer(problem)
        assert answer.certificate.status == "feasible"
        losses.append(answer.objective - solve_kkt(problem).objective)
    assert min(losses) >= -1e-8
    assert max(losses) > 1e-4


def test_it_says_that_it_is_a_reconstruction():
    assert Liu2024.paper_verified is False
    assert "[X]" in Liu2024.__doc__
