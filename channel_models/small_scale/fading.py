"""Fading: the fast part of the channel, one complex coefficient of unit mean power per antenna and link."""

from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Protocol

import numpy as np

from channel_models.refusals import refuse_count
from channel_models.small_scale.arrays import linear_array
from channel_models.small_scale.correlation import Correlation, Uncorrelated
from channel_models.small_scale.doppler import Block, Doppler
from channel_models.units import ComplexArray, Decibel, FloatArray, db_to_linear


@dataclass(frozen=True, eq=False)
class Surroundings:
    """What fading may ask about K links.

    Attributes:
        bearing_rad: Direction of the device from the broadside of the base station's array, in rad, shape (K,).
        k_factor_db: Power of the path in sight over that of all others, −inf out of sight, shape (K,); None if unknown.
        delay_spread_s: Root mean square spread of the paths' delays, shape (K,); None if unknown.
        ground_m: Distance to the base station along the ground, shape (K,); None if unknown.
    """

    bearing_rad: FloatArray
    k_factor_db: FloatArray | None = None
    delay_spread_s: FloatArray | None = None
    ground_m: FloatArray | None = None


class Fading(Protocol):
    """A random process of coefficients; its state is opaque to the caller and never mutated."""

    def init(self, links: int, antennas: int, rng: np.random.Generator) -> Any:
        """Return the state of a process for K links and M antennas."""
        ...

    def step(
        self, state: Any, around: Surroundings, elapsed_s: float, rng: np.random.Generator
    ) -> tuple[Any, ComplexArray]:
        """Return the state after some seconds and the coefficients then, of unit mean power.

        Their shape is (K, M) where all frequencies fade alike, else (K, M, F) with F blocks of frequency.
        """
        ...


@dataclass(frozen=True)
class Rayleigh:
    """Rayleigh fading: h ~ CN(0, R), many paths and none in sight.

    Attributes:
        correlation: How alike the antennas hear, R.
        doppler: How the coefficients forget themselves; by default they are drawn anew at every step.

    Reference:
        Tse and Viswanath, Fundamentals of Wireless Communication, section 2.4.2 [S].

    >>> fading, rng = Rayleigh(), np.random.default_rng(1)
    >>> state, h = fading.step(fading.init(3, 8, rng), Surroundings(np.zeros(3)), 1.0, rng)
    >>> h.shape
    (3, 8)
    """

    correlation: Correlation = field(default_factory=Uncorrelated)
    doppler: Doppler = field(default_factory=Block)

    def init(self, links: int, antennas: int, rng: np.random.Generator) -> Any:
        """Return the state of the Doppler process."""
        return self.doppler.init(extent(links, antennas), rng)

    def step(
        self, state: Any, around: Surroundings, elapsed_s: float, rng: np.random.Generator
    ) -> tuple[Any, ComplexArray]:
        """Return the state after some seconds and the coefficients then, shape (K, M)."""
        state, white = self.doppler.step(state, elapsed_s, rng)
        return state, self.correlation.colour(white, around.bearing_rad)


@dataclass(frozen=True, eq=False)
class InSight:
    """State of fading with a path in sight.

    Attributes:
        phase: Phase of that path at the first antenna, e^{jφ}, shape (K,).
        scatter: State of all other paths.
    """

    phase: ComplexArray
    scatter: Any


@dataclass(frozen=True)
class Rician:
    """A path in sight plus Rayleigh fading: h = √(k/(k+1)) e^{jφ} a(θ) + √(1/(k+1)) n.

    a_m(θ) = e^{jπ m sin θ} is the response of a uniform linear array at half a wavelength to the bearing θ at which the
    device stands now. The phase φ is uniform, drawn once per device, and stays. n is Rayleigh fading.

    Attributes:
        k_db: Power of the path in sight over the power of all others, in dB; null takes the path-loss model's own for
          each link, which out of sight is no path in sight at all.
        correlation: How alike the antennas hear the other paths.
        doppler: How the other paths forget themselves; by default they are drawn anew at every step.

    Reference:
        Tse and Viswanath, Fundamentals of Wireless Communication, sections 2.4.2 and 7.2.1 [S]. The default is the
        mean of K in sight in an urban macro cell, 3GPP TR 38.901, Table 7.5-6 [S].

    >>> fading, rng = Rician(k_db=200.0), np.random.default_rng(1)
    >>> state, h = fading.step(fading.init(1, 2, rng), Surroundings(np.zeros(1)), 1.0, rng)
    >>> abs(h).round(6)
    array([[1., 1.]])
    """

    k_db: Decibel | None = 9.0
    correlation: Correlation = field(default_factory=Uncorrelated)
    doppler: Doppler = field(default_factory=Block)

    def init(self, links: int, antennas: int, rng: np.random.Generator) -> InSight:
        """Return the phases of the paths in sight, drawn now, and the state of all others."""
        shape = extent(links, antennas)
        phases, scatter = rng.spawn(2)
        return InSight(random_phases((links,), phases), self.doppler.init(shape, scatter))

    def step(
        self, state: InSight, around: Surroundings, elapsed_s: float, rng: np.random.Generator
    ) -> tuple[InSight, ComplexArray]:
        """Return the state after some seconds and the coefficients then, shape (K, M)."""
        k = self._k(around)
        doppler, white = self.doppler.step(state.scatter, elapsed_s, rng)
        h = plane_wave(state.phase, around.bearing_rad, white.shape[1])
        h *= np.sqrt(k / (k + 1.0))
        h += np.sqrt(1.0 / (k + 1.0)) * self.correlation.colour(white, around.bearing_rad)
        return replace(state, scatter=doppler), h

    def _k(self, around: Surroundings) -> FloatArray:
        """Return the factors of the links, linear, shape (K, 1), or (1, 1) if it is one for all."""
        k_db = around.k_factor_db if self.k_db is None else np.array([self.k_db])
        if k_db is None:
            raise ValueError(
                "k_db must be set, for this path-loss model tells no factor of its own, got None"
            )
        return db_to_linear(k_db)[:, None]


@dataclass(frozen=True)
class Nakagami:
    """Nakagami fading: h = √g e^{jφ}, power g ~ Gamma(m, 1/m), phase uniform, independent and anew at every step.

    m = 1 is Rayleigh fading; below it fades more deeply, above it less.

    Attributes:
        m: Shape of the power, one over its variance.

    Reference:
        Simon and Alouini, Digital Communication over Fading Channels, section 2.2.1.4 [S].

    >>> fading, rng = Nakagami(m=2.0), np.random.default_rng(1)
    >>> state, h = fading.step(fading.init(3, 8, rng), Surroundings(np.zeros(3)), 1.0, rng)
    >>> h.shape
    (3, 8)
    """

    m: Annotated[float, ("least", 0.5), ("most", 1e6)] = 1.0

    def init(self, links: int, antennas: int, rng: np.random.Generator) -> tuple[int, int]:
        """Return the size (K, M) of the process; nothing is drawn."""
        return extent(links, antennas)

    def step(
        self,
        state: tuple[int, int],
        around: Surroundings,
        elapsed_s: float,
        rng: np.random.Generator,
    ) -> tuple[tuple[int, int], ComplexArray]:
        """Return the same state and fresh coefficients, shape (K, M)."""
        phases, gains = rng.spawn(2)
        amplitude = np.sqrt(gains.standard_gamma(self.m, state) / self.m)
        return state, amplitude * random_phases(state, phases)


@dataclass(frozen=True)
class NoFading:
    """Every coefficient is one: the gain of a link is that of its path loss and shadowing.

    >>> NoFading().step((1, 2), Surroundings(np.zeros(1)), 1.0, np.random.default_rng(1))[1]
    array([[1.+0.j, 1.+0.j]])
    """

    def init(self, links: int, antennas: int, rng: np.random.Generator) -> tuple[int, int]:
        """Return the size (K, M) of the process; nothing is drawn."""
        return extent(links, antennas)

    def step(
        self,
        state: tuple[int, int],
        around: Surroundings,
        elapsed_s: float,
        rng: np.random.Generator,
    ) -> tuple[tuple[int, int], ComplexArray]:
        """Return the same state and ones, shape (K, M); nothing is drawn."""
        return state, np.ones(state, dtype=np.complex128)


def extent(links: int, antennas: int) -> tuple[int, int]:
    """Return the size (K, M) of a process, or raise ValueError if there is no such process.

    >>> extent(3, 0)
    Traceback (most recent call last):
        ...
    ValueError: antennas must be at least 1, got 0
    """
    if links < 0:
        raise ValueError(f"links must be at least 0, got {links}")
    refuse_count("antennas", antennas)
    return links, antennas


def random_phases(shape: tuple[int, ...], rng: np.random.Generator) -> ComplexArray:
    """Return numbers e^{jφ} with phases uniform on [0, 2π), of a shape (K, …)."""
    return np.asarray(np.exp(2j * np.pi * rng.random(shape)))


def plane_wave(phase: ComplexArray, bearing_rad: FloatArray, antennas: int) -> ComplexArray:
    """Return the path in sight at each antenna of a half-wavelength linear array, e^{jφ} a(θ), shape (K, M).

    Args:
        phase: Phase e^{jφ} at the first antenna, shape (K,).
        bearing_rad: Direction θ of the device from broadside, shape (K,).
        antennas: Number of antennas M.
    """
    return np.asarray(phase[:, None] * linear_array(bearing_rad, antennas))
