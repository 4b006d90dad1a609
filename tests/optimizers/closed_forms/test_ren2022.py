"""Latency against learning: the deadline found is best, errors are rents, limits bound the search."""

import numpy as np
import pytest

from optimizers import least_latency, solve_kkt
from optimizers.closed_forms.ren2022 import Ren2022, edge_tradeoff, packet_errors
from optimizers.testing import random_problem

WATERFALL = 0.5


def _free(seed=3, devices=6):
    return random_problem(np.random.default_rng(seed), devices, 0.5).changed(deadline_s=np.inf)


def _rented(problem, waterfall):
    per_hz = waterfall * problem.noise_w_per_hz / (problem.power_max_w * problem.gain)
    return problem.changed(rent=problem.weight * per_hz, full_power=True)


def _cost(problem, answer, deadline_s, seconds_weight, waterfall):
    lost = problem.weight @ answer.pruning
    errors = problem.weight @ packet_errors(problem, answer.bandwidth_hz, waterfall)
    return seconds_weight * deadline_s + (1.0 - seconds_weight) * (lost + errors)


def test_packet_errors_are_the_formula_and_below_their_majorant():
    problem = _free()
    bands_hz = np.full(6, 1e6)
    z = problem.gain * problem.power_max_w / (problem.noise_w_per_hz * bands_hz)
    errors = packet_errors(problem, bands_hz, WATERFALL)
    np.testing.assert_allclose(errors, 1.0 - np.exp(-WATERFALL / z), rtol=1e-9)
    assert np.all(errors <= WATERFALL / z)
    fixed = problem.changed(noise_band_hz=1e6)
    np.testing.assert_allclose(packet_errors(fixed, bands_hz / 7, WATERFALL), errors)
    mute = problem.changed(gain=0.0)
    np.testing.assert_array_equal(packet_errors(mute, bands_hz, WATERFALL), 1.0)


@pytest.mark.parametrize("seconds_weight", [0.1, 0.6, 0.9])
@pytest.mark.parametrize("waterfall", [0.0, WATERFALL])
def test_no_deadline_of_a_fine_grid_is_cheaper(seconds_weight, waterfall):
    problem = _free()
    found = edge_tradeoff(problem, seconds_weight, waterfall)
    told = _cost(problem, found.allocation, found.deadline_s, seconds_weight, waterfall)
    assert found.cost == pytest.approx(told)
    fastest_s, _ = least_latency(problem, 0.1)
    for deadline_s in np.geomspace(fastest_s * 1.0001, 6.0, 60):
        answer = solve_kkt(_rented(problem, waterfall).changed(deadline_s=deadline_s))
        other = _cost(problem, answer, deadline_s, seconds_weight, waterfall)
        assert found.cost <= other + 1e-7


def test_dear_seconds_shorten_the_round_and_prune_more():
    rounds = [edge_tradeoff(_free(), weight, 0.023) for weight in (0.2, 0.7, 0.8, 0.9, 1.0)]
    assert np.all(np.diff([found.deadline_s for found in rounds]) <= 1e-6)
    assert np.all(np.diff([found.allocation.pruning.sum() for found in rounds]) >= -1e-5)
    fastest_s, _ = least_latency(_free(), 0.1)
    assert rounds[-1].deadline_s == pytest.approx(fastest_s, rel=1e-6)


def test_dear_errors_lower_the_errors():
    low, high = (edge_tradeoff(_free(), 0.7, WATERFALL, error_cost=cost) for cost in (0.0, 30.0))
    assert high.packet_error.mean() < 0.9 * low.packet_error.mean()


def test_deadlines_of_the_round_bound_the_search():
    problem = random_problem(np.random.default_rng(3), 6, 0.3)
    found = edge_tradeoff(problem, 0.01, 0.023)
    assert found.deadline_s <= problem.deadline_s[0] * (1 + 1e-12)
    assert found.allocation.certificate.feasible
    answer = Ren2022(seconds_weight=0.01).allocate(problem, np.random.default_rng(0))
    assert answer.certificate.feasible
    np.testing.assert_allclose(answer.keep, found.allocation.keep)


def test_energy_is_kept_at_full_power():
    problem = random_problem(np.random.default_rng(9), 6, 0.9, energy=True)
    answer = Ren2022().allocate(problem, np.random.default_rng(0))
    if answer.certificate.feasible:
        used_j = problem.energy_used_j(answer.keep, answer.bandwidth_hz, problem.power_max_w)
        assert np.all(used_j <= problem.energy_j * (1 + 1e-9))
    else:
        assert not solve_kkt(problem.changed(full_power=True)).certificate.feasible


def test_rounds_that_are_never_in_time_say_so():
    late = random_problem(np.random.default_rng(3), 4, -0.1)
    mute = _free().changed(gain=0.0)
    for problem in (late, mute):
        found = edge_tradeoff(problem, 0.5, 0.023)
        assert found.deadline_s == found.cost == np.inf
    assert not Ren2022().allocate(late, np.random.default_rng(0)).certificate.feasible


def test_seconds_must_cost_something():
    with pytest.raises(ValueError, match=r"^seconds_weight: 0 must be"):
        edge_tradeoff(_free(), 0, 0.023)
