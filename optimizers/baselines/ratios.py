"""Ratios by a simple rule, and bandwidths that suit them: no pruning, and one ratio for all."""

from dataclasses import dataclass

import numpy as np

from optimizers.baselines.pricing import best_price, carried, fitted
from optimizers.certificate import Allocation
from optimizers.frontier import needed_hz
from optimizers.least_latency import least_latency
from optimizers.limits import overdue, unhurried
from optimizers.objectives.max_min import largest_common
from optimizers.problem import RoundProblem


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
        return problem.allocation(
            keep=problem.keep_max, bandwidth_hz=bands_hz, price=best_price(problem)
        )


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
        return commonly(problem)


def commonly(problem: RoundProblem, most: float = 1.0) -> Allocation:
    """Return the answer with the largest common ratio that the band brings in time.

    Args:
        problem: The round.
        most: Largest common ratio.
    """
    if not problem.limited and most >= 1.0:
        return unhurried(problem)
    if problem.limited and not carried(problem):
        return overdue(problem)
    price = best_price(problem)
    if not problem.limited:
        keep = np.clip(most, problem.keep_min, problem.keep_max)
        _, bands_hz = least_latency(problem, keep)
        return problem.allocation(keep=keep, bandwidth_hz=bands_hz, price=price)
    keep = largest_common(problem, most)
    bands_hz = fitted(problem, needed_hz(problem, keep))
    return problem.allocation(keep=keep, bandwidth_hz=bands_hz, price=price)
