"""The one call of the conic solver, and what its failures are called."""

import warnings
from typing import Any

_TOLERANCES = ("tol_gap_abs", "tol_gap_rel", "tol_feas")
_LARGE = 3000
# Where a solver gets stuck beside the central path, shorter steps keep it nearer to it.
_WAYS: tuple[dict[str, float], ...] = (
    {},
    {"max_step_fraction": 0.8},
    {"min_switch_step_length": 0.01},
    {"max_step_fraction": 0.9},
    {"linesearch_backtrack_step": 0.5},
)
_COARSER = (1e-9, 1e-8)


def run(program: Any, tolerance: float) -> None:
    """Solve a program in place, in other ways and then more coarsely if the asked-for one fails.

    An answer that the solver itself calls inaccurate counts only where no other is to be had.

    Args:
        program: A program of the conic solver's front end.
        tolerance: Gap and feasibility tolerance on its scaled variables.

    Raises:
        ArithmeticError: If the solver finds no usable answer.
    """
    import cvxpy as cp

    tries = [(tolerance, way) for way in _WAYS]
    tries += [(coarse, way) for coarse in _COARSER if coarse > tolerance for way in _WAYS[:2]]
    inaccurate = []
    for once in tries:
        status = _solve(program, *once)
        if status == cp.OPTIMAL:
            return
        if status in {cp.INFEASIBLE, cp.UNBOUNDED}:
            break
        inaccurate += [once] if status == cp.OPTIMAL_INACCURATE else []
    if inaccurate:
        _solve(program, *inaccurate[0])
        return
    raise ArithmeticError(
        f"the conic solver ends with status {status!r} and finds no answer; use kkt"
    )


def _solve(program: Any, tolerance: float, way: dict[str, float]) -> str:
    """Return the solver's status after one attempt."""
    import cvxpy as cp

    # What is compiled for parameters grows with the square of the program.
    large = program.size_metrics.num_scalar_variables > _LARGE
    options = dict.fromkeys(_TOLERANCES, tolerance) | way
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Solution may be inaccurate")
        try:
            program.solve(solver=cp.CLARABEL, warm_start=False, ignore_dpp=large, **options)
        except cp.SolverError:
            return "solver_error"
    return str(program.status)
