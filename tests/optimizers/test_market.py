"""The price: unique, monotone, the same alone and in a batch; and the answers at the limits."""

import numpy as np
import pytest

from optimizers import solve_kkt, solve_many
from optimizers.frontier import frontier, needed_hz
from optimizers.least_latency import least_latency
from optimizers.market import demand
from optimizers.testing import ERRORS, random_problem


def mixed_rounds():
    """Rounds of all error models, numbers of devices and limits, some of them hopeless."""
    for index in range(48):
        rng = np.random.default_rng([7, index])
        problem = random_problem(
            rng, int(rng.integers(1, 8)), (-0.1, 0.3, 0.6, 1.5)[index % 4], shadowing_db=8.0,
            energy=bool(index % 3 == 0), error=ERRORS[index // 4 % 4],
        )  # fmt: skip
        if index % 5 == 0:
            problem = problem.changed(efficiency_max=4.0)
        yield problem.changed(deadline_s=np.inf, energy_j=np.inf) if index % 11 == 0 else problem


def test_a_batch_gives_what_each_round_gives_alone():
    problems = list(mixed_rounds())
    statuses = set()
    for problem, together in zip(problems, solve_many(problems), strict=True):
        alone = solve_kkt(problem)
        assert together.certificate.status == alone.certificate.status
        np.testing.assert_allclose(together.keep, alone.keep, rtol=1e-9)
        np.testing.assert_allclose(together.bandwidth_hz, alone.bandwidth_hz, rtol=1e-7)
        assert together.keep.shape == (problem.devices,)
        assert not together.keep.flags.writeable
        statuses.add(alone.certificate.status)
    assert statuses >= {"optimal", "infeasible"}
    assert solve_many([]) == []


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("energy", [False, True])
def test_demand_falls_with_the_price(error, energy):
    problem = random_problem(np.random.default_rng(9), 8, 0.5, energy=energy, error=error)
    front, best = frontier(problem), solve_kkt(problem)
    factors = np.geomspace(0.01, 100.0, 25)
    asked_hz = [
        demand(front, np.array([[best.certificate.price * factor]])).bandwidth_hz.sum()
        for factor in factors
    ]
    assert (np.diff(asked_hz) <= 1e-6).all()
    at_price = demand(front, np.array([[best.certificate.price]]))
    np.testing.assert_allclose(at_price.bandwidth_hz[0], best.bandwidth_hz, rtol=1e-9)


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("energy", [False, True])
def test_the_value_is_monotone(error, energy):
    """More time, bandwidth, power or energy never makes the optimum worse."""
    problem = random_problem(np.random.default_rng(10), 6, 0.3, energy=energy, error=error)
    for name in ("deadline_s", "bandwidth_hz", "power_max_w", "energy_j"):
        values = [
            solve_kkt(problem.changed(**{name: getattr(problem, name) * factor})).objective
            for factor in np.linspace(1.0, 1.6, 7)
        ]
        assert (np.diff(values) <= 1e-12).all()
        if name != "energy_j" or energy:
            assert values[-1] < values[0]


@pytest.mark.parametrize("error", ERRORS)
def test_the_price_is_the_fall_of_the_value(error):
    """λ = −dV/dB: what the multiplier of the band means."""
    problem = random_problem(np.random.default_rng(11), 6, 0.4, energy=True, error=error)
    step_hz = 1e-5 * problem.bandwidth_hz
    more, less = (
        solve_kkt(problem.changed(bandwidth_hz=problem.bandwidth_hz + sign * step_hz)).objective
        for sign in (1, -1)
    )
    price = solve_kkt(problem).certificate.price
    assert (less - more) / (2 * step_hz) == pytest.approx(price, rel=1e-5)


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("energy", [False, True])
def test_limits(error, energy):
    problem = random_problem(np.random.default_rng(12), 6, 0.4, energy=energy, error=error)
    rich = problem.changed(energy_j=1e9, bandwidth_hz=1e12, deadline_s=problem.deadline_s * 10)
    np.testing.assert_allclose(solve_kkt(rich).keep, 1.0, rtol=1e-9)
    least_s, _ = least_latency(problem, problem.keep_min)
    tightest = solve_kkt(problem.changed(deadline_s=least_s * (1 + 1e-10)))
    assert tightest.certificate.feasible
    np.testing.assert_allclose(tightest.keep, problem.keep_min, rtol=1e-6)
    free, huge = problem.changed(energy_j=np.inf), problem.changed(energy_j=1e30)
    np.testing.assert_allclose(solve_kkt(huge).keep, solve_kkt(free).keep, rtol=1e-9)
    alike = problem.picked(np.zeros(5, dtype=np.intp))
    alike = alike.changed(bandwidth_hz=4 * needed_hz(alike, alike.keep_min)[0] * 5)
    same = solve_kkt(alike)
    np.testing.assert_allclose(same.bandwidth_hz, alike.bandwidth_hz / 5, rtol=1e-9)


@pytest.mark.parametrize("energy", [False, True])
def test_least_latency_meets_every_limit(energy):
    """At the least latency the needs add up to the band, and no shorter deadline can be met."""
    problem = random_problem(np.random.default_rng(13), 6, 0.4, energy=energy)
    for changes in ({}, {"efficiency_max": 4.0}, {"full_power": True}):
        harder = problem.changed(**changes)
        keep = 0.3 * harder.keep_min + 0.2
        seconds, bands_hz = least_latency(harder, keep)
        assert bands_hz.sum() == pytest.approx(harder.bandwidth_hz)
        in_time = harder.changed(deadline_s=seconds)
        np.testing.assert_allclose(needed_hz(in_time, keep), bands_hz, rtol=1e-6)
        power_w = in_time.power_w(keep, bands_hz)
        assert in_time.finish_s(keep, bands_hz, power_w).max() <= seconds * (1 + 1e-9)
        used_j = in_time.energy_used_j(keep, bands_hz, power_w)
        assert (used_j <= in_time.energy_j * (1 + 1e-9)).all()


def test_straight_curves_take_any_band_at_one_price():
    """With a fixed signal-to-noise ratio and no computing the optimum is a fractional knapsack."""
    problem = random_problem(np.random.default_rng(14), 6, 0.5)
    deadline_s = 0.4 * problem.deadline_s
    problem = problem.changed(slope_s=0.0, fixed_bits=0.0, noise_band_hz=1e6, deadline_s=deadline_s)
    best = solve_kkt(problem)
    inside = (best.keep > problem.keep_min * 1.001) & (best.keep < 0.999)
    assert inside.sum() == 1
    assert best.certificate.status == "optimal"
    efficiency = np.log2(1 + problem.snr_hz() / 1e6)
    worth = problem.weight * efficiency * (problem.deadline_s - problem.fixed_s)
    served, starved = best.keep > 0.999, best.keep < problem.keep_min * 1.001
    assert worth[served].min() >= worth[starved].max()
    assert best.bandwidth_hz.sum() == pytest.approx(problem.bandwidth_hz)


@pytest.mark.parametrize("error", ERRORS)
def test_rent_is_paid_like_the_price(error):
    """Devices stop where a hertz is worth its rent and the price; high rent leaves band unused."""
    problem = random_problem(np.random.default_rng(15), 5, 0.5, error=error)
    price = solve_kkt(problem).certificate.price
    cheap = solve_kkt(problem.changed(rent=0.25 * price))
    assert cheap.certificate.price == pytest.approx(0.75 * price, rel=1e-9)
    dear = solve_kkt(problem.changed(rent=2.0 * price))
    assert dear.certificate.price == 0.0
    assert dear.certificate.status == "optimal"
    assert dear.bandwidth_hz.sum() < 0.999 * problem.bandwidth_hz
