"""Rounds that cannot be served, and inputs of absurd size: an answer, a remedy, or a clear error."""

import numpy as np
import pytest

from optimizers import RoundProblem, solve, solve_kkt, solve_many
from optimizers.admission import leave_out, remedy
from optimizers.problem import columns_of
from optimizers.testing import random_problem


@pytest.mark.parametrize("energy", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_every_part_of_a_remedy_helps_alone(seed, energy):
    rng = np.random.default_rng(seed)
    problem = random_problem(rng, 6, 0.2, shadowing_db=8.0, energy=energy)
    problem = problem.changed(deadline_s=problem.deadline_s * rng.uniform(0.3, 0.95))
    told = solve_kkt(problem).certificate
    if told.feasible:
        assert remedy(problem) is None
        return
    found = told.remedy
    assert told.status == ("unbounded" if np.isinf(found.bandwidth_hz) else "infeasible")
    if np.isfinite(found.deadline_s):
        assert solve_kkt(problem.changed(deadline_s=found.deadline_s)).certificate.feasible
        shorter = problem.changed(deadline_s=found.deadline_s * (1 - 1e-6))
        assert not solve_kkt(shorter).certificate.feasible
    if np.isfinite(found.bandwidth_hz):
        assert solve_kkt(problem.changed(bandwidth_hz=found.bandwidth_hz)).certificate.feasible
        narrower = problem.changed(bandwidth_hz=found.bandwidth_hz * (1 - 1e-6))
        assert not solve_kkt(narrower).certificate.feasible
    stay = np.setdiff1d(np.arange(6), found.leave_out)
    if stay.size:
        assert solve_kkt(problem.picked(stay)).certificate.feasible
    assert found.leave_out.size > 0
    assert set(found.devices) <= set(range(6))


@pytest.mark.parametrize(("load", "status"), [(-0.002, "infeasible"), (-0.2, "unbounded")])
def test_both_kinds_of_hopeless_rounds(load, status):
    problem = random_problem(np.random.default_rng(5), 6, load)
    assert solve_kkt(problem).certificate.status == status


@pytest.mark.parametrize("seed", range(6))
def test_a_hopeless_round_serves_all_but_those_left_out(seed):
    problem = random_problem(np.random.default_rng(seed), 7, -0.03, shadowing_db=6.0)
    answer = solve_kkt(problem)
    out = np.isin(np.arange(7), answer.certificate.remedy.leave_out)
    assert 0 < out.sum() < 7
    np.testing.assert_array_equal(answer.bandwidth_hz[out], 0.0)
    finish_s = problem.finish_s(answer.keep, answer.bandwidth_hz, answer.power_w)
    np.testing.assert_array_equal(finish_s <= problem.deadline_s * (1 + 1e-9), ~out)


def test_devices_that_take_most_per_weight_are_left_out_first():
    problem = random_problem(np.random.default_rng(3), 5, -0.02)
    out = leave_out(problem)
    heavier = problem.changed(weight=np.where(np.isin(np.arange(5), out), 1e6, problem.weight))
    assert 0 < out.size < 5
    assert not set(out) & set(leave_out(heavier))


def test_a_device_without_energy_is_told_so():
    problem = random_problem(np.random.default_rng(1), 4, 0.5, energy=True)
    poor = problem.energy_j.copy()
    poor[2] = 1e-6
    told = solve_kkt(problem.changed(energy_j=poor)).certificate
    assert told.status == "unbounded"
    assert told.reason.startswith("device 2 cannot compute and send on the energy left")
    assert np.isinf(told.remedy.deadline_s)
    helped = np.where(np.arange(4) == 2, told.remedy.energy_j * 3, problem.energy_j)
    assert solve_kkt(
        problem.changed(energy_j=helped, bandwidth_hz=problem.bandwidth_hz * 100)
    ).certificate.feasible


def test_the_four_other_statuses():
    problem = random_problem(np.random.default_rng(2), 10)
    assert solve(problem).certificate.status == "optimal"
    assert solve(problem, "equal_share").certificate.status == "feasible"
    from optimizers.convex import solve_convex

    coarse = solve_convex(problem, tolerance=1e-2).certificate
    assert coarse.status == "inaccurate"
    assert coarse.feasible


SCALED = [
    "gain", "noise_w_per_hz", "power_max_w", "fixed_s", "slope_s", "fixed_bits", "prunable_bits",
    "deadline_s", "weight", "bandwidth_hz", "energy_j", "slope_j",
]  # fmt: skip


@pytest.mark.parametrize("factor", [1e-30, 1e-15, 1e15, 1e30])
@pytest.mark.parametrize("name", SCALED)
def test_absurd_scales_get_a_right_answer(name, factor):
    """Whatever is scaled by thirty orders of magnitude, the answer is proven or a remedy is given."""
    for energy in (False, True):
        problem = random_problem(np.random.default_rng(4), 5, 0.5, energy=energy)
        scaled = problem.changed(**{name: getattr(problem, name) * factor})
        answer = solve_kkt(scaled)
        told = answer.certificate
        assert np.isfinite(answer.keep).all()
        assert np.isfinite(answer.bandwidth_hz).all()
        if told.feasible:
            assert told.status == "optimal"
            assert max(told.violation.values()) <= 1e-9
        else:
            assert told.reason
            assert told.remedy.leave_out.size


def test_units_do_not_matter():
    """Seconds in another unit, bits in another, joules in another: the same ratios."""
    problem = random_problem(np.random.default_rng(6), 6, 0.4, energy=True)
    best = solve_kkt(problem)
    slower = problem.changed(
        fixed_s=problem.fixed_s * 1e6, slope_s=problem.slope_s * 1e6,
        deadline_s=problem.deadline_s * 1e6, bandwidth_hz=problem.bandwidth_hz / 1e6,
        power_max_w=problem.power_max_w / 1e6,
    )  # fmt: skip
    np.testing.assert_allclose(solve_kkt(slower).keep, best.keep, rtol=1e-9)
    heavier = problem.changed(weight=problem.weight * 1e20)
    np.testing.assert_allclose(solve_kkt(heavier).keep, best.keep, rtol=1e-9)


@pytest.mark.parametrize("name", list(columns_of(random_problem(np.random.default_rng(0), 2))))
@pytest.mark.parametrize("value", [np.nan, -1.0, []])
def test_what_is_no_number_is_refused_by_name(name, value):
    problem = random_problem(np.random.default_rng(0), 3)
    columns = {key: getattr(problem, key) for key in columns_of(problem)}
    columns[name] = value if isinstance(value, list) else [1.0, value, 1.0]
    with pytest.raises(ValueError, match=f"RoundProblem.{name}"):
        RoundProblem(**columns, bandwidth_hz=1e6)
    if not isinstance(value, list):
        with pytest.raises(ValueError, match=f"RoundProblem.{name}"):
            problem.changed(**{name: [1.0, value, 1.0]})


def test_what_does_not_go_together_is_refused():
    problem = random_problem(np.random.default_rng(0), 3, energy=True)
    with pytest.raises(ValueError, match="slots and energy budgets"):
        problem.changed(slot_s=0.5)
    with pytest.raises(ValueError, match="energy budgets need a deadline"):
        problem.changed(deadline_s=np.inf)
    with pytest.raises(ValueError, match="slots need a deadline"):
        random_problem(np.random.default_rng(0), 3).changed(deadline_s=np.inf, slot_s=0.5)
    with pytest.raises(ValueError, match=r"gain: shape \(2,\) does not fit 3 devices"):
        problem.changed(gain=[1e-9, 1e-9])
    with pytest.raises(ValueError, match="prices: 1 of them do not fit 2 rounds"):
        solve_many([problem, problem], [1.0])
    with pytest.raises(ValueError, match="noise_band_hz"):
        problem.changed(noise_band_hz=0.0)


HARD = {
    "computing takes nearly all the energy": (
        {"gain": 1e-8, "slope_s": 0.0, "fixed_bits": 0.0, "prunable_bits": 1000.0,
         "energy_j": 1.2, "slope_j": 3.0}, 0.4,
    ),
    "energy fixes the ratio of a message that no pruning shortens": (
        {"gain": 1e-10, "slope_s": 0.6, "fixed_bits": 1e5, "prunable_bits": 0.0,
         "energy_j": 1e-3, "slope_j": 0.0, "deadline_s": 0.5, "bandwidth_hz": 2e6}, 0.6562,
    ),
    "a ceiling hands over to energy": (
        {"gain": 2.226367416803002e-12, "noise_w_per_hz": 1.391926528404788e-20, "slope_s": 0.0,
         "power_max_w": 0.2, "fixed_bits": 42620.843049036164, "prunable_bits": 0.0,
         "energy_j": 0.08510563063749443, "slope_j": 0.14903285608429406,
         "efficiency_max": 7.37973278593177}, 0.56979,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HARD)
def test_one_device_at_the_edge_of_its_energy(name):
    """Keep ratios found by brute force over r and b on the stated constraints."""
    changes, expected = HARD[name]
    columns = {
        "gain": 1e-8, "noise_w_per_hz": 4e-21 if "deadline_s" not in changes else 2e-20,
        "bandwidth_hz": 1e6, "power_max_w": 0.1, "fixed_s": 0.1, "deadline_s": 1.0,
    }  # fmt: skip
    answer = solve_kkt(RoundProblem(**columns | changes))
    assert answer.certificate.status == "optimal"
    assert answer.keep[0] == pytest.approx(expected, abs=2e-4)


def test_a_silent_device_changes_nothing_for_the_others():
    problem = RoundProblem(
        gain=[1e-10, 4e-10, 1e-10], noise_w_per_hz=2e-20, bandwidth_hz=2e6, power_max_w=0.1,
        fixed_s=0.1, slope_s=0.2, fixed_bits=[1e5, 1e5, 0], prunable_bits=[1e7, 1e7, 0],
        deadline_s=0.5, energy_j=[2e-4, 2e-3, 1e-2], slope_j=0.0,
    )  # fmt: skip
    two = solve_kkt(problem.picked(np.array([0, 1])))
    assert solve_kkt(problem).objective == pytest.approx(two.objective, rel=1e-12)


def test_slots_and_budgets_of_full_power_do_not_mix_in_a_batch():
    base = random_problem(np.random.default_rng(1), 4, 0.5, energy=True).changed(full_power=True)
    slots = base.changed(energy_j=np.inf, slot_s=0.8)
    for together, problem in zip(solve_many([base, slots]), (base, slots), strict=True):
        np.testing.assert_allclose(together.keep, solve_kkt(problem).keep, rtol=1e-9)
        assert together.certificate.status == "optimal"


def test_energy_that_time_cannot_replace_is_no_matter_of_the_deadline():
    problem = RoundProblem(
        gain=[1e-10, 4e-10], noise_w_per_hz=2e-20, bandwidth_hz=2e6, power_max_w=0.1, fixed_s=0.1,
        slope_s=0.2, deadline_s=0.5, prunable_bits=[0, 1e7], fixed_bits=[0, 1e5],
        energy_j=[1e-6, 0.05], slope_j=1.0,
    )  # fmt: skip
    assert np.isinf(solve_kkt(problem).certificate.remedy.deadline_s)


def test_full_power_is_full():
    problem = random_problem(np.random.default_rng(2), 3).changed(full_power=True)
    told = problem.allocation(keep=0.1, bandwidth_hz=1e6, power_w=problem.power_max_w / 2)
    assert told.certificate.violation["power"] == pytest.approx(0.5)
