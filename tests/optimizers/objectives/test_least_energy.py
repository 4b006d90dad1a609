"""The least energy obeys its optimality conditions and a general solver finds none below it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizers.frontier import needed_hz
from optimizers.lambert import LN2
from optimizers.objectives.least_energy import LeastEnergy, least_energy, nats_at_price
from optimizers.objectives.max_min import fits, largest_common
from optimizers.testing import check_allocator, random_problem


def energy_of(problem, keep, bands_hz):
    """The energy of uploads over the whole window, from Shannon's formula alone."""
    window = problem.deadline_s - problem.fixed_s - problem.slope_s * keep
    watt_hz = problem.gain / (problem.gap * problem.noise_w_per_hz)
    efficiency = problem.bits(keep) / window / bands_hz
    return problem.slope_j * keep + window * bands_hz / watt_hz * (2.0**efficiency - 1.0)


def test_inverse_of_the_saving():
    nats = np.geomspace(1e-7, 40.0, 400)
    value = nats * np.exp(nats) - np.expm1(nats)
    direct = nats > 1e-2
    np.testing.assert_allclose(nats_at_price(value[direct]), nats[direct], rtol=1e-11)
    small = nats[~direct]
    series = small**2 / 2 + small**3 / 3 + small**4 / 8 + small**5 / 30 + small**6 / 144
    np.testing.assert_allclose(nats_at_price(series), small, rtol=1e-12)


@given(st.integers(0, 2**32 - 1), st.integers(1, 20), st.floats(0.3, 1.0))
@settings(max_examples=30, deadline=None)
def test_conditions_of_optimality(seed, devices, share):
    problem = random_problem(np.random.default_rng(seed), devices, 0.5)
    keep = np.maximum(share * largest_common(problem), problem.keep_min)
    found = least_energy(problem, keep)
    answer, total = found.allocation, found.energy_j.sum()
    bands, least = answer.bandwidth_hz, needed_hz(problem, keep)
    assert answer.certificate.status == "feasible"
    assert bands.sum() == pytest.approx(problem.bandwidth_hz, rel=1e-12)
    np.testing.assert_allclose(found.energy_j, energy_of(problem, keep, bands), rtol=1e-9)
    np.testing.assert_allclose(
        found.energy_j, problem.energy_used_j(keep, bands, answer.power_w), rtol=1e-9
    )
    finish = problem.finish_s(keep, bands, answer.power_w)
    np.testing.assert_allclose(finish, problem.deadline_s, rtol=1e-9)
    step = 1e-5
    saving = energy_of(problem, keep, bands * (1 - step)) - energy_of(
        problem, keep, bands * (1 + step)
    )
    saving = saving / (2.0 * step * bands)
    free = bands > least * (1.0 + 1e-6)
    np.testing.assert_allclose(saving[free], found.price_j_per_hz, rtol=1e-4)
    assert np.all(saving[~free] <= found.price_j_per_hz * (1.0 + 1e-4))
    scale = max(total, found.price_j_per_hz * problem.bandwidth_hz)
    assert -1e-11 * scale <= found.gap_j <= 1e-9 * total


@pytest.mark.parametrize("seed", range(5))
def test_a_general_solver_finds_no_less(seed):
    from scipy.optimize import minimize

    problem = random_problem(np.random.default_rng(seed), 3, 0.5)
    keep = np.maximum(0.7 * largest_common(problem), problem.keep_min)
    found = least_energy(problem, keep)
    bits, scale = problem.bits(keep), found.energy_j.sum()

    def parts(point):
        """The original variables: bandwidth, power and time of each upload."""
        return point.reshape(3, 3) * np.array([[1e6], [0.05], [1.0]])

    def rate(point):
        bands, power, seconds = parts(point)
        watt_hz = problem.snr_hz(1.0)
        return (bands * np.log2(1.0 + watt_hz * power / bands) * seconds - bits) / bits

    window = problem.deadline_s - problem.fixed_s - problem.slope_s * keep
    start = np.array([np.full(3, 1.0), problem.power_max_w / 0.05, 0.9 * window]).ravel()
    result = minimize(
        lambda point: (parts(point)[1] * parts(point)[2]).sum() / scale,
        start,
        method="SLSQP",
        bounds=[(1e-3, 3.0)] * 3
        + [(1e-6, limit / 0.05) for limit in problem.power_max_w]
        + [(1e-3, limit) for limit in window],
        constraints=[
            {"type": "ineq", "fun": rate},
            {"type": "ineq", "fun": lambda point: 3.0 - point[:3].sum()},
        ],
        options={
            "maxiter": 1000,
            "ftol": 1e-10,
        },  # finer steps drown in rounding on some processors
    )
    assert result.success
    assert result.fun == pytest.approx(1.0, rel=1e-6)


def test_total_falls_with_band_and_deadline():
    problem = random_problem(np.random.default_rng(3), 6, 0.4)
    keep = largest_common(problem) * 0.9
    for name in ("bandwidth_hz", "deadline_s"):
        totals = [
            least_energy(problem.changed(**{name: getattr(problem, name) * factor}), keep)
            for factor in np.linspace(1.0, 3.0, 7)
        ]
        assert np.all(np.diff([found.energy_j.sum() for found in totals]) < 0.0)


def test_unlimited_band_needs_the_wideband_energy():
    problem = random_problem(np.random.default_rng(4), 4, 0.4).changed(bandwidth_hz=1e14)
    found = least_energy(problem, 0.4)
    wideband = problem.bits(np.full(4, 0.4)) * LN2 / problem.snr_hz(1.0)
    np.testing.assert_allclose(found.energy_j, wideband, rtol=1e-3)
    assert np.all(found.energy_j >= wideband)


def test_budgets_and_ceilings_bind():
    problem = random_problem(np.random.default_rng(5), 5, 0.5)
    keep = 0.7 * largest_common(problem)
    free = least_energy(problem, keep)
    efficiency = problem.bits(keep) / free.allocation.upload_s / free.allocation.bandwidth_hz
    ceiling = np.sort(efficiency)[-2]
    capped = least_energy(problem.changed(efficiency_max=ceiling), keep)
    assert capped.energy_j.sum() > free.energy_j.sum()
    now = problem.bits(keep) / capped.allocation.upload_s / capped.allocation.bandwidth_hz
    assert now.max() == pytest.approx(ceiling, rel=1e-9)
    greedy = int(np.argmax(free.energy_j))
    budget = np.full(5, np.inf)
    budget[greedy] = free.energy_j[greedy] * 0.95
    saved = least_energy(problem.changed(energy_j=budget), keep)
    assert saved.allocation.certificate.status == "feasible"
    assert saved.energy_j[greedy] == pytest.approx(budget[greedy], rel=1e-9)
    assert saved.energy_j.sum() > free.energy_j.sum()
    assert saved.gap_j <= 1e-9 * saved.energy_j.sum()


def test_silent_devices_take_no_energy():
    problem = random_problem(np.random.default_rng(6), 4, 0.5)
    silent = problem.changed(
        fixed_bits=problem.fixed_bits * [0, 1, 1, 1],
        prunable_bits=problem.prunable_bits * [0, 1, 1, 1],
        slope_j=0.5,
    )
    found = least_energy(silent, 0.2)
    assert found.energy_j[0] == pytest.approx(0.1)
    assert found.allocation.bandwidth_hz[0] == 0.0
    assert found.allocation.certificate.status == "feasible"
    assert least_energy(silent.changed(prunable_bits=0.0, fixed_bits=0.0), 0.2).gap_j == 0.0


def test_what_does_not_fit_says_so():
    problem = random_problem(np.random.default_rng(7), 4, 0.3)
    assert not fits(problem, problem.keep_max)
    found = least_energy(problem, problem.keep_max)
    assert found.allocation.certificate.status == "infeasible"
    assert np.isnan(found.gap_j)
    rng = np.random.default_rng(0)
    answer = LeastEnergy(keep=1.0).allocate(problem, rng)
    np.testing.assert_allclose(answer.keep, largest_common(problem), rtol=1e-9)
    np.testing.assert_array_equal(LeastEnergy(keep=0.15).allocate(problem, rng).keep, 0.15)


def test_full_power_is_refused():
    problem = random_problem(np.random.default_rng(8), 3).changed(full_power=True)
    with pytest.raises(ValueError, match="full_power"):
        least_energy(problem, 0.2)


@pytest.mark.parametrize("keep", [0.05, 0.5, 1.0])
def test_contract(keep):
    check_allocator(LeastEnergy(keep=keep))
