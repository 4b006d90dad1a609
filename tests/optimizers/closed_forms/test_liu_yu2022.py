"""Threshold selection: against all subsets, and as a rule."""

import itertools

import numpy as np
import pytest

from optimizers import solve_kkt
from optimizers.closed_forms.liu_yu2022 import price_threshold, selection_cost
from optimizers.kkt import solve_many
from optimizers.testing import random_problem


def _exhaustive(problem, worth, pruning_weight):
    sizes = range(1, problem.devices + 1)
    subsets = [
        np.array(members)
        for size in sizes
        for members in itertools.combinations(range(problem.devices), size)
    ]
    answers = solve_many([problem.picked(subset) for subset in subsets])
    return min(
        selection_cost(problem, *each, data_weight=worth, pruning_weight=pruning_weight)
        for each in zip(subsets, answers, strict=True)
    )


@pytest.mark.parametrize(("pruning_weight", "often"), [(0.3, 1.0), (1.0, 0.9), (3.0, 0.5)])
def test_against_all_subsets(pruning_weight, often):
    excess = []
    for seed in range(24):
        rng = np.random.default_rng(seed)
        problem = random_problem(rng, int(rng.integers(2, 7)), rng.uniform(0.05, 0.9))
        worth = rng.uniform(0.5, 1.5, problem.devices)
        worth /= worth.sum()
        found = price_threshold(problem, worth, pruning_weight)
        excess.append(found.cost - _exhaustive(problem, worth, pruning_weight))
    assert min(excess) >= -1e-9
    assert np.mean(np.array(excess) <= 1e-9) >= often


def test_the_answer_is_the_joint_optimum_of_the_selected():
    problem = random_problem(np.random.default_rng(5), 6, 0.2)
    found = price_threshold(problem, 1.0 / 6.0, 2.0)
    assert 1 <= found.devices.size < 6
    alone = solve_kkt(problem.picked(found.devices))
    assert found.allocation.objective == pytest.approx(alone.objective, abs=1e-9)
    assert len({drop.device for drop in found.trail}) == len(found.trail)
    assert all(drop.gain < 0.0 for drop in found.trail)
    assert found.cost <= min(drop.cost for drop in found.trail)


def test_the_first_to_go_has_the_least_contribution_minus_rent():
    problem = random_problem(np.random.default_rng(5), 6, 0.3)
    worth = np.linspace(0.05, 0.3, 6)
    everybody = solve_kkt(problem)
    lost = problem.weight * everybody.pruning
    rent = everybody.certificate.price * everybody.bandwidth_hz
    gain = worth - 2.0 * (lost + rent) / problem.weight.sum()
    first = price_threshold(problem, worth, 2.0).trail[0]
    assert first.device == np.argmin(gain)
    assert first.gain == pytest.approx(gain.min(), rel=1e-6)
    assert first.cost == pytest.approx(2.0 * lost.sum() / problem.weight.sum(), rel=1e-6)


def test_everybody_stays_where_pruning_costs_nothing():
    problem = random_problem(np.random.default_rng(6), 5, 0.5)
    found = price_threshold(problem, 0.2, 0.0)
    assert found.devices.tolist() == [0, 1, 2, 3, 4]
    assert found.trail == ()
    assert found.cost == 0.0


def test_one_device_stays_where_pruning_costs_everything():
    problem = random_problem(np.random.default_rng(6), 5, 0.1)
    assert price_threshold(problem, 1e-6, 1e6).trail[-1].gain < 0.0
    assert price_threshold(problem, 1e-6, 1e6).devices.size >= 1


def test_devices_that_the_band_does_not_carry_go_first():
    problem = random_problem(np.random.default_rng(7), 6, -0.05)
    assert not solve_kkt(problem).certificate.feasible
    found = price_threshold(problem, 1.0, 0.1)
    assert found.allocation.certificate.feasible
    assert found.trail[0].gain == -np.inf


def test_a_round_that_carries_nobody_says_so():
    problem = random_problem(np.random.default_rng(8), 3, 0.5).changed(gain=0.0)
    found = price_threshold(problem, 1.0, 1.0)
    assert found.devices.size == 1
    assert found.cost == np.inf
    assert not found.allocation.certificate.feasible
