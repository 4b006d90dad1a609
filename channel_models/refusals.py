"""Refusals: what is wrong with an array of numbers, in one sentence with the name, the rule and the first culprit."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from channel_models.units import BoolArray, FloatArray

_AXES = ("device", "site", "column")


def refuse(
    name: str,
    values: npt.ArrayLike,
    allowed: BoolArray,
    rule: str,
    axes: Sequence[str] = _AXES,
) -> None:
    """Raise ValueError for the first value that is not allowed or not finite.

    Args:
        name: Name of the quantity, as its caller writes it.
        values: What was handed in, any shape.
        allowed: Where the rule holds, of the shape of the values.
        rule: What the values must be besides finite, if anything.
        axes: What an index counts, axis by axis.

    >>> refuse("ground_m", np.array([1.0, -2.0]), np.array([True, False]), "at least 0")
    Traceback (most recent call last):
        ...
    ValueError: ground_m must be finite and at least 0, got -2.0 for device 1
    """
    array = np.asarray(values, dtype=np.float64)
    refused = np.asarray(~(allowed & np.isfinite(array)))
    if not refused.any():
        return
    index = np.unravel_index(int(np.argmax(refused)), array.shape)
    where = ", ".join(f"{axis} {at}" for axis, at in zip(axes, index, strict=False))
    raise ValueError(
        f"{name} must be finite{' and ' if rule else ''}{rule}, got {array[index]}{' for ' if where else ''}{where}"
    )


def refuse_negative(name: str, values: npt.ArrayLike) -> None:
    """Raise ValueError for the first value that is negative or not finite."""
    refuse(name, values, np.asarray(values) >= 0.0, "at least 0")


def refuse_not_positive(name: str, values: npt.ArrayLike) -> None:
    """Raise ValueError for the first value that is not above 0 or not finite."""
    refuse(name, values, np.asarray(values) > 0.0, "above 0")


def refuse_positions(position_m: FloatArray) -> None:
    """Raise ValueError unless positions have shape (K, 2) and are finite."""
    if position_m.ndim != 2 or position_m.shape[1] != 2:
        raise ValueError(f"position_m must have shape (K, 2), got {position_m.shape}")
    refuse("position_m", position_m, np.isfinite(position_m), "", axes=("device", "axis"))


def refuse_count(name: str, count: int) -> None:
    """Raise ValueError unless a number of things is at least 1.

    >>> refuse_count("antennas", 0)
    Traceback (most recent call last):
        ...
    ValueError: antennas must be at least 1, got 0
    """
    if not count >= 1:
        raise ValueError(f"{name} must be at least 1, got {count}")
