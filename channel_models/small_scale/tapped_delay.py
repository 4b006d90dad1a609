"""Tapped delay lines: fading that differs from one block of frequency to the next, by the delays of the paths."""

from dataclasses import dataclass, field, replace
from functools import cache
from typing import Literal

import numpy as np

from channel_models.refusals import refuse_negative
from channel_models.small_scale.arrays import powers
from channel_models.small_scale.correlation import Correlation, Uncorrelated
from channel_models.small_scale.doppler import Block, Doppler
from channel_models.small_scale.fading import (
    InSight,
    Surroundings,
    extent,
    plane_wave,
    random_phases,
)
from channel_models.small_scale.products import products, rows_times
from channel_models.standards import table
from channel_models.units import ComplexArray, Count, FloatArray, Positive, db_to_linear

# Complex numbers that the phases of one chunk of devices may hold: 4 MB, which a cache still has.
_CHUNK = 2**18


@dataclass(frozen=True, eq=False)
class Profile:
    """The mean powers and delays of P paths.

    Attributes:
        delay: Delay of each path in units of the delay spread, shape (P,).
        power: Share of each path in the power, their sum one, shape (P,).
        in_sight: Whether the first path is one in sight, of constant power; all others are Rayleigh.
    """

    delay: FloatArray
    power: FloatArray
    in_sight: bool


@dataclass(frozen=True)
class TappedDelayLine:
    """A tapped delay line of TR 38.901: H(f) = Σ_p √P_p w_p e^{−j2π f τ_p} at F blocks of frequency.

    Profiles A to C are out of sight: all w_p ~ CN(0, R). In D and E the first path is in sight, a plane wave from the
    device's true bearing on a linear array at half a wavelength, with a random phase that stays; it shares its delay
    with a Rayleigh tap that is 13.3 dB (D) or 22 dB (E) weaker. The standard describes one antenna; we give each one
    paths of its own, of the same delays. A coefficient has mean power one at every antenna and frequency.

    Delay spreads to choose from, in ns: 10 very short, 30 short, 100 nominal, 300 long, 1000 very long.

    Attributes:
        profile: Table of delays and powers.
        delay_spread_ns: Factor from the table's delays to nanoseconds; null takes the path-loss model's own delay
          spread for each link.
        blocks: Number F of frequencies at which the channel is evaluated.
        block_hz: Distance from one of these frequencies to the next; the first is zero, that is the carrier.
        correlation: How alike the antennas hear a tap, R.
        doppler: How the taps forget themselves; by default they are drawn anew at every step.

    Reference:
        3GPP TR 38.901, Tables 7.7.2-1 to 7.7.2-5 [1]; the names of the delay spreads are in Table 7.7.3-1 [S].

    >>> fading, rng = TappedDelayLine(blocks=5), np.random.default_rng(1)
    >>> state, h = fading.step(fading.init(3, 8, rng), Surroundings(np.zeros(3)), 1.0, rng)
    >>> h.shape
    (3, 8, 5)
    """

    profile: Literal["A", "B", "C", "D", "E"] = "A"
    delay_spread_ns: Positive | None = 100.0
    blocks: Count = 52
    block_hz: Positive = 180e3
    correlation: Correlation = field(default_factory=Uncorrelated)
    doppler: Doppler = field(default_factory=Block)

    def init(self, links: int, antennas: int, rng: np.random.Generator) -> InSight:
        """Return the phases of the paths in sight, drawn now, and the state of the Rayleigh taps."""
        taps = delay_profile(self.profile)
        shape = (*extent(links, antennas), len(taps.delay) - taps.in_sight)
        phases, scatter = rng.spawn(2)
        return InSight(random_phases((links,), phases), self.doppler.init(shape, scatter))

    def step(
        self, state: InSight, around: Surroundings, elapsed_s: float, rng: np.random.Generator
    ) -> tuple[InSight, ComplexArray]:
        """Return the state after some seconds and the coefficients then, shape (K, M, F)."""
        doppler, white = self.doppler.step(state.scatter, elapsed_s, rng)
        paths = self.correlation.colour(white, around.bearing_rad)
        if delay_profile(self.profile).in_sight:
            seen = plane_wave(state.phase, around.bearing_rad, paths.shape[1])
            paths = np.concatenate([seen[:, :, None], paths], axis=2)
        return replace(state, scatter=doppler), self._spectrum(paths, around)

    def _spectrum(self, paths: ComplexArray, around: Surroundings) -> ComplexArray:
        """Return the sums of the paths at each frequency, shape (K, M, F), from paths of shape (K, M, P)."""
        if self.delay_spread_ns is not None:
            return rows_times(paths, self._turns(np.array(self.delay_spread_ns * 1e-9)))
        if around.delay_spread_s is None:
            raise ValueError(
                "delay_spread_ns must be set, for this path-loss model tells no spread of its own, got None"
            )
        refuse_negative("delay_spread_s", around.delay_spread_s)
        devices, antennas, many = paths.shape
        spectrum = np.empty((devices, antennas, self.blocks), dtype=np.complex128)
        chunk = max(1, _CHUNK // (many * self.blocks))
        for start in range(0, devices, chunk):
            some = slice(start, start + chunk)
            turns = self._turns(around.delay_spread_s[some])
            products(paths[some], turns, spectrum[some])
        return spectrum

    def _turns(self, spread_s: FloatArray) -> ComplexArray:
        """Return √P_p e^{−j2π f τ_p}, shape (…, P, F), for spreads of shape (…)."""
        taps = delay_profile(self.profile)
        cycles = self.block_hz * spread_s[..., None] * taps.delay
        return powers(np.exp(-2j * np.pi * cycles), self.blocks, np.sqrt(taps.power))


@cache
def delay_profile(name: Literal["A", "B", "C", "D", "E"]) -> Profile:
    """Return a profile of TR 38.901 with its powers scaled to the sum one, to be left unchanged.

    >>> len(delay_profile("A").power), delay_profile("E").in_sight
    (23, True)
    """
    found = table("tr38901_tapped_delay_lines")[name]
    power = db_to_linear(np.array(found["power_db"], dtype=np.float64))
    delay = np.array(found["normalized_delay"], dtype=np.float64)
    return Profile(delay, power / power.sum(), found["line_of_sight"])


def rms_delay_spread(delay: FloatArray, power: FloatArray) -> float:
    """Return the root mean square spread of delays weighted by powers, in the unit of the delays.

    Args:
        delay: Delay of each path, shape (P,).
        power: Mean power of each path, linear, of any sum, shape (P,).

    >>> rms_delay_spread(np.array([0.0, 2.0]), np.array([5.0, 5.0]))
    1.0
    """
    share = power / power.sum()
    return float(np.sqrt(share @ (delay - share @ delay) ** 2))
