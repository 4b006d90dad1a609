"""The certifying twin of uploads one after another over the whole band, jointly convex as it stands."""

from typing import Any

import numpy as np

from optimizers.arrays import FloatArray, IndexArray
from optimizers.convex.solver import run
from optimizers.convex.terms import carried, cost
from optimizers.lambert import LN2
from optimizers.problem import RoundProblem

_FLOOR = 1e-300


def conic_tdma(
    problem: RoundProblem, tolerance: float = 1e-10
) -> tuple[FloatArray, FloatArray, float]:
    """Return the conic solver's answer for uploads one after another, once all have computed.

    minimise Σ a φ(1 − r) over ratios r, times t and energies e, subject to
    max (c + β r) + Σ t ≤ T,   σ + S r ≤ B t log2(1 + γ e/(B t)),   e ≤ p_max t,   e₁ r + e ≤ E [X].

    Args:
        problem: The round, with deadlines of which the earliest counts for all, without slots, and
            without energy budgets where `full_power` holds. Rent is left out.
        tolerance: Gap and feasibility tolerance of the solver, on scaled variables.

    Returns:
        Keep ratios, shape (K,), times of the uploads, shape (K,), and the objective.
    """
    import cvxpy as cp

    _refuse(problem)
    deadline_s = float(problem.deadline_s.min())
    keep, ready = cp.Variable(problem.devices), cp.Variable()
    rows = [
        problem.keep_min <= keep,
        keep <= problem.keep_max,
        problem.fixed_s / deadline_s + cp.multiply(problem.slope_s / deadline_s, keep) <= ready,
    ]
    talks = np.flatnonzero(problem.bits(problem.keep_max) > 0.0)
    times, sent_j, more = _uploads(problem, talks, keep)
    rows += [*more, ready + cp.sum(times) / deadline_s <= 1.0]
    limited = np.flatnonzero(np.isfinite(problem.energy_j))
    if limited.size:
        spent_j = cp.multiply(problem.slope_j, keep) + sent_j
        budget_j = np.maximum(problem.energy_j[limited], _FLOOR)
        rows += [cp.multiply(1.0 / budget_j, spent_j[limited]) <= 1.0]
    unit = float(problem.weight.max()) or 1.0
    run(cp.Problem(cp.Minimize(cost(problem, keep) / unit), rows), tolerance)
    seconds = np.zeros(problem.devices)
    seconds[talks] = np.asarray(times.value, dtype=np.float64)
    kept = np.clip(np.asarray(keep.value, dtype=np.float64), problem.keep_min, problem.keep_max)
    return kept, seconds, float(np.sum(problem.weight * problem.error.value(1.0 - kept)))


def _uploads(problem: RoundProblem, talks: IndexArray, keep: Any) -> tuple[Any, Any, list[Any]]:
    """Return the times of the uploads, shape (J,), their energies, shape (K,), and the rows."""
    import cvxpy as cp

    if not talks.size:
        return np.zeros(0), np.zeros(problem.devices), []
    one = problem.picked(talks)
    whole_hz = problem.bandwidth_hz
    scale_s = float((one.deadline_s - one.fixed_s).min()) / talks.size
    left_j = one.energy_j - one.slope_j * one.keep_min
    power_w = np.minimum(one.power_max_w, np.maximum(left_j, _FLOOR) / scale_s)
    snr = one.snr_hz(power_w) / (whole_hz if one.noise_band_hz is None else one.noise_band_hz)
    full = scale_s * whole_hz * np.log1p(snr) / LN2
    times, energies = (cp.Variable(talks.size, nonneg=True) for _ in range(2))
    bits = one.fixed_bits / full + cp.multiply(one.prunable_bits / full, keep[talks])
    rows = [
        bits <= carried(times, energies, snr),
        energies <= cp.multiply(one.power_max_w / power_w, times),
    ]
    ceiled = np.flatnonzero(np.isfinite(one.efficiency_max))
    if ceiled.size:
        most = scale_s * whole_hz * one.efficiency_max[ceiled] / full[ceiled]
        rows += [bits[ceiled] <= cp.multiply(most, times[ceiled])]
    spread = np.zeros((problem.devices, talks.size))
    spread[talks, np.arange(talks.size)] = power_w * scale_s
    return times * scale_s, spread @ energies, rows


def _refuse(problem: RoundProblem) -> None:
    budgets = bool(np.isfinite(problem.energy_j).any())
    if not problem.limited or np.isfinite(problem.slot_s).any() or (problem.full_power and budgets):
        raise ValueError(
            "problem: uploads one after another need a deadline, no slot_s, and no energy_j with "
            "full_power; change these columns"
        )
