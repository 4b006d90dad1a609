"""A point of a round around which its disciplined convex program is scaled."""

from dataclasses import dataclass

import numpy as np

from optimizers.arrays import BoolArray, FloatArray
from optimizers.curves import curves
from optimizers.errors import Lorenz, NegLog, Quadratic
from optimizers.frontier import kept
from optimizers.problem import RoundProblem
from optimizers.stack import stacked

FLOOR = 1e-300
FINE, COARSE = 1e-8, 1e-5
_REACHED = 1e-5
_MARGIN = 10.0
_OFF = 0.02
_LEAST = 1e-7


@dataclass(frozen=True, eq=False)
class Reference:
    """A feasible point, and what is known around it.

    Attributes:
        keep: Ratio r₀, shape (K,).
        bandwidth_hz: Bandwidth b₀, 1 where a device needs none, shape (K,).
        keep_most: Largest ratio that time, energy and bounds leave at any bandwidth, shape (K,).
        talks: Devices with bits to send, shape (K,).
        elasticity: Relative rise of the ratio per relative rise of the bandwidth, shape (K,).
        settled: Devices that surely keep their largest ratio, shape (K,).
        highest: A price of bandwidth that the true one does not exceed if any device is settled.
        unit: Unit of the objective, of the size of the price times an equal share of the band.
    """

    keep: FloatArray
    bandwidth_hz: FloatArray
    keep_most: FloatArray
    talks: BoolArray
    elasticity: FloatArray
    settled: BoolArray
    highest: float
    unit: float


def reference(
    problem: RoundProblem, least_hz: FloatArray, *, settle: bool = True, step: float = FINE
) -> Reference:
    """Return a feasible point whose bandwidths are of the size of those at the optimum.

    Every device gets the same bandwidth, within what its smallest and its largest ratio need. Some
    device that is not at its largest ratio has no less at the optimum, so that the price is at most
    what a hertz is worth here to one of them. A device at its largest ratio whose last hertz is worth
    much more is settled.

    Args:
        problem: The round, with a deadline.
        least_hz: Bandwidth that the smallest ratio needs, shape (K,).
        settle: Whether any device may be settled.
        step: Relative step of the ratio over which slopes are taken.
    """
    most = largest_keep(problem)
    talks = problem.bits(most) > 0.0
    bands_hz, top_hz = _even(problem, least_hz, most)
    whole = ~talks | (bands_hz >= top_hz)
    keep = np.where(whole, most, np.minimum(kept(problem, bands_hz), most))
    steep, less_steep, bands_hz, keep = _steep(problem, keep, bands_hz, least_hz, step)
    worth = problem.weight * steepness(problem, keep * (1.0 - step)) * steep
    high = np.where(whole, 0.0, worth)
    highest = float(np.max(high - problem.rent, initial=0.0))
    settled = most <= problem.keep_min
    if settle and highest > 0.0:
        low = problem.weight * steepness(problem, keep) * less_steep
        settled |= talks & whole & (low > _MARGIN * (highest + problem.rent))
    return Reference(
        keep=keep,
        bandwidth_hz=np.where(talks, bands_hz, 1.0),
        keep_most=most,
        talks=talks,
        elasticity=np.where(steep > 0.0, np.clip(steep * bands_hz / keep, _LEAST, 1.0), 1.0),
        settled=settled,
        highest=highest,
        unit=_unit(problem, keep, high),
    )


def _even(
    problem: RoundProblem, least_hz: FloatArray, most: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the bandwidths, and those of the largest ratios, infinite if none is enough."""
    # Near a ratio that no bandwidth reaches nothing is well scaled.
    below = most - _OFF * (most - problem.keep_min)
    top_hz, below_hz = np.maximum(_needs_hz(problem, most, below), least_hz)
    level_hz = np.minimum(np.where(np.isinf(top_hz), below_hz, top_hz), problem.bandwidth_hz)
    return _level(least_hz, np.maximum(level_hz, least_hz), problem.bandwidth_hz), top_hz


def _unit(problem: RoundProblem, keep: FloatArray, worth: FloatArray) -> float:
    """Return the unit of the objective."""
    open_ = worth[worth > 0.0]
    price = max(float(np.median(open_)) if open_.size else 0.0, float(problem.rent.max()))
    if price > 0.0:
        return price * problem.bandwidth_hz / problem.devices
    return float((problem.weight * steepness(problem, keep) * keep).max()) or 1.0


def steepness(problem: RoundProblem, keep: FloatArray) -> FloatArray:
    """Return −dφ(1 − r)/dr, towards smaller ratios, shape (K,).

    Args:
        problem: The round.
        keep: Keep ratio r, shape (K,).
    """
    error = problem.error
    if isinstance(error, Quadratic):
        return 2.0 * np.maximum(1.0 - keep, 0.0)
    if isinstance(error, NegLog):
        return 1.0 / keep
    if isinstance(error, Lorenz):
        piece = np.searchsorted(error.pruning, 1.0 - keep, side="right") - 1
        piece = np.clip(piece, 0, error.pruning.size - 2)
        steep: FloatArray = np.take_along_axis(error.slopes(keep.shape), piece[:, None], axis=1)
        return steep[:, 0]
    return np.ones(keep.size)


def _steep(
    problem: RoundProblem,
    keep: FloatArray,
    bands_hz: FloatArray,
    least_hz: FloatArray,
    step: float,
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return bounds on dr/db from above and from below, the bandwidths, and the ratios, shape (K,).

    Where a ratio is not reached with its bandwidth, the smallest takes its place.
    """
    less_hz, here_hz, more_hz = _needs_hz(problem, keep * (1.0 - step), keep, keep * (1.0 + step))
    reached = here_hz <= bands_hz * (1.0 + _REACHED)
    with np.errstate(invalid="ignore", divide="ignore"):
        sides = keep * step / np.array([here_hz - less_hz, more_hz - here_hz])
    sides = np.where(np.isfinite(sides), np.maximum(sides, 0.0), 0.0) * reached
    keep = np.where(reached, keep, problem.keep_min)
    return sides[0], sides[1], np.where(reached, bands_hz, least_hz), keep


def _needs_hz(problem: RoundProblem, *keeps: FloatArray) -> FloatArray:
    """Return the bandwidths that several ratios need, shape (J, K)."""
    needs_hz, _ = curves(stacked([problem])).needed(np.array(keeps)[:, None, :])
    return needs_hz[:, 0]


def _level(least: FloatArray, top: FloatArray, total: float) -> FloatArray:
    """Return the same level for all, clipped to bounds, that adds up to a total, shape (K,)."""
    points = np.append(least, top)
    order = np.argsort(points)
    rising = np.cumsum(np.repeat([1.0, -1.0], least.size)[order])
    points = points[order]
    sums = least.sum() + np.append(0.0, np.cumsum(rising[:-1] * np.diff(points)))
    return np.asarray(np.clip(np.interp(total, sums, points), least, top))


def largest_keep(problem: RoundProblem) -> FloatArray:
    """Return the largest ratio that bounds, time and energy leave at any bandwidth, shape (K,).

    Args:
        problem: The round, with a deadline.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        in_time = (problem.deadline_s - problem.fixed_s) / problem.slope_s
        in_energy = problem.energy_j / problem.slope_j
    most = np.fmin(np.fmin(problem.keep_max, in_time), in_energy)
    return np.maximum(most, problem.keep_min)
