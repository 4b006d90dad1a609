"""Where certificates come from: every constraint recomputed, and a bound from the dual problem."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from optimizers import physics
from optimizers.admission import explained
from optimizers.arrays import BoolArray, FloatArray
from optimizers.certificate import FEASIBLE, OPTIMAL_GAP, Allocation, Certificate, Point
from optimizers.frontier import Frontier, frontiers
from optimizers.market import Answer, demand
from optimizers.round import Round
from optimizers.stack import Stack, stacked

_AT_BOUND = 1e-9
_ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class _Numbers:
    """What is computed for all rounds at once; arrays of shape (N,), active ones of shape (N, K)."""

    objective: FloatArray
    gap: FloatArray
    violation: Mapping[str, FloatArray]
    stationarity: FloatArray
    complementarity: FloatArray
    active: Mapping[str, BoolArray]
    scale: FloatArray


def certify(
    problem: Round, point: Point, *, price: float | None, claim: str | None, iterations: int
) -> Allocation:
    """Return an answer with its certificate.

    Args:
        problem: The round.
        point: The answer, shape (K,).
        price: Price λ of bandwidth, not negative.
        claim: "optimal" if the allocator says so.
        iterations: Iterations of the allocator.
    """
    if price is not None and not (np.isfinite(price) and price >= 0.0):
        raise ValueError(f"price: {price} must be finite and not negative")
    stack = stacked([problem])
    front = frontiers(stack) if problem.limited else None
    many = Point(point.keep[None], point.bandwidth_hz[None], point.power_w[None])
    prices = None if price is None else np.array([[float(price)]])
    return certify_many(
        [problem], stack, front, many, price=prices, claim=claim, iterations=iterations
    )[0]


def certify_many(
    problems: Sequence[Round],
    stack: Stack,
    front: Frontier | None,
    point: Point,
    *,
    price: FloatArray | None,
    claim: str | None,
    iterations: int,
    answer: Answer | None = None,
) -> list[Allocation]:
    """Return the answers to many rounds with their certificates.

    Args:
        problems: The rounds, N of them.
        stack: The same as a stack.
        front: Their frontiers, none without deadlines.
        point: The answers, shape (N, K).
        price: Prices of bandwidth, shape (N, 1), or none.
        claim: "optimal" if the allocator says so.
        iterations: Iterations of the allocator.
        answer: What the devices ask for at these prices, if it is known.
    """
    upload_s = physics.transfer_s(stack, point.keep, point.bandwidth_hz, point.power_w)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        numbers = _numbers(stack, front, point, upload_s, price=price, answer=answer)
    prices = np.full((len(problems), 1), np.nan) if price is None else price
    return [
        _told(problem, stack, row, point, upload_s, numbers, prices, claim, iterations)
        for row, problem in enumerate(problems)
    ]


def _told(
    problem: Round,
    stack: Stack,
    row: int,
    point: Point,
    upload_s: FloatArray,
    numbers: _Numbers,
    price: FloatArray,
    claim: str | None,
    iterations: int,
) -> Allocation:
    """Return the answer to one of the rounds with its certificate."""
    size = stack.devices[row]
    mine = Point(*(_row(array, row, size) for array in vars(point).values()))
    violation = {name: float(value[row]) for name, value in numbers.violation.items()}
    met = max(violation.values()) <= FEASIBLE
    gap = float(numbers.gap[row]) if met else float("nan")
    told = Certificate(
        status=_status(claim, met=met, gap=gap, scale=float(numbers.scale[row])),
        objective=float(numbers.objective[row]),
        gap=gap,
        violation=violation,
        stationarity=float(numbers.stationarity[row]),
        complementarity=float(numbers.complementarity[row]),
        price=float(price[row, 0]),
        active={name: value[row, :size] for name, value in numbers.active.items()},
        iterations=iterations,
    )
    if not met:
        told = explained(problem, mine, told)
    upload = _row(upload_s, row, size)
    return Allocation(mine.keep, mine.bandwidth_hz, mine.power_w, upload, told.objective, told)


def _row(array: FloatArray, row: int, size: int) -> FloatArray:
    mine = array[row, :size]
    mine.flags.writeable = False
    return mine


def _numbers(
    stack: Stack,
    front: Frontier | None,
    point: Point,
    upload_s: FloatArray,
    *,
    price: FloatArray | None,
    answer: Answer | None,
) -> _Numbers:
    finish_s = stack.fixed_s + stack.slope_s * point.keep + upload_s
    used_j = physics.spent_j(stack, point.keep, upload_s, point.power_w)
    lost = stack.weight * stack.error.value(1.0 - point.keep)
    objective = (lost + stack.rent * point.bandwidth_hz).sum(axis=-1)
    none = np.full(len(stack.devices), np.nan)
    gap, stationarity, spare = none, none, none
    if price is not None and front is None:
        gap = np.maximum(objective - _least_lost(stack), 0.0)
        stationarity, spare = 0.0 * objective, 0.0 * objective
    elif price is not None and front is not None:
        touch = demand(front, price) if answer is None else answer
        gap = _gap(front, objective, touch, price)
        needs_hz, above, below = (
            _own(front, point.keep)
            if answer is None
            else (answer.bandwidth_hz, answer.above, answer.below)
        )
        stationarity = _stationarity(front, price, above, below)
        unused_hz = stack.bandwidth_hz[:, 0] - needs_hz.sum(axis=-1)
        spare = price[:, 0] * np.abs(unused_hz)
    return _Numbers(
        objective=objective,
        gap=gap,
        violation=_violation(stack, point, finish_s, used_j, upload_s),
        stationarity=stationarity,
        complementarity=spare,
        active=_active(stack, point, finish_s, used_j, upload_s),
        scale=_range(stack) + (stack.rent * point.bandwidth_hz).sum(axis=-1),
    )


def _range(stack: Stack) -> FloatArray:
    """Return how much the ratios can change the objective, shape (N,)."""
    most = stack.error.value(1.0 - stack.keep_min) - stack.error.value(1.0 - stack.keep_max)
    return np.asarray((stack.weight * most).sum(axis=-1))


def _least_lost(stack: Stack) -> FloatArray:
    return np.asarray((stack.weight * stack.error.value(1.0 - stack.keep_max)).sum(axis=-1))


def _violation(
    stack: Stack, point: Point, finish_s: FloatArray, used_j: FloatArray, upload_s: FloatArray
) -> dict[str, FloatArray]:
    keep, bands_hz, power_w = point.keep, point.bandwidth_hz, point.power_w
    total = bands_hz.sum(axis=-1, keepdims=True) / stack.bandwidth_hz - 1.0
    none = np.zeros(stack.shape)
    excess = {
        "deadline": np.where(np.isinf(stack.deadline_s), 0.0, finish_s / stack.deadline_s - 1.0),
        "bandwidth": np.maximum(total, -bands_hz / stack.bandwidth_hz),
        "power": _power(stack, power_w),
        "energy": _over(used_j, stack.energy_j) if stack.budgeted else none,
        "keep": np.maximum(stack.keep_min - keep, keep - stack.keep_max) / stack.keep_max,
        "slot": _over(upload_s, stack.slot_s) if stack.slotted else none,
    }
    # What is not a number counts as infinite.
    every = np.array(list(excess.values()))
    every[np.isnan(every)] = np.inf
    return dict(zip(excess, every.max(axis=-1, initial=0.0), strict=True))


def _power(stack: Stack, power_w: FloatArray) -> FloatArray:
    """Return how far powers are out of bounds; where full power is asked for, nothing less will do."""
    over = power_w / stack.power_max_w - 1.0
    return np.abs(over) if stack.full_power else np.maximum(over, -power_w / stack.power_max_w)


def _over(used: FloatArray, limit: FloatArray) -> FloatArray:
    over = np.where(used > limit, used / limit - 1.0, 0.0)
    return np.where(np.isinf(limit), 0.0, np.where(np.isnan(used), np.inf, over))


def _active(
    stack: Stack, point: Point, finish_s: FloatArray, used_j: FloatArray, upload_s: FloatArray
) -> dict[str, BoolArray]:
    keep, below, none = point.keep, 1.0 - _AT_BOUND, np.zeros(stack.shape, dtype=np.bool_)
    efficient = none
    if stack.ceiled:
        rate = physics.upload_rate_bps(stack, point.bandwidth_hz, point.power_w)
        ceiling = point.bandwidth_hz * stack.efficiency_max
        efficient = (rate >= ceiling * below) & (rate > 0.0)
    return {
        "deadline": finish_s >= stack.deadline_s * below,
        "power": point.power_w >= stack.power_max_w * below,
        "energy": used_j >= stack.energy_j * below if stack.budgeted else none,
        "efficiency": efficient,
        "slot": upload_s >= stack.slot_s * below if stack.slotted else none,
        "keep_min": keep <= stack.keep_min * (1.0 + _AT_BOUND),
        "keep_max": keep >= stack.keep_max * below,
    }


def _gap(front: Frontier, objective: FloatArray, touch: Answer, price: FloatArray) -> FloatArray:
    """Return objective minus the dual bound at a price, shape (N,).

    Each device's a φ(1 − r(b)) + (λ + ν) b is convex on its interval of b, so a tangent bounds it from
    below and the smaller end of the tangent bounds its minimum, whichever point is touched. The
    point touched is the device's answer to the price, where the bound is tight; an inexact answer
    makes the bound looser, never wrong.
    """
    stack = front.stack
    pays = price + stack.rent
    slope = pays - np.minimum(np.maximum(pays, np.exp(touch.below)), np.exp(touch.above))
    ends = np.minimum(front.bandwidth_hz[-1], stack.bandwidth_hz), front.bandwidth_hz[0]
    bands_hz = touch.bandwidth_hz
    tangent = np.minimum(*(np.where(slope == 0.0, 0.0, slope * (end - bands_hz)) for end in ends))
    cost = stack.weight * stack.error.value(1.0 - touch.keep) + pays * bands_hz + tangent
    owed = price[:, 0] * stack.bandwidth_hz[:, 0]
    gap = objective - cost.sum(axis=-1) + owed
    noise = _ROUNDING * np.maximum(stack.weight.sum(axis=-1) + np.abs(objective), owed)
    return np.where(np.abs(gap) <= noise, 0.0, gap)


def _own(front: Frontier, keep: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return what ratios need, and ln worth of the last and of the next hertz there, shape (N, K)."""
    needs_hz, log_snr = front.curves.needed(keep)
    pieces = len(front.above)
    index = np.clip((front.keep[1:-1] <= keep).sum(axis=0), 0, pieces - 1)
    on = front.on(2 * index + 1)
    position = log_snr if on.ceiled is None else np.where(on.ceiled, -np.log(needs_hz), log_snr)
    worth = front.curves.at(np.clip(position, on.low, on.high), on).log_worth
    worth = np.where(front.valued, worth, -np.inf)
    near = np.abs(keep - front.keep) <= _AT_BOUND * keep
    above = np.where(near[1:], front.below, -np.inf).max(axis=0)
    below = np.where(near[:-1], front.above, np.inf).min(axis=0)
    above = np.where(near[0], np.inf, np.maximum(above, worth))
    below = np.where(near[-1], -np.inf, np.minimum(below, worth))
    return needs_hz, above, below


def _stationarity(
    front: Frontier, price: FloatArray, above: FloatArray, below: FloatArray
) -> FloatArray:
    pays = np.log(price + front.stack.rent)
    distance = np.maximum(np.maximum(pays - above, below - pays), 0.0)
    paid = front.valued & ~np.isnan(distance)
    return np.asarray(np.max(np.where(paid, -np.expm1(-distance), 0.0), axis=-1, initial=0.0))


def _status(claim: str | None, *, met: bool, gap: float, scale: float) -> str:
    if not met:
        return "infeasible"
    if claim != "optimal":
        return "feasible"
    return "optimal" if abs(gap) <= OPTIMAL_GAP * scale else "inaccurate"
