"""The deadline as a variable: time against error, and the least deadline for an error.

V(T), the least objective by a deadline T, never rises with T. With a price w of a second the best
deadline minimises w T + V(T). With φ = −ln r, and without fixed bits and energy budgets, the problem
is jointly convex in ln r, T, bandwidth and power, so V is convex [X, proved]. With other errors V is
not exactly convex, but w T + V(T) fell and then rose in 1000 of 1000 random cases [X, checked], and
the search relies on that.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from optimizers.arrays import BoolArray, FloatArray
from optimizers.certificate import Allocation
from optimizers.kkt import solve_kkt, solve_many
from optimizers.least_latency import least_latency
from optimizers.limits import overdue
from optimizers.objectives.batches import first_point, least_point
from optimizers.problem import RoundProblem

_POINTS = 24
_DOUBLINGS = 40
_MET = 1e-12


@dataclass(frozen=True, eq=False)
class Tradeoff:
    """The best deadline and the answer to it.

    Attributes:
        deadline_s: Deadline T, infinite if there is none.
        allocation: The joint optimum by that deadline.
        value: w T + Σ a φ + Σ ν b, infinite where nothing is in time.
    """

    deadline_s: float
    allocation: Allocation
    value: float


@dataclass(frozen=True)
class TimeTradeoff:
    """Time against error: the deadline T is chosen too — min w T + Σ a φ(1 − r), T at most as given.

    Attributes:
        seconds_weight: Price w of a second of the round, in units of the objective.
    """

    seconds_weight: Annotated[float, ("above", 0.0)] = 1.0

    def allocate(self, problem: RoundProblem, rng: np.random.Generator) -> Allocation:
        """Return the joint optimum by the best deadline, as an answer to the round; nothing is drawn.

        Args:
            problem: The round; its deadlines are upper limits of T.
            rng: Unused.
        """
        return _as_answer(problem, tradeoff(problem, self.seconds_weight))


@dataclass(frozen=True)
class LogTradeoff:
    """Time against keep ratios, jointly convex — min w T − Σ a ln r, T at most as given.

    The error model of the round is not used, except for the certificate.

    Attributes:
        seconds_weight: Price w of a second of the round, per relative loss of keep ratio.
    """

    seconds_weight: Annotated[float, ("above", 0.0)] = 1.0

    def allocate(self, problem: RoundProblem, rng: np.random.Generator) -> Allocation:
        """Return the joint optimum by the best deadline, as an answer to the round; nothing is drawn.

        Args:
            problem: The round; its deadlines are upper limits of T.
            rng: Unused.
        """
        return _as_answer(problem, tradeoff_log(problem, self.seconds_weight))


def tradeoff(problem: RoundProblem, seconds_weight: float) -> Tradeoff:
    """Return the deadline that minimises w T + V(T), and the joint optimum by it.

    The search starts from deadlines between the least latency at the smallest ratios and the latest
    that can be worth its time: V cannot fall below Σ a φ(1 − r_max), so T is at most (what is reached
    − that)/w. If no deadline is in time, the allocation is infeasible and says why.

    Args:
        problem: The round; a device with an own deadline has min(T, its deadline).
        seconds_weight: Price w of a second, above 0.
    """
    if not (np.isfinite(seconds_weight) and seconds_weight > 0.0):
        raise ValueError(f"seconds_weight: {seconds_weight} must be finite and above 0")
    limit_s = float(problem.deadline_s.max())
    floor = float(np.sum(problem.weight * problem.error.value(1.0 - problem.keep_max)))

    def values(deadlines_s: FloatArray) -> FloatArray:
        return seconds_weight * deadlines_s + _least_errors(
            problem, deadlines_s, problem.deadline_s
        )

    ladder_s = _ladder(problem, limit_s)
    reached = values(ladder_s) if ladder_s.size else np.array([np.inf])
    if not np.isfinite(reached).any():
        return Tradeoff(limit_s, overdue(problem), float("inf"))
    latest_s = (float(reached.min()) - floor) / seconds_weight
    latest_s = min(max(latest_s, float(ladder_s[0])), limit_s)
    best_s = least_point(values, np.geomspace(ladder_s[0], latest_s, _POINTS))
    answer = solve_kkt(_by(problem, best_s, problem.deadline_s))
    return Tradeoff(best_s, answer, seconds_weight * best_s + answer.objective)


def tradeoff_log(problem: RoundProblem, seconds_weight: float) -> Tradeoff:
    """Return the deadline and the ratios that minimise w T − Σ a ln r.

    The conic twin is `optimizers.convex.tradeoff_log`.

    Args:
        problem: The round; its error model is not used.
        seconds_weight: Price w of a second, above 0.
    """
    return tradeoff(problem.changed(error="neglog"), seconds_weight)


def least_deadline(problem: RoundProblem, error_budget: float) -> tuple[float, Allocation]:
    """Return the least deadline by which the objective meets a budget, and the optimum by it.

    The deadlines of the problem are ignored. Since V(T) never rises, the deadlines that meet the
    budget have a least one. Where even a late deadline does not meet it, the deadline is infinite,
    and the allocation is the optimum by a late deadline.

    Args:
        problem: The round.
        error_budget: Largest Σ a φ(1 − r) + Σ ν b.
    """
    none = np.full(problem.devices, np.inf)
    allowed = error_budget + _MET * float(problem.weight.sum())

    def meets(deadlines_s: FloatArray) -> BoolArray:
        return np.asarray(_least_errors(problem, deadlines_s, none) <= allowed)

    ladder_s = _ladder(problem, np.inf)
    if not ladder_s.size:
        return float("inf"), overdue(problem)
    met = meets(ladder_s)
    if not met.any():
        return float("inf"), solve_kkt(_by(problem, float(ladder_s[-1]), none))
    first = int(np.argmax(met))
    start_s = float(ladder_s[max(first - 1, 0)])
    deadline_s = first_point(meets, start_s, float(ladder_s[first]))
    return deadline_s, solve_kkt(_by(problem, deadline_s, none))


def _by(problem: RoundProblem, deadline_s: float, limit_s: FloatArray) -> RoundProblem:
    """Return the round with a deadline for all, or a device's limit where that is earlier."""
    return problem.changed(deadline_s=np.minimum(deadline_s, limit_s))


def _least_errors(
    problem: RoundProblem, deadlines_s: FloatArray, limit_s: FloatArray
) -> FloatArray:
    """Return V(T) at deadlines, infinite where not all are in time, shape (J,)."""
    answers = solve_many([_by(problem, float(seconds), limit_s) for seconds in deadlines_s])
    return np.array([a.objective if a.certificate.feasible else np.inf for a in answers])


def _ladder(problem: RoundProblem, limit_s: float) -> FloatArray:
    """Return deadlines from the least latency on, each twice the last, up to a limit; or none."""
    least_s = max(least_latency(problem, problem.keep_min)[0], float(np.finfo(np.float64).tiny))
    if not np.isfinite(least_s):
        return np.empty(0)
    ladder_s = least_s * 2.0 ** np.arange(_DOUBLINGS)
    return np.append(ladder_s[ladder_s < limit_s], [limit_s] if np.isfinite(limit_s) else [])


def _as_answer(problem: RoundProblem, found: Tradeoff) -> Allocation:
    """Return an answer by an earlier deadline as an answer to the round."""
    answer, price = found.allocation, found.allocation.certificate.price
    return problem.allocation(
        keep=answer.keep,
        bandwidth_hz=answer.bandwidth_hz,
        power_w=answer.power_w,
        price=price if np.isfinite(price) and price >= 0.0 else None,
        iterations=answer.certificate.iterations,
    )
