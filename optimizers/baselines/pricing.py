"""What simple answers share: bandwidths fitted to the band, and the price that bounds their loss."""

import numpy as np

from optimizers.arrays import FloatArray
from optimizers.certificate import Allocation
from optimizers.frontier import admitted, kept, needed_hz
from optimizers.kkt import solve_kkt
from optimizers.problem import RoundProblem


def carried(problem: RoundProblem) -> bool:
    """Return whether the band carries every device at its smallest ratio.

    Args:
        problem: The round, with a deadline.
    """
    return bool(admitted(needed_hz(problem, problem.keep_min), problem.bandwidth_hz).all())


def fitted(problem: RoundProblem, bandwidth_hz: FloatArray) -> FloatArray:
    """Return bandwidths that fill the band and give every device what its smallest ratio needs.

    Too little bandwidth is scaled up in proportion, unless it has a rent; of too much, only what
    exceeds the needs is scaled down.

    Args:
        problem: The round, with a deadline and `carried`.
        bandwidth_hz: Bandwidths, shape (K,).
    """
    least_hz = needed_hz(problem, problem.keep_min)
    bands_hz = np.maximum(bandwidth_hz, least_hz)
    total_hz = float(bands_hz.sum())
    if total_hz == 0.0:
        return np.full_like(bands_hz, problem.bandwidth_hz / bands_hz.size)
    if problem.rent.any() and total_hz <= problem.bandwidth_hz:
        return bands_hz
    room_hz = problem.bandwidth_hz - float(least_hz.sum())
    if total_hz <= problem.bandwidth_hz or room_hz <= 0.0:
        return bands_hz * (problem.bandwidth_hz / total_hz)
    extra_hz = bands_hz - least_hz
    return least_hz + extra_hz * (room_hz / float(extra_hz.sum()))


def best_price(problem: RoundProblem) -> float | None:
    """Return the price of bandwidth at the joint optimum, or none where no answer is in time.

    Args:
        problem: The round.
    """
    price = solve_kkt(problem).certificate.price
    return float(price) if np.isfinite(price) else None


def on_bands(problem: RoundProblem, bandwidth_hz: FloatArray) -> Allocation:
    """Return the answer with the largest ratio that each device can keep on its bandwidth.

    Args:
        problem: The round; without a deadline nothing is pruned.
        bandwidth_hz: Bandwidths, shape (K,).
    """
    keep = kept(problem, bandwidth_hz) if problem.limited else problem.keep_max
    return problem.allocation(keep=keep, bandwidth_hz=bandwidth_hz, price=best_price(problem))
