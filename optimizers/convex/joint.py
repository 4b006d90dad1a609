"""The certifying twin: the whole round as a disciplined convex program for a conic solver."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from optimizers.arrays import FloatArray
from optimizers.certificate import Allocation
from optimizers.convex.program import Shape, compiled
from optimizers.convex.reference import COARSE, FINE, Reference, largest_keep, reference
from optimizers.convex.scaling import REACH, low_snr, numbers, shape_of
from optimizers.convex.solver import run
from optimizers.frontier import admitted, kept, needed_hz
from optimizers.limits import overdue, unhurried
from optimizers.problem import RoundProblem

_SCARCE = 1e-6
_STILL_LOW = 0.8
_STAYED = 1e-6


@dataclass(frozen=True)
class Convex:
    """The joint optimum by a general conic solver (Clarabel), slower and less exact than `kkt`.

    Attributes:
        tolerance: Gap and feasibility tolerance of the conic solver, on scaled variables.
    """

    tolerance: Annotated[float, ("above", 0.0), ("below", 1e-3)] = 1e-10

    def allocate(self, problem: RoundProblem, rng: np.random.Generator) -> Allocation:
        """Return the optimum; nothing is drawn.

        Args:
            problem: The round.
            rng: Unused.
        """
        return solve_convex(problem, tolerance=self.tolerance)


@dataclass(frozen=True, eq=False)
class Conic:
    """What the conic solver itself found; no closed form mends it.

    Attributes:
        keep: Keep ratio r, shape (K,); the largest where bandwidth surely brings a device to it.
        bandwidth_hz: Bandwidth b, shape (K,).
        power_w: Transmit power p, shape (K,).
        objective: Σ a φ(1 − r) + Σ ν b.
        price: Multiplier of Σ b ≤ B, in units of the objective per hertz.
        status: What the solver says, "optimal" or "optimal_inaccurate".
        iterations: Iterations of the solver.
    """

    keep: FloatArray
    bandwidth_hz: FloatArray
    power_w: FloatArray
    objective: float
    price: float
    status: str
    iterations: int


def conic(problem: RoundProblem, tolerance: float = 1e-10) -> Conic:
    """Return the conic solver's own answer to a round with a deadline that can be met.

    Args:
        problem: The round.
        tolerance: Gap and feasibility tolerance of the solver, on scaled variables.

    Raises:
        ValueError: If the round has no deadline, or no allocation meets it.
        ArithmeticError: If the solver finds no answer.
    """
    if not problem.limited:
        raise ValueError("deadline_s: infinite, so that nothing is to be weighed; use solve_convex")
    least_hz = needed_hz(problem, problem.keep_min)
    if not admitted(least_hz, problem.bandwidth_hz).all():
        raise ValueError(
            f"deadline_s: the smallest ratios need {least_hz.sum():.6g} Hz of a band of "
            f"{problem.bandwidth_hz:.6g} Hz; allow more time or fewer devices"
        )
    return _conic(problem, least_hz, tolerance)


def _conic(problem: RoundProblem, least_hz: FloatArray, tolerance: float) -> Conic:
    """Return the solver's answer, with coarser units where the fine ones leave it without one."""
    try:
        return _checked(problem, least_hz, tolerance, FINE)
    except ArithmeticError:
        return _checked(problem, least_hz, tolerance, COARSE)


def _checked(problem: RoundProblem, least_hz: FloatArray, tolerance: float, step: float) -> Conic:
    """Return the solver's answer, with what was taken for granted about the round checked."""
    at = reference(problem, least_hz, step=step)
    shape = shape_of(problem, at)
    found = _solved(problem, at, shape, tolerance)
    granted = at.settled & (at.keep_most > problem.keep_min)
    moved = at.talks & (np.abs(found.bandwidth_hz / at.bandwidth_hz - 1.0) > _STAYED)
    if np.any(granted & (moved | (found.price > at.highest))):
        at = reference(problem, least_hz, settle=False, step=step)
        shape = shape_of(problem, at)
        found = _solved(problem, at, shape, tolerance)
    if shape.wideband and not _near(problem, at, found):
        found = _solved(problem, at, shape_of(problem, at, wideband=False), tolerance)
    return found


def _near(problem: RoundProblem, at: Reference, found: Conic) -> bool:
    """Return whether an answer is where the rows for low signal-to-noise ratios are exact."""
    loud = problem.snr_hz(found.power_w) > _STILL_LOW * found.bandwidth_hz
    far = np.abs(found.keep / at.keep - 1.0) > 0.99 * REACH * at.elasticity
    return not np.any((low_snr(problem, at) & loud) | (far & ~at.settled))


def _solved(problem: RoundProblem, at: Reference, shape: Shape, tolerance: float) -> Conic:
    values, program = numbers(problem, shape, at), compiled(shape)
    for name, parameter in program.parameters.items():
        parameter.value = values[name]
    run(program.problem, tolerance)
    keep = (1.0 + np.asarray(program.ratio.value) * values["unit"]) * at.keep
    keep = np.where(at.settled, at.keep_most, keep)
    bands_hz = (1.0 + np.asarray(program.bands.value)) * at.bandwidth_hz
    bands_hz = np.where(at.talks, bands_hz, 0.0)
    price = float(program.share.dual_value) * at.unit * problem.devices / problem.bandwidth_hz
    power_w = problem.power_max_w
    if program.power is not None:
        relative = 1.0 + np.asarray(program.power.value) * values["power_unit"]
        power_w = relative * power_w / (1.0 + values["power_most"] * values["power_unit"])
    return Conic(
        keep=keep,
        bandwidth_hz=bands_hz,
        power_w=power_w,
        objective=problem.objective(keep, bands_hz),
        price=max(price, 0.0),
        status=str(program.problem.status),
        iterations=int(program.problem.solver_stats.num_iters),
    )


def solve_convex(problem: RoundProblem, tolerance: float = 1e-10) -> Allocation:
    """Return the joint optimum of pruning, bandwidth and power from the conic solver.

    The solver's ratios are taken back until they fit into the band, spare bandwidth is handed out in
    proportion unless bandwidth costs, and the price is the multiplier of the band. An answer with
    less than full accuracy is judged by the gap bound.

    Args:
        problem: The round.
        tolerance: Gap and feasibility tolerance of the conic solver.

    Raises:
        ArithmeticError: If the solver finds no answer.
    """
    if not problem.limited:
        return unhurried(problem)
    least_hz = needed_hz(problem, problem.keep_min)
    if not admitted(least_hz, problem.bandwidth_hz).all():
        return overdue(problem)
    found = _conic(problem, least_hz, tolerance)
    keep, bands_hz = _fitted(problem, least_hz, found.keep)
    scarce = bands_hz.sum() >= problem.bandwidth_hz * (1.0 - _SCARCE)
    if not np.any(problem.rent > 0.0):
        bands_hz = _handed_out(problem, bands_hz)
        keep = _raised(problem, keep, bands_hz)
    return problem.allocation(
        keep=keep,
        bandwidth_hz=bands_hz,
        price=found.price if scarce else 0.0,
        status="optimal",
        iterations=found.iterations,
    )


def _fitted(
    problem: RoundProblem, least_hz: FloatArray, keep: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return ratios that fit into the band, and the bandwidths they need.

    The bandwidth needed is convex in the ratios, so that a step ε towards the smallest ratios saves
    at least the share ε of what is above the smallest need.
    """
    wanted = np.clip(keep, problem.keep_min, largest_keep(problem))
    bands_hz = needed_hz(problem, wanted)
    reachable = np.isfinite(bands_hz)
    wanted = np.where(reachable, wanted, problem.keep_min)
    bands_hz = np.where(reachable, bands_hz, least_hz)
    excess_hz = float(bands_hz.sum()) - problem.bandwidth_hz
    if excess_hz <= 0.0:
        return wanted, bands_hz
    above_hz = float((bands_hz - least_hz).sum())
    part = min(1.0, excess_hz / above_hz) if above_hz > 0.0 else 1.0
    wanted = wanted - part * (wanted - problem.keep_min)
    return wanted, bands_hz - part * (bands_hz - least_hz)


def _raised(problem: RoundProblem, keep: FloatArray, bands_hz: FloatArray) -> FloatArray:
    """Return the ratios that the bandwidths carry, where these are larger, shape (K,)."""
    more = np.minimum(kept(problem, bands_hz), largest_keep(problem))
    # Without prunable bits bandwidth may not be what limits a ratio.
    return np.where(problem.prunable_bits > 0.0, np.maximum(more, keep), keep)


def _handed_out(problem: RoundProblem, bands_hz: FloatArray) -> FloatArray:
    total_hz = float(bands_hz.sum())
    if total_hz == 0.0:
        return np.full_like(bands_hz, problem.bandwidth_hz / problem.devices)
    return bands_hz * (problem.bandwidth_hz / total_hz)
