"""The price of bandwidth at which what the devices ask for is the band: Newton's method on both at once.

At a price λ of bandwidth, every device takes the band on which one more hertz is worth what it pays,
λ + ν. The price is right where the demand Σ b is the band B. Instead of solving every device anew at
every price, one step moves price and devices together: with v_k the devices' positions, G_k(v_k) the
logarithm of worth, and y = ln λ,

    G_k + G_k' δv_k = y + δy,   Σ b_k (1 − f_k δv_k) = B,   f = −d ln b/dv,

whose Schur complement is one number a round. Near the answer the step is Newton's for the whole
system. Rounds that do not settle soon start anew with a bracket around the price: it is halved or cut
by Newton's method as soon as it is clear on which side of the band the demand lies, which cannot
fail, because the demand falls with the price [X].
"""

from dataclasses import dataclass, replace

import numpy as np

from optimizers.arrays import BoolArray, FloatArray, IndexArray
from optimizers.curves import Pieces, Place
from optimizers.frontier import Frontier, frontiers

_JOINT_STEPS = 14
_LIMIT = 300
_HALVING = 4
_SETTLED = 1e-6
_HELD = 1e-10
_BEND = 0.1
_CLEAR = 0.3
_LOG_SPAN = 90.0
_COLLAPSED = 1e-15
_TORN = 1e-12


@dataclass(frozen=True, eq=False)
class Answer:
    """What every device of N rounds asks for at a price.

    Attributes:
        price: Price λ of bandwidth, shape (N, 1).
        keep: Keep ratio r, shape (N, K).
        bandwidth_hz: Bandwidth b, shape (N, K).
        above: ln of the worth of the last hertz taken; plus infinity at the smallest ratio.
        below: ln of the worth of the next hertz; minus infinity at the largest ratio.
        iterations: Evaluations of the curves, of all rounds together.
        plain: Whether every answer is just what is asked for at the price, none mixed or unsettled.
    """

    price: FloatArray
    keep: FloatArray
    bandwidth_hz: FloatArray
    above: FloatArray
    below: FloatArray
    iterations: int
    plain: bool = True


@dataclass(frozen=True, eq=False)
class _Stand:
    """The devices at a price, their positions, and where these put them."""

    step: IndexArray
    on: Pieces
    position: FloatArray
    inside: BoolArray
    place: Place
    pays: FloatArray  # ln of what a hertz costs each device
    bandwidth_hz: FloatArray
    lack: FloatArray  # of ln worth to what the device pays
    inverse: FloatArray  # of the slope of ln worth in v, 0 at knots

    @property
    def far(self) -> FloatArray:
        """How far the farthest device of each round is from its answer, in v, shape (N, 1)."""
        return np.asarray(np.abs(self.lack * self.inverse).max(axis=-1, keepdims=True))

    @property
    def bent(self) -> BoolArray:
        """Where worth is so far off in ln that its tangent says nothing of how far the device is."""
        return np.asarray(np.abs(self.lack).max(axis=-1, keepdims=True) > _BEND)


def clear(front: Frontier, price: FloatArray | None = None, tolerance: float = 1e-13) -> Answer:
    """Return the price at which the demand is the band, and the devices' answers to it.

    Where the whole demand fits, the price is 0. Rounds that are not feasible get some answer.

    Args:
        front: The frontiers.
        price: First guess of the price, shape (N, 1); values that are not above 0 are ignored.
        tolerance: Relative mismatch of bandwidth at which to stop.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        free = _free_of_charge(front)
        scarce = np.isnan(free.price)
        if not scarce.any():
            return free
        found = _search(front, price, scarce, tolerance)
        if scarce.all():
            return found
        return Answer(
            np.where(scarce, found.price, 0.0),
            np.where(scarce, found.keep, free.keep),
            np.where(scarce, found.bandwidth_hz, free.bandwidth_hz),
            np.where(scarce, found.above, free.above),
            np.where(scarce, found.below, free.below),
            found.iterations + free.iterations,
            found.plain,
        )


def demand(front: Frontier, price: FloatArray) -> Answer:
    """Return the devices' answers to a given price.

    Args:
        front: The frontiers.
        price: Price λ of bandwidth, not negative, shape (N, 1).
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        log_price = np.log(price)
        stand, count = _settled(front, log_price, _start(front, log_price))
        return _answer(front, log_price, _corrected(front, stand, log_price), count)


def _free_of_charge(front: Frontier) -> Answer:
    """Return the answers at no price; the price is not a number where they do not fit the band."""
    stack = front.stack
    if stack.rented:
        answer = demand(front, np.zeros((stack.shape[0], 1)))
    else:
        step = front.step_of(np.array([[-np.inf]]))
        flat = np.full(stack.shape, -np.inf)
        keep, bands_hz = front.knot(front.keep, step), front.knot(front.bandwidth_hz, step)
        above = np.where(step == 0, np.inf, flat)
        answer = Answer(np.zeros((stack.shape[0], 1)), keep, bands_hz, above, flat, 0)
    total_hz = answer.bandwidth_hz.sum(axis=-1, keepdims=True)
    scarce = total_hz > stack.bandwidth_hz
    return replace(answer, price=np.where(scarce, np.nan, 0.0))


def _first_price(front: Frontier) -> FloatArray:
    """Return ln of a first price, a middle worth of a hertz."""
    high = np.where(np.isfinite(front.above[0]), front.above[0], front.below[-1])
    low = np.where(np.isfinite(front.below[-1]), front.below[-1], high - 4.0)
    valued = front.valued & np.isfinite(high) & np.isfinite(low)
    middle = np.where(valued, 0.5 * (high + low), 0.0)
    count = np.maximum(valued.sum(axis=-1, keepdims=True), 1)
    return np.asarray(middle.sum(axis=-1, keepdims=True) / count)


def _search(
    front: Frontier, price: FloatArray | None, active: BoolArray, tolerance: float
) -> Answer:
    """Return the price and the answers of the rounds in which the band is scarce."""
    low, high = _bracket(front)
    log_price, idle = _first_price(front), ~active
    if price is not None:
        log_price = np.where(price > 0.0, np.log(price), log_price)
    log_price = np.minimum(np.maximum(log_price, low), high)
    stand, count = _start(front, log_price), 1
    while True:
        excess, reply = _mismatch(front, stand, log_price)
        step = excess / reply
        near = stand.far <= _SETTLED
        if near.any():
            near = near & (np.abs(excess) <= np.maximum(_SETTLED * reply, tolerance))
            if (near | idle).all():
                break
        if count >= _JOINT_STEPS:
            break
        target = log_price + step
        inside = (target >= low) & (target <= high)
        if not inside.all():
            halfway = 0.5 * (np.where(excess > 0.0, high, low) + log_price)
            target = np.where(inside, target, halfway)
        stand = _next(front, stand, target)
        log_price, count = target, count + 1
    near &= ~stand.bent
    final = np.minimum(np.maximum(log_price + np.where(near, step, 0.0), low), high)
    answer = _answer(front, final, _corrected(front, stand, final), count)
    rows = np.flatnonzero(active & ~near)
    if not rows.size:
        return answer
    return _scattered(answer, rows, _patient(frontiers(front.stack.rows(rows)), tolerance))


def _patient(front: Frontier, tolerance: float) -> Answer:
    """Return the price and the answers by a bracket around the price, device by device exact."""
    low, high = _bracket(front)
    log_price, evaluations = 0.5 * (low + high), 0
    stand = _start(front, log_price)
    for turn in range(_LIMIT):
        stand, count = _settled(front, log_price, stand, surely=False)
        evaluations += count
        excess, reply = _mismatch(front, stand, log_price)
        low = np.where(excess > 0.0, log_price, low)
        high = np.where(excess < 0.0, log_price, high)
        collapsed = high - low <= _COLLAPSED * np.maximum(1.0, np.abs(high))
        done = (np.abs(excess) <= tolerance) | collapsed
        if done.all():
            break
        target = log_price + excess / reply
        middle = 0.5 * (low + high)
        usable = (target > low) & (target < high) & (turn % _HALVING != _HALVING - 1)
        target = np.where(done, log_price, np.where(usable, target, middle))
        stand, log_price = _next(front, stand, target), target
    stand, _ = _settled(front, log_price, stand)
    answer = _answer(front, log_price, _corrected(front, stand, log_price), evaluations)
    return _mixed(front, answer, low, high)


def _settled(
    front: Frontier, log_price: FloatArray, stand: _Stand, *, surely: bool = True
) -> tuple[_Stand, int]:
    """Return the devices where they answer a price, and the number of evaluations.

    If not surely, it is enough to know on which side of the band their demand lies.
    """
    low, high, count = stand.on.low, stand.on.high, 1
    while count < _LIMIT and not stand.far.max() <= _HELD:
        if not surely and _decided(front, stand, log_price):
            break
        low = np.where(stand.lack > 0.0, stand.position, low)
        high = np.where(stand.lack < 0.0, stand.position, high)
        if np.max(np.where(stand.inside, high - low, 0.0), initial=0.0) <= _HELD:
            break
        newton = _moved(stand, stand.lack, low, high)
        halfway = np.where(stand.inside, 0.5 * (low + high), stand.position)
        position = newton if count % _HALVING else halfway
        stand, count = _stand(front, stand.pays, stand.step, stand.on, position), count + 1
    return stand, count


def _decided(front: Frontier, stand: _Stand, log_price: FloatArray) -> bool:
    """Return whether the tangents are good enough to say if the demand exceeds the band."""
    excess, _ = _mismatch(front, stand, log_price)
    clear_enough = stand.far <= np.minimum(_BEND, _CLEAR * np.abs(excess))
    return bool(np.all(clear_enough & ~stand.bent))


def _scattered(answer: Answer, rows: IndexArray, part: Answer) -> Answer:
    """Return answers in which those of some rounds are replaced."""
    changed = {}
    for name in ("price", "keep", "bandwidth_hz", "above", "below"):
        changed[name] = getattr(answer, name).copy()
        changed[name][rows] = getattr(part, name)
    return Answer(**changed, iterations=answer.iterations + part.iterations, plain=False)


def _bracket(front: Frontier) -> tuple[FloatArray, FloatArray]:
    """Return ln of prices between which the right one lies, each of shape (N, 1)."""
    worth = np.where(np.isfinite(front.above), front.above, -np.inf)
    high = worth.max(axis=0).max(axis=-1, keepdims=True)
    least = np.where(front.valued, front.below[-1], np.inf)
    low = least.min(axis=-1, keepdims=True)
    high = np.where(np.isfinite(high), high, 0.0)
    low = np.where(np.isfinite(low), low, high - _LOG_SPAN)
    if front.stack.rented:
        low = np.full_like(low, -1.0) * np.abs(high) - 700.0
    return np.minimum(low, high), high


def _pays(front: Frontier, log_price: FloatArray) -> FloatArray:
    """Return ln(λ + ν), what each device pays for a hertz."""
    if not front.stack.rented:
        return log_price
    return np.logaddexp(log_price, np.log(front.stack.rent))


def _start(front: Frontier, log_price: FloatArray) -> _Stand:
    """Return the devices at a price, on their pieces where a cubic through the ends meets it."""
    pays = _pays(front, log_price)
    step = front.step_of(pays)
    on = front.on(step)
    return _stand(front, pays, step, on, front.guess(pays, step, on))


def _stand(
    front: Frontier, pays: FloatArray, step: IndexArray, on: Pieces, position: FloatArray
) -> _Stand:
    inside = (step & 1).astype(np.bool_)
    place = front.curves.at(position, on)
    bands_hz = np.where(inside, place.bandwidth_hz, front.knot(front.bandwidth_hz, step))
    lack = np.where(inside, pays - place.log_worth, 0.0)
    inverse = np.where(inside, 1.0 / place.slope, 0.0)
    return _Stand(step, on, position, inside, place, pays, bands_hz, lack, inverse)


def _mismatch(
    front: Frontier, stand: _Stand, log_price: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return ln(Σ b/B) with the devices moved to the price by tangents, and its fall in ln λ."""
    bands_hz = stand.bandwidth_hz
    reply = np.where(stand.inside, stand.place.fall * stand.inverse, 0.0)
    total_hz = (bands_hz * np.maximum(1.0 - reply * stand.lack, 0.1)).sum(axis=-1, keepdims=True)
    if front.stack.rented:
        reply = reply * np.exp(log_price - stand.pays)
    fall = (bands_hz * reply).sum(axis=-1, keepdims=True) / total_hz
    return np.log(total_hz / front.stack.bandwidth_hz), fall


def _next(front: Frontier, stand: _Stand, log_price: FloatArray) -> _Stand:
    """Return the devices after a step towards a new price."""
    pays = _pays(front, log_price)
    step = front.step_of(pays)
    changed = step != stand.step
    anew = changed.any()
    on = front.on(step) if anew and len(front.above) > 1 else stand.on
    position = _moved(stand, stand.lack + (pays - stand.pays), on.low, on.high)
    if anew:
        entered = changed & (step & 1).astype(np.bool_)
        position = np.where(entered, front.guess(pays, step, on), position)
    return _stand(front, pays, step, on, position)


def _moved(stand: _Stand, lack: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    """Return positions after a Newton step on ln worth, or on worth, or half way to the end."""
    here = stand.position
    moved = here + lack * stand.inverse
    astray = stand.inside & ~((moved > low) & (moved < high))
    if astray.any():
        gentle = here + np.expm1(np.minimum(lack, 0.0)) * stand.inverse
        middle = 0.5 * (np.clip(here, low, high) + np.where(lack > 0.0, high, low))
        fits = (gentle > low) & (gentle < high) & (lack < 0.0)
        moved = np.where(astray, np.where(fits, gentle, middle), moved)
    return moved


def _corrected(front: Frontier, stand: _Stand, log_price: FloatArray) -> _Stand:
    """Return the devices after a last Newton step, at the price itself."""
    pays = _pays(front, log_price)
    position = stand.position + (stand.lack + (pays - stand.pays)) * stand.inverse
    position = np.where(np.isfinite(position), position, stand.position)
    position = np.minimum(np.maximum(position, stand.on.low), stand.on.high)
    return _stand(front, pays, stand.step, stand.on, position)


def _answer(front: Frontier, log_price: FloatArray, stand: _Stand, count: int) -> Answer:
    step, inside, worth = stand.step, stand.inside, stand.place.log_worth
    last = 2 * len(front.above)
    above = np.where(step == 0, np.inf, front.piece(front.below, step))
    below = np.where(step == last, -np.inf, front.piece(front.above, step + 1))
    keep = np.where(inside, stand.place.keep, front.knot(front.keep, step))
    return Answer(
        price=np.exp(log_price),
        keep=np.minimum(np.maximum(keep, front.keep[0]), front.keep[-1]),
        bandwidth_hz=stand.bandwidth_hz,
        above=np.where(inside, worth, above),
        below=np.where(inside, worth, below),
        iterations=count,
    )


def _mixed(front: Frontier, answer: Answer, low: FloatArray, high: FloatArray) -> Answer:
    """Return answers whose demand is the band also where it jumps at one price.

    Curves that are straight in b take any band at one price. The answers to a little less and to a
    little more than that price are then mixed; by concavity the mixture is on the curves.
    """
    band_hz = front.stack.bandwidth_hz
    total_hz = answer.bandwidth_hz.sum(axis=-1, keepdims=True)
    collapsed = high - low <= _TORN * np.maximum(1.0, np.abs(high))
    torn = collapsed & (np.abs(total_hz / band_hz - 1.0) > _TORN)
    if not torn.any():
        return answer
    wide = _TORN * np.maximum(1.0, np.abs(high))
    more, less = demand(front, np.exp(low - wide)), demand(front, np.exp(high + wide))
    most_hz = more.bandwidth_hz.sum(axis=-1, keepdims=True)
    least_hz = less.bandwidth_hz.sum(axis=-1, keepdims=True)
    share = np.clip((band_hz - least_hz) / (most_hz - least_hz), 0.0, 1.0)
    torn &= np.isfinite(share)
    bands_hz = less.bandwidth_hz + share * (more.bandwidth_hz - less.bandwidth_hz)
    keep = less.keep + share * (more.keep - less.keep)
    return replace(
        answer,
        keep=np.where(torn, keep, answer.keep),
        bandwidth_hz=np.where(torn, bands_hz, answer.bandwidth_hz),
    )
