"""The joint optimum of pruning and bandwidth by dual decomposition: a price, a root a device."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from optimizers.arrays import FloatArray
from optimizers.certificate import Allocation
from optimizers.frontier import Answer, Frontier, frontier
from optimizers.limits import overdue, unhurried
from optimizers.problem import RoundProblem
from optimizers.roots import increasing_root

_LOG_PRICE_STEP = 1e-15


@dataclass(frozen=True)
class Kkt:
    """The joint optimum of pruning ratios and bandwidths, exact to rounding.

    Attributes:
        tolerance: Relative mismatch between the bandwidth asked for at the price and the whole band.
    """

    tolerance: Annotated[float, ("above", 0.0)] = 1e-13

    def allocate(self, problem: RoundProblem, rng: np.random.Generator) -> Allocation:
        """Return the optimum; nothing is drawn.

        Args:
            problem: The round.
            rng: Unused.
        """
        return solve_kkt(problem, tolerance=self.tolerance)


def solve_kkt(
    problem: RoundProblem, price: float | None = None, tolerance: float = 1e-13
) -> Allocation:
    """Return the joint optimum of pruning ratios and bandwidths.

    The Lagrangian separates: at a price λ of bandwidth every device whose ratio lies between its
    bounds takes the bandwidth at which one more hertz is worth the price,

    a Θ h(z)/(ln 2 (S + β R(z))²) = λ,   Θ = S T' + β σ,   h(z) = ln(1 + z) − z/(1 + z),

    and the others stop at a bound. What they ask for falls with λ; the price at which it adds up to
    the whole band is found by Newton's method on ln λ inside a bracket [X; the algorithm agrees with
    the conic solver of `optimizers.convex`]. Without scarcity the price is 0 and the spare bandwidth
    is handed out in proportion. Without a deadline the answer is the fastest round without pruning.
    If the smallest ratios do not fit, the answer is "infeasible" and carries a reason.

    Args:
        problem: The round.
        price: First guess of the price, for instance that of the last round.
        tolerance: Relative mismatch of bandwidth at which to stop.
    """
    if not problem.limited:
        return unhurried(problem)
    front = frontier(problem)
    if not front.feasible:
        return overdue(problem)
    found, asked_hz, iterations = _market(front, price, tolerance)
    bands_hz = front.fit(asked_hz)
    return problem.allocation(
        keep=front.keep(bands_hz),
        bandwidth_hz=bands_hz,
        price=found,
        status="optimal",
        iterations=iterations,
    )


def _market(
    front: Frontier, price: float | None, tolerance: float
) -> tuple[float, FloatArray, int]:
    """Return the price of bandwidth, what the devices ask for at it, and the iterations."""
    total_hz = front.problem.bandwidth_hz
    valued = front.valued
    most_hz = np.where(valued, front.top_hz, front.least_hz)
    if not (valued & front.short).any() and (most_hz.sum() <= total_hz or not valued.any()):
        return 0.0, most_hz, 0
    lowest = float(front.marginal(front.top_hz)[valued].min())
    highest = float(front.marginal(front.least_hz)[valued].max())
    if front.least_hz.sum() >= total_hz:
        return highest, front.least_hz, 0
    if price is None or price <= 0.0:
        even_hz = np.full_like(most_hz, total_hz / most_hz.size)
        inside_hz = np.clip(even_hz, front.least_hz, front.top_hz)
        price = float(np.median(front.marginal(inside_hz)[valued]))
    demand = _Demand(front)
    root, iterations = increasing_root(
        demand,
        low=np.log(np.asarray(lowest)),
        high=np.log(np.asarray(highest)),
        start=np.log(np.asarray(min(max(price, lowest), highest))),
        value_tolerance=tolerance,
        step_tolerance=_LOG_PRICE_STEP,
    )
    return float(np.exp(root)), demand.at(root).bandwidth_hz, iterations


class _Demand:
    """The bandwidth asked for as a function of ln λ; each price starts from the last one's roots."""

    def __init__(self, front: Frontier) -> None:
        self._front = front
        self._last: tuple[float, Answer] | None = None

    def at(self, log_price: FloatArray) -> Answer:
        """Return the answers of all devices to a price."""
        here = float(log_price)
        start = None
        if self._last is not None:
            there, answer = self._last
            start = answer.log_snr + answer.elasticity * (here - there)
        answer = self._front.answer(float(np.exp(here)), start)
        self._last = (here, answer)
        return answer

    def __call__(self, log_price: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return ln(B/Σ b), which increases in ln λ, and its slope."""
        answer = self.at(log_price)
        asked_hz = answer.bandwidth_hz.sum()
        fall_hz = (answer.bandwidth_hz * answer.elasticity).sum()
        return np.log(self._front.problem.bandwidth_hz / asked_hz), fall_hz / asked_hz
