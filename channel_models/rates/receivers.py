"""Receivers: what the antennas of the base station make of their gains."""

import numpy as np

from channel_models.units import ComplexArray, FloatArray


def mrc_gain(antenna_gain: ComplexArray) -> FloatArray:
    """Return the power gain of maximum ratio combining, ‖h‖², shape (K,).

    On a band of its own a device meets no interference, so this is the best linear receiver; its rate is
    b log2(1 + p ‖h‖² / (N0 b)).

    Args:
        antenna_gain: Complex amplitude gain of each antenna, shape (K, M).

    Reference:
        Tse and Viswanath, Fundamentals of Wireless Communication, section 3.3.1 [S].

    >>> mrc_gain(np.array([[3.0 + 0.0j, 4.0j]]))
    array([25.])
    """
    return np.asarray(np.sum(antenna_gain.real**2 + antenna_gain.imag**2, axis=1), dtype=np.float64)


def broadcast_gain(antenna_gain: ComplexArray) -> FloatArray:
    """Return the power gain of a broadcast from all antennas, ‖h‖² / M, shape (K,).

    One message for everyone cannot be beamed at each device, so the power is split evenly over the antennas with an
    orthogonal space–time code; the rate is b log2(1 + p ‖h‖² / (M N0 b)): diversity, but no array gain. Two antennas
    attain it with Alamouti's code. For more it is an ideal, the rate of isotropic Gaussian signals, because complex
    orthogonal codes of full rate end at two.

    Args:
        antenna_gain: Complex amplitude gain of each antenna, shape (K, M).

    Reference:
        Tse and Viswanath, Fundamentals of Wireless Communication, sections 3.3.2 and 5.4.3 [S].

    >>> broadcast_gain(np.array([[3.0 + 0.0j, 4.0j]]))
    array([12.5])
    """
    return np.asarray(mrc_gain(antenna_gain) / antenna_gain.shape[1])
