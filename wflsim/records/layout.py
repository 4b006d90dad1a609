"""Arrays apart from how they lie in memory: a sum over another layout can have another last bit."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_STORED = frozenset(
    {"bool", "float16", "float32", "float64"}
    | {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
)


def plain(array: Array) -> tuple[Array, dict[str, Any]]:
    """Return an array's different values in order, as they are or as bytes, and all else about it.

    What is repeated along an axis without taking memory there is returned once.

    >>> values, how = plain(np.broadcast_to(np.arange(2.0), (1000, 2)))
    >>> values.shape, how["shape"], how["strides"]
    ((1, 2), [1000, 2], [0, 8])
    """
    how: dict[str, Any] = {"dtype": array.dtype.str, "shape": list(array.shape)}
    if not array.flags.c_contiguous:
        how["strides"] = list(array.strides)
        array = array[_once(array)]
    values = np.asarray(array, order="C")
    if values.dtype.name in _STORED and values.dtype.isnative:
        return values, how
    return values.reshape(-1).view(np.uint8), how


def rebuilt(values: Array, how: Mapping[str, Any]) -> Array:
    """Return an array of its own with the values, the type and the strides it had."""
    dtype, shape = np.dtype(how["dtype"]), tuple(how["shape"])
    found = _room(dtype, shape, how["strides"]) if "strides" in how else np.empty(shape, dtype)
    once = found[_once(found)] if "strides" in how else found
    once[...] = values.reshape(-1).view(dtype).reshape(once.shape)
    return found


def _room(dtype: np.dtype[Any], shape: tuple[int, ...], strides: list[int]) -> Array:
    """Return an empty array with these strides, which may be negative, zero, or leave gaps."""
    spans = [(n - 1) * stride for n, stride in zip(shape, strides, strict=True)]
    first = -sum(min(span, 0) for span in spans)
    last = sum(max(span, 0) for span in spans)
    memory = np.empty(first + last + dtype.itemsize, dtype=np.uint8)
    return np.ndarray(shape, dtype, memory.data, first, tuple(strides))


def _once(array: Array) -> tuple[slice, ...]:
    """Return where each value stands once: axes along which nothing moves are cut to their first place."""
    return tuple(slice(0, 1) if stride == 0 else slice(None) for stride in array.strides)
