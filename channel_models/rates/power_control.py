"""Power control: the power of a device by its path loss, and the best split of a power over parallel channels."""

import numpy as np
import numpy.typing as npt

from channel_models.refusals import refuse, refuse_negative, refuse_not_positive
from channel_models.units import FloatArray


def open_loop_dbm(
    loss_db: npt.ArrayLike,
    power_max_dbm: npt.ArrayLike,
    p0_dbm: npt.ArrayLike,
    *,
    alpha: npt.ArrayLike = 1.0,
    blocks: npt.ArrayLike = 1,
    numerology: npt.ArrayLike = 0,
) -> FloatArray:
    """Return the uplink power min(Pmax, P0 + α PL + 10 lg 2^μ + 10 lg n) in dBm; shapes broadcast.

    With α = 1 every device that has the power arrives with P0 on each 180 kHz.

    Args:
        loss_db: Loss PL to the serving cell, antennas and shadowing included, in dB.
        power_max_dbm: Limit Pmax of the device.
        p0_dbm: Target P0 on a resource block at a subcarrier spacing of 15 kHz.
        alpha: Share α of the loss that is made up for, from 0 to 1.
        blocks: Number n of resource blocks granted.
        numerology: Numerology μ, for a subcarrier spacing of 15 · 2^μ kHz.

    Reference:
        3GPP TS 38.213, section 7.1.1, without closed loop and without the term of the modulation [1].

    >>> open_loop_dbm(np.array([100.0, 140.0]), 23.0, p0_dbm=-90.0, blocks=10)
    array([20., 23.])
    """
    granted = np.asarray(blocks, dtype=np.float64) * 2.0 ** np.asarray(numerology, dtype=np.float64)
    made_up_db = np.asarray(alpha, dtype=np.float64) * np.asarray(loss_db, dtype=np.float64)
    asked_dbm = np.asarray(p0_dbm, dtype=np.float64) + made_up_db + 10.0 * np.log10(granted)
    return np.asarray(np.minimum(power_max_dbm, asked_dbm), dtype=np.float64)


def water_filling(
    gain: FloatArray, power_w: npt.ArrayLike, noise_w: npt.ArrayLike
) -> tuple[FloatArray, FloatArray]:
    """Return the powers that maximise Σ log2(1 + p_n g_n / N0) and the water level μ; exact, by sorting.

    p_n = max(μ − N0 / g_n, 0) with μ such that Σ p_n = P. The best m channels stand under water as long as their level
    (P + Σ N0 / g_n) / m is above the floor N0 / g_m of the worst of them.

    Args:
        gain: Power gains g of the channels, linear, some of them above 0, shape (…, N).
        power_w: Power P to be split, above 0, shape (…) or one for all.
        noise_w: Noise power N0 on a channel, above 0, shape (…, N) or one for all.

    Returns:
        Powers of shape (…, N) and levels of shape (…).

    Reference:
        Tse and Viswanath, Fundamentals of Wireless Communication, section 5.3.3 [S].

    >>> power, level = water_filling(np.array([1.0, 0.5, 0.1]), 4.0, 1.0)
    >>> power, float(level)
    (array([2.5, 1.5, 0. ]), 3.5)
    """
    refuse_negative("gain", gain)
    refuse("gain", np.max(gain, axis=-1), np.any(gain > 0.0, axis=-1), "above 0 on some channel")
    refuse_not_positive("power_w", power_w)
    refuse_not_positive("noise_w", noise_w)
    total = np.asarray(power_w, dtype=np.float64)[..., None]
    floor = np.full(np.broadcast_shapes(gain.shape, np.shape(noise_w)), np.inf)
    np.divide(noise_w, gain, out=floor, where=gain > 0.0)
    # From the best channel's floor upwards, so that a little water over a high floor loses no digits.
    ground = np.min(floor, axis=-1, keepdims=True)
    above = floor - ground
    ordered = np.sort(above, axis=-1)
    levels = (total + np.cumsum(ordered, axis=-1)) / np.arange(1, gain.shape[-1] + 1)
    under = np.sum(levels > ordered, axis=-1, keepdims=True)
    level = np.take_along_axis(levels, under - 1, axis=-1)
    return np.maximum(level - above, 0.0), (ground + level)[..., 0]
