"""The square-root rule is exact in its world, honest in others, and a knapsack without computing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizers import solve_kkt
from optimizers.closed_forms.fixed_snr import FixedSnr, efficiency, square_root_rule
from optimizers.frontier import needed_hz
from optimizers.testing import random_problem

SEEDS = st.integers(0, 2**32 - 1)


def _world(seed, devices, load, **changes):
    problem = random_problem(np.random.default_rng(seed), devices, load)
    return problem.changed(noise_band_hz=problem.bandwidth_hz / devices, **changes)


def _answer(problem):
    return FixedSnr().allocate(problem, np.random.default_rng(0))


@given(SEEDS, st.integers(1, 12), st.floats(0.1, 1.2))
@settings(max_examples=30, deadline=None)
def test_in_a_world_of_fixed_snr_it_is_the_joint_optimum(seed, devices, load):
    problem = _world(seed, devices, load)
    ours, joint = _answer(problem), solve_kkt(problem)
    assert ours.certificate.status == joint.certificate.status
    assert ours.objective == pytest.approx(joint.objective, abs=1e-8 * devices)


@given(SEEDS, st.integers(2, 12))
@settings(max_examples=20, deadline=None)
def test_one_price_holds_for_all_devices_between_their_bounds(seed, devices):
    problem = _world(seed, devices, 0.6)
    eta = efficiency(problem)
    if needed_hz(problem, problem.keep_min).sum() > problem.bandwidth_hz:
        return
    price, bands_hz = square_root_rule(problem, eta)
    assert bands_hz.sum() == pytest.approx(problem.bandwidth_hz, rel=1e-12)
    answer = _answer(problem)
    inside = (answer.keep > 0.1 + 1e-9) & (answer.keep < 1.0 - 1e-9)
    left_s = problem.deadline_s - problem.fixed_s
    theta = problem.prunable_bits * left_s + problem.slope_s * problem.fixed_bits
    closed = (left_s - np.sqrt(price * theta / (problem.weight * eta))) / problem.slope_s
    np.testing.assert_allclose(answer.keep[inside], closed[inside], rtol=1e-9)
    sent_s = eta * (left_s - problem.slope_s * answer.keep)
    np.testing.assert_allclose(bands_hz, problem.bits(answer.keep) / sent_s, rtol=1e-9)


def test_without_computing_it_is_a_fractional_knapsack():
    problem = _world(5, 9, 0.5, slope_s=0.0)
    answer = _answer(problem)
    worth = problem.weight * efficiency(problem) * (problem.deadline_s - problem.fixed_s)
    served = answer.keep[np.argsort(-worth)]
    full, least = np.isclose(served, 1.0), np.isclose(served, 0.1)
    assert full.sum() + least.sum() >= 8, "at most one device is served in part"
    assert np.all(np.diff(served) <= 1e-9), "whoever is worth more is served first"
    assert answer.certificate.status == "optimal"


def test_devices_with_and_without_computing_mix():
    for seed in range(20):
        rng = np.random.default_rng(seed)
        problem = _world(seed, 8, 0.5)
        mixed = problem.changed(slope_s=np.where(rng.random(8) < 0.5, 0.0, problem.slope_s))
        answer = _answer(mixed)
        assert answer.certificate.status == "optimal"
        assert answer.objective == pytest.approx(solve_kkt(mixed).objective, abs=1e-8)


def test_a_little_computing_changes_the_knapsack_little():
    problem = _world(5, 9, 0.5, slope_s=0.0)
    nearly = problem.changed(slope_s=1e-7)
    assert _answer(nearly).objective == pytest.approx(_answer(problem).objective, abs=1e-5)


def test_equal_devices_share_a_jump_equally():
    one = random_problem(np.random.default_rng(3), 1, 0.5)
    four = one.picked(np.zeros(4, dtype=np.intp)).changed(
        slope_s=0.0, bandwidth_hz=4e6, noise_band_hz=1e6, fixed_bits=1e5, prunable_bits=2e7
    )
    answer = _answer(four)
    assert np.ptp(answer.keep) == 0.0
    assert 0.1 < answer.keep[0] < 1.0


def test_a_ceiling_counts_in_a_world_of_fixed_snr():
    problem = _world(6, 8, 0.9, efficiency_max=4.0)
    ours, joint = _answer(problem), solve_kkt(problem)
    assert efficiency(problem).max() == 4.0
    assert ours.certificate.status == "optimal"
    assert ours.objective == pytest.approx(joint.objective, abs=1e-8)


@pytest.mark.parametrize("energy", [False, True])
def test_with_noise_per_hertz_it_is_feasible_and_its_own_price_bounds_the_loss(energy):
    losses = []
    for seed in range(12):
        problem = random_problem(np.random.default_rng(seed), 7, 0.5, energy=energy)
        answer, joint = _answer(problem), solve_kkt(problem)
        assert answer.certificate.status == "feasible"
        loss = answer.objective - joint.objective
        assert -1e-9 <= loss <= answer.certificate.gap + 1e-9
        losses.append(loss / problem.weight.sum())
    assert max(losses) > 1e-5, "the wrong world costs something"
    assert max(losses) < 0.2


def test_its_own_world_with_energy_limits_or_rents_is_not_called_optimal():
    world = _world(4, 6, 0.5)
    rented = world.changed(rent=np.linspace(0.0, 1e-6, 6))
    curved = world.changed(error="quadratic")
    budget_j = 0.9 * world.energy_used_j(_answer(world).keep, _answer(world).bandwidth_hz)
    for problem in (rented, curved, world.changed(energy_j=budget_j)):
        assert _answer(problem).certificate.status == "feasible"
