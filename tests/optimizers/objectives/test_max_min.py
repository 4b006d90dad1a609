"""At the fairest ratios all devices between their bounds lose the same, and less is impossible."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizers import solve
from optimizers.errors import lorenz
from optimizers.frontier import needed_hz
from optimizers.objectives.max_min import MaxMin, fairest, fits, largest_common
from optimizers.testing import check_allocator, random_problem

CURVE = lorenz(np.random.default_rng(0).normal(size=500))
ERRORS = ("linear", "quadratic", "neglog", CURVE)


@pytest.mark.parametrize("error", ERRORS, ids=lambda e: e if isinstance(e, str) else "curve")
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.floats(0.02, 0.98))
@settings(max_examples=12, deadline=None)
def test_one_level_and_a_full_band(error, seed, devices, load):
    problem = random_problem(np.random.default_rng(seed), devices, load).changed(error=error)
    keep = fairest(problem)
    lost = problem.weight * problem.error.value(1.0 - keep)
    inside = (keep > problem.keep_min * (1 + 1e-9)) & (keep < problem.keep_max * (1 - 1e-9))
    if inside.any():
        np.testing.assert_allclose(lost[inside], lost.max(), rtol=1e-6)
        assert needed_hz(problem, keep).sum() == pytest.approx(problem.bandwidth_hz, rel=1e-8)
    assert fits(problem, keep)


def test_no_answer_has_a_smaller_largest_loss():
    rng = np.random.default_rng(1)
    problem = random_problem(rng, 6, 0.4)
    least = np.max(problem.weight * (1.0 - fairest(problem)))
    for _ in range(200):
        keep = np.clip(fairest(problem) + rng.normal(0.0, 0.05, 6), 0.1, 1.0)
        if fits(problem, keep):
            assert np.max(problem.weight * (1.0 - keep)) >= least * (1.0 - 1e-9)
    for method in ("kkt", "equal_share", "uniform_ratio"):
        assert np.max(problem.weight * solve(problem, method).pruning) >= least * (1.0 - 1e-9)


def test_equal_weights_give_the_largest_common_ratio():
    problem = random_problem(np.random.default_rng(2), 7, 0.5).changed(weight=1.0)
    keep = fairest(problem)
    np.testing.assert_allclose(keep, largest_common(problem), rtol=1e-9)
    np.testing.assert_allclose(keep, keep[0], rtol=1e-12)


@pytest.mark.parametrize("seed", range(8))
def test_a_device_that_cannot_do_more_does_not_hold_the_others_back(seed):
    rng = np.random.default_rng(seed)
    problem = random_problem(rng, 4, 0.6)
    silent = problem.changed(
        fixed_bits=problem.fixed_bits * [0, 1, 1, 1],
        prunable_bits=problem.prunable_bits * [0, 1, 1, 1],
        slope_s=[rng.uniform(4.0, 9.0), *problem.slope_s[1:]],
        weight=1.0,
    )
    keep = fairest(silent)
    expected = (silent.deadline_s[0] - silent.fixed_s[0]) / silent.slope_s[0]
    assert keep[0] == pytest.approx(expected)
    assert keep[1:].min() > keep[0] * 1.01
    assert needed_hz(silent, keep).sum() == pytest.approx(silent.bandwidth_hz, rel=1e-6)


def test_a_device_without_weight_keeps_least():
    problem = random_problem(np.random.default_rng(4), 5, 0.3).changed(weight=[1, 0, 1, 1, 1])
    keep = fairest(problem)
    assert keep[1] == problem.keep_min[1]
    assert np.all(keep[[0, 2, 3, 4]] > 0.11)


def test_energy_budgets_hold():
    problem = random_problem(np.random.default_rng(5), 6, 0.5)
    problem = problem.changed(energy_j=0.02, slope_j=0.01, keep_min=0.01)
    answer = MaxMin().allocate(problem, np.random.default_rng(0))
    assert answer.certificate.status == "feasible"
    used = problem.energy_used_j(answer.keep, answer.bandwidth_hz, answer.power_w)
    assert np.all(used <= 0.02 * (1.0 + 1e-9))


def test_largest_common_ratio_goes_up_to_what_is_asked():
    problem = random_problem(np.random.default_rng(6), 5, 0.5)
    whole = largest_common(problem)
    np.testing.assert_array_equal(largest_common(problem, 0.2), 0.2)
    np.testing.assert_array_equal(largest_common(problem, 0.01), problem.keep_min)
    assert fits(problem, whole)
    assert not fits(problem, whole * (1.0 + 1e-6))


def test_contract():
    check_allocator(MaxMin())
