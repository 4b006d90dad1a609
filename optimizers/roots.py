"""Newton's method kept inside a bracket: many independent increasing functions at once."""

from collections.abc import Callable

import numpy as np

from optimizers.arrays import FloatArray

Increasing = Callable[[FloatArray], tuple[FloatArray, FloatArray]]


def increasing_root(
    function: Increasing,
    *,
    low: FloatArray,
    high: FloatArray,
    start: FloatArray,
    value_tolerance: float = 0.0,
    step_tolerance: float = 0.0,
    limit: int = 100,
) -> tuple[FloatArray, int]:
    """Return where increasing functions cross zero, and the number of evaluations.

    A Newton step that leaves the bracket, or that has no slope to follow, is replaced by bisection.
    A bracket without width pins its component.

    Args:
        function: Maps points of shape (...) to values and slopes of the same shape.
        low: Lower ends, shape (...).
        high: Upper ends, shape (...).
        start: First points, inside the bracket, shape (...).
        value_tolerance: Stop when every value is at most this far from zero.
        step_tolerance: Stop after a step in which no point moved further than this.
        limit: Largest number of evaluations.

    >>> root, _ = increasing_root(
    ...     lambda x: (x * x - 2.0, 2.0 * x),
    ...     low=np.array(0.0), high=np.array(2.0), start=np.array(1.0), step_tolerance=1e-9,
    ... )
    >>> float(root.round(12))
    1.414213562373
    """
    point = start
    for count in range(1, limit + 1):
        value, slope = function(point)
        if np.all(np.abs(value) <= value_tolerance):
            return point, count
        low = np.where(value < 0.0, point, low)
        high = np.where(value > 0.0, point, high)
        with np.errstate(divide="ignore", invalid="ignore"):
            newton = point - value / slope
        inside = (newton >= low) & (newton <= high)
        moved = np.where(inside, newton, 0.5 * (low + high))
        step = float(np.max(np.abs(moved - point)))
        point = moved
        if step <= step_tolerance:
            break
    return point, count
