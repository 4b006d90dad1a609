"""Columns over devices: what every array of this package is (float64, shape (K,), read-only)."""

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IndexArray = npt.NDArray[np.intp]


def column(name: str, value: npt.ArrayLike, devices: int) -> FloatArray:
    """Return a read-only copy of a value as one number per device.

    Args:
        name: What the value is, for the error message.
        value: One number, or an array of shape (K,).
        devices: The number of devices K.

    Raises:
        ValueError: If the value does not broadcast to shape (K,).

    >>> column("power_w", 0.1, 3)
    array([0.1, 0.1, 0.1])
    """
    array = np.asarray(value, dtype=np.float64)
    if array.ndim > 1 or array.size not in {1, devices}:
        raise ValueError(f"{name}: shape {array.shape} does not fit {devices} devices")
    copy = np.array(np.broadcast_to(array, (devices,)))
    copy.flags.writeable = False
    return copy
