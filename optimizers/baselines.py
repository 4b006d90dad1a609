"""What the joint optimum is compared with: equal shares, no pruning, one ratio for all.

Where a problem has a solution, every answer carries the optimal price of bandwidth, so that its
certificate bounds how far it is from the optimum.
"""

from dataclasses import dataclass

import numpy as np

from optimizers.arrays import FloatArray
from optimizers.certificate import Allocation
from optimizers.frontier import frontier, needed_hz
from optimizers.kkt import solve_kkt
from optimizers.least_latency import least_latency
from optimizers.limits import overdue, unhurried
from optimizers.problem import RoundProblem

_HALVINGS = 60


@dataclass(frozen=True)
class EqualShare:
    """Equal bandwidths, and the largest ratio that each device can send in time on its own."""

    def allocate(self, problem: RoundProblem, rng: np.random.Generator) -> Allocation:
        """Return r = clip((T' R − σ)/(S + β R), r_min, r_max) at b = B/K; nothing is drawn.

        Args:
            problem: The round.
            rng: Unused.
        """
        bands_hz = np.full(problem.devices, problem.bandwidth_hz / problem.devices)
        keep = frontier(problem).keep(bands_hz) if problem.limited else problem.keep_max
        return _priced(problem, keep, bands_hz)


@dataclass(frozen=True)
class Dense:
    """No more pruning than asked for: the largest ratios, sent as early as the band allows."""

    def allocate(self, problem: RoundProblem, rng: np.random.Generator) -> Allocation:
        """Return the least-latency bandwidths at the largest ratios; nothing is drawn.

        Args:
            problem: The round.
            rng: Unused.
        """
        _, bands_hz = least_latency(problem, problem.keep_max)
        return _priced(problem, problem.keep_max, bands_hz)


@dataclass(frozen=True)
class UniformRatio:
    """One ratio for all devices, the largest that the band brings in time.

    Where a device's bounds exclude the common ratio, the device takes its nearest bound.
    """

    def allocate(self, problem: RoundProblem, rng: np.random.Generator) -> Allocation:
        """Return the largest common ratio and bandwidths in proportion to need; nothing is drawn.

        Args:
            problem: The round.
            rng: Unused.
        """
        if not problem.limited:
            return unhurried(problem)
        front = frontier(problem)
        if not front.feasible:
            return overdue(problem)
        keep = _largest_common(problem)
        return _priced(problem, keep, front.fit(needed_hz(problem, keep)))


def _largest_common(problem: RoundProblem) -> FloatArray:
    """Return the largest common ratio that fits the band, clipped to the bounds, by bisection."""
    low, high = float(problem.keep_min.min()), float(problem.keep_max.max())
    middle = high
    for _ in range(_HALVINGS):
        keep = np.clip(middle, problem.keep_min, problem.keep_max)
        fits = needed_hz(problem, keep).sum() <= problem.bandwidth_hz
        low, high = (middle, high) if fits else (low, middle)
        middle = 0.5 * (low + high)
    return np.asarray(np.clip(low, problem.keep_min, problem.keep_max), dtype=np.float64)


def _priced(problem: RoundProblem, keep: FloatArray, bands_hz: FloatArray) -> Allocation:
    optimum = solve_kkt(problem).certificate
    price = optimum.price if optimum.status != "infeasible" and np.isfinite(optimum.price) else None
    return problem.allocation(keep=keep, bandwidth_hz=bands_hz, price=price)
