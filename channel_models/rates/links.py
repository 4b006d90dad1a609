"""Links: the bits per second that a gain, a power and a bandwidth carry."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from channel_models.units import FloatArray, NonNegative, db_to_linear

# Below this bandwidth a rate is nothing (under 1e-196 bit/s); it keeps power / bandwidth finite.
_LEAST_BANDWIDTH_HZ = 1e-200


class Link(Protocol):
    """How far a real link stays behind Shannon's."""

    @property
    def snr_gap(self) -> float:
        """Factor by which the signal-to-noise ratio is divided before Shannon's formula, linear, at least 1."""
        ...


@dataclass(frozen=True)
class Shannon:
    """The ideal link: b log2(1 + γ).

    >>> Shannon().snr_gap
    1.0
    """

    @property
    def snr_gap(self) -> float:
        """One: nothing is lost."""
        return 1.0


@dataclass(frozen=True)
class Gap:
    """A link that stays a fixed gap behind Shannon's: b log2(1 + γ/Γ).

    Attributes:
        gap_db: Signal-to-noise ratio given away against Shannon's formula, in dB.

    Reference:
        The default is Γ = −ln(5 · BER)/1.5 at BER = 5e-5, the adaptive modulation and coding of 5G-LENA [1].

    >>> round(Gap().snr_gap, 2)
    5.53
    """

    gap_db: NonNegative = 7.43

    @property
    def snr_gap(self) -> float:
        """The gap, linear."""
        return db_to_linear(self.gap_db)


def rate_bps(
    bandwidth_hz: FloatArray | float,
    power_w: FloatArray | float,
    gain: FloatArray | float,
    noise_w_per_hz: float,
    snr_gap: float = 1.0,
) -> FloatArray:
    """Return the rate b log2(1 + p g / (Γ N0 b)) in bit/s; 0 without bandwidth; shapes broadcast.

    The noise grows with the bandwidth, so the rate is concave and increasing in (b, p) and tends to
    p g / (Γ N0 ln 2) as b grows.

    Args:
        bandwidth_hz: Bandwidth b granted, not negative, shape (K,).
        power_w: Transmit power p over that band, not negative, shape (K,).
        gain: Power gain g after combining, linear, shape (K,).
        noise_w_per_hz: Noise density N0 at the receiver.
        snr_gap: Gap Γ of the link, linear, at least 1.

    Reference:
        Tse and Viswanath, Fundamentals of Wireless Communication, section 5.2.2 [S].

    >>> rate_bps(np.array([0.0, 1e6]), 0.1, 3e-13, 1e-20)
    array([      0., 2000000.])
    """
    b = np.asarray(bandwidth_hz, dtype=np.float64)
    per_hz = np.asarray(power_w) * np.asarray(gain) / (snr_gap * noise_w_per_hz)
    return np.asarray(b * np.log1p(per_hz / np.maximum(b, _LEAST_BANDWIDTH_HZ)) / np.log(2.0))
