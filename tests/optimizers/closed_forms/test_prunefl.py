"""One common mask: the greedy set is the best of all sets, and the common ratio the best in time."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizers import solve, solve_kkt
from optimizers.closed_forms.prunefl import PruneFl, best_common, reconfigure, seconds_per_weight
from optimizers.testing import random_problem


def _merit(mask, gain, cost_s, fixed_s):
    return gain[mask].sum() / (fixed_s + cost_s[mask].sum())


@given(st.integers(0, 2**32 - 1), st.integers(1, 8), st.floats(0.0, 1.0), st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_no_set_of_candidates_learns_more_per_second(seed, weights, share, layers):
    rng = np.random.default_rng(seed)
    gain, magnitude = rng.exponential(1.0, weights), rng.exponential(1.0, weights)
    cost_s, now = rng.uniform(0.1, 2.0, weights), rng.random(weights) < 0.5
    layer = rng.integers(0, layers, weights)
    mask = reconfigure(
        gain, magnitude, now, cost_s, fixed_s=1.0, candidate_share=share, layer=layer
    )
    stays = now.copy()
    for one in range(layers):
        held = np.flatnonzero(now & (layer == one))
        stays[held[np.argsort(magnitude[held])][: int(share * held.size + 1e-9)]] = False
    assert np.all(mask[stays])
    best = max(
        _merit(stays | np.array(extra), gain, cost_s, 1.0)
        for extra in itertools.product([False, True], repeat=weights)
        if not np.any(np.array(extra) & stays)
    )
    assert _merit(mask, gain, cost_s, 1.0) == pytest.approx(best, rel=1e-12)


def test_a_cap_on_density_takes_the_best_and_never_drops_those_that_stay():
    gain = np.arange(10.0, 0.0, -1.0)
    now = np.zeros(10, dtype=bool)
    mask = reconfigure(gain, gain, now, 1e-3, fixed_s=10.0, candidate_share=0.2, density_cap=0.3)
    assert np.flatnonzero(mask).tolist() == [0, 1, 2]
    full = reconfigure(gain, gain, ~now, 1.0, fixed_s=10.0, candidate_share=0.2, density_cap=0.3)
    assert full.sum() == 8


def test_weights_that_cost_no_time_enter():
    mask = reconfigure(
        [5.0, 1e-9], [1.0, 1.0], [True, False], [1.0, 0.0], fixed_s=1.0, candidate_share=0.0
    )
    assert mask.tolist() == [True, True]


def test_bad_arguments_are_told():
    with pytest.raises(ValueError, match=r"^fixed_s: 0.0 must"):
        reconfigure([1.0], [1.0], [True], 1.0, fixed_s=0.0, candidate_share=0.1)
    with pytest.raises(ValueError, match=r"^candidate_share: 1.5 must"):
        reconfigure([1.0], [1.0], [True], 1.0, fixed_s=1.0, candidate_share=1.5)


def test_the_slowest_device_sets_the_seconds_of_a_weight():
    problem = random_problem(np.random.default_rng(1), 5, 0.5)
    each = problem.slope_s + problem.prunable_bits / problem.rate_bps(1e6)
    assert seconds_per_weight(problem, 1e6, 450_000) == pytest.approx(each.max() / 450_000)
    alone = problem.changed(prunable_bits=0.0)
    assert seconds_per_weight(alone, 0.0, 1) == alone.slope_s.max()


def test_with_linear_errors_it_is_the_largest_common_ratio():
    problem = random_problem(np.random.default_rng(2), 6, 0.5)
    answer = PruneFl().allocate(problem, np.random.default_rng(0))
    np.testing.assert_allclose(answer.keep, solve(problem, "uniform_ratio").keep)


@pytest.mark.parametrize("error", ["quadratic", "lorenz"])
def test_convex_errors_have_a_best_ratio_below_one(error):
    problem = random_problem(np.random.default_rng(3), 6, 1.5, error=error)
    ratio = best_common(problem)
    assert 0.1 < ratio < 1.0
    slope_s = seconds_per_weight(problem, 1e6, 1)
    fixed_s = np.max(problem.fixed_s + problem.fixed_bits / problem.rate_bps(1e6))

    def merit(common):
        pruning = np.full(6, 1.0 - common)
        return float(problem.weight @ (1.0 - problem.error.value(pruning))) / (
            fixed_s + slope_s * common
        )

    others = np.linspace(0.1, 1.0, 500)
    assert merit(ratio) >= max(map(merit, others)) - 1e-9
    answer = PruneFl().allocate(problem, np.random.default_rng(0))
    np.testing.assert_allclose(answer.keep, ratio)
    assert answer.certificate.feasible


def test_a_deadline_lowers_the_ratio_and_bounds_stay():
    problem = random_problem(np.random.default_rng(3), 6, 0.1, error="quadratic")
    answer = PruneFl().allocate(problem, np.random.default_rng(0))
    assert answer.certificate.feasible
    assert np.ptp(answer.keep) == 0.0
    assert answer.keep[0] < best_common(problem)
    assert answer.objective >= solve_kkt(problem).objective
    bounded = problem.changed(
        keep_min=[0.1, 0.1, 0.1, 0.1, 0.1, 0.25], deadline_s=problem.deadline_s * 2
    )
    assert PruneFl().allocate(bounded, np.random.default_rng(0)).keep[5] >= 0.25


def test_without_a_deadline_the_best_ratio_alone_counts():
    problem = random_problem(np.random.default_rng(3), 6, error="quadratic").changed(
        deadline_s=np.inf
    )
    answer = PruneFl().allocate(problem, np.random.default_rng(0))
    np.testing.assert_allclose(answer.keep, best_common(problem))
