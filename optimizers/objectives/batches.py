"""Searches along one variable whose values are cheapest many at a time."""

from collections.abc import Callable

import numpy as np

from optimizers.arrays import BoolArray, FloatArray

_SAME_VALUE = 1e-14
_BATCHES = 60


def least_point(
    values: Callable[[FloatArray], FloatArray], grid: FloatArray, tolerance: float = 1e-9
) -> float:
    """Return where a function is least that falls and then rises.

    Each batch of points lies between the neighbours of the best point of the last batch.

    Args:
        values: Maps points to values, both of shape (J,); infinite where a point is not allowed.
        grid: First points, rising, shape (J,).
        tolerance: Relative width of the bracket at which to stop.

    >>> round(least_point(lambda x: (x - 2.0) ** 2, np.linspace(1.0, 9.0, 20)), 6)
    2.0
    """
    points = grid
    for _ in range(_BATCHES):
        found = values(points)
        best = int(np.argmin(found))
        around = slice(max(best - 1, 0), best + 2)
        low, high = float(points[around][0]), float(points[around][-1])
        near = float(np.max(found[around]) - found[best])
        if near <= _SAME_VALUE * abs(found[best]) or high - low <= tolerance * abs(high):
            break
        points = np.linspace(low, high, grid.size)
    return float(points[best])


def first_point(
    holds: Callable[[FloatArray], BoolArray], low: float, high: float, tolerance: float = 1e-13
) -> float:
    """Return the smallest point found at which something holds that then holds further on.

    Args:
        holds: Maps points to whether it holds there, both of shape (J,).
        low: Lower end.
        high: Upper end, at which it holds.
        tolerance: Relative width of the bracket at which to stop.

    >>> round(first_point(lambda x: x * x >= 2.0, 1.0, 2.0), 9)
    1.414213562
    """
    for _ in range(_BATCHES):
        points = np.linspace(low, high, 18)
        first = int(np.argmax(np.append(holds(points[:-1]), True)))
        low, high = float(points[max(first - 1, 0)]), float(points[first])
        if first == 0 or high - low <= tolerance * abs(high):
            break
    return high
