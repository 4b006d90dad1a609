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

    A Newton step that leaves its bracket, or has no slope to follow, is replaced by bisection.

    Args:
        function: Maps points to values and slopes, all of shape (...).
        low: Lower ends.
        high: Upper ends.
        start: First points, inside the bracket.
        value_tolerance: Stop when every value is at most this far from zero.
        step_tolerance: Stop after a step in which no point moved further than this.
        limit: Largest number of evaluations.

    >>> one, two = np.array(1.0), np.array(2.0)
    >>> root, _ = increasing_root(lambda x: (x * x - 2, 2 * x), low=one, high=two, start=one)
    >>> float(root.round(12))
    1.414213562373
    """
    point = start
    for count in range(1, limit + 1):
        value, slope = function(point)
        if np.all(np.abs(value) <= value_tolerance):
            return point, count
        low, high = np.where(value < 0.0, point, low), np.where(value > 0.0, point, high)
        moved = _moved(point, value, slope, low, high)
        step, point = float(np.max(np.abs(moved - point))), moved
        if step <= step_tolerance:
            break
    return point, count


def _moved(
    point: FloatArray, value: FloatArray, slope: FloatArray, low: FloatArray, high: FloatArray
) -> FloatArray:
    """Return the Newton steps that stay in their brackets, and the middles of the others."""
    with np.errstate(divide="ignore", invalid="ignore"):
        newton = point - value / slope
    return np.where((newton >= low) & (newton <= high), newton, 0.5 * (low + high))
