"""The curves r(b): their worth is their slope, they are concave, and what they say is feasible."""

import numpy as np
import pytest

from optimizers import RoundProblem
from optimizers.frontier import frontier, kept, needed_hz
from optimizers.testing import ERRORS, random_problem

VARIANTS = {
    "power": {},
    "ceiling": {"efficiency_max": [3.0, 4.0, 5.0, 6.0, 2.0, 8.0]},
    "slots": {"slot_s": [0.5, 0.8, 1.0, 1.2, 0.7, 0.9]},
    "fixed noise": {"noise_band_hz": 1e6},
    "gap": {"gap": 4.0},
    "no computing": {"slope_s": 0.0},
}


def rounds():
    for name, changes in VARIANTS.items():
        for error in ERRORS:
            problem = random_problem(np.random.default_rng(3), 6, 0.5, error=error)
            yield f"{name}, {error}", problem.changed(**changes)
    for full in (False, True):
        for error in ERRORS:
            problem = random_problem(np.random.default_rng(4), 6, 0.5, energy=True, error=error)
            yield f"energy, {error}, full {full}", problem.changed(full_power=full)


ROUNDS = dict(rounds())


def test_every_variant_is_there():
    assert len(ROUNDS) == 6 * 4 + 2 * 4


@pytest.mark.parametrize("name", ROUNDS)
def test_worth_is_the_slope_of_the_curve(name):
    """On every piece, ln of a φ' dr/db from the formula equals the difference quotient of b(r)."""
    problem = ROUNDS[name]
    front = frontier(problem)
    checked = 0
    for piece in range(len(front.above)):
        low, high = front.keep[piece, 0], front.keep[piece + 1, 0]
        wide = (high - low > 1e-3) & (front.bandwidth_hz[piece + 1, 0] < 1e9)
        middle, step = 0.6 * low + 0.4 * high, 1e-5 * (high - low)
        with np.errstate(invalid="ignore"):
            slope_hz = needed_hz(problem, middle + step) - needed_hz(problem, middle - step)
        value = problem.error.value(1 - middle + step) - problem.error.value(1 - middle - step)
        with np.errstate(invalid="ignore", divide="ignore"):
            quotient = problem.weight * value / slope_hz
        at = np.full((1, 6), 2 * piece + 1)
        on = front.on(at)
        here = kept_position(front, middle, on)
        place = front.curves.at(here, on)
        np.testing.assert_allclose(place.keep[0][wide], middle[wide], rtol=1e-9)
        np.testing.assert_allclose(np.exp(place.log_worth[0][wide]), quotient[wide], rtol=2e-5)
        checked += np.count_nonzero(wide)
    assert checked >= 6


def kept_position(front, keep, on):
    bands_hz, log_snr = front.curves.needed(keep[None])
    return log_snr if on.ceiled is None else np.where(on.ceiled, -np.log(bands_hz), log_snr)


@pytest.mark.parametrize("name", ROUNDS)
def test_slopes_along_a_piece_are_derivatives(name):
    front = frontier(ROUNDS[name])
    for piece in range(len(front.above)):
        on = front.on(np.full((1, 6), 2 * piece + 1))
        wide = (on.high - on.low > 1e-3) & np.isfinite(on.low)
        middle, step = 0.5 * (on.low + on.high), 1e-6 * (on.high - on.low)
        with np.errstate(all="ignore"):
            more, less = front.curves.at(middle + step, on), front.curves.at(middle - step, on)
            place = front.curves.at(middle, on)
            slope = (more.log_worth - less.log_worth) / (2 * step)
            fall = -np.log(more.bandwidth_hz / less.bandwidth_hz) / (2 * step)
        np.testing.assert_allclose(place.slope[wide], slope[wide], rtol=1e-4, atol=1e-7)
        falls = np.broadcast_to(place.fall, wide.shape)
        np.testing.assert_allclose(falls[wide], fall[wide], rtol=1e-4)


@pytest.mark.parametrize("name", ROUNDS)
def test_a_curve_and_its_inverse(name):
    problem = ROUNDS[name]
    rng = np.random.default_rng(5)
    for _ in range(5):
        keep = rng.uniform(problem.keep_min, problem.keep_max)
        needs_hz = needed_hz(problem, keep)
        finite = np.isfinite(needs_hz)
        again = kept(problem, np.where(finite, needs_hz, 1e6))
        np.testing.assert_allclose(again[finite], keep[finite], rtol=1e-9)


@pytest.mark.parametrize("name", ROUNDS)
def test_curves_are_concave(name):
    problem = ROUNDS[name]
    share = np.linspace(0.0, 1.0, 41)
    keep = problem.keep_min + share[:, None] * (0.999 * kept(problem, 3e7) - problem.keep_min)
    needs_hz = np.array([needed_hz(problem, np.maximum(row, problem.keep_min)) for row in keep])
    finite = np.isfinite(needs_hz).all(axis=0)
    bend = np.diff(needs_hz[:, finite], n=2, axis=0)
    assert finite.sum() >= 4
    assert (bend >= -1e-9 * needs_hz[1:-1, finite]).all()


@pytest.mark.parametrize("name", ROUNDS)
def test_what_a_curve_says_is_feasible(name):
    """With the bandwidth and the power of the curve, the stated constraints hold, one of them tightly."""
    problem = ROUNDS[name]
    keep = 0.5 * (problem.keep_min + kept(problem, problem.bandwidth_hz / 6))
    needs_hz = needed_hz(problem, keep)
    power_w = problem.power_w(keep, needs_hz)
    finish = problem.finish_s(keep, needs_hz, power_w) / problem.deadline_s
    energy = problem.energy_used_j(keep, needs_hz, power_w) / problem.energy_j
    slot = problem.upload_s(keep, needs_hz, power_w) / problem.slot_s
    tightest = np.maximum(np.maximum(finish, energy), slot)
    np.testing.assert_allclose(tightest, 1.0, rtol=1e-9)
    assert (power_w <= problem.power_max_w * (1 + 1e-12)).all()


def test_bits_that_no_ratio_changes_are_not_a_reason_to_prune():
    """Kept shares that cost no bandwidth are kept, also where a slot limits before the deadline."""
    problem = RoundProblem(
        gain=1e-10, noise_w_per_hz=2e-20, bandwidth_hz=3e6, power_max_w=0.1, fixed_bits=450_000,
        prunable_bits=0.0, slope_s=[0.0, 0.0, 0.1426], fixed_s=[0.1632, 0.1713, 0.1222],
        deadline_s=0.719, slot_s=[0.514, 0.526, 0.574], keep_min=0.1,
    )  # fmt: skip
    from optimizers import solve_kkt

    np.testing.assert_array_equal(solve_kkt(problem).keep, 1.0)
    silent = problem.changed(fixed_bits=0.0, slot_s=np.inf, energy_j=0.02, slope_j=[0.0, 0.04, 0.1])
    np.testing.assert_allclose(kept(silent, 1e6), [1.0, 0.5, 0.2])
    np.testing.assert_allclose(solve_kkt(silent).keep, [1.0, 0.5, 0.2])
