"""Effective ratios: the one signal-to-noise ratio that stands for many over a frequency-selective band."""

from functools import cache

import numpy as np

from channel_models.rates.modulation import Schemes, SchemeTable
from channel_models.standards import table
from channel_models.units import FloatArray


def exponential_effective_snr(block_snr: FloatArray, beta: FloatArray | float) -> FloatArray:
    """Return −β ln(mean exp(−γ/β)) over the last axis, shape (…); it lies between the least γ and the mean.

    The least blocks decide: as β falls the result tends to the least γ, as it grows to the mean.

    Args:
        block_snr: Signal-to-noise ratio γ of each frequency block, linear, shape (…, F).
        beta: Spread β that a scheme tolerates, linear, above 0, of a shape that broadcasts with (…).

    Reference:
        Lagen et al., New radio physical layer abstraction for system-level simulations of 5G networks, ICC 2020
        (5G-LENA), and Sionna 2.2 [V].

    >>> exponential_effective_snr(np.array([[4.0, 4.0], [1.0, 7.0]]), 1.6).round(4)
    array([4.    , 2.0718])
    """
    snr, spread = np.asarray(block_snr, dtype=np.float64), np.asarray(beta)
    least = snr.min(axis=-1)  # taken out, so that no exponential vanishes in all blocks
    mean = np.mean(np.exp((least[..., None] - snr) / spread[..., None]), axis=-1)
    return np.asarray(least - spread * np.log(mean))


def capacity_effective_snr(block_snr: FloatArray, snr_gap: float = 1.0) -> FloatArray:
    """Return the ratio at which one block carries the mean of all: Γ (2^(mean log2(1 + γ/Γ)) − 1), shape (…).

    Args:
        block_snr: Signal-to-noise ratio γ of each frequency block, linear, shape (…, F).
        snr_gap: Gap Γ of the link, linear, at least 1.

    Reference:
        Tse and Viswanath, Fundamentals of Wireless Communication, section 5.3.3 (parallel channels) [S].

    >>> capacity_effective_snr(np.array([1.0, 7.0]))
    array(3.)
    """
    nats = np.log1p(np.asarray(block_snr) / snr_gap).mean(axis=-1)
    return np.asarray(snr_gap * np.expm1(nats))


def eesm_beta(schemes: Schemes) -> FloatArray:
    """Return β of modulation and coding schemes, linear, of their shape.

    Simulators agree on these numbers and none can say how they were calibrated, so take them as a convention.

    Args:
        schemes: Schemes of MCS table 1 or 2.

    Reference:
        Sionna 2.2 and, for table 1, 5G-LENA [V]; β of 256QAM is in Sionna alone [1].

    >>> from channel_models.rates.modulation import schemes
    >>> eesm_beta(schemes(1)).tolist()[-1]
    34.28
    """
    return np.asarray(_betas(schemes.table)[schemes.index])


@cache
def _betas(number: SchemeTable) -> FloatArray:
    return np.array(table("eesm_beta")[str(number)], dtype=np.float64)
