"""The answer to a round and the evidence for it: violations, gap bound, stationarity."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from optimizers.arrays import FloatArray, IndexArray, column
from optimizers.frontier import Frontier, frontier
from optimizers.least_latency import least_latency
from optimizers.round import Round

FEASIBLE = 1e-9
OPTIMAL_GAP = 1e-6
_AT_BOUND = 1e-9
_ROUNDING = 1e-14


@dataclass(frozen=True)
class Certificate:
    """What is known about an answer, recomputed from the problem.

    Attributes:
        status: "optimal" (claimed, and the gap bound confirms it to 1e-6 of Σ a), "feasible",
            "inaccurate" (claimed optimal, feasible, not confirmed) or "infeasible".
        objective: Σ a (1 − r), the weighted pruning.
        gap: Bound on how far the objective lies above the optimum; not a number without a price or
            where the answer is infeasible.
        violation: Largest relative violation of each constraint: deadline, bandwidth, power, keep.
        stationarity: Largest relative difference between the price and what one more hertz is worth,
            over devices with active "deadline" that more bandwidth helps; 0 if there are none, not a
            number without a price.
        complementarity: Price times unused bandwidth, in units of the objective.
        price: Price of bandwidth, loss of objective per hertz.
        active: What holds each device: "keep_min", "keep_max", "deadline" or "slack".
        iterations: Iterations of the allocator.
        reason: Why the answer is infeasible and what would help; otherwise empty.
    """

    status: str
    objective: float
    gap: float
    violation: Mapping[str, float]
    stationarity: float
    complementarity: float
    price: float
    active: tuple[str, ...]
    iterations: int
    reason: str


@dataclass(frozen=True, eq=False)
class Allocation:
    """What each device keeps, and on which bandwidth with which power it sends that.

    Attributes:
        keep: Keep ratio r, shape (K,).
        bandwidth_hz: Bandwidth, shape (K,).
        power_w: Transmit power, shape (K,).
        upload_s: Time of the upload, shape (K,).
        objective: Σ a (1 − r), the weighted pruning.
        certificate: The evidence.
    """

    keep: FloatArray
    bandwidth_hz: FloatArray
    power_w: FloatArray
    upload_s: FloatArray
    objective: float
    certificate: Certificate

    @property
    def pruning(self) -> FloatArray:
        """Pruning ratio ρ = 1 − r, shape (K,)."""
        return 1.0 - self.keep


@dataclass(frozen=True, eq=False)
class Point:
    """An answer without its evidence.

    Attributes:
        keep: Keep ratio r, shape (K,).
        bandwidth_hz: Bandwidth, shape (K,).
        power_w: Transmit power, shape (K,).
    """

    keep: FloatArray
    bandwidth_hz: FloatArray
    power_w: FloatArray


def certify(
    problem: Round, point: Point, *, price: float | None, claim: str | None, iterations: int
) -> Allocation:
    """Return an answer with its certificate.

    Args:
        problem: The round.
        point: The answer.
        price: Price λ of bandwidth, not negative.
        claim: "optimal" if the allocator says so.
        iterations: Iterations of the allocator.
    """
    if price is not None and not (np.isfinite(price) and price >= 0.0):
        raise ValueError(f"price: {price} must be finite and not negative")
    certificate = _certificate(problem, point, price, claim, iterations)
    upload_s = problem.upload_s(point.keep, point.bandwidth_hz, point.power_w)
    return Allocation(
        keep=point.keep,
        bandwidth_hz=point.bandwidth_hz,
        power_w=point.power_w,
        upload_s=column("upload_s", upload_s, point.keep.size),
        objective=certificate.objective,
        certificate=certificate,
    )


def _certificate(
    problem: Round, point: Point, price: float | None, claim: str | None, iterations: int
) -> Certificate:
    finish_s = problem.finish_s(point.keep, point.bandwidth_hz, point.power_w)
    objective = float(np.sum(problem.weight * (1.0 - point.keep)))
    violation = _violations(problem, point, finish_s)
    active = _active(problem, point.keep, finish_s)
    front = frontier(problem) if problem.limited else None
    met = max(violation.values()) <= FEASIBLE
    gap = _gap(problem, front, objective, price) if met and price is not None else float("nan")
    unused_hz = problem.bandwidth_hz - float(point.bandwidth_hz.sum())
    return Certificate(
        status=_status(claim, met=met, gap=gap, scale=float(problem.weight.sum())),
        objective=objective,
        gap=gap,
        violation=violation,
        stationarity=_stationarity(front, point.bandwidth_hz, price, active),
        complementarity=float("nan") if price is None else price * abs(unused_hz),
        price=float("nan") if price is None else float(price),
        active=active,
        iterations=iterations,
        reason="" if met else _reason(problem, front, violation, finish_s),
    )


def _violations(problem: Round, point: Point, finish_s: FloatArray) -> dict[str, float]:
    keep, bandwidth_hz, power_w = point.keep, point.bandwidth_hz, point.power_w
    late = finish_s / problem.deadline_s - 1.0 if problem.limited else np.zeros(keep.size)
    total = np.append(-bandwidth_hz, bandwidth_hz.sum() - problem.bandwidth_hz)
    power = np.maximum(power_w - problem.power_max_w, -power_w) / problem.power_max_w
    ratio = np.maximum(problem.keep_min - keep, keep - problem.keep_max) / problem.keep_max
    excess = {
        "deadline": late,
        "bandwidth": total / problem.bandwidth_hz,
        "power": power,
        "keep": ratio,
    }
    return {name: _largest(value) for name, value in excess.items()}


def _largest(excess: FloatArray) -> float:
    """Return the largest excess above 0; a value that is not a number counts as infinite."""
    return max(0.0, float(np.max(np.where(np.isnan(excess), np.inf, excess))))


def _active(problem: Round, keep: FloatArray, finish_s: FloatArray) -> tuple[str, ...]:
    names = np.select(
        [
            keep >= problem.keep_max * (1.0 - _AT_BOUND),
            keep <= problem.keep_min * (1.0 + _AT_BOUND),
            finish_s >= problem.deadline_s * (1.0 - _AT_BOUND),
        ],
        ["keep_max", "keep_min", "deadline"],
        "slack",
    )
    return tuple(str(name) for name in names)


def _gap(problem: Round, front: Frontier | None, objective: float, price: float) -> float:
    """Return objective minus the dual bound at a price.

    Each device's a (1 − r(b)) + λ b is convex on [b_min, b_top], so a tangent bounds it from below
    and the smaller end of the tangent bounds its minimum, whichever point is touched. The point
    touched is the device's answer to the price, where the bound is tight; an inexact answer makes
    the bound looser, never wrong.
    """
    if front is None:
        bound = float(np.sum(problem.weight * (1.0 - problem.keep_max)))
        return max(objective - bound, 0.0)
    touch_hz = front.answer(price).bandwidth_hz if price > 0.0 else front.top_hz
    slope = price - front.marginal(touch_hz)
    ends = np.minimum(slope * (front.least_hz - touch_hz), slope * (front.top_hz - touch_hz))
    cost = problem.weight * (1.0 - front.keep(touch_hz)) + price * touch_hz + ends
    gap = objective - float(cost.sum()) + price * problem.bandwidth_hz
    noise = _ROUNDING * max(float(problem.weight.sum()), price * problem.bandwidth_hz)
    return 0.0 if abs(gap) <= noise else gap


def _stationarity(
    front: Frontier | None, bandwidth_hz: FloatArray, price: float | None, active: tuple[str, ...]
) -> float:
    if price is None:
        return float("nan")
    if front is None:
        return 0.0
    inside = np.array([name == "deadline" for name in active]) & front.valued
    if not inside.any():
        return 0.0
    marginal = front.marginal(bandwidth_hz)[inside]
    scale = np.maximum(np.maximum(marginal, price), np.finfo(np.float64).tiny)
    return float(np.max(np.abs(marginal - price) / scale))


def _status(claim: str | None, *, met: bool, gap: float, scale: float) -> str:
    if not met:
        return "infeasible"
    if claim != "optimal":
        return "feasible"
    return "optimal" if abs(gap) <= OPTIMAL_GAP * scale else "inaccurate"


def _reason(
    problem: Round,
    front: Frontier | None,
    violation: Mapping[str, float],
    finish_s: FloatArray,
) -> str:
    if front is not None and not front.feasible:
        return _remedy(problem, front)
    late = np.flatnonzero(~(finish_s <= problem.deadline_s * (1.0 + FEASIBLE)))
    if late.size:
        worst = int(late[np.argmax((finish_s / problem.deadline_s)[late])])
        return (
            f"{_names(late)} would miss the deadline, device {worst} by "
            f"{finish_s[worst] - problem.deadline_s[worst]:.3g} s; another allocation meets it"
        )
    broken = [name for name, value in violation.items() if value > FEASIBLE]
    return f"the limits on {' and '.join(broken)} are exceeded"


def _remedy(problem: Round, front: Frontier) -> str:
    """Return which devices no allocation brings in time, and the least change that helps."""
    mute = (front.snr_hz <= 0.0) & (problem.bits(problem.keep_min) > 0.0)
    if mute.any():
        return f"{_names(np.flatnonzero(mute))} cannot send at all (no gain or no power) and must be left out"
    least_s, _ = least_latency(problem, problem.keep_min)
    remedy = f"the least deadline for all is {_round_up(least_s)} s"
    hopeless = np.isinf(front.least_hz)
    if hopeless.any():
        return (
            f"{_names(np.flatnonzero(hopeless))} cannot meet the deadline at any bandwidth, even at keep_min; "
            f"{remedy}"
        )
    needed_total_hz = float(front.least_hz.sum())
    order = np.argsort(-front.least_hz, kind="stable")
    share = np.cumsum(front.least_hz[order]) / needed_total_hz
    return (
        f"at keep_min the devices need {_round_up(needed_total_hz)} Hz of "
        f"{problem.bandwidth_hz:.6g} Hz, most of it {_names(order[: 1 + np.argmax(share > 0.5)])}; "
        f"{remedy}, the least bandwidth {_round_up(needed_total_hz)} Hz"
    )


def _round_up(value: float) -> str:
    """Return a number that is not below the value, with six significant digits."""
    return f"{value * (1.0 + 6e-6):.6g}"


def _names(devices: IndexArray) -> str:
    listed = ", ".join(str(device) for device in devices[:8])
    more = f" and {devices.size - 8} more" if devices.size > 8 else ""
    return f"{'device' if devices.size == 1 else 'devices'} {listed}{more}"
