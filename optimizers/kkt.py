"""The joint optimum of pruning, bandwidth and power by its dual: one price for the band, one root a device."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from optimizers import physics
from optimizers.arrays import FloatArray
from optimizers.certificate import Allocation, Point
from optimizers.evidence import certify_many
from optimizers.frontier import Frontier, frontiers
from optimizers.limits import overdue, unhurried
from optimizers.market import Answer, clear
from optimizers.problem import RoundProblem
from optimizers.stack import likeness, stacked


@dataclass(frozen=True)
class Kkt:
    """The joint optimum of pruning ratios, bandwidths and powers, exact to rounding.

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
    """Return the joint optimum of pruning ratios, bandwidths and powers.

    In the rate that a device needs, the problem is convex, and its Lagrangian separates: at a price λ
    of bandwidth every device takes the point of its frontier at which one more hertz is worth the
    price (`optimizers.curves`), and the price is right where the demand is the band
    (`optimizers.market`) [X; the answer agrees with the conic solver of `optimizers.convex`].
    Without scarcity the price is 0 and the spare bandwidth is handed out in proportion. Without a
    deadline the answer is the fastest round without pruning. If the smallest ratios do not fit, the
    answer is "infeasible" or "unbounded" and carries a remedy.

    Args:
        problem: The round.
        price: First guess of the price, for instance that of the last round.
        tolerance: Relative mismatch of bandwidth at which to stop.
    """
    return solve_many([problem], None if price is None else [price], tolerance)[0]


def solve_many(
    problems: Sequence[RoundProblem],
    prices: Sequence[float] | None = None,
    tolerance: float = 1e-13,
) -> list[Allocation]:
    """Return the joint optima of many rounds, found side by side.

    Args:
        problems: The rounds; their numbers of devices may differ.
        prices: First guesses of their prices, not a number for none.
        tolerance: Relative mismatch of bandwidth at which to stop.

    >>> problem = RoundProblem(
    ...     gain=[1e-9, 4e-9], noise_w_per_hz=2e-20, bandwidth_hz=2e6, power_max_w=0.1, fixed_s=0.1,
    ...     slope_s=0.2, fixed_bits=1e5, prunable_bits=1e7, deadline_s=0.45,
    ... )
    >>> [one, two] = solve_many([problem, problem.changed(deadline_s=0.5)])
    >>> one.objective > two.objective
    True
    """
    if prices is not None and len(prices) != len(problems):
        raise ValueError(f"prices: {len(prices)} of them do not fit {len(problems)} rounds")
    answers: dict[int, Allocation] = {}
    groups: dict[object, list[int]] = {}
    for index, problem in enumerate(problems):
        if problem.limited:
            groups.setdefault(likeness(problem), []).append(index)
        else:
            answers[index] = unhurried(problem)
    for group in groups.values():
        guesses = None if prices is None else np.array([[prices[index]] for index in group])
        found = _solved([problems[index] for index in group], guesses, tolerance)
        answers.update(zip(group, found, strict=True))
    return [answers[index] for index in range(len(problems))]


def _solved(
    problems: Sequence[RoundProblem], prices: FloatArray | None, tolerance: float
) -> list[Allocation]:
    """Return the optima of rounds that can be stacked."""
    if not problems:
        return []
    stack = stacked(problems)
    front = frontiers(stack)
    feasible = front.feasible[:, 0]
    if not feasible.all():
        served = [problem for problem, fits in zip(problems, feasible, strict=True) if fits]
        found = iter(_solved(served, None if prices is None else prices[feasible], tolerance))
        return [
            next(found) if fits else overdue(problem)
            for problem, fits in zip(problems, feasible, strict=True)
        ]
    answer = clear(front, prices, tolerance)
    bands_hz = _shared(front, answer)
    power_w = physics.useful_power_w(stack, answer.keep, bands_hz)
    return certify_many(
        problems,
        stack,
        front,
        Point(answer.keep, bands_hz, power_w),
        price=answer.price,
        claim="optimal",
        iterations=answer.iterations,
        answer=answer if answer.plain else None,
    )


def _shared(front: Frontier, answer: Answer) -> FloatArray:
    """Return bandwidths that add up to the band: what is spare is handed out in proportion."""
    stack, asked_hz = front.stack, answer.bandwidth_hz
    total_hz = asked_hz.sum(axis=-1, keepdims=True)
    if stack.rented:
        return asked_hz * np.minimum(
            1.0, stack.bandwidth_hz / np.where(total_hz > 0.0, total_hz, 1.0)
        )
    if total_hz.all():
        return np.asarray(asked_hz * (stack.bandwidth_hz / total_hz))
    counts = np.array(stack.devices)[:, None]
    even_hz = np.where(np.arange(stack.shape[1]) < counts, stack.bandwidth_hz / counts, 0.0)
    scaled_hz = asked_hz * (stack.bandwidth_hz / np.where(total_hz > 0.0, total_hz, 1.0))
    return np.where(total_hz > 0.0, scaled_hz, even_hz)
