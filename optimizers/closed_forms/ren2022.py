"""Latency against learning at the network edge, with packet errors: a search over the deadline [X]."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from optimizers.arrays import FloatArray
from optimizers.certificate import Allocation
from optimizers.kkt import solve_kkt, solve_many
from optimizers.least_latency import least_latency
from optimizers.limits import overdue
from optimizers.objectives.batches import least_point
from optimizers.problem import RoundProblem

_GRID = 17
_SPARE = 1e-9
_SETTLED = 1e-7


@dataclass(frozen=True)
class Ren2022:
    """Latency, pruning and packet errors weighed against each other, after arXiv 2205.14271.

    min  w T + (1 − w) (A Σ a φ(1 − r) + A' Σ a e),   e = 1 − exp(−ϑ N₀ b/(p_max g))

    The deadline T is searched for; at each T the errors enter through their linear majorant as a rent
    of bandwidth, ν = (A'/A) a ϑ N₀/(p_max g). That pruning, packet errors, latency and closed forms
    for ratio and bandwidth meet in a weighted sum is the paper's [V], the formulas are a
    reconstruction [X]. A deadline of the round bounds the search.

    Attributes:
        seconds_weight: Weight w of a second, against 1 − w for what learning loses.
        waterfall: Waterfall threshold ϑ of the packet errors, linear.
        pruning_cost: Cost A of pruning.
        error_cost: Cost A' of packet errors.
    """

    seconds_weight: Annotated[float, ("above", 0.0), ("most", 1.0)] = 0.5
    waterfall: Annotated[float, ("least", 0.0)] = 0.023
    pruning_cost: Annotated[float, ("above", 0.0)] = 1.0
    error_cost: Annotated[float, ("least", 0.0)] = 1.0

    paper_verified = False

    def allocate(self, problem: RoundProblem, rng: np.random.Generator) -> Allocation:
        """Return the answer at the best deadline, at the largest power; nothing is drawn.

        Args:
            problem: The round.
            rng: Unused.
        """
        found = edge_tradeoff(
            problem,
            self.seconds_weight,
            self.waterfall,
            pruning_cost=self.pruning_cost,
            error_cost=self.error_cost,
        )
        answer = found.allocation
        if not answer.certificate.feasible:
            return overdue(problem)
        return problem.allocation(
            keep=answer.keep,
            bandwidth_hz=answer.bandwidth_hz,
            power_w=answer.power_w,
            price=answer.certificate.price,
            iterations=answer.certificate.iterations,
        )


@dataclass(frozen=True, eq=False)
class Tradeoff:
    """The best deadline of a round, and what the devices do until then.

    Attributes:
        deadline_s: Deadline T; infinite if the round can never be in time.
        allocation: The answer at that deadline, to the round with rents and largest powers.
        packet_error: Probability e of losing each upload, shape (K,).
        cost: w T + (1 − w) (A Σ a φ + A' Σ a e).
    """

    deadline_s: float
    allocation: Allocation
    packet_error: FloatArray
    cost: float


def packet_errors(problem: RoundProblem, bandwidth_hz: FloatArray, waterfall: float) -> FloatArray:
    """Return the probability of losing each upload, e = 1 − exp(−ϑ/z) at the largest power, shape (K,).

    z = p_max g/(N₀ b) is the signal-to-noise ratio on the device's band, or on `noise_band_hz` where
    the round has one. A frequent form [R]; a public code base uses it with ϑ = 0.023 [V].

    Args:
        problem: The round.
        bandwidth_hz: Bandwidths b, shape (K,).
        waterfall: Waterfall threshold ϑ, linear.
    """
    heard_hz = bandwidth_hz if problem.noise_band_hz is None else problem.noise_band_hz
    return -np.expm1(-_errors_per_hz(problem, waterfall) * heard_hz)


def edge_tradeoff(
    problem: RoundProblem,
    seconds_weight: float,
    waterfall: float,
    *,
    pruning_cost: float = 1.0,
    error_cost: float = 1.0,
) -> Tradeoff:
    """Return the deadline that costs least in w T + (1 − w) (A Σ a φ + A' Σ a e), and its answer.

    The cost of the optimum at T is unimodal in T in practice, not in proof [X]: a grid in ln T is
    refined around its best point, with exact errors in the cost and the linear majorant, which is
    tight for small ones, in the rent of each answer.

    Args:
        problem: The round; its deadlines bound T. Its rents give way to those of the errors, and
            every device sends with its largest power.
        seconds_weight: Weight w of a second, above 0 and at most 1.
        waterfall: Waterfall threshold ϑ, linear.
        pruning_cost: Cost A of pruning, above 0.
        error_cost: Cost A' of packet errors.
    """
    if not 0.0 < seconds_weight <= 1.0:
        raise ValueError(f"seconds_weight: {seconds_weight} must be above 0 and at most 1")
    costs = _Costs(seconds_weight, waterfall, pruning_cost, error_cost)
    base = costs.rented(problem)
    low_s, high_s = _ends(base, costs)
    deadline_s = float("inf")
    if high_s < np.inf:
        grid_s = np.geomspace(low_s, high_s, _GRID)
        deadline_s = least_point(lambda tried_s: _costs_at(base, costs, tried_s), grid_s, _SETTLED)
    answer = solve_kkt(_by(base, deadline_s)) if deadline_s < np.inf else overdue(base)
    errors = packet_errors(base, answer.bandwidth_hz, waterfall)
    return Tradeoff(deadline_s, answer, errors, costs.at(base, deadline_s, answer))


@dataclass(frozen=True)
class _Costs:
    """The weights of the sum: w, ϑ, A and A'."""

    seconds_weight: float
    waterfall: float
    pruning_cost: float
    error_cost: float

    def rented(self, problem: RoundProblem) -> RoundProblem:
        """Return the round at the largest powers, with the majorant of its errors as rents."""
        rent = np.zeros(problem.devices)
        if problem.noise_band_hz is None:
            scale = self.error_cost / self.pruning_cost * problem.weight
            rent = np.minimum(scale * _errors_per_hz(problem, self.waterfall), 1e300)
        return problem.changed(rent=rent, full_power=True)

    def at(self, base: RoundProblem, deadline_s: float, answer: Allocation) -> float:
        """Return the cost of an answer, infinite if it is not in time."""
        if not answer.certificate.feasible:
            return float("inf")
        lost = base.weight @ base.error.value(1.0 - answer.keep)
        errors = base.weight @ packet_errors(base, answer.bandwidth_hz, self.waterfall)
        learning = self.pruning_cost * float(lost) + self.error_cost * float(errors)
        return self.seconds_weight * deadline_s + (1.0 - self.seconds_weight) * learning


def _by(base: RoundProblem, deadline_s: float) -> RoundProblem:
    """Return the round with a deadline for all, or a device's own where that is earlier."""
    return base.changed(deadline_s=np.minimum(base.deadline_s, deadline_s))


def _costs_at(base: RoundProblem, costs: _Costs, deadlines_s: FloatArray) -> FloatArray:
    """Return the cost of the optimum at each deadline, infinite if none is in time, shape (J,)."""
    answers = solve_many([_by(base, float(seconds)) for seconds in deadlines_s])
    return np.array([costs.at(base, *each) for each in zip(deadlines_s, answers, strict=True)])


def _ends(base: RoundProblem, costs: _Costs) -> tuple[float, float]:
    """Return deadlines between which the best one lies; the last is infinite if none is met.

    Without deadlines no T can be best that costs more by itself than the fastest dense round in all.
    """
    least_s, _ = least_latency(base, base.keep_min)
    low_s = max(least_s * (1.0 + _SPARE), float(np.finfo(np.float64).tiny))
    if base.limited:
        met = solve_kkt(base).certificate.feasible
        high_s = float(base.deadline_s.max()) if met else float("inf")
        return min(low_s, high_s), high_s
    dense_s, bands_hz = least_latency(base, base.keep_max)
    dense = base.allocation(keep=base.keep_max, bandwidth_hz=bands_hz)
    limit_s = costs.at(base, dense_s, dense) / costs.seconds_weight
    return low_s, max(limit_s, dense_s, low_s)


def _errors_per_hz(problem: RoundProblem, waterfall: float) -> FloatArray:
    """Return ϑ N₀/(p_max g), the slope of the majorant e ≤ ϑ N₀ b/(p_max g), shape (K,)."""
    received_w = problem.power_max_w * problem.gain
    noise = waterfall * problem.noise_w_per_hz
    return np.where(received_w > 0.0, noise / np.where(received_w > 0.0, received_w, 1.0), np.inf)
