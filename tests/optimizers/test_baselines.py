"""Baselines do what their names say; their certificates bound the distance from the optimum."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizers import least_latency, solve
from optimizers.testing import random_problem

METHODS = ("equal_share", "dense", "uniform_ratio")


@given(st.integers(0, 2**32 - 1), st.integers(1, 15), st.floats(0.05, 1.1))
@settings(max_examples=30, deadline=None)
def test_joint_optimum_is_never_worse_and_the_gap_bounds_the_loss(seed, devices, load):
    problem = random_problem(np.random.default_rng(seed), devices, load)
    optimum = solve(problem).objective
    for method in METHODS:
        told = solve(problem, method).certificate
        if told.status == "infeasible":
            assert np.isnan(told.gap)
            assert told.reason
            continue
        loss = told.objective - optimum
        assert loss >= -1e-9
        assert told.gap >= loss - 1e-9
        assert told.gap <= loss + 1e-7, "the bound is tight at the optimal price"


def test_equal_share_is_the_closed_form():
    problem = random_problem(np.random.default_rng(1), 6, 0.6)
    answer = solve(problem, "equal_share")
    np.testing.assert_allclose(answer.bandwidth_hz, problem.bandwidth_hz / 6)
    inside = np.array(answer.certificate.active) == "deadline"
    finish = problem.finish_s(answer.keep, answer.bandwidth_hz)
    np.testing.assert_allclose(finish[inside], problem.deadline_s[inside], rtol=1e-12)
    assert answer.certificate.gap > 0


def test_equal_share_admits_that_it_is_late():
    problem = random_problem(np.random.default_rng(2), 8, 0.0)
    told = solve(problem, "equal_share").certificate
    assert told.status == "infeasible"
    assert told.violation["deadline"] > 1e-3
    assert "another allocation meets it" in told.reason


def test_dense_meets_the_deadline_from_its_own_latency_on():
    problem = random_problem(np.random.default_rng(3), 5)
    seconds, _ = least_latency(problem, 1.0)
    met = solve(problem.changed(deadline_s=seconds * 1.000001), "dense")
    assert met.certificate.status == "feasible"
    assert met.objective == 0.0
    missed = solve(problem.changed(deadline_s=seconds * 0.999), "dense")
    assert missed.certificate.status == "infeasible"


def test_uniform_ratio_is_the_largest_in_time():
    problem = random_problem(np.random.default_rng(4), 7, 0.5)
    answer = solve(problem, "uniform_ratio")
    assert np.ptp(answer.keep) == 0.0
    seconds, _ = least_latency(problem, answer.keep)
    assert seconds == pytest.approx(problem.deadline_s[0], rel=1e-9)
    finish = problem.finish_s(answer.keep, answer.bandwidth_hz)
    np.testing.assert_allclose(finish, seconds, rtol=1e-9)


def test_uniform_ratio_respects_bounds_of_single_devices():
    problem = random_problem(np.random.default_rng(5), 4, 0.5)
    bounded = problem.changed(keep_min=[0.1, 0.1, 0.1, 0.3], keep_max=[0.15, 1.0, 1.0, 1.0])
    answer = solve(bounded, "uniform_ratio")
    assert answer.certificate.status == "feasible"
    assert answer.keep[0] == 0.15
    assert np.ptp(answer.keep[1:]) == 0.0


@pytest.mark.parametrize("method", METHODS)
def test_without_deadline_nothing_is_pruned(method):
    problem = random_problem(np.random.default_rng(6), 4).changed(deadline_s=np.inf)
    answer = solve(problem, method)
    np.testing.assert_array_equal(answer.keep, 1.0)
    assert answer.certificate.gap == 0.0
