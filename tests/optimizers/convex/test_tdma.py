"""The conic twin of uploads one after another agrees with the search over their total time."""

import numpy as np
import pytest

from optimizers.convex.tdma import conic_tdma
from optimizers.tdma import tdma
from optimizers.testing import random_problem

VARIANTS = {
    "linear": {},
    "quadratic": {"error": "quadratic"},
    "neglog": {"error": "neglog"},
    "energy": {"energy_j": 0.03, "slope_j": 0.01},
    "energy and quadratic": {"energy_j": 0.02, "error": "quadratic"},
    "ceiling": {"efficiency_max": 3.0},
    "no slope": {"slope_s": 0.0},
    "fixed ratio of signal to noise": {"noise_band_hz": 6e6},
}


def some_round(seed, **columns):
    problem = random_problem(np.random.default_rng(seed), 5, 0.5)
    return problem.changed(deadline_s=problem.deadline_s * 1.4, **columns)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("seed", range(2))
def test_agrees_with_the_search(variant, seed):
    problem = some_round(seed, **VARIANTS[variant])
    keep, upload_s, objective = conic_tdma(problem)
    best = tdma(problem)
    assert objective == pytest.approx(best.objective, rel=1e-6, abs=1e-8)
    np.testing.assert_allclose(keep, best.keep, atol=1e-3)
    ready_s = (problem.fixed_s + problem.slope_s * keep).max()
    assert ready_s + upload_s.sum() <= problem.deadline_s.min() * (1 + 1e-9)
    whole_hz = problem.bandwidth_hz
    most = whole_hz * np.log2(1 + problem.snr_hz() / (problem.noise_band_hz or whole_hz))
    assert np.all(problem.bits(keep) <= upload_s * most * (1 + 1e-6))


def test_measured_curves_and_silent_devices():
    rng = np.random.default_rng(4)
    problem = random_problem(rng, 4, 0.5, error="lorenz")
    problem = problem.changed(
        deadline_s=problem.deadline_s * 1.4,
        fixed_bits=problem.fixed_bits * [0, 1, 1, 1],
        prunable_bits=problem.prunable_bits * [0, 1, 1, 1],
    )
    keep, upload_s, objective = conic_tdma(problem)
    assert upload_s[0] == 0.0
    assert objective == pytest.approx(tdma(problem).objective, rel=1e-6)
    assert keep[0] > 0.1


def test_says_what_it_cannot_solve():
    with pytest.raises(ValueError, match="problem: uploads one after another need a deadline"):
        conic_tdma(some_round(1).changed(slot_s=1.0))
    with pytest.raises(ArithmeticError, match="'infeasible'"):
        conic_tdma(some_round(1).changed(deadline_s=0.3))
