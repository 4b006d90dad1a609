"""Estimation: what a base station knows of its channels after pilots, and what the pilots cost in time."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from channel_models.units import ComplexArray, Count, Decibel, FloatArray, Positive, dbm_to_watt


class Estimation(Protocol):
    """How the base station comes to know its channels."""

    def pilots_s(self, devices: int) -> float:
        """Return the seconds that pilots of K devices take from every coherence time; they end before data begin."""
        ...

    def estimate(
        self,
        antenna_gain: ComplexArray,
        gain: FloatArray,
        noise_w_per_hz: float,
        rng: np.random.Generator,
    ) -> tuple[ComplexArray, FloatArray]:
        """Return the estimated gains and the variance of their errors.

        Args:
            antenna_gain: True complex amplitude gains, shape (K, M) or (K, M, F).
            gain: Mean power gain β of each device, all that is known beforehand, shape (K,).
            noise_w_per_hz: Noise density at the base station.
            rng: Stream of the noise on the pilots; more devices change nothing for those before.

        Returns:
            Estimates of the shape of the true gains, and the error's variance at one antenna, shape (K,).
        """
        ...


@dataclass(frozen=True)
class Perfect:
    """The base station knows every coefficient, at no cost.

    >>> h = np.ones((1, 2), dtype=complex)
    >>> Perfect().estimate(h, np.ones(1), 1e-20, np.random.default_rng(1))
    (array([[1.+0.j, 1.+0.j]]), array([0.]))
    """

    def pilots_s(self, devices: int) -> float:
        """Return 0."""
        return 0.0

    def estimate(
        self,
        antenna_gain: ComplexArray,
        gain: FloatArray,
        noise_w_per_hz: float,
        rng: np.random.Generator,
    ) -> tuple[ComplexArray, FloatArray]:
        """Return the gains themselves and errors of zero; nothing is drawn."""
        return antenna_gain, np.zeros(len(antenna_gain))


@dataclass(frozen=True)
class Pilots:
    """One device after the other sends τ pilot symbols; ĥ is the linear estimate of least mean square error.

    ĥ has variance γ = τρβ² / (1 + τρβ), and its error, which is orthogonal to it, β − γ. A symbol of T seconds at power
    P has the energy P T, spread evenly over F frequency blocks, so ρ = P T / (F N0). What other cells send meanwhile is
    not in it: pilots are taken to be free of contamination.

    Attributes:
        length: Number of pilot symbols τ that each device sends.
        power_dbm: Power at which pilots are sent.
        symbol_s: Length T of a symbol; the default is an OFDM symbol's mean at a subcarrier spacing of 15 kHz.

    Reference:
        Marzetta, Larsson, Yang and Ngo, Fundamentals of Massive MIMO, section 3.1 [S].

    >>> pilots = Pilots(length=2, symbol_s=1e-4)
    >>> pilots.pilots_s(10)
    0.002
    """

    length: Count = 1
    power_dbm: Decibel = 23.0
    symbol_s: Positive = 1e-3 / 14.0

    def pilots_s(self, devices: int) -> float:
        """Return K τ T: pilots that follow each other are orthogonal whatever the number of devices."""
        return devices * self.length * self.symbol_s

    def estimate(
        self,
        antenna_gain: ComplexArray,
        gain: FloatArray,
        noise_w_per_hz: float,
        rng: np.random.Generator,
    ) -> tuple[ComplexArray, FloatArray]:
        """Return noisy estimates and the variance of their errors."""
        blocks = antenna_gain.shape[2] if antenna_gain.ndim == 3 else 1
        energy = float(dbm_to_watt(self.power_dbm)) * self.symbol_s / blocks
        return estimate(antenna_gain, gain, energy / noise_w_per_hz, self.length, rng)


def estimate(
    h: ComplexArray, gain: FloatArray, pilot_snr: float, length: int, rng: np.random.Generator
) -> tuple[ComplexArray, FloatArray]:
    """Return estimates of coefficients from noisy pilots, ĥ = c (h + n), and the variance of their errors β − cβ.

    n ~ CN(0, 1 / (τρ)) and c = τρβ / (1 + τρβ), the linear estimate of least mean square error that knows β alone:
    estimate and error are orthogonal, and for h ~ CN(0, β I) independent. Correlation between antennas or blocks, which
    a better estimator would use, is not used.

    Args:
        h: True coefficients, shape (K, …).
        gain: Their mean power β, shape (K,).
        pilot_snr: Energy of a pilot symbol over the noise density, ρ, for a coefficient of power 1.
        length: Number of pilot symbols τ.
        rng: Stream of the noise.

    >>> one = np.ones((1, 1), dtype=complex)
    >>> estimate(one, np.array([2.0]), pilot_snr=1.0, length=3, rng=np.random.default_rng(1))[1].round(4)
    array([0.2857])
    """
    rows = len(h)
    parts = rng.standard_normal((rows, 2 * (h.size // max(rows, 1))))
    noise = np.sqrt(0.5 / (length * pilot_snr)) * parts.view(np.complex128).reshape(h.shape)
    known = length * pilot_snr * gain
    trust = (known / (1.0 + known)).reshape(rows, *(1,) * (h.ndim - 1))
    return trust * (h + noise), gain / (1.0 + known)


def estimate_variance(gain: npt.ArrayLike, pilot_snr: npt.ArrayLike, length: int) -> FloatArray:
    """Return the variance γ = τρβ² / (1 + τρβ) of an estimate; shapes broadcast.

    Args:
        gain: Mean power β of the coefficients.
        pilot_snr: Energy of a pilot symbol over the noise density, ρ, for a coefficient of power 1.
        length: Number of pilot symbols τ.

    Reference:
        Marzetta, Larsson, Yang and Ngo, Fundamentals of Massive MIMO, eq. (3.8) [S].

    >>> float(estimate_variance(1.0, 1.0, 3))
    0.75
    """
    known = length * np.multiply(pilot_snr, gain)
    return np.asarray(known * gain / (1.0 + known))


def sinr_with_error(
    gain: FloatArray | float,
    error_variance: FloatArray | float,
    power_w: FloatArray | float,
    noise_w: FloatArray | float,
) -> FloatArray:
    """Return p ‖ĥ‖² / (p σ² + N0), maximum ratio combining by an estimate; shapes broadcast.

    The part of the signal that went by the error counts as noise, the worst of its power, so log2(1 + SINR) can be
    reached. On a band of its own a device has no other interference.

    Args:
        gain: Power gain ‖ĥ‖² of the estimate, as ``mrc_gain`` or ``block_gain`` give it.
        error_variance: Variance σ² of the estimate's error at one antenna.
        power_w: Transmit power p.
        noise_w: Noise power N0 at one antenna over the band.

    Reference:
        Hassibi and Hochwald, How much training is needed in multiple-antenna wireless links?, IEEE Trans. Inf. Theory,
        2003 [S].

    >>> float(sinr_with_error(4.0, 0.5, 2.0, 1.0))
    4.0
    """
    power = np.asarray(power_w, dtype=np.float64)
    return np.asarray(power * gain / (power * error_variance + noise_w))


def data_share(pilots_s: npt.ArrayLike, coherence_s: npt.ArrayLike) -> FloatArray:
    """Return the share 1 − τ / τ_c of a coherence time that pilots leave for data, at least 0; shapes broadcast.

    Args:
        pilots_s: Time of the pilots τ, in the unit of the other: seconds or symbols.
        coherence_s: Time over which coefficients stay, τ_c.

    >>> float(data_share(20.0, 200.0))
    0.9
    """
    return np.asarray(np.maximum(1.0 - np.divide(pilots_s, coherence_s), 0.0))
