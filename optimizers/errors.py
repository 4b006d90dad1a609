"""Error models φ(ρ): what a pruning ratio costs in the objective, convex and non-decreasing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from optimizers.arrays import FloatArray

_CONVEX = 1e-9


class ErrorModel(Protocol):
    """A convex, non-decreasing φ of the pruning ratio ρ = 1 − r of each device."""

    def value(self, pruning: FloatArray) -> FloatArray:
        """Return φ(ρ), shape (..., K).

        Args:
            pruning: Pruning ratio ρ, shape (..., K).
        """
        ...


@dataclass(frozen=True)
class Linear:
    """φ(ρ) = ρ: what the bound on the gradient norm contains for equal weights [X]."""

    def value(self, pruning: FloatArray) -> FloatArray:
        """Return ρ, shape (..., K)."""
        return pruning


@dataclass(frozen=True)
class Quadratic:
    """φ(ρ) = ρ²: few devices that prune much weigh more than many that prune a little [X]."""

    def value(self, pruning: FloatArray) -> FloatArray:
        """Return ρ², shape (..., K)."""
        return pruning * pruning


@dataclass(frozen=True)
class NegLog:
    """φ(ρ) = −ln(1 − ρ): proportional fairness on keep ratios [X]."""

    def value(self, pruning: FloatArray) -> FloatArray:
        """Return −ln(1 − ρ), shape (..., K)."""
        return -np.log1p(-pruning)


@dataclass(frozen=True, init=False, eq=False)
class Lorenz:
    """A measured convex curve, linear between its points.

    Attributes:
        pruning: Pruning ratios ρ_j of the points, rising from 0 to 1, shape (J,).
        error: Errors there, for all devices, shape (J,), or for each, shape (..., K, J).

    >>> curve = lorenz([3.0, -1.0, 0.0, 2.0], points=5)
    >>> curve.value(np.array([0.5, 0.75])).round(4).tolist()
    [0.0714, 0.3571]
    """

    pruning: FloatArray
    error: FloatArray

    def __init__(self, pruning: npt.ArrayLike, error: npt.ArrayLike) -> None:
        at = np.array(pruning, dtype=np.float64)
        rise = np.array(error, dtype=np.float64)
        if at.ndim != 1 or at.size < 2 or rise.ndim < 1 or rise.shape[-1] != at.size:
            raise ValueError(
                f"Lorenz: pruning of shape {at.shape} and error of shape {rise.shape} do not agree"
            )
        if not (at[0] == 0.0 and at[-1] == 1.0 and np.all(np.diff(at) > 0.0)):
            raise ValueError("Lorenz.pruning: must rise from 0 to 1")
        slope = np.diff(rise) / np.diff(at)
        largest = np.max(np.abs(slope), axis=-1, keepdims=True, initial=0.0)
        if not (np.all(np.isfinite(rise)) and np.all(slope >= -_CONVEX * largest)):
            raise ValueError("Lorenz.error: must be finite and not fall with pruning")
        if np.any(np.diff(slope) < -_CONVEX * largest):
            raise ValueError("Lorenz.error: must be convex, rising ever faster with pruning")
        for name, value in (("pruning", at), ("error", rise)):
            value.flags.writeable = False
            object.__setattr__(self, name, value)

    def value(self, pruning: FloatArray) -> FloatArray:
        """Return the error between the points by linear interpolation, shape (..., K)."""
        pieces = np.clip(np.searchsorted(self.pruning, pruning) - 1, 0, self.pruning.size - 2)
        curve = np.broadcast_to(self.error, (*pruning.shape, self.pruning.size))
        low = np.take_along_axis(curve, pieces[..., None], axis=-1)[..., 0]
        slope = np.take_along_axis(self.slopes(pruning.shape), pieces[..., None], axis=-1)[..., 0]
        return np.asarray(low + slope * (pruning - self.pruning[pieces]))

    def slopes(self, shape: tuple[int, ...]) -> FloatArray:
        """Return dφ/dρ between the points, rising, shape (..., K, J − 1).

        Args:
            shape: The shape (..., K) of the devices.
        """
        slope = np.maximum.accumulate(np.diff(self.error) / np.diff(self.pruning), axis=-1)
        return np.broadcast_to(np.maximum(slope, 0.0), (*shape, self.pruning.size - 1))


_NAMES: Mapping[str, ErrorModel] = {
    "linear": Linear(),
    "quadratic": Quadratic(),
    "neglog": NegLog(),
}


def error_model(error: "str | ErrorModel") -> ErrorModel:
    """Return an error model by name, or the model itself.

    Args:
        error: "linear", "quadratic", "neglog", or a model such as `Lorenz`.
    """
    if isinstance(error, str):
        if error not in _NAMES:
            known = ", ".join(_NAMES)
            raise ValueError(
                f"RoundProblem.error: unknown model {error!r} (known: {known}, or a Lorenz curve)"
            )
        return _NAMES[error]
    if isinstance(error, Linear | Quadratic | NegLog | Lorenz):
        return error
    raise ValueError(f"RoundProblem.error: {error!r} is not an error model of this package")


def lorenz(weights: npt.ArrayLike, points: int = 33) -> Lorenz:
    """Return the curve of a vector of weights: the share of ‖w‖² that the smallest ρ of them hold.

    Pruning by magnitude removes just that share; the curve is convex, and below ρ [X].

    Args:
        weights: Weights in any order, flattened, or one vector a device, shape (K, W).
        points: Number J of points.
    """
    squares = np.sort(np.square(np.asarray(weights, dtype=np.float64)), axis=-1)
    total = np.cumsum(squares, axis=-1)
    if squares.size == 0 or not np.all(total[..., -1] > 0.0):
        raise ValueError("lorenz: weights must not be empty or all zero")
    whole = np.unique(np.round(np.linspace(0, squares.shape[-1], points)).astype(np.intp))
    share = np.concatenate([np.zeros((*total.shape[:-1], 1)), total], axis=-1)[..., whole]
    return Lorenz(whole / squares.shape[-1], share / share[..., -1:])


def convex_below(pruning: npt.ArrayLike, error: npt.ArrayLike) -> Lorenz:
    """Return the largest convex curve that nowhere lies above measured points, one a device.

    Pruning by another rule than magnitude need not give a convex curve; the least chord over a point is what a mixture of
    two ratios would cost there [X].

    Args:
        pruning: Pruning ratios ρ, rising from 0 to 1, shape (J,).
        error: Errors measured there, rising but for rounding, shape (..., J).

    >>> convex_below([0.0, 0.5, 0.75, 1.0], [0.0, 0.6, 0.5, 1.0]).error.round(3).tolist()
    [0.0, 0.4, 0.6, 1.0]
    """
    at = np.asarray(pruning, dtype=np.float64)
    rise = np.maximum.accumulate(np.asarray(error, dtype=np.float64), axis=-1)
    lowest = rise.copy()
    for left in range(at.size):
        for right in range(left + 2, at.size):
            inner = slice(left + 1, right)
            share = (at[inner] - at[left]) / (at[right] - at[left])
            chord = rise[..., left, None] * (1.0 - share) + rise[..., right, None] * share
            lowest[..., inner] = np.minimum(lowest[..., inner], chord)
    return Lorenz(at, lowest)
