"""Shannon's rate as a function of bandwidth, and its inverses by Lambert's W.

Throughout, `snr_hz` is the received power over the noise density, γp in hertz, so that a device with
bandwidth b has the signal-to-noise ratio z = γp/b and the rate R(b) = b log2(1 + z).
"""

import math

import numpy as np
from scipy.special import lambertw

from optimizers.arrays import FloatArray

LN2 = math.log(2.0)
_SMALL_SNR = 0.02
_SERIES = tuple((-1.0) ** n * (n - 1) / n for n in range(12, 1, -1))
_NEAR_WIDEBAND = 1e-4
_NEWTON_STEPS = 3


def rate_bps(snr_hz: FloatArray, bandwidth_hz: FloatArray) -> FloatArray:
    """Return R(b) = b log2(1 + γp/b), which is 0 at b = 0.

    Args:
        snr_hz: Received power over noise density γp, shape (K,).
        bandwidth_hz: Bandwidth b, shape (K,).

    >>> float(rate_bps(np.array([3e6]), np.array([1e6]))[0])
    2000000.0
    """
    used = bandwidth_hz > 0.0
    safe_hz = np.where(used, bandwidth_hz, 1.0)
    return np.where(used, safe_hz * np.log1p(snr_hz / safe_hz) / LN2, 0.0)


def marginal_nats(
    snr: FloatArray, log_snr: FloatArray | None = None, ratio: FloatArray | None = None
) -> FloatArray:
    """Return h(z) = ln(1 + z) − z/(1 + z), so that dR/db = h(z)/ln 2.

    Both terms cancel for small z; there the series Σ (−1)^n (n − 1)/n z^n, n = 2, 3, …, takes over.

    Args:
        snr: Signal-to-noise ratio z, linear, shape (K,).
        log_snr: ln(1 + z), if it is known.
        ratio: z/(1 + z), if it is known.
    """
    log_snr = np.log1p(snr) if log_snr is None else log_snr
    direct = log_snr - (snr / (1.0 + snr) if ratio is None else ratio)
    small = snr < _SMALL_SNR
    if not small.any():
        return direct
    near = np.where(small, snr, 0.0)
    return np.where(small, near * near * np.polyval(_SERIES, near), direct)


def snr_for_share(share: FloatArray) -> FloatArray:
    """Return the z at which ln(1 + z)/z equals a share of the wideband limit.

    The rate at z is the share q = ln(1 + z)/z of γp/ln 2, the rate at unlimited bandwidth. Then
    z = −W₋₁(−q e^−q)/q − 1, polished by a Newton step on ln z; for δ = 1 − q → 0 it is
    2δ + (8/3)δ² + (28/9)δ³.

    Args:
        share: Share q with 0 < q < 1, shape (K,).

    >>> float(snr_for_share(np.array([np.log(2.0)]))[0].round(14))
    1.0
    """
    lack = 1.0 - share
    near = lack < _NEAR_WIDEBAND
    series = lack * (2.0 + lack * (8.0 / 3.0 + lack * (28.0 / 9.0)))
    safe: FloatArray = np.where(near, 0.5, share)
    snr = -lambertw(-safe * np.exp(-safe), -1).real / safe - 1.0
    nats = np.log1p(snr)
    snr = snr * np.exp(np.log(nats / (snr * safe)) * nats / marginal_nats(snr, nats))
    return np.where(near, series, snr)


def snr_allowed(share: FloatArray) -> FloatArray:
    """Return the z at any share q: that of `snr_for_share`, infinite at 0, and 0 at 1 and above.

    Args:
        share: Share q, not negative, may be infinite, shape (K,).

    >>> snr_allowed(np.array([0.0, np.log(2.0), 1.0, np.inf])).round(12)
    array([inf,  1.,  0.,  0.])
    """
    inside = (share > 0.0) & (share < 1.0)
    snr = snr_for_share(np.where(inside, share, 0.5))
    return np.where(inside, snr, np.where(share < 1.0, np.inf, 0.0))


def snr_for_marginal(nats: FloatArray) -> FloatArray:
    """Return the z at which h(z) = ln(1 + z) − z/(1 + z) equals a value.

    z = −1/W₀(−e^−(1+c)) − 1, polished by Newton's method on ln z, which starts from
    √(2c) + (2/3)·2c where c is small.

    Args:
        nats: Value c with 0 < c < 700, shape (K,).

    >>> float(snr_for_marginal(np.array([np.log(2.0) - 0.5]))[0].round(14))
    1.0
    """
    root = np.sqrt(2.0 * nats)
    small = nats < 1e-3
    branch: FloatArray = -np.exp(-1.0 - np.where(small, 1.0, nats))
    snr = -1.0 / lambertw(branch, 0).real - 1.0
    snr = np.where(small, root + root * root * (2.0 / 3.0), snr)
    for _ in range(_NEWTON_STEPS):
        value = marginal_nats(snr)
        snr = snr * np.exp(-np.log(value / nats) * value * ((1.0 + snr) / snr) ** 2)
    return snr


def least_bandwidth_hz(snr_hz: FloatArray, rate: FloatArray) -> FloatArray:
    """Return the smallest bandwidth that carries a rate: b = γp/z with ln(1 + z)/z = rate·ln 2/γp.

    It is 0 for no rate and infinite for a rate at or above the wideband limit γp/ln 2.

    Args:
        snr_hz: Received power over noise density γp, shape (K,).
        rate: Rate in bit/s, shape (K,), may be infinite.

    >>> least_bandwidth_hz(np.array([3e6, 3e6]), np.array([2e6, 5e6])).round(3)
    array([1000000.,      inf])
    """
    idle = rate <= 0.0
    possible = rate * LN2 < snr_hz
    solved = possible & ~idle
    share = np.where(solved, np.where(solved, rate, 1.0) * LN2 / np.where(solved, snr_hz, 2.0), 0.5)
    bandwidth_hz = snr_hz / snr_for_share(share)
    return np.where(idle, 0.0, np.where(possible, bandwidth_hz, np.inf))
