"""Whole blocks are given out as dynamic programming would, and the loss is what is lost."""

import numpy as np
import pytest

from optimizers import solve_kkt
from optimizers.errors import lorenz
from optimizers.frontier import kept, needed_hz
from optimizers.resource_blocks import WholeBlocks, on_blocks
from optimizers.testing import check_allocator, random_problem

CURVE = lorenz(np.random.default_rng(0).normal(size=500))


def by_dynamic_programming(problem, block_hz, total):
    """The least objective over all ways to hand out blocks, device by device."""
    least = needed_hz(problem, problem.keep_min)
    best = np.zeros(total + 1)
    for device in range(problem.devices):
        cost = np.full(total + 1, np.inf)
        for blocks in range(total + 1):
            if blocks * block_hz >= least[device] * (1.0 - 1e-12):
                keep = kept(problem, np.full(problem.devices, blocks * block_hz))
                lost = problem.weight * problem.error.value(1.0 - keep)
                cost[blocks] = (lost + problem.rent * blocks * block_hz)[device]
        # What is left after this device went to those before it.
        best = np.array([np.min(best[left::-1] + cost[: left + 1]) for left in range(total + 1)])
    return best[total]


VARIANTS = {
    "linear": {},
    "quadratic": {"error": "quadratic"},
    "neglog": {"error": "neglog"},
    "curve": {"error": CURVE},
    "energy": {"energy_j": 0.04, "slope_j": 0.01},
    "ceiling": {"efficiency_max": 4.0},
    "rent": {"rent": 5e-7},
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("seed", range(3))
def test_dynamic_programming_finds_no_better(variant, seed):
    problem = random_problem(np.random.default_rng(seed), 4, 0.6).changed(**VARIANTS[variant])
    found = on_blocks(problem, 180e3)
    total = int(problem.bandwidth_hz // 180e3)
    assert found.allocation.certificate.feasible, found.allocation.certificate.reason
    expected = by_dynamic_programming(problem, 180e3, total)
    assert found.allocation.objective == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("variant", VARIANTS)
def test_blocks_are_whole_and_the_loss_is_honest(variant):
    problem = random_problem(np.random.default_rng(7), 8, 0.6).changed(**VARIANTS[variant])
    found = on_blocks(problem, 180e3)
    np.testing.assert_array_equal(found.allocation.bandwidth_hz, found.blocks * 180e3)
    assert found.blocks.sum() + found.spare == int(problem.bandwidth_hz // 180e3)
    assert found.loss == pytest.approx(found.allocation.objective - solve_kkt(problem).objective)
    assert 0.0 <= found.loss <= 0.1 * found.allocation.objective


def test_smaller_blocks_lose_less():
    problem = random_problem(np.random.default_rng(8), 5, 0.5)
    losses = [on_blocks(problem, 1e6 / 2**n).loss for n in range(0, 8, 2)]
    assert np.all(np.diff(losses) <= 0.0)
    assert losses[-1] < 2e-2 * losses[0]


def test_blocks_nobody_gains_from_stay_spare():
    problem = random_problem(np.random.default_rng(9), 4, 1.5)
    found = on_blocks(problem, 100e3)
    np.testing.assert_array_equal(found.allocation.keep, 1.0)
    assert found.spare > 0
    assert found.loss == 0.0
    fewer = np.maximum(found.blocks - 1, 0) * 100e3
    assert np.all(kept(problem, fewer) < 1.0)


def test_blocks_too_large_for_the_smallest_ratios_say_so():
    problem = random_problem(np.random.default_rng(10), 6, 0.02)
    assert solve_kkt(problem).certificate.feasible
    found = on_blocks(problem, 1e6)
    assert not found.allocation.certificate.feasible
    assert found.allocation.certificate.reason
    assert np.isnan(found.loss)
    assert found.blocks.sum() <= 6
    few = on_blocks(problem, 2e6)
    assert few.blocks.sum() <= 3


def test_without_deadline_the_last_finishes_soonest():
    problem = random_problem(np.random.default_rng(11), 3).changed(deadline_s=np.inf)
    found = on_blocks(problem, 300e3)
    total = int(problem.bandwidth_hz // 300e3)
    assert found.blocks.sum() <= total
    finish = problem.finish_s(1.0, found.allocation.bandwidth_hz).max()
    for one in range(1, total):
        for two in range(1, total - one):
            blocks = np.array([one, two, total - one - two])
            assert problem.finish_s(1.0, blocks * 300e3).max() >= finish * (1.0 - 1e-9)


def test_blocks_must_have_a_width():
    with pytest.raises(ValueError, match="block_hz: 0"):
        on_blocks(random_problem(np.random.default_rng(0), 2), 0.0)


@pytest.mark.parametrize("block_hz", [180e3, 10e3])
def test_contract(block_hz):
    check_allocator(WholeBlocks(block_hz))
