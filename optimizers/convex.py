"""The certifying twin: the same problem as a disciplined convex program for a conic solver.

In the upload rate x = (σ + S r)/(T' − β r) the ratio is concave [X]: with D = S + β x₀ around a
reference rate x₀,

    r(x) = r(x₀) + (Θ/D²) [(x − x₀) − β (x − x₀)²/(S + β x)],

linear for β = 0, so one form serves all devices. The rate b log2(1 + γp/b) is a perspective, written
with the relative entropy. All variables are scaled: y = x/x₀ with x₀ = R(B/K), and b in units of B/K;
unscaled cones are wrong without warning at high signal-to-noise ratios [X, observed].
"""

import functools
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from optimizers.arrays import FloatArray
from optimizers.certificate import Allocation
from optimizers.frontier import Frontier, frontier
from optimizers.lambert import rate_bps
from optimizers.limits import overdue, unhurried
from optimizers.problem import RoundProblem


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


@dataclass(frozen=True)
class _Program:
    """A compiled program for K devices whose numbers are parameters."""

    problem: Any
    parameters: Mapping[str, Any]
    bands: Any
    share: Any


def solve_convex(problem: RoundProblem, tolerance: float = 1e-10) -> Allocation:
    """Return the joint optimum of pruning ratios and bandwidths from a conic solver.

    The program is compiled once for each number of devices. The solver's bandwidths are fitted to the
    band, the ratios follow from them in closed form, and the price is the multiplier of the band. A
    solver that reports less than full accuracy is judged by the gap bound.

    Args:
        problem: The round.
        tolerance: Gap and feasibility tolerance of the conic solver.
    """
    if not problem.limited:
        return unhurried(problem)
    front = frontier(problem)
    if not front.feasible:
        return overdue(problem)
    program = _compiled(problem.devices)
    values, scale = _scaled(front)
    for name, value in values.items():
        program.parameters[name].value = value
    _run(program.problem, tolerance)
    unit_hz = problem.bandwidth_hz / problem.devices
    bands_hz = front.fit(np.asarray(program.bands.value, dtype=np.float64) * unit_hz)
    keep = front.keep(bands_hz)
    # Where nothing is pruned bandwidth is worth nothing, and the multiplier is the solver's noise.
    scarce = bool(np.any(keep < problem.keep_max))
    price = max(float(program.share.dual_value) * scale / unit_hz, 0.0) if scarce else 0.0
    return problem.allocation(
        keep=keep,
        bandwidth_hz=bands_hz,
        price=price,
        status="optimal",
        iterations=int(program.problem.solver_stats.num_iters),
    )


def _scaled(front: Frontier) -> tuple[dict[str, FloatArray], float]:
    """Return the parameters of the program, and the unit of its objective."""
    problem = front.problem
    unit_hz = np.full(problem.devices, problem.bandwidth_hz / problem.devices)
    # A device without bits or without a channel has nothing to decide; any reference will do.
    level = 1.0 + np.where(front.snr_hz > 0.0, front.snr_hz, problem.bandwidth_hz) / unit_hz
    reference = unit_hz * np.log2(level)
    load = problem.prunable_bits + problem.slope_s * reference
    valued = front.valued
    load = np.where(valued, load, 1.0)
    worth = np.where(valued, problem.weight * front.theta * reference / load**2, 0.0)
    scale = float(worth.max()) or 1.0
    bend = np.where(valued, problem.slope_s * reference / load, 0.0)
    values = {
        "linear": worth / scale,
        "curved": worth * bend / scale,
        "bend": bend,
        "shrink": 1.0 / level,
        "reach": 1.0 - 1.0 / level,
        "entropy": 1.0 / np.log(level),
        "least": rate_bps(front.snr_hz, front.least_hz) / reference,
        # Where the whole band is the limit, the price must speak for it, not this bound.
        "most": rate_bps(front.snr_hz, front.top_hz) * np.where(front.short, 2.0, 1.0) / reference,
    }
    return values, scale


@functools.lru_cache(maxsize=16)
def _compiled(devices: int) -> _Program:
    import cvxpy as cp

    names = ("linear", "curved", "bend", "shrink", "reach", "entropy", "least", "most")
    p = {name: cp.Parameter(devices, nonneg=True) for name in names}
    rate, bands, extra, entropy, load, bow = (cp.Variable(devices) for _ in range(6))
    share = cp.sum(bands) <= devices
    # Without these named intermediates the program is not compiled once and for all (DPP).
    constraints = [
        share,
        bands >= 0,
        extra == cp.multiply(p["shrink"], bands) + p["reach"],
        entropy >= cp.rel_entr(bands, extra),
        rate <= bands - cp.multiply(p["entropy"], entropy),
        load == 1 - p["bend"] + cp.multiply(p["bend"], rate),
        cp.SOC(bow + load, cp.vstack([2 * (rate - 1), bow - load]), axis=0),
        p["least"] <= rate,
        rate <= p["most"],
    ]
    gain = p["linear"] @ rate - p["curved"] @ bow
    return _Program(cp.Problem(cp.Maximize(gain), constraints), p, bands, share)


def _run(program: Any, tolerance: float) -> None:
    """Solve a program in place, with the solver's own tolerances if the asked-for ones fail."""
    import cvxpy as cp

    names = ("tol_gap_abs", "tol_gap_rel", "tol_feas")
    strict = dict.fromkeys(names, tolerance)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Solution may be inaccurate")
        for options in (strict, {}):
            try:
                program.solve(solver=cp.CLARABEL, warm_start=False, **options)
            except cp.SolverError:
                continue
            if program.status in {cp.OPTIMAL, cp.OPTIMAL_INACCURATE}:
                return
    raise ArithmeticError(f"the conic solver ends with status {program.status!r}")
