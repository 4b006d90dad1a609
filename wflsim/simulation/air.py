"""The air of a round: what links really carry, and the gap with which an allocator must plan so that they do.

An allocator plans with Shannon's formula behind a gap. Modulation tables, block errors, pilots and bands that fade
unevenly carry something else; which gap a device needs follows from what its link carries where the plan puts it.
"""

from dataclasses import dataclass, replace

import numpy as np

from channel_models.channel import Draw, Links
from channel_models.rates.links import Link, Repeating, effective_snr, worthwhile_snr
from channel_models.rates.receivers import block_gain, broadcast_gain, mrc_gain
from channel_models.units import ComplexArray
from wflsim.contracts import FloatArray, IntArray
from wflsim.scenario.schema import Radio

_ENDLESS = 1e30
_UNLIMITED = 60.0  # bit/s/Hz; only formulas without a ceiling come here
_SAME = 1e-9  # relative; a plan that is met to this is met


@dataclass(frozen=True, eq=False)
class Sensed:
    """The links of a round, and what the base station knows of them.

    Attributes:
        links: The links as they are.
        estimate: Their coefficients as the base station estimates them, shape (K, M) or (K, M, F).
        error_variance: Variance of the error at one antenna, shape (K,).
    """

    links: Links
    estimate: ComplexArray
    error_variance: FloatArray

    def uplink(self, radio: Radio, who: IntArray) -> "Air":
        """Return the uplink of some devices, each alone on its band and combined by its estimate."""
        known, others = self.estimate[who], self.links.uplink_interference_w_per_hz[who]
        gain = mrc_gain(known)
        return Air(
            link=radio.link,
            gain=gain,
            block_gain=block_gain(known),
            noise_w_per_hz=radio.noise_w_per_hz + others,
            blur=self.error_variance[who] / gain,
        )

    def unicast(self, radio: Radio, who: IntArray) -> "Air":
        """Return the downlink to some devices, each on a band of its own with the antennas steered at it."""
        there = self.uplink(radio, who)
        others = self.links.downlink_interference_w_per_hz[who]
        return replace(there, noise_w_per_hz=radio.noise_w_per_hz + others)

    def broadcast(self, radio: Radio, who: IntArray) -> "Air":
        """Return the downlink to some devices, which the base station cannot steer at all of them at once."""
        true, others = self.links.antenna_gain[who], self.links.downlink_interference_w_per_hz[who]
        return Air(
            link=radio.link,
            gain=broadcast_gain(true),
            block_gain=block_gain(true) / true.shape[1],
            noise_w_per_hz=radio.noise_w_per_hz + others,
            blur=np.zeros(len(who)),
        )


def sense(links: Links, radio: Radio, draw: Draw) -> Sensed:
    """Return the links of a round as the base station knows them."""
    estimate, error = radio.estimation.estimate(
        links.antenna_gain, links.large_scale_gain, radio.noise_w_per_hz, draw("estimation")
    )
    return Sensed(links, estimate, error)


@dataclass(frozen=True, eq=False)
class Air:
    """The links between K devices and the base station, in one direction.

    Attributes:
        link: What a signal-to-noise ratio carries.
        gain: Power gain, the mean over the band, shape (K,).
        block_gain: Power gain in each block of the band, shape (K, F).
        noise_w_per_hz: Noise and other cells at the receiver, shape (K,).
        blur: Error of the estimated channel over its gain, in power, shape (K,); 0 for channels known exactly.
    """

    link: Link
    gain: FloatArray
    block_gain: FloatArray
    noise_w_per_hz: FloatArray
    blur: FloatArray

    def only(self, rows: IntArray) -> "Air":
        """Return the links of some of the devices."""
        return Air(
            link=self.link,
            gain=self.gain[rows],
            block_gain=self.block_gain[rows],
            noise_w_per_hz=self.noise_w_per_hz[rows],
            blur=self.blur[rows],
        )

    def rate_bps(self, bandwidth_hz: FloatArray, power_w: FloatArray) -> FloatArray:
        """Return the bits per second that arrive, shape (K,); 0 without bandwidth."""
        return bandwidth_hz * self._efficiency(self._snr(bandwidth_hz, power_w))

    def gap(self, bandwidth_hz: FloatArray, power_w: FloatArray) -> FloatArray:
        """Return the gap Γ with which b log2(1 + γ/Γ) is what arrives, shape (K,); infinite where nothing does."""
        snr = self._snr(bandwidth_hz, power_w)
        with np.errstate(divide="ignore", invalid="ignore"):
            needed = snr / np.expm1(np.log(2.0) * self._efficiency(snr))
        return np.where(snr > 0.0, needed, 1.0)

    def attempt_errors(self, bandwidth_hz: FloatArray, power_w: FloatArray) -> FloatArray | None:
        """Return how likely each attempt at a block fails, shape (K, A); None for links that repeat nothing."""
        if not isinstance(self.link, Repeating):
            return None
        return self.link.attempt_errors(self.used_snr(bandwidth_hz, power_w))

    def used_snr(self, bandwidth_hz: FloatArray, power_w: FloatArray) -> FloatArray:
        """Return the one ratio of signal to noise on the band that is sent over, shape (K,); 0 without bandwidth."""
        return self._used(self._snr(bandwidth_hz, power_w))[1]

    @property
    def efficiency_max(self) -> FloatArray:
        """The bits/s/Hz that no power exceeds, shape (K,); infinite where more power always brings more."""
        most = self._efficiency(np.full(len(self.gain), _ENDLESS))
        return np.where(most > _UNLIMITED, np.inf, most)

    def _efficiency(self, snr: FloatArray) -> FloatArray:
        """Return the bits/s/Hz that arrive at these ratios of mean signal to noise over the whole band, shape (K,).

        Where a link has a threshold, a weak device sends over no more of its band than its power is good for.
        """
        share, one = self._used(snr)
        return share * self.link.efficiency(one)

    def _used(self, snr: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the share of the band that is sent over, and the one ratio of signal to noise there, shapes (K,)."""
        threshold = worthwhile_snr(self.link)
        reachable = self.blur * threshold < 1.0
        needed = np.divide(
            threshold, 1.0 - self.blur * threshold, out=np.zeros_like(snr), where=reachable
        )
        used_snr = np.maximum(snr, needed)
        share = np.divide(snr, used_snr, out=np.zeros_like(snr), where=used_snr > 0.0)
        block_snr = used_snr[:, None] * (self.block_gain / self.gain[:, None])
        # The error is as strong in a faded block as in any other.
        known = block_snr / (1.0 + (self.blur * used_snr)[:, None])
        one = known[:, 0] if known.shape[1] == 1 else effective_snr(self.link, known)
        return share, one

    def _snr(self, bandwidth_hz: FloatArray, power_w: FloatArray) -> FloatArray:
        signal_w, noise_w = power_w * self.gain, self.noise_w_per_hz * bandwidth_hz
        return np.divide(signal_w, noise_w, out=np.zeros_like(signal_w), where=noise_w > 0.0)


def as_planned(planned: FloatArray, found: FloatArray) -> FloatArray:
    """Return what was found, and where it is the plan but for rounding, the plan itself, shape (K,).

    A plan that ends at its deadline ends at its deadline, whichever way its rate is computed.
    """
    return np.where(np.isclose(planned, found, rtol=_SAME, atol=0.0), planned, found)
