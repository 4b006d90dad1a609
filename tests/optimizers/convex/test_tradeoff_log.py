"""The conic twin of time against keep ratios agrees with the search over deadlines."""

import numpy as np
import pytest

from optimizers.convex.tradeoff_log import conic_tradeoff_log
from optimizers.objectives.tradeoff import tradeoff_log
from optimizers.testing import random_problem


def some_round(seed, **columns):
    problem = random_problem(np.random.default_rng(seed), 5)
    return problem.changed(fixed_bits=0.0, deadline_s=np.inf).changed(**columns)


@pytest.mark.parametrize(
    "columns",
    [{}, {"rent": 1e-7}, {"efficiency_max": 3.0}, {"slope_s": 0.0}, {"noise_band_hz": 1e6}],
    ids=str,
)
@pytest.mark.parametrize("seconds_weight", [0.3, 3.0, 30.0])
def test_agrees_with_the_search(columns, seconds_weight):
    for seed in range(2):
        problem = some_round(seed, **columns)
        deadline_s, keep, objective = conic_tradeoff_log(problem, seconds_weight)
        best = tradeoff_log(problem, seconds_weight)
        assert objective == pytest.approx(best.value, rel=1e-6)
        assert deadline_s == pytest.approx(best.deadline_s, rel=1e-3)
        np.testing.assert_allclose(keep, best.allocation.keep, rtol=1e-3)


def test_deadlines_are_limits():
    problem = some_round(3)
    free_s, _, free = conic_tradeoff_log(problem, 1.0)
    limited = problem.changed(deadline_s=0.8 * free_s)
    deadline_s, _, objective = conic_tradeoff_log(limited, 1.0)
    assert deadline_s == pytest.approx(0.8 * free_s, rel=1e-6)
    assert objective > free
    assert objective == pytest.approx(tradeoff_log(limited, 1.0).value, rel=1e-6)


@pytest.mark.parametrize("columns", [{"fixed_bits": 1.0}, {"energy_j": 1.0}, {"slot_s": 1.0}])
def test_refuses_what_is_not_convex(columns):
    with pytest.raises(ValueError, match=next(iter(columns))):
        conic_tradeoff_log(some_round(1).changed(**columns), 1.0)
