"""Baselines do what their names say; their certificates bound the distance from the optimum."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizers import least_latency, solve, solve_kkt
from optimizers.baselines import (
    Alternating,
    Dense,
    EqualShare,
    FullPower,
    Proportional,
    RandomShare,
    UniformRatio,
)
from optimizers.baselines.pricing import carried, fitted
from optimizers.frontier import kept, needed_hz
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
    inside = (answer.keep > problem.keep_min) & (answer.keep < problem.keep_max)
    assert inside.any()
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


EVERY = (
    EqualShare(), Proportional(), RandomShare(), Dense(), UniformRatio(), Alternating(), FullPower()
)  # fmt: skip


def _answer(allocator, problem, seed=0):
    return allocator.allocate(problem, np.random.default_rng(seed))


@pytest.mark.parametrize("allocator", EVERY, ids=lambda a: type(a).__name__)
@pytest.mark.parametrize("energy", [False, True])
def test_no_baseline_beats_the_optimum_or_its_own_bound(allocator, energy):
    feasible = 0
    for seed in range(8):
        problem = random_problem(np.random.default_rng(seed), 6, 0.9, energy=energy)
        answer = _answer(allocator, problem)
        assert answer.bandwidth_hz.sum() <= problem.bandwidth_hz * (1 + 1e-9)
        if answer.certificate.feasible:
            feasible += 1
            loss = answer.objective - solve_kkt(problem).objective
            assert loss >= -1e-8
            assert answer.certificate.gap >= loss - 1e-8
    assert feasible or isinstance(allocator, Dense | FullPower | RandomShare)


@pytest.mark.parametrize("allocator", [EqualShare(), Proportional(), RandomShare()])
def test_ratios_are_the_largest_that_each_band_carries(allocator):
    problem = random_problem(np.random.default_rng(7), 6, 0.8, energy=True)
    answer = _answer(allocator, problem)
    np.testing.assert_array_equal(answer.keep, kept(problem, answer.bandwidth_hz))
    assert answer.bandwidth_hz.sum() == pytest.approx(problem.bandwidth_hz)


def test_proportional_uploads_of_whole_models_take_alike_long_where_the_rate_is_linear():
    problem = random_problem(np.random.default_rng(8), 6, 0.5)
    linear = problem.changed(noise_band_hz=1e6)
    uploads = linear.upload_s(1.0, _answer(Proportional(), linear).bandwidth_hz)
    np.testing.assert_allclose(uploads, uploads[0], rtol=1e-12)
    ours = problem.upload_s(1.0, _answer(Proportional(), problem).bandwidth_hz)
    assert np.ptp(ours) < 0.7 * np.ptp(problem.upload_s(1.0, 1e6))


def test_proportional_gives_no_band_to_devices_without_bits():
    problem = random_problem(np.random.default_rng(8), 3, 0.5)
    silent = problem.changed(fixed_bits=[0, 1e5, 1e5], prunable_bits=[0, 1e7, 1e7])
    assert _answer(Proportional(), silent).bandwidth_hz[0] == 0.0
    nobody = problem.changed(fixed_bits=0.0, prunable_bits=0.0)
    np.testing.assert_allclose(_answer(Proportional(), nobody).bandwidth_hz, 1e6)


def test_alternating_improves_equal_shares_a_little_and_stalls_before_the_optimum():
    equal, alternating, joint = [], [], []
    for seed in range(20):
        problem = random_problem(np.random.default_rng(seed), 12, 0.7)
        answer = _answer(EqualShare(), problem)
        if answer.certificate.feasible:
            equal.append(answer.objective)
            alternating.append(_answer(Alternating(), problem).objective)
            joint.append(solve_kkt(problem).objective)
    assert len(equal) > 10
    assert np.all(np.subtract(equal, alternating) >= -1e-9)
    assert np.all(np.subtract(alternating, joint) >= -1e-9)
    gained, left = np.subtract(equal, alternating).sum(), np.subtract(alternating, joint).sum()
    assert 0.0 < gained < left, "most of what the joint optimum gains is out of its reach"


def test_alternating_rests_where_neither_step_can_move():
    problem = random_problem(np.random.default_rng(2), 8, 0.7)
    answer = _answer(Alternating(), problem)
    needs = needed_hz(problem, answer.keep)
    np.testing.assert_allclose(needs, answer.bandwidth_hz, rtol=1e-8)
    more = _answer(Alternating(rounds=1000), problem)
    np.testing.assert_allclose(more.keep, answer.keep, atol=1e-8)
    assert 1 < answer.certificate.iterations < 100
    once = _answer(Alternating(rounds=1), problem)
    assert once.objective >= answer.objective


def test_full_power_is_the_optimum_unless_energy_is_short():
    problem = random_problem(np.random.default_rng(3), 6, 0.6)
    free = _answer(FullPower(), problem)
    assert free.objective == pytest.approx(solve_kkt(problem).objective, abs=1e-9)
    losses = []
    for seed in range(10):
        short = random_problem(np.random.default_rng(seed), 6, 0.6, energy=True)
        answer = _answer(FullPower(), short)
        if answer.certificate.feasible:
            np.testing.assert_array_equal(answer.power_w, short.power_max_w)
            used_j = short.energy_used_j(answer.keep, answer.bandwidth_hz, answer.power_w)
            assert np.all(used_j <= short.energy_j * (1 + 1e-9))
            losses.append(answer.objective - solve_kkt(short).objective)
    assert losses
    assert max(losses) > 1e-3


def test_random_shares_are_dirichlet_and_belong_to_devices():
    problem = random_problem(np.random.default_rng(4), 5, 0.5)
    shares = np.array(
        [_answer(RandomShare(), problem, seed).bandwidth_hz / 5e6 for seed in range(400)]
    )
    np.testing.assert_allclose(shares.sum(axis=1), 1.0)
    np.testing.assert_allclose(shares.mean(axis=0), 0.2, atol=0.03)
    np.testing.assert_allclose(shares.var(axis=0), 0.2 * 0.8 / 6.0, rtol=0.25)
    order = np.array([3, 0, 4, 1, 2])
    turned = _answer(RandomShare(), problem.picked(order))
    np.testing.assert_array_equal(
        turned.bandwidth_hz, _answer(RandomShare(), problem).bandwidth_hz[order]
    )


def test_concentrated_random_shares_are_nearly_equal():
    problem = random_problem(np.random.default_rng(4), 5, 0.5)
    near = _answer(RandomShare(concentration=1e6), problem)
    np.testing.assert_allclose(near.bandwidth_hz, 1e6, rtol=0.01)


def test_fitted_bands_fill_the_band_and_leave_nobody_short():
    problem = random_problem(np.random.default_rng(2), 8, 0.3)
    assert carried(problem)
    least_hz = needed_hz(problem, problem.keep_min)
    for factor in (0.01, 1.0, 3.0):
        bands_hz = fitted(problem, np.linspace(0.0, factor * 2e6, 8))
        assert bands_hz.sum() == pytest.approx(8e6)
        assert np.all(bands_hz >= least_hz * (1 - 1e-12))
    exact_hz = least_hz + (8e6 - least_hz.sum()) / 8
    np.testing.assert_allclose(fitted(problem, exact_hz), exact_hz, rtol=1e-12)
    rented = problem.changed(rent=1e-9)
    np.testing.assert_allclose(fitted(rented, least_hz), least_hz)


@pytest.mark.parametrize("allocator", [UniformRatio(), Alternating()])
def test_hopeless_rounds_get_the_smallest_ratios_and_a_reason(allocator):
    problem = random_problem(np.random.default_rng(2), 8, -0.005)
    assert not carried(problem)
    answer = _answer(allocator, problem)
    np.testing.assert_array_equal(answer.keep, problem.keep_min)
    assert not answer.certificate.feasible
    assert answer.certificate.reason


def test_a_uniform_ratio_with_room_uses_the_whole_band():
    problem = random_problem(np.random.default_rng(4), 7, 1.5)
    answer = _answer(UniformRatio(), problem)
    np.testing.assert_array_equal(answer.keep, 1.0)
    assert answer.bandwidth_hz.sum() == pytest.approx(7e6)


def test_one_step_of_alternating_hands_out_the_slack_equally():
    problem = random_problem(np.random.default_rng(2), 8, 0.7)
    used_hz = np.minimum(needed_hz(problem, kept(problem, np.full(8, 1e6))), 1e6)
    answer = _answer(Alternating(rounds=1), problem)
    np.testing.assert_allclose(answer.bandwidth_hz, used_hz + (8e6 - used_hz.sum()) / 8)
