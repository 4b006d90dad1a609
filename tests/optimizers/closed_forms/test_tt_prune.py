"""Tiers are what fits in whole intervals; their deadlines and slots are kept; weights are shares."""

import numpy as np
import pytest

from optimizers import solve_kkt
from optimizers.closed_forms.tt_prune import (
    TtPrune,
    tier_weights,
    tiered_weights,
    tiers,
    time_triggered,
)
from optimizers.testing import random_problem


def _round(seed=1, devices=8, load=0.8, **more):
    return random_problem(np.random.default_rng(seed), devices, load, **more)


def test_the_whole_model_on_an_even_share_fits_its_tier_and_no_earlier_one():
    problem = _round()
    for interval_s in (0.05, 0.3, 2.0):
        tier = tiers(problem, interval_s)
        taken_s = problem.finish_s(1.0, 1e6)
        assert np.all(taken_s <= tier * interval_s * (1 + 1e-9))
        assert np.all((taken_s > (tier - 1) * interval_s * (1 - 1e-9)) | (tier == 1))
    assert np.all(tiers(problem, 1e9) == 1.0), "one tier is synchronous"


def test_profiled_tiers_without_other_deadlines_need_no_pruning():
    problem = _round().changed(deadline_s=np.inf)
    answer = TtPrune(interval_s=0.2).allocate(problem, np.random.default_rng(0))
    np.testing.assert_allclose(answer.keep, 1.0)
    tier = tiers(problem, 0.2)
    finish_s = problem.finish_s(answer.keep, answer.bandwidth_hz, answer.power_w)
    assert np.all(finish_s <= 0.2 * tier * (1 + 1e-9))


def test_one_tier_is_the_joint_optimum():
    problem = _round(load=0.5)
    answer = TtPrune(interval_s=1e6).allocate(problem, np.random.default_rng(0))
    assert answer.objective == pytest.approx(solve_kkt(problem).objective, abs=1e-8)


def test_slots_prune_more_than_deadlines_alone():
    problem = _round(load=1.5)
    tier = tiers(problem, 0.4)
    whole = solve_kkt(time_triggered(problem, tier, 0.4, "all"))
    slotted = time_triggered(problem, tier, 0.4, "window")
    window = solve_kkt(slotted)
    assert whole.certificate.feasible
    assert window.certificate.feasible
    assert window.objective > whole.objective + 1e-3
    uploads = problem.upload_s(window.keep, window.bandwidth_hz, window.power_w)
    assert np.all(uploads <= 0.4 * (1 + 1e-9))
    answer = TtPrune(interval_s=0.4, coupling="window").allocate(problem, np.random.default_rng(0))
    assert np.all(answer.upload_s <= 0.4 * (1 + 1e-9))


def test_energy_limits_and_tier_deadlines_hold_together():
    for seed in range(5):
        problem = _round(seed, load=1.0, energy=True)
        answer = TtPrune(interval_s=0.5, staleness=0.5).allocate(problem, np.random.default_rng(0))
        assert answer.certificate.feasible
        finish_s = problem.finish_s(answer.keep, answer.bandwidth_hz, answer.power_w)
        tiered = time_triggered(problem, tiers(problem, 0.5), 0.5)
        if solve_kkt(tiered).certificate.feasible:
            assert np.all(finish_s <= tiered.deadline_s * (1 + 1e-9))


def test_energy_limits_and_slots_hold_together_at_the_largest_power():
    for seed in range(8):
        problem = _round(seed, load=1.3, energy=True)
        allocator = TtPrune(interval_s=0.8, coupling="window")
        answer = allocator.allocate(problem, np.random.default_rng(0))
        assert answer.certificate.feasible
        np.testing.assert_array_equal(answer.power_w, problem.power_max_w)
        assert np.all(answer.upload_s <= 0.8 * (1 + 1e-9))
        used_j = problem.energy_used_j(answer.keep, answer.bandwidth_hz, answer.power_w)
        assert np.all(used_j <= problem.energy_j * (1 + 1e-9))


def test_too_short_intervals_fall_back_on_the_deadline_alone():
    problem = _round(load=0.3)
    answer = TtPrune(interval_s=1e-3, coupling="window").allocate(problem, np.random.default_rng(0))
    assert answer.objective == pytest.approx(solve_kkt(problem).objective, abs=1e-9)


def test_tier_weights_reverse_the_counts():
    np.testing.assert_allclose(tier_weights([4, 3, 2, 1]), [0.1, 0.2, 0.3, 0.4])
    np.testing.assert_allclose(tier_weights([0, 0]), [0.5, 0.5])
    counts = 1.0 / np.arange(1.0, 6.0)
    assert np.all(np.diff(tier_weights(counts)) > 0), "slow tiers count more"


def test_weights_of_a_tier_are_its_weight_shared_by_data():
    weight, tier = np.array([1.0, 3.0, 2.0]), np.array([1.0, 1.0, 3.0])
    alpha = np.array([0.2, 0.3, 0.5])
    plain = tiered_weights(weight, tier, alpha, 0.0)
    np.testing.assert_allclose(plain / plain.sum(), np.array([0.05, 0.15, 0.5]) / 0.7)
    assert plain.sum() == pytest.approx(6.0)
    stale = tiered_weights(weight, tier, alpha, 0.5)
    assert stale[2] / stale[0] == pytest.approx(plain[2] / plain[0] * 2.0)
    np.testing.assert_array_equal(tiered_weights(np.zeros(3), tier, alpha, 0.0), 0.0)
