"""Pruned and personalised learning over wireless networks: ratio and bandwidth by a price [X]."""

from dataclasses import dataclass

import numpy as np

from optimizers.arrays import FloatArray
from optimizers.baselines.pricing import carried
from optimizers.certificate import Allocation
from optimizers.closed_forms.plain import Plain, answered, cleared, is_plain, plain
from optimizers.limits import overdue, unhurried
from optimizers.problem import RoundProblem
from optimizers.roots import increasing_root

_LOG_BAND_STEP = 1e-9


@dataclass(frozen=True)
class Liu2024:
    """Ratio and bandwidth for partial personalisation with pruning, after arXiv 2309.01816.

    r = clip((T' R − σ)/(S + β R), r_min, r_max),   a Θ R'(b)/(S + β R)² = λ,   Σ b = B

    with p = p_max, φ = ρ and no energy limit, T' = T − c and Θ = S T' + β σ. What the abstract tells
    is that ratio and bandwidth follow from the conditions of Karush, Kuhn and Tucker under a latency
    threshold [V]; the equations here are a reconstruction [X], not checked against the paper's text.
    A round with energy limits, another error model or rents gets these bandwidths, and the ratios
    that they really carry.
    """

    paper_verified = False

    def allocate(self, problem: RoundProblem, rng: np.random.Generator) -> Allocation:
        """Return the answer at the price that clears the band; nothing is drawn.

        Args:
            problem: The round.
            rng: Unused.
        """
        if not problem.limited:
            return unhurried(problem)
        if not carried(problem):
            return overdue(problem)
        world = plain(problem)
        price, bands_hz, count = cleared(world, lambda price: _asked(world, price))
        return answered(problem, bands_hz, price=price, exact=is_plain(problem), iterations=count)


def _asked(world: Plain, price: float) -> tuple[FloatArray, FloatArray]:
    """Return the roots of the price equation and their relative fall, each of shape (K,)."""
    low_hz = np.where(world.valued, world.least_hz, 1.0)
    high_hz = np.where(world.valued, world.top_hz, 1.0)
    at_least, at_top = world.worth(low_hz)[0], world.worth(high_hz)[0]
    inside = world.valued & (at_top < price) & (price < at_least)

    def shortfall(log_hz: FloatArray) -> tuple[FloatArray, FloatArray]:
        worth, fall = world.worth(np.exp(log_hz))
        return np.where(inside, np.log(price / np.where(inside, worth, 1.0)), 0.0), fall

    low, high = np.log(low_hz), np.log(high_hz)
    low = np.where(inside, low, high)
    root, _ = increasing_root(
        shortfall, low=low, high=high, start=0.5 * (low + high), step_tolerance=_LOG_BAND_STEP
    )
    bands_hz = np.where(world.valued & (price <= at_top), world.top_hz, world.least_hz)
    bands_hz = np.where(inside, np.exp(root), bands_hz)
    fall = world.worth(np.where(inside, bands_hz, 1.0))[1]
    return bands_hz, np.where(inside, 1.0 / fall, 0.0)
