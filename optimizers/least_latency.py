"""The shortest round for given ratios: all devices finish together."""

import numpy as np
import numpy.typing as npt

from optimizers.arrays import FloatArray, column
from optimizers.lambert import LN2, least_bandwidth_hz, marginal_nats
from optimizers.roots import increasing_root
from optimizers.round import Round

_BAND_TOLERANCE = 1e-13
_LOG_STEP = 1e-14
_LOG_BRACKET = 60.0


def least_latency(problem: Round, keep: npt.ArrayLike) -> tuple[float, FloatArray]:
    """Return the least time in which all devices can finish, and the bandwidths that reach it.

    The deadline of the problem is ignored. A device that has T − c − β r left for its bits needs a
    bandwidth that falls in T; the least T is where the needs add up to the whole band, and there all
    devices that upload finish together [X]. It is found by Newton's method on ln(T − T∞), where T∞
    is the latency at unlimited bandwidth. If a device has bits and no rate at any bandwidth, the
    time is infinite and the band is shared equally.

    Args:
        problem: The round.
        keep: Keep ratio r, shape (K,).

    Returns:
        The time in seconds, and the bandwidths in hertz, shape (K,), which add up to the whole band.
    """
    ratio = column("keep", keep, problem.devices)
    snr_hz, bits = problem.snr_hz(), problem.bits(ratio)
    ready_s = problem.fixed_s + problem.slope_s * ratio
    talks = bits > 0.0
    even_hz = np.full(problem.devices, problem.bandwidth_hz / problem.devices)
    if not talks.any():
        return float(ready_s.max()), even_hz
    if np.any(snr_hz[talks] <= 0.0):
        return float("inf"), even_hz
    talkers_s, talkers_hz = _together(
        ready_s[talks], bits[talks], snr_hz[talks], problem.bandwidth_hz
    )
    bands_hz = np.zeros(problem.devices)
    bands_hz[talks] = talkers_hz
    return max(talkers_s, float(ready_s.max())), bands_hz


def _together(
    ready_s: FloatArray, bits: FloatArray, snr_hz: FloatArray, total_hz: float
) -> tuple[float, FloatArray]:
    """Return the common finish of devices that all upload, and their bandwidths."""
    last_s = float(ready_s.max())
    head_s = last_s - ready_s
    even_rate = total_hz / bits.size * np.log1p(snr_hz * bits.size / total_hz) / LN2
    shortest_s = max(float((bits * LN2 / snr_hz - head_s).max()), 0.0)
    even_s = float((bits / even_rate - head_s).max())

    def surplus(log_extra: FloatArray) -> tuple[FloatArray, FloatArray]:
        left_s = shortest_s + np.exp(log_extra) + head_s
        rate = bits / left_s
        bands_hz = least_bandwidth_hz(snr_hz, rate)
        needed_hz = bands_hz.sum()
        growth = (LN2 * rate / (marginal_nats(snr_hz / bands_hz) * left_s)).sum()
        return np.log(total_hz / needed_hz), np.exp(log_extra) * growth / needed_hz

    high = np.log(np.asarray(max(even_s - shortest_s, 1e-15 * (last_s + even_s))))
    root, _ = increasing_root(
        surplus,
        low=high - _LOG_BRACKET,
        high=high,
        start=high,
        value_tolerance=_BAND_TOLERANCE,
        step_tolerance=_LOG_STEP,
    )
    upload_s = shortest_s + float(np.exp(root))
    bands_hz = least_bandwidth_hz(snr_hz, bits / (upload_s + head_s))
    return last_s + upload_s, bands_hz * (total_hz / bands_hz.sum())
