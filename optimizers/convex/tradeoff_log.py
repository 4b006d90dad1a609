"""The certifying twin of time against keep ratios, jointly convex in ln r, T and bandwidth."""

from typing import Any

import numpy as np

from optimizers.arrays import FloatArray, IndexArray
from optimizers.convex.solver import run
from optimizers.convex.terms import carried
from optimizers.least_latency import least_latency
from optimizers.problem import RoundProblem


def conic_tradeoff_log(
    problem: RoundProblem, seconds_weight: float, tolerance: float = 1e-10
) -> tuple[float, FloatArray, float]:
    """Return the conic solver's answer to min w T − Σ a ln r + Σ ν b over T, ratios and bandwidths.

    With ℓ = ln r and θ ≤ ln R(b) the deadline reads β exp(ℓ) + S exp(ℓ − θ) ≤ T − c, which is convex;
    it needs σ = 0 and no energy budgets [X].

    Args:
        problem: The round; its deadlines are upper limits of T, its error model is not used.
        seconds_weight: Price w of a second, above 0.
        tolerance: Gap and feasibility tolerance of the solver, on scaled variables.

    Returns:
        The deadline in seconds, the keep ratios, shape (K,), and the objective.
    """
    import cvxpy as cp

    _refuse(problem)
    scale_s, bands_hz = least_latency(problem, problem.keep_max)
    log_keep, deadline = cp.Variable(problem.devices), cp.Variable()
    rows = [np.log(problem.keep_min) <= log_keep, log_keep <= np.log(problem.keep_max)]
    talks = np.flatnonzero(problem.prunable_bits > 0.0)
    spent = cp.multiply(problem.slope_s / scale_s, cp.exp(log_keep))
    cost = -(problem.weight @ log_keep)
    if talks.size:
        sent, bands, more = _uploads(problem, talks, bands_hz[talks], scale_s, log_keep)
        rows, spent = rows + more, spent + sent
        cost = cost + (problem.rent[talks] * bands_hz[talks]) @ bands
    spent = spent + problem.fixed_s / scale_s
    rows += [spent <= deadline]
    if problem.limited:
        latest = problem.deadline_s / scale_s
        rows += [spent <= latest, deadline <= float(latest.max())]
    unit = float(problem.weight.sum()) + seconds_weight * scale_s
    cost = (cost + seconds_weight * scale_s * deadline) / unit
    program = cp.Problem(cp.Minimize(cost), rows)
    run(program, tolerance)
    keep: FloatArray = np.exp(log_keep.value)
    return float(deadline.value) * scale_s, keep, float(program.value) * unit


def _uploads(
    problem: RoundProblem, talks: IndexArray, bands_hz: FloatArray, scale_s: float, log_keep: Any
) -> tuple[Any, Any, list[Any]]:
    """Return the times of the uploads in a unit, shape (K,), the bandwidths, and the rows."""
    import cvxpy as cp

    one = problem.picked(talks)
    reference = one.rate_bps(bands_hz)
    log_rate, bands = cp.Variable(talks.size), cp.Variable(talks.size, nonneg=True)
    rows = [cp.sum(cp.multiply(bands_hz / problem.bandwidth_hz, bands)) <= 1.0]
    if problem.noise_band_hz is not None:
        rate = bands
    else:
        free = one.changed(efficiency_max=np.inf).rate_bps(bands_hz)
        ones, snr = np.ones(talks.size), one.snr_hz() / bands_hz
        rate = cp.multiply(free / reference, carried(bands, ones, snr))
        ceiled = np.flatnonzero(np.isfinite(one.efficiency_max))
        if ceiled.size:
            most = one.efficiency_max[ceiled] * bands_hz[ceiled] / reference[ceiled]
            rows += [log_rate[ceiled] <= cp.log(cp.multiply(most, bands[ceiled]))]
    rows += [log_rate <= cp.log(rate)]
    spread = np.zeros((problem.devices, talks.size))
    spread[talks, np.arange(talks.size)] = one.prunable_bits / (reference * scale_s)
    return spread @ cp.exp(log_keep[talks] - log_rate), bands, rows


def _refuse(problem: RoundProblem) -> None:
    if np.any((problem.gain == 0.0) & (problem.prunable_bits > 0.0)):
        raise ValueError("gain: 0 for a device that has bits to send; leave that device out")
    wrong = {
        "fixed_bits": np.any(problem.fixed_bits > 0.0),
        "energy_j": np.isfinite(problem.energy_j).any(),
        "slot_s": np.isfinite(problem.slot_s).any(),
    }
    for name, given in wrong.items():
        if given:
            raise ValueError(
                f"{name}: got {getattr(problem, name)}, and with it the trade-off is not jointly "
                f"convex; leave out {name}"
            )
