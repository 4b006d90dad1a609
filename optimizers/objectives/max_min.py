"""Fairness to the device that loses most: the largest weighted error as small as the band allows."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from optimizers.arrays import FloatArray
from optimizers.certificate import Allocation
from optimizers.errors import Linear, Lorenz, NegLog, Quadratic
from optimizers.frontier import kept, needed_hz
from optimizers.limits import overdue, unhurried
from optimizers.problem import RoundProblem

_HALVINGS = 60
_SETTLED = 1e-14


@dataclass(frozen=True)
class MaxMin:
    """The largest weighted error as small as possible — min max a φ(1 − r), then the next largest.

    With equal weights the smallest keep ratio is as large as possible.
    """

    def allocate(self, problem: RoundProblem, rng: np.random.Generator) -> Allocation:
        """Return the ratios at the least common level and bands in proportion to need; nothing is drawn.

        Args:
            problem: The round.
            rng: Unused.
        """
        if not problem.limited:
            return unhurried(problem)
        if not fits(problem, problem.keep_min):
            return overdue(problem)
        keep = fairest(problem)
        bands_hz = filled_hz(problem, needed_hz(problem, keep))
        return problem.allocation(keep=keep, bandwidth_hz=bands_hz)


def fairest(problem: RoundProblem) -> FloatArray:
    """Return the ratios at which the weighted errors are lexicographically least, shape (K,).

    At a level ℓ every device takes the smallest ratio with a φ(1 − r) ≤ ℓ, within its bounds and
    what the whole band would bring it. What they need rises as ℓ falls; the least level that fits is
    found by bisection. Devices at a bound lie below the level, all others on it, and no error there
    can fall without more bandwidth, so the largest errors are least in turn [X].

    Args:
        problem: A feasible round with a deadline.
    """
    most = np.maximum(kept(problem, problem.bandwidth_hz), problem.keep_min)
    if fits(problem, most):
        return most
    nothing, everything = np.zeros(problem.devices), 1.0 - problem.keep_min
    low = float(np.min(problem.weight * problem.error.value(nothing)))
    high = float(np.max(problem.weight * problem.error.value(everything)))
    for _ in range(_HALVINGS):
        level = 0.5 * (low + high)
        keep = np.clip(_ratio_at(problem, level), problem.keep_min, most)
        low, high = (low, level) if fits(problem, keep) else (level, high)
        if high - low <= _SETTLED * high:
            break
    return np.asarray(np.clip(_ratio_at(problem, high), problem.keep_min, most))


def largest_common(problem: RoundProblem, most: float = 1.0) -> FloatArray:
    """Return the largest common ratio up to a given one that fits, shape (K,).

    A device whose bounds exclude the common ratio takes its nearest bound.

    Args:
        problem: A feasible round with a deadline.
        most: The ratio that is asked for.
    """

    def ratios(common: float) -> FloatArray:
        return np.asarray(np.clip(common, problem.keep_min, problem.keep_max), dtype=np.float64)

    if fits(problem, ratios(most)):
        return ratios(most)
    low, high = float(problem.keep_min.min()), most
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if fits(problem, ratios(middle)) else (low, middle)
    return ratios(low)


def fits(problem: RoundProblem, keep: npt.ArrayLike) -> bool:
    """Return whether the band brings all devices in time with given ratios.

    Args:
        problem: A round with a deadline.
        keep: Keep ratio r, shape (K,).
    """
    ratio = np.broadcast_to(np.asarray(keep, dtype=np.float64), (problem.devices,))
    needed = float(needed_hz(problem, ratio).sum())
    return needed <= problem.bandwidth_hz * (1.0 + 1e-12)


def filled_hz(problem: RoundProblem, bandwidth_hz: FloatArray) -> FloatArray:
    """Return bandwidths scaled to the whole band, or equal shares where none is needed, shape (K,).

    Where bandwidth has a rent, it is left at what is needed.

    Args:
        problem: The round.
        bandwidth_hz: What the devices need, shape (K,).
    """
    total_hz = float(bandwidth_hz.sum())
    if problem.rent.any() and total_hz <= problem.bandwidth_hz:
        return bandwidth_hz
    if total_hz == 0.0:
        return np.full(problem.devices, problem.bandwidth_hz / problem.devices)
    return bandwidth_hz * (problem.bandwidth_hz / total_hz)


def _ratio_at(problem: RoundProblem, level: float) -> FloatArray:
    """Return the smallest ratio whose weighted error is at most a level, shape (K,)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.where(problem.weight > 0.0, level / problem.weight, np.inf)
    if isinstance(problem.error, Linear):
        return 1.0 - error
    if isinstance(problem.error, Quadratic):
        return 1.0 - np.sqrt(np.maximum(error, 0.0))
    if isinstance(problem.error, NegLog):
        return np.exp(-error)
    if not isinstance(problem.error, Lorenz):
        raise TypeError(f"error: {problem.error!r} has no inverse here")
    return 1.0 - _on_curve(problem.error, error)


def _on_curve(curve: Lorenz, error: FloatArray) -> FloatArray:
    """Return the largest pruning ratios at which a measured error is at most given ones, shape (K,)."""
    values = np.broadcast_to(curve.error, (error.size, curve.pruning.size))
    piece = np.count_nonzero(values <= error[:, None], axis=1) - 1
    piece = np.clip(piece, 0, curve.pruning.size - 2)[:, None]
    low = np.take_along_axis(values, piece, axis=1)[:, 0]
    slope = np.take_along_axis(curve.slopes(error.shape), piece, axis=1)[:, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        further = np.where(slope > 0.0, (error - low) / slope, 1.0)
    return np.asarray(curve.pruning[piece[:, 0]] + further)
