"""The shortest round for given ratios: all devices finish together."""

import numpy as np
import numpy.typing as npt

from optimizers.arrays import FloatArray, column
from optimizers.curves import Curves, curves
from optimizers.lambert import LN2, marginal_nats, snr_allowed
from optimizers.roots import increasing_root
from optimizers.round import Round
from optimizers.stack import stacked

_BAND_TOLERANCE = 1e-13
_LOG_STEP = 1e-14
_LOG_BRACKET = 60.0
_DOUBLINGS = 80


def least_latency(problem: Round, keep: npt.ArrayLike) -> tuple[float, FloatArray]:
    """Return the least time in which all devices can finish, and the bandwidths that reach it.

    The deadline of the problem is ignored. A device that has T − c − β r left for its bits needs a
    bandwidth that falls in T; the least T is where the needs add up to the whole band, and there all
    devices that upload finish together [X]. An energy budget, like a ceiling of efficiency, limits
    the signal-to-noise ratio whatever T is, and a second window gives a smallest rate. The time is
    found by Newton's method on ln(T − T∞), where T∞ is the latency at unlimited bandwidth. If no
    time is enough, it is infinite and the band is shared equally.

    Args:
        problem: The round.
        keep: Keep ratio r, shape (K,).

    Returns:
        The time in seconds, and the bandwidths in hertz, shape (K,), which add up to the whole band.
    """
    ratio = column("keep", keep, problem.devices)
    bits = problem.bits(ratio)
    ready_s = problem.fixed_s + problem.slope_s * ratio
    talks = bits > 0.0
    even_hz = np.full(problem.devices, problem.bandwidth_hz / problem.devices)
    if np.any(~talks & (problem.slope_j * ratio > problem.energy_j)):
        return float("inf"), even_hz
    if not talks.any():
        return float(ready_s.max()), even_hz
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        shape = curves(stacked([problem]))
        talkers = _Talkers(shape, ratio, bits, ready_s, talks)
        talkers_s, talkers_hz = talkers.together(problem.bandwidth_hz)
    if np.isinf(talkers_s):
        return talkers_s, even_hz
    bands_hz = np.zeros(problem.devices)
    bands_hz[talks] = talkers_hz
    return max(talkers_s, float(ready_s.max())), bands_hz


class _Talkers:
    """The devices that upload, and what limits them whatever the time is; arrays of shape (J,)."""

    def __init__(
        self,
        shape: Curves,
        keep: FloatArray,
        bits: FloatArray,
        ready_s: FloatArray,
        talks: npt.NDArray[np.bool_],
    ) -> None:
        self.bits, self.last_s = bits[talks], float(ready_s[talks].max())
        self.head_s = self.last_s - ready_s[talks]
        self.snr_hz = shape.snr_hz[0, talks]
        cap = np.broadcast_to(shape.snr_cap, shape.stack.shape)[0, talks]
        if shape.budgeted:
            share = shape.energy_share(keep[None])[0, talks]
            cap = np.minimum(cap, snr_allowed(share))
        self.cap = cap
        self.least_bps = np.zeros(self.bits.size)
        if shape.second is not None:
            left_s = shape.second.left_s(keep)[0, talks]
            self.least_bps = np.where(left_s > 0.0, self.bits / left_s, np.inf)

    def needs_hz(self, upload_s: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the bandwidths with which uploads take a time, and −d ln b/d ln t."""
        rate = np.maximum(self.bits / upload_s, self.least_bps)
        snr = np.minimum(snr_allowed(LN2 * rate / self.snr_hz), self.cap)
        bands_hz = rate * LN2 / np.log1p(snr)
        growth = np.where(snr < self.cap, LN2 * rate / (bands_hz * marginal_nats(snr)), 1.0)
        return bands_hz, np.where(rate > self.least_bps, growth, 0.0)

    def together(self, total_hz: float) -> tuple[float, FloatArray]:
        """Return the common finish and the bandwidths; the finish is infinite if there is none."""
        even_hz = total_hz / self.bits.size
        even_rate = even_hz * np.log1p(np.minimum(self.snr_hz / even_hz, self.cap)) / LN2
        shortest_s = max(float((self.bits * LN2 / self.snr_hz - self.head_s).max()), 0.0)
        even_s = float((self.bits / even_rate - self.head_s).max())
        if not (np.isfinite(shortest_s) and np.isfinite(even_s)):
            return float("inf"), self.bits

        def surplus(log_extra: FloatArray) -> tuple[FloatArray, FloatArray]:
            left_s = shortest_s + np.exp(log_extra) + self.head_s
            bands_hz, growth = self.needs_hz(left_s)
            needed_hz = bands_hz.sum()
            slope = np.exp(log_extra) * (bands_hz * growth / left_s).sum() / needed_hz
            return np.log(total_hz / needed_hz), slope

        high = np.log(np.asarray(max(even_s - shortest_s, 1e-15 * (self.last_s + even_s))))
        for _ in range(_DOUBLINGS):
            if surplus(high)[0] >= -_BAND_TOLERANCE:
                break
            high = high + 1.0
        else:
            return float("inf"), self.bits
        root, _ = increasing_root(
            surplus,
            low=high - _LOG_BRACKET,
            high=high,
            start=high,
            value_tolerance=_BAND_TOLERANCE,
            step_tolerance=_LOG_STEP,
        )
        upload_s = shortest_s + float(np.exp(root))
        bands_hz, _ = self.needs_hz(upload_s + self.head_s)
        if not np.isfinite(bands_hz.sum()):
            # So little power that no bandwidth of this size makes a difference.
            return self.last_s + even_s, np.full(self.bits.size, even_hz)
        return self.last_s + upload_s, bands_hz * (total_hz / bands_hz.sum())
