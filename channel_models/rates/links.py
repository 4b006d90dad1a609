"""Links: the bits per second that a gain, a power and a bandwidth carry, from Shannon's formula to what is left of it.

The ladder: ``shannon`` is the limit; ``gap`` stays a fixed ratio behind; ``outage`` loses whole messages in deep fades;
``finite_blocklength`` pays for short codes; ``mcs`` sends a standard's schemes with block errors and repeats. Each rung
gives its efficiency, and one gap Γ with which an allocator may plan, b log2(1 + γ/Γ).

How much the rung matters: at 10 % block errors, 5G's codes lie 1.2 to 2.8 dB behind Shannon's formula at the same
efficiency in Sionna 2.2's simulations (blocks of 2000 bits) and 3.8 to 4.8 dB in 5G-LENA's (8192 bits) [1]; the steps
between schemes cost up to another decibel. So studies that plan with Shannon's formula are 2 to 5 dB optimistic, up to
1.6 bit/s/Hz at high ratios; and two serious simulators are 1 to 4 dB apart on one scheme, an uncertainty to sweep
rather than to hide.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Protocol, runtime_checkable

import numpy as np

from channel_models.rates.capacity import finite_rate
from channel_models.rates.effective_sinr import capacity_effective_snr
from channel_models.units import Count, FloatArray, NonNegative, db_to_linear

# Below this bandwidth a rate is nothing (under 1e-196 bit/s); it keeps power / bandwidth finite.
_LEAST_BANDWIDTH_HZ = 1e-200
# Above this ratio nothing is gained that a simulation could use; it keeps its powers finite.
_LARGEST_SNR = 1e30

OPERATING_SNR_DB = np.linspace(0.0, 20.0, 81)
"""Signal-to-noise ratios in dB over which a planning gap is taken: what links of a cell work at."""


class Link(Protocol):
    """What a signal-to-noise ratio carries, and how far that is behind Shannon's formula; hashable."""

    def __hash__(self) -> int:
        """Return the same number for equal links: what is found about one is kept."""
        ...

    @property
    def snr_gap(self) -> float:
        """Factor by which an allocator divides the signal-to-noise ratio before Shannon's formula, at least 1."""
        ...

    def efficiency(self, snr: FloatArray | float) -> FloatArray:
        """Return the bits/s/Hz that arrive, errors and repeats taken off, of the shape of the ratio.

        Nothing at ratio 0, not falling as it grows, never above log2(1 + γ), finite up to 1e30.

        Args:
            snr: Signal-to-noise ratio γ, linear, not negative, any shape.
        """
        ...


@runtime_checkable
class Selective(Protocol):
    """A link that knows by itself what a frequency-selective band is worth to it."""

    def effective_snr(self, block_snr: FloatArray) -> FloatArray:
        """Return the one ratio that stands for those of F frequency blocks, shapes (…, F) → (…)."""
        ...


@runtime_checkable
class Repeating(Protocol):
    """A link that repeats blocks which are not decoded; its efficiency has the repeats taken off."""

    def attempt_errors(self, snr: FloatArray | float) -> FloatArray:
        """Return how likely each attempt at a block fails after those before failed, shapes (…) → (…, attempts)."""
        ...


@dataclass(frozen=True)
class Shannon:
    """The ideal link: b log2(1 + γ).

    >>> Shannon().efficiency(3.0)
    array(2.)
    """

    @property
    def snr_gap(self) -> float:
        """One: nothing is lost."""
        return 1.0

    def efficiency(self, snr: FloatArray | float) -> FloatArray:
        """Return log2(1 + γ) in bits/s/Hz, any shape."""
        return _shannon(snr)


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

    def efficiency(self, snr: FloatArray | float) -> FloatArray:
        """Return log2(1 + γ/Γ) in bits/s/Hz, any shape."""
        return _shannon(np.asarray(snr) / self.snr_gap)


@dataclass(frozen=True)
class FiniteBlocklength:
    """A link of short codes: (1 − ε) (C − √(V/n) Q⁻¹(ε) + log2(n)/(2n)), V = (1 − (1 + γ)⁻²) log2² e.

    The last term refines the first two, so where those leave nothing the link carries nothing.

    Attributes:
        blocklength: Symbols of a code word n.
        error: Share of code words that may be lost ε.

    Reference:
        Polyanskiy, Poor and Verdú, Channel coding rate in the finite blocklength regime, IEEE Trans. Inf. Theory
        56(5), 2010, complex Gaussian channel [VV].

    >>> FiniteBlocklength(blocklength=500, error=1e-3).efficiency(10.0).round(4)
    np.float64(3.2666)
    """

    blocklength: Count = 1000
    error: Annotated[float, ("above", 0.0), ("below", 1.0)] = 1e-3

    def __post_init__(self) -> None:
        if not self.efficiency(db_to_linear(OPERATING_SNR_DB[-1])) > 0.0:
            raise ValueError(
                f"blocklength must let something through at 20 dB with error {self.error}, got {self.blocklength}"
            )

    @property
    def snr_gap(self) -> float:
        """Median gap over the operating range, linear."""
        return planning_gap(self)

    def efficiency(self, snr: FloatArray | float) -> FloatArray:
        """Return the bits/s/Hz of the code words that arrive, any shape."""
        refinement = np.log2(self.blocklength) / (2.0 * self.blocklength)
        rate = finite_rate(np.asarray(snr), self.blocklength, self.error)
        # The two leading terms grow with the ratio from where they first leave something; below they may fall.
        carried = np.where(rate > refinement, np.minimum(rate, _shannon(snr)), 0.0)
        return np.asarray((1.0 - self.error) * carried)


@dataclass(frozen=True)
class Outage:
    """A link that loses whole messages to fading: (1 − P) log2(1 + γ), P = 1 − exp(−m/γ).

    Attributes:
        waterfall_db: Ratio m below which a message is mostly lost, in dB. Beware: the formula wants m linear. Published
            programs put in 1.08 and 0.023, the latter seemingly a value in dB taken as linear; at 10 dB they lose
            10.2 % and 0.23 % of the messages. The default is 1.08 linear; 0.023 dB is 1.005.

    Reference:
        Chen et al., A joint learning and communications framework for federated learning over wireless networks,
        IEEE Trans. Wireless Commun. 20(1), 2021; Xi et al., A general upper bound to evaluate packet error rate over
        quasi-static fading channels, IEEE Trans. Wireless Commun. 10(5), 2011 [S].

    >>> Outage().error_probability(10.0).round(4)
    np.float64(0.1024)
    """

    waterfall_db: Annotated[float, ("least", -40.0), ("most", 40.0)] = 0.334

    @property
    def snr_gap(self) -> float:
        """Median gap over the operating range, linear."""
        return planning_gap(self)

    def error_probability(self, snr: FloatArray | float) -> FloatArray:
        """Return the share of messages that are lost at a mean ratio, any shape."""
        return lost_share(snr, db_to_linear(self.waterfall_db))

    def efficiency(self, snr: FloatArray | float) -> FloatArray:
        """Return the bits/s/Hz of the messages that arrive, any shape."""
        return np.asarray(np.exp(-_over(db_to_linear(self.waterfall_db), snr)) * _shannon(snr))


def lost_share(snr: FloatArray | float, waterfall: float) -> FloatArray:
    """Return the share of messages that fading takes, 1 − exp(−m/γ), of the shape of the ratio; all without signal.

    Args:
        snr: Mean signal-to-noise ratio γ, linear, not negative, any shape.
        waterfall: Ratio m below which a message is mostly lost, linear.

    >>> lost_share(np.array([0.0, 10.0]), 1.08).round(4)
    array([1.    , 0.1024])
    """
    return np.asarray(-np.expm1(-_over(waterfall, snr)))


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


def carried_bps(
    link: Link,
    bandwidth_hz: FloatArray | float,
    power_w: FloatArray | float,
    gain: FloatArray | float,
    noise_w_per_hz: float,
) -> FloatArray:
    """Return the bits per second that a link really carries, b η(p g / (N0 b)); 0 without bandwidth; shapes broadcast.

    Args:
        link: Link with the efficiency η.
        bandwidth_hz: Bandwidth b granted, not negative, shape (K,).
        power_w: Transmit power p over that band, not negative, shape (K,).
        gain: Power gain g after combining, linear, shape (K,).
        noise_w_per_hz: Noise density N0 at the receiver.

    >>> carried_bps(Shannon(), np.array([0.0, 1e6]), 0.1, 3e-13, 1e-20)
    array([      0., 2000000.])
    """
    b = np.asarray(bandwidth_hz, dtype=np.float64)
    per_hz = np.asarray(power_w) * np.asarray(gain) / noise_w_per_hz
    snr = np.minimum(per_hz / np.maximum(b, _LEAST_BANDWIDTH_HZ), _LARGEST_SNR)
    return np.asarray(b * link.efficiency(snr))


def effective_snr(link: Link, block_snr: FloatArray) -> FloatArray:
    """Return the one ratio that stands for those of F frequency blocks on this link, shapes (…, F) → (…).

    A link that knows better is asked; any other codes over all blocks, so that it carries the mean of what they carry.

    Args:
        link: Link that the blocks are sent over.
        block_snr: Signal-to-noise ratio of each frequency block, linear, shape (…, F).

    >>> effective_snr(Shannon(), np.array([1.0, 7.0]))
    array(3.)
    """
    if isinstance(link, Selective):
        return link.effective_snr(block_snr)
    return capacity_effective_snr(block_snr, link.snr_gap)


def gap_at(link: Link, snr: FloatArray | float) -> FloatArray:
    """Return the gap Γ = γ/(2^η − 1) with which Shannon's formula gives what a link carries; infinite for nothing.

    Args:
        link: Link with the efficiency η.
        snr: Signal-to-noise ratio γ, linear, above 0, any shape.

    >>> gap_at(Gap(gap_db=3.0), 10.0).round(4)
    np.float64(1.9953)
    """
    needed = np.expm1(np.log(2.0) * link.efficiency(snr))
    with np.errstate(divide="ignore"):
        return np.asarray(np.asarray(snr) / needed)


@lru_cache(maxsize=64)
def worthwhile_snr(link: Link) -> float:
    """Return the ratio y with the largest η(y)/y, below which a part of the band carries more than all of it; 0 if none.

    Power spread over b Hz at ratio γ carries b η(γ); over the share γ/y of the band it carries b γ η(y)/y. A link whose
    efficiency is concave gains nothing by that, one with a threshold does.

    Args:
        link: Link, hashable.

    >>> worthwhile_snr(Shannon()), round(worthwhile_snr(Outage()), 1)
    (0.0, 2.5)
    """
    snr = db_to_linear(np.linspace(-40.0, 60.0, 2001))
    best = int(np.argmax(link.efficiency(snr) / snr))
    return float(snr[best]) if best else 0.0


@lru_cache(maxsize=64)
def planning_gap(link: Link) -> float:
    """Return the median gap over the operating range, linear: half of it does better, half worse.

    Args:
        link: Link, hashable, that carries something somewhere in that range; where it does not, it is left out.

    >>> round(planning_gap(Gap(gap_db=0.0)), 6)
    1.0
    """
    gap = gap_at(link, db_to_linear(OPERATING_SNR_DB))
    if not np.isfinite(gap).any():
        raise ValueError(f"link must carry something between 0 and 20 dB, got {link}")
    return max(1.0, float(np.median(gap[np.isfinite(gap)])))


def _over(waterfall: float, snr: FloatArray | float) -> FloatArray:
    """Return m/γ, infinite without signal, of the shape of the ratio."""
    ratio = np.asarray(snr, dtype=np.float64)
    with np.errstate(over="ignore"):
        found = np.divide(waterfall, ratio, out=np.full(ratio.shape, np.inf), where=ratio > 0.0)
    return np.asarray(found)


def _shannon(snr: FloatArray | float) -> FloatArray:
    return np.asarray(np.log1p(snr) / np.log(2.0))
