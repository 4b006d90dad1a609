"""The closed form by Lambert's W is exact without computing time, and near it with little."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import lambertw

from optimizers import solve_kkt
from optimizers.closed_forms.lambert_w import LambertW
from optimizers.testing import random_problem


def _answer(problem):
    return LambertW().allocate(problem, np.random.default_rng(0))


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.floats(0.1, 1.2))
@settings(max_examples=30, deadline=None)
def test_without_computing_time_it_is_the_joint_optimum(seed, devices, load):
    problem = random_problem(np.random.default_rng(seed), devices, load).changed(slope_s=0.0)
    ours, joint = _answer(problem), solve_kkt(problem)
    assert ours.certificate.status == joint.certificate.status
    assert ours.objective == pytest.approx(joint.objective, abs=1e-8 * devices)


def test_the_bands_are_those_of_the_formula():
    problem = random_problem(np.random.default_rng(1), 9, 0.2).changed(slope_s=0.0)
    answer = _answer(problem)
    left_s = problem.deadline_s - problem.fixed_s
    per_nat = answer.certificate.price * np.log(2.0) * problem.prunable_bits
    nats = per_nat / (problem.weight * left_s)
    snr = -1.0 / lambertw(-np.exp(-1.0 - nats), 0).real - 1.0
    inside = (answer.keep > 0.1 + 1e-9) & (answer.keep < 1.0 - 1e-9)
    assert inside.sum() >= 3
    expected = (problem.snr_hz() / snr)[inside]
    np.testing.assert_allclose(answer.bandwidth_hz[inside], expected, rtol=1e-7)


def test_frozen_computing_time_costs_little_and_is_not_called_optimal():
    for seed in range(8):
        problem = random_problem(np.random.default_rng(seed), 8, 0.5)
        answer = _answer(problem)
        assert answer.certificate.status == "feasible"
        loss = answer.objective - solve_kkt(problem).objective
        assert -1e-9 <= loss <= 0.1 * problem.weight.sum()


def test_energy_limits_are_respected():
    for seed in range(6):
        problem = random_problem(np.random.default_rng(seed), 8, 0.5, energy=True)
        assert _answer(problem).certificate.feasible


def test_newton_needs_few_prices():
    for seed in range(10):
        problem = random_problem(np.random.default_rng(seed), 20, 0.5).changed(slope_s=0.0)
        assert _answer(problem).certificate.iterations <= 12
