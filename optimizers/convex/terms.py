"""Rates and costs as expressions of the conic solver's front end, for programs compiled each time."""

from typing import Any

import numpy as np

from optimizers.arrays import FloatArray
from optimizers.errors import Linear, Lorenz, NegLog, Quadratic
from optimizers.lambert import marginal_nats
from optimizers.problem import RoundProblem


def carried(share: Any, power: Any, snr: FloatArray) -> Any:
    """Return b ln(1 + z p/b)/ln(1 + z), concave in b and p and 1 where both are 1, shape (J,).

    It is the plane that touches it there, less a divergence of second order, so that nothing cancels
    at small or large z.

    Args:
        share: Bandwidth, or bandwidth times time, in units of the reference, shape (J,).
        power: Power, or energy, in units of the reference, shape (J,).
        snr: Signal-to-noise ratio z at the reference, shape (J,).
    """
    import cvxpy as cp

    nats = np.log1p(snr)
    tilt = marginal_nats(snr) / nats
    heard = cp.multiply(1.0 / (1.0 + snr), share) + cp.multiply(snr / (1.0 + snr), power)
    plane = cp.multiply(tilt, share) + cp.multiply(1.0 - tilt, power)
    return plane - cp.multiply(1.0 / nats, cp.kl_div(share, heard))


def cost(problem: RoundProblem, keep: Any) -> Any:
    """Return Σ a φ(1 − r), convex in the ratios.

    Args:
        problem: The round.
        keep: Keep ratio r, shape (K,).
    """
    import cvxpy as cp

    error, weight = problem.error, problem.weight
    if isinstance(error, Linear):
        return weight @ (1.0 - keep)
    if isinstance(error, Quadratic):
        return cp.sum_squares(cp.multiply(np.sqrt(weight), 1.0 - keep))
    if isinstance(error, NegLog):
        return -(weight @ cp.log(keep))
    if not isinstance(error, Lorenz):
        raise TypeError(f"RoundProblem.error: the conic program does not know {error!r}")
    slopes = error.slopes((problem.devices,))
    levels = np.broadcast_to(error.error, (problem.devices, error.pruning.size))[:, :-1]
    lines = [
        levels[:, j] + cp.multiply(slopes[:, j], 1.0 - keep - error.pruning[j])
        for j in range(slopes.shape[1])
    ]
    return weight @ cp.max(cp.vstack(lines), axis=0)
