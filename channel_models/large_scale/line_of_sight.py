"""Line of sight: how probable it is that nothing stands between a device and the base station."""

import numpy as np

from channel_models.units import FloatArray


def uma_line_of_sight_probability(
    distance_2d_m: FloatArray, device_height_m: float = 1.5
) -> FloatArray:
    """Return the probability of line of sight in an urban macro cell, shape (K,).

    1 up to 18 m; beyond, (18/d + e^(−d/63) (1 − 18/d)) (1 + C 1.25 (d/100)³ e^(−d/150)), where C = 0 for devices
    up to 13 m high and ((h − 13)/10)^1.5 above.

    Args:
        distance_2d_m: Distance along the ground, outdoors, in m, shape (K,).
        device_height_m: Height of the devices in m, at most 23.

    Reference:
        3GPP TR 38.901, Table 7.4.2-1, UMa [VV].

    >>> uma_line_of_sight_probability(np.array([10.0, 100.0])).round(6)
    array([1.      , 0.347671])
    """
    beyond_m = np.maximum(distance_2d_m, 18.0)
    street = 18.0 / beyond_m + np.exp(-beyond_m / 63.0) * (1.0 - 18.0 / beyond_m)
    height = (max(device_height_m - 13.0, 0.0) / 10.0) ** 1.5
    roof = 1.0 + height * 1.25 * (beyond_m / 100.0) ** 3 * np.exp(-beyond_m / 150.0)
    return np.where(distance_2d_m <= 18.0, 1.0, street * roof)
