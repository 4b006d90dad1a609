"""Capacity: rates and outages in closed form, to judge a simulated link by; rates are in bit per complex symbol."""

import numpy as np
import numpy.typing as npt
from scipy import special

from channel_models.units import FloatArray

LN2 = float(np.log(2.0))
# From here on e^x may overflow, and four terms of the expansion in 1/(x + n) are good to eleven digits.
_LARGE = 500.0


def ergodic_rate(snr: npt.ArrayLike, antennas: int = 1) -> FloatArray:
    """Return E log2(1 + ρ X) with X ~ Gamma(M, 1), Rayleigh fading after maximum ratio combining; any shape.

    e^{1/ρ} Σ_{n=1}^{M} E_n(1/ρ) / ln 2, with the exponential integral E_n; one antenna gives e^{1/ρ} E1(1/ρ) / ln 2.

    Args:
        snr: Mean signal-to-noise ratio ρ at one antenna, linear.
        antennas: Number of antennas M.

    Reference:
        Alouini and Goldsmith, Capacity of Rayleigh fading channels under different adaptive transmission and
        diversity-combining techniques, IEEE Trans. Veh. Technol., 1999 [S].

    >>> round(float(ergodic_rate(10.0)), 6), round(float(ergodic_rate(10.0, 8)), 6)
    (2.906515, 6.250324)
    """
    # A ratio of 0 is as good as 1e-30: the rate is then below what a rounding error hides.
    inverse = 1.0 / np.maximum(np.asarray(snr, dtype=np.float64), 1e-30)
    order = np.arange(1, antennas + 1).reshape(-1, *(1,) * inverse.ndim)
    return np.asarray(np.sum(_scaled_exponential_integral(order, inverse), axis=0) / LN2)


def ergodic_zf_rate(snr: npt.ArrayLike, antennas: int, devices: int) -> FloatArray:
    """Return the ergodic rate of one of K devices after zero forcing in Rayleigh fading of equal means; any shape.

    The SINR is ρ times a Gamma(M − K + 1) variable, that of maximum ratio combining with M − K + 1 antennas.

    Args:
        snr: Mean signal-to-noise ratio ρ at one antenna, linear.
        antennas: Number of antennas M, at least K.
        devices: Number of devices K on the band.

    Reference:
        Tse and Viswanath, Fundamentals of Wireless Communication, section 8.3.1 [S].

    >>> round(float(ergodic_zf_rate(10.0, antennas=8, devices=4)), 6)
    5.530282
    """
    if antennas < devices:
        raise ValueError(f"antennas must be at least {devices}, the devices, got {antennas}")
    return ergodic_rate(snr, antennas - devices + 1)


def outage_probability(rate: npt.ArrayLike, snr: npt.ArrayLike, antennas: int = 1) -> FloatArray:
    """Return P(log2(1 + ρ X) < R) with X ~ Gamma(M, 1), the distribution of X at (2^R − 1) / ρ; shapes broadcast.

    Args:
        rate: Rate R asked for.
        snr: Mean signal-to-noise ratio ρ at one antenna, linear, above 0.
        antennas: Number of antennas M that are combined.

    Reference:
        Tse and Viswanath, Fundamentals of Wireless Communication, sections 5.4.1 and 5.4.2 [S].

    >>> round(float(outage_probability(1.0, 10.0)), 7)
    0.0951626
    """
    least = np.expm1(np.asarray(rate, dtype=np.float64) * LN2) / np.asarray(snr, dtype=np.float64)
    return np.asarray(special.gammainc(antennas, least))


def outage_rate(probability: npt.ArrayLike, snr: npt.ArrayLike, antennas: int = 1) -> FloatArray:
    """Return the rate whose outage probability is the one given, log2(1 + ρ F⁻¹(ε)); shapes broadcast.

    Args:
        probability: Outage probability ε, at least 0 and below 1.
        snr: Mean signal-to-noise ratio ρ at one antenna, linear.
        antennas: Number of antennas M that are combined.

    >>> float(outage_rate(outage_probability(1.5, 10.0, 4), 10.0, 4).round(9))
    1.5
    """
    weakest = special.gammaincinv(antennas, np.asarray(probability, dtype=np.float64))
    return np.asarray(np.log1p(np.asarray(snr, dtype=np.float64) * weakest) / LN2)


def hardened_mrc_sinr(
    snr: FloatArray | float, gain: FloatArray, estimated: FloatArray, antennas: int
) -> FloatArray:
    """Return M ρ_k γ_k / (1 + Σ_i ρ_i β_i), shape (…, K): maximum ratio combining by estimates that are then forgotten.

    log2(1 + SINR) is a rate that K devices reach together in Rayleigh fading, whatever it does, because many antennas
    harden the channel: only means stand in it, so it is a plain function of the powers.

    Args:
        snr: Transmit power over noise power ρ, shape (…, K) or one for all.
        gain: Mean power gain β of each device, shape (…, K).
        estimated: Variance γ of the estimate of each coefficient, at most β, shape (…, K).
        antennas: Number of antennas M.

    Reference:
        Marzetta, Larsson, Yang and Ngo, Fundamentals of Massive MIMO, Table 3.1 [S].

    >>> hardened_mrc_sinr(1.0, np.array([1.0, 2.0]), np.array([0.5, 2.0]), antennas=8)
    array([1., 4.])
    """
    heard = np.sum(snr * gain, axis=-1, keepdims=True)
    return np.asarray(antennas * snr * estimated / (1.0 + heard))


def hardened_zf_sinr(
    snr: FloatArray | float, gain: FloatArray, estimated: FloatArray, antennas: int
) -> FloatArray:
    """Return (M − K) ρ_k γ_k / (1 + Σ_i ρ_i (β_i − γ_i)), shape (…, K): zero forcing by estimates then forgotten.

    Args:
        snr: Transmit power over noise power ρ, shape (…, K) or one for all.
        gain: Mean power gain β of each device, shape (…, K).
        estimated: Variance γ of the estimate of each coefficient, at most β, shape (…, K).
        antennas: Number of antennas M, above K.

    Reference:
        Marzetta, Larsson, Yang and Ngo, Fundamentals of Massive MIMO, Table 3.1 [S].

    >>> hardened_zf_sinr(1.0, np.array([1.0, 2.0]), np.array([0.5, 2.0]), antennas=8)
    array([2., 8.])
    """
    devices = gain.shape[-1]
    if antennas <= devices:
        raise ValueError(f"antennas must exceed {devices}, the devices, got {antennas}")
    missed = np.sum(snr * (gain - estimated), axis=-1, keepdims=True)
    return np.asarray((antennas - devices) * snr * estimated / (1.0 + missed))


def finite_rate(
    snr: npt.ArrayLike, symbols: npt.ArrayLike, error: npt.ArrayLike, real: bool = False
) -> FloatArray:
    """Return the rate of a finite block, C − √(V / n) Q⁻¹(ε) + lg2(n) / (2n), never below 0; shapes broadcast.

    With complex symbols C = log2(1 + γ) and V = (1 − (1 + γ)⁻²) log2² e; with real symbols both are half of it.

    Args:
        snr: Signal-to-noise ratio γ, linear; over real symbols, power over the noise of the one dimension.
        symbols: Number of symbols n of the block.
        error: Probability ε that the block is lost.
        real: Whether symbols are real; rates are then in bit per real symbol.

    Reference:
        Polyanskiy, Poor and Verdú, Channel coding rate in the finite blocklength regime, IEEE Trans. Inf. Theory, 2010,
        the normal approximation of the Gaussian channel; over real symbols as in yp-mit/spectre, normapx_awgn.m [1].

    >>> float(finite_rate(10.0, 500, 1e-3).round(6))
    3.269843
    """
    capacity, deviation, bonus = _normal_approximation(snr, symbols, real)
    behind = deviation * special.ndtri(np.asarray(error, dtype=np.float64))
    return np.maximum(capacity + behind + bonus, 0.0)


def finite_error(
    snr: npt.ArrayLike, symbols: npt.ArrayLike, rate: npt.ArrayLike, real: bool = False
) -> FloatArray:
    """Return the probability that a finite block is lost, Q((C − R + lg2(n) / (2n)) √(n / V)); shapes broadcast.

    Args:
        snr: Signal-to-noise ratio γ, linear, above 0.
        symbols: Number of symbols n of the block.
        rate: Rate R in bit per symbol.
        real: Whether symbols are real.

    Reference:
        The inverse of ``finite_rate``.

    >>> float(finite_error(10.0, 500, finite_rate(10.0, 500, 1e-3)).round(9))
    0.001
    """
    capacity, deviation, bonus = _normal_approximation(snr, symbols, real)
    ahead = capacity - np.asarray(rate, dtype=np.float64) + bonus
    return np.asarray(special.ndtr(-ahead / deviation))


def least_energy_per_bit(rate: npt.ArrayLike) -> FloatArray:
    """Return Shannon's limit (2^R − 1) / R of Eb/N0, linear, its limit ln 2 at R = 0; any shape.

    Args:
        rate: Rate R in bit per complex symbol; twice that of a code over real ones.

    Reference:
        Shannon, Communication in the presence of noise, Proc. IRE, 1949 [S].

    >>> (10.0 * np.log10(least_energy_per_bit([0.0, 1.0]))).round(6)
    array([-1.591745,  0.      ])
    """
    bits = np.asarray(rate, dtype=np.float64)
    some = np.where(bits > 0.0, bits, 1.0)
    return np.where(bits > 0.0, np.expm1(some * LN2) / some, LN2)


def _normal_approximation(
    snr: npt.ArrayLike, symbols: npt.ArrayLike, real: bool
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return capacity, deviation √(V / n) of the information of one symbol, and lg2(n) / (2n)."""
    gamma, n = np.asarray(snr, dtype=np.float64), np.asarray(symbols, dtype=np.float64)
    dimensions = 0.5 if real else 1.0
    variance = gamma * (gamma + 2.0) / (gamma + 1.0) ** 2 / LN2**2
    deviation = np.sqrt(dimensions * variance / n)
    return dimensions * np.log1p(gamma) / LN2, deviation, np.log2(n) / (2.0 * n)


def _scaled_exponential_integral(order: npt.NDArray[np.int64], x: FloatArray) -> FloatArray:
    """Return e^x E_n(x); for large x by Abramowitz and Stegun, eq. 5.1.52, where the factors over- and underflow."""
    small = np.minimum(x, _LARGE)
    n, y = order.astype(np.float64), x + order
    terms = 1.0 + n / y**2 + n * (n - 2.0 * x) / y**4 + n * (6.0 * x**2 - 8.0 * n * x + n**2) / y**6
    return np.where(x < _LARGE, np.exp(small) * special.expn(order, small), terms / y)
