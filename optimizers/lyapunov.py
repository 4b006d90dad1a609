"""Energy budgets in the long run: queues of what is overdrawn, and rounds that weigh them.

Drift plus penalty, the usual method of Lyapunov optimisation [R]: a queue Z of joules a device grows
by what a round uses and falls by the allowance; each round minimises V Σ a φ(1 − r) + Σ Z e. Then the
mean use stays within the allowance plus Z/n after n rounds, and a larger V gives a smaller error and
longer queues.
"""

from dataclasses import dataclass, field
from typing import Annotated, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from optimizers.arrays import FloatArray, column
from optimizers.certificate import Allocation
from optimizers.curves import Curves, curves
from optimizers.frontier import kept
from optimizers.lambert import LN2
from optimizers.limits import overdue, unhurried
from optimizers.objectives.least_energy import nats_at_price
from optimizers.objectives.max_min import fits
from optimizers.problem import RoundProblem
from optimizers.stack import stacked

_POINTS = 33
_ZOOMS = 6
_STEPS = 60
_MATCHED = 1e-7
_FREE = 1e-18


@dataclass(frozen=True, init=False, eq=False)
class Queues:
    """What each device has used beyond its allowance so far.

    Attributes:
        energy_j: Backlog Z, not negative, shape (K,).
    """

    energy_j: FloatArray

    def __init__(self, energy_j: npt.ArrayLike) -> None:
        backlog_j = np.asarray(energy_j, dtype=np.float64)
        if not np.all(np.isfinite(backlog_j) & (backlog_j >= 0.0)):
            raise ValueError("Queues.energy_j: must be finite and not negative")
        object.__setattr__(self, "energy_j", column("Queues.energy_j", backlog_j, backlog_j.size))


_NOTHING = Queues([0.0])


@runtime_checkable
class Weighing(Protocol):
    """An allocator to whom energy is the dearer the more a device has overdrawn."""

    def weighing(self, queues: Queues) -> "Lyapunov":
        """Return the allocator that knows how much has been overdrawn.

        Args:
            queues: The queues Z of the devices of the round to come.
        """
        ...


@dataclass(frozen=True)
class Lyapunov:
    """The joint optimum of a round in which energy has a price a device, for budgets that hold in the long run.

    min V (Σ a φ(1 − r) + Σ ν b) + Σ Z e   with Z what a device has overdrawn so far [R, drift plus penalty].

    Attributes:
        penalty_weight: Weight V of the error, in joules squared a unit of the objective: a larger one gives a smaller error
            and longer queues.
        queues: The queues Z, which a simulation fills in.
    """

    penalty_weight: Annotated[float, ("above", 0.0)] = 1.0
    queues: Queues = field(default=_NOTHING, init=False)

    def weighing(self, queues: Queues) -> "Lyapunov":
        """Return the allocator that knows some queues.

        Args:
            queues: The queues Z.
        """
        other = Lyapunov(self.penalty_weight)
        object.__setattr__(other, "queues", queues)
        return other

    def allocate(self, problem: RoundProblem, rng: np.random.Generator) -> Allocation:
        """Return the answer that weighs energy; nothing is drawn.

        Args:
            problem: The round.
            rng: Unused.
        """
        return plan(problem, self.queues, self.penalty_weight).allocation


@dataclass(frozen=True, eq=False)
class Plan:
    """The answer to a round whose energy has prices.

    Attributes:
        allocation: The answer.
        used_j: Energy e₁ r + p t of each device, shape (K,).
        value: V (Σ a φ + Σ ν b) + Σ Z e.
        gap: Bound on how far the value lies above the least; not a number where nothing is weighed.
        price: Price of bandwidth in units of the value per hertz.
    """

    allocation: Allocation
    used_j: FloatArray
    value: float
    gap: float
    price: float


def step(queues: Queues, used_j: npt.ArrayLike, allowance_j: npt.ArrayLike) -> Queues:
    """Return the queues after a round, max(Z + e − allowance, 0).

    Args:
        queues: The queues before the round.
        used_j: Energy that each device used, shape (K,).
        allowance_j: Energy that each device may use in the mean of rounds, shape (K,).

    >>> step(Queues([0.0, 1.0]), used_j=[0.5, 0.5], allowance_j=1.0).energy_j
    array([0. , 0.5])
    """
    change_j = np.asarray(used_j, dtype=np.float64) - np.asarray(allowance_j, dtype=np.float64)
    return Queues(np.maximum(queues.energy_j + change_j, 0.0))


def plan(problem: RoundProblem, queues: Queues, penalty_weight: float) -> Plan:
    """Return ratios, bandwidths and powers that minimise V (Σ a φ + Σ ν b) + Σ Z e in a round.

    Every upload takes its whole window. At a price of bandwidth a device's best bandwidth for a
    ratio is that of `optimizers.objectives.least_energy`. Its cost there is convex in r, although
    energy is not jointly convex in ratio and bandwidth: with no limit active it is s(r)(1 + z) up to
    constants, and both factors are not negative, rise and are convex in r [X, proved]; a limit only
    replaces 1 + z by the convex need of bandwidth. So zooming in on r is exact, the demand is
    continuous in the price for β > 0, and the gap of the dual closes; for β = 0 the round is
    jointly convex, and answers on both sides of a jump are mixed. The gap is measured all the same.
    Without a deadline the answer is the fastest round without pruning.

    Args:
        problem: The round, without `full_power`.
        queues: The queues Z of its devices.
        penalty_weight: Weight V of the error, above 0; joules squared per unit of the objective.
    """
    _check(problem, queues, penalty_weight)
    backlog_j = np.broadcast_to(queues.energy_j, (problem.devices,))
    if not problem.limited:
        return _plain(problem, unhurried(problem), backlog_j, penalty_weight)
    if not fits(problem, problem.keep_min):
        return _plain(problem, overdue(problem), backlog_j, penalty_weight)
    devices = _Devices(problem, curves(stacked([problem])), backlog_j, penalty_weight)
    price, keep, bands_hz = _market(devices)
    power_w = devices.power_w(keep, bands_hz)
    answer = problem.allocation(keep=keep, bandwidth_hz=bands_hz, power_w=power_w)
    used_j = problem.slope_j * keep + power_w * devices.window_s(keep)
    value = penalty_weight * answer.objective + float(backlog_j @ used_j)
    return Plan(answer, used_j, value, value - devices.bound(price), price)


@dataclass(frozen=True, eq=False)
class _Devices:
    """The devices of a round with prices of error and energy."""

    problem: RoundProblem
    curves: Curves
    backlog_j: FloatArray
    penalty_weight: float

    def window_s(self, keep: FloatArray) -> FloatArray:
        """Return the time left for the upload, shape (..., K)."""
        problem = self.problem
        left_s = problem.deadline_s - problem.fixed_s - problem.slope_s * keep
        return np.minimum(left_s, problem.slot_s)

    def power_w(self, keep: FloatArray, bandwidth_hz: FloatArray) -> FloatArray:
        """Return the power with which the upload takes the whole window, shape (..., K)."""
        talks = (self.problem.bits(keep) > 0.0) & (bandwidth_hz > 0.0)
        safe_hz = np.where(talks, bandwidth_hz, 1.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            rate = self.problem.bits(keep) / self.window_s(keep)
            power_w = safe_hz * np.expm1(LN2 * rate / safe_hz) / self.problem.snr_hz(1.0)
        return np.where(talks, np.minimum(power_w, self.problem.power_max_w), 0.0)

    def cost(self, keep: FloatArray, price: float) -> tuple[FloatArray, FloatArray]:
        """Return the least cost of ratios at a price, and the bandwidths, shape (J, K)."""
        problem, window_s = self.problem, self.window_s(keep)
        pays = price + self.penalty_weight * problem.rent
        least_hz = self.curves.needed(keep[:, None, :])[0][:, 0, :]
        weighed = (self.backlog_j > 0.0) & (problem.bits(keep) > 0.0) & (window_s > 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            value = pays * problem.snr_hz(1.0) / (self.backlog_j * window_s)
            rate = problem.bits(keep) / window_s
        nats = nats_at_price(np.clip(np.where(weighed, value, 1.0), 1e-300, 1e300))
        wanted_hz = np.where(weighed, rate * LN2 / nats, 0.0)
        bands_hz = np.maximum(np.minimum(wanted_hz, problem.bandwidth_hz), least_hz)
        energy_j = problem.slope_j * keep + self.power_w(keep, bands_hz) * window_s
        error = self.penalty_weight * problem.weight * problem.error.value(1.0 - keep)
        return error + self.backlog_j * energy_j + pays * bands_hz, bands_hz

    def answer(self, price: float) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return the best ratios and bandwidths at a price, and lower bounds of the costs, shape (K,).

        The cost is convex in r, so beside the best point of a grid it lies above the lines through
        that point and its neighbours, extended.
        """
        problem = self.problem
        low = problem.keep_min
        high = np.maximum(kept(problem, problem.bandwidth_hz), low)
        row = np.arange(problem.devices)
        for _ in range(_ZOOMS):
            grid = low + np.linspace(0.0, 1.0, _POINTS)[:, None] * (high - low)
            cost, bands_hz = self.cost(grid, price)
            best = np.argmin(cost, axis=0)
            low, high = (
                grid[np.maximum(best - 1, 0), row],
                grid[np.minimum(best + 1, _POINTS - 1), row],
            )
        inner = np.clip(best, 1, _POINTS - 2)
        before, here, after = (cost[inner + shift, row] for shift in (-1, 0, 1))
        bound = 2.0 * here - np.maximum(before, after)
        return grid[best, row], bands_hz[best, row], np.minimum(bound, cost[best, row])

    def bound(self, price: float) -> float:
        """Return the value of the dual at a price, which no answer is below."""
        return float(self.answer(price)[2].sum()) - price * self.problem.bandwidth_hz


def _market(devices: _Devices) -> tuple[float, FloatArray, FloatArray]:
    """Return the price at which the demand is the band, and the answers mixed from both sides of it."""
    total_hz = devices.problem.bandwidth_hz
    unit = devices.penalty_weight * max(float(devices.problem.weight.max()), 1e-12) / total_hz

    def asked(price: float) -> tuple[float, FloatArray, FloatArray]:
        keep, bands_hz, _ = devices.answer(price)
        return float(np.log(max(float(bands_hz.sum()), 1e-300) / total_hz)), keep, bands_hz

    low = high = unit
    scarce = spare = asked(unit)
    while scarce[0] < 0.0:
        high, spare, low = low, scarce, low / 16.0
        if low < _FREE * unit:
            return 0.0, *asked(0.0)[1:]
        scarce = asked(low)
    while spare[0] > 0.0 and high < unit / _FREE:
        low, scarce, high = high, spare, high * 16.0
        spare = asked(high)
    above, below, side = scarce[0], spare[0], 0
    for _ in range(_STEPS):
        share = min(max(above / max(above - below, 1e-300), 1e-4), 1.0 - 1e-4)
        price = low * (high / low) ** share
        found = asked(price)
        # The value of an end that stays twice is halved, so that a step comes over to its side.
        if found[0] >= 0.0:
            low, scarce, above, below = price, found, found[0], below * (0.5 if side > 0 else 1.0)
            side = 1
        else:
            high, spare, below, above = price, found, found[0], above * (0.5 if side < 0 else 1.0)
            side = -1
        if abs(found[0]) <= _MATCHED or high / low - 1.0 <= 1e-13:
            break
    return price, *_mixed(total_hz, scarce, spare)


def _mixed(
    total_hz: float,
    scarce: tuple[float, FloatArray, FloatArray],
    spare: tuple[float, FloatArray, FloatArray],
) -> tuple[FloatArray, FloatArray]:
    """Return the mixture of two answers whose bandwidths add up to the band."""
    (_, more, more_hz), (_, less, less_hz) = scarce, spare
    room_hz, span_hz = total_hz - less_hz.sum(), more_hz.sum() - less_hz.sum()
    share = float(np.clip(room_hz / span_hz, 0.0, 1.0)) if span_hz > 0.0 else 0.0
    bands_hz = less_hz + share * (more_hz - less_hz)
    return less + share * (more - less), bands_hz * min(1.0, total_hz / max(bands_hz.sum(), 1e-300))


def _plain(
    problem: RoundProblem, answer: Allocation, backlog_j: FloatArray, penalty_weight: float
) -> Plan:
    used_j = problem.energy_used_j(answer.keep, answer.bandwidth_hz, answer.power_w)
    # What nobody has overdrawn costs nothing, even where an upload never ends.
    dear_j = np.where(backlog_j > 0.0, used_j, 0.0)
    value = penalty_weight * answer.objective + float(backlog_j @ dear_j)
    return Plan(answer, used_j, value, float("nan"), float("nan"))


def _check(problem: RoundProblem, queues: Queues, penalty_weight: float) -> None:
    if queues.energy_j.size not in {1, problem.devices}:
        raise ValueError(
            f"Queues.energy_j: {queues.energy_j.size} queues do not fit {problem.devices} devices"
        )
    if not (np.isfinite(penalty_weight) and penalty_weight > 0.0):
        raise ValueError(f"penalty_weight: {penalty_weight} must be finite and above 0")
    if problem.full_power:
        raise ValueError(
            "RoundProblem.full_power: got True, but energy prices are a question of powers; leave out "
            "full_power and noise_band_hz"
        )
