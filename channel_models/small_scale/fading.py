"""Fading: the fast part of the channel, one complex coefficient of unit mean power per antenna and link."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from channel_models.units import ComplexArray, Decibel, FloatArray, db_to_linear


@dataclass(frozen=True, eq=False)
class Surroundings:
    """What fading may ask about K links.

    Attributes:
        bearing_rad: Direction of the device from the broadside of the base station's array, in rad, shape (K,).
        k_factor_db: Power of the path in sight over that of all others, −inf out of sight, shape (K,); None if unknown.
        delay_spread_s: Root mean square spread of the paths' delays, shape (K,); None if unknown.
    """

    bearing_rad: FloatArray
    k_factor_db: FloatArray | None = None
    delay_spread_s: FloatArray | None = None


class Fading(Protocol):
    """A random process of coefficients; its state is opaque to the caller and never mutated."""

    def init(self, links: int, antennas: int, rng: np.random.Generator) -> Any:
        """Return the state of a process for K links and M antennas."""
        ...

    def step(
        self, state: Any, around: Surroundings, elapsed_s: float, rng: np.random.Generator
    ) -> tuple[Any, ComplexArray]:
        """Return the state after some seconds and the coefficients then, shape (K, M), of unit mean power."""
        ...


@dataclass(frozen=True)
class Extent:
    """State of a process that remembers nothing but its size.

    Attributes:
        links: Number of links K.
        antennas: Number of antennas M of the base station.
    """

    links: int
    antennas: int


@dataclass(frozen=True)
class Rayleigh:
    """Independent Rayleigh block fading: h ~ CN(0, I), drawn anew at every step.

    Reference:
        Tse and Viswanath, Fundamentals of Wireless Communication, section 2.4.2 [S].

    >>> fading, rng = Rayleigh(), np.random.default_rng(1)
    >>> state, h = fading.step(fading.init(3, 8, rng), Surroundings(np.zeros(3)), 1.0, rng)
    >>> h.shape
    (3, 8)
    """

    def init(self, links: int, antennas: int, rng: np.random.Generator) -> Extent:
        """Return the size of the process; nothing is drawn."""
        return Extent(links, antennas)

    def step(
        self, state: Extent, around: Surroundings, elapsed_s: float, rng: np.random.Generator
    ) -> tuple[Extent, ComplexArray]:
        """Return the same state and fresh coefficients, shape (K, M)."""
        return state, _complex_normal((state.links, state.antennas), rng)


@dataclass(frozen=True, eq=False)
class Specular:
    """State of Rician fading: the path in sight.

    Attributes:
        response: Phase of the path in sight at each antenna, as e^{jφ} a(θ), shape (K, M).
    """

    response: ComplexArray


@dataclass(frozen=True)
class Rician:
    """A path in sight plus Rayleigh block fading: h = √(k/(k+1)) e^{jφ} a(θ) + √(1/(k+1)) n.

    a_m(θ) = e^{jπ m sin θ} is the response of a uniform linear array at half a wavelength; phase φ and bearing θ are
    uniform, drawn once per device; n ~ CN(0, I) is drawn anew at every step.

    Attributes:
        k_db: Power of the path in sight over the power of all others, in dB.

    Reference:
        Tse and Viswanath, Fundamentals of Wireless Communication, sections 2.4.2 and 7.2.1 [S]. The default is the
        mean of K in sight in an urban macro cell, 3GPP TR 38.901, Table 7.5-6 [S].

    >>> fading, rng = Rician(k_db=200.0), np.random.default_rng(1)
    >>> state, h = fading.step(fading.init(1, 2, rng), Surroundings(np.zeros(1)), 1.0, rng)
    >>> abs(h).round(6)
    array([[1., 1.]])
    """

    k_db: Decibel = 9.0

    def init(self, links: int, antennas: int, rng: np.random.Generator) -> Specular:
        """Return the path in sight of each device, its bearing and phase drawn now."""
        bearing, phase = 2.0 * np.pi * rng.random((links, 2)).T
        return Specular(np.exp(1j * phase)[:, None] * _linear_array(bearing, antennas))

    def step(
        self, state: Specular, around: Surroundings, elapsed_s: float, rng: np.random.Generator
    ) -> tuple[Specular, ComplexArray]:
        """Return the same state and coefficients with fresh scatter, shape (K, M)."""
        k = db_to_linear(self.k_db)
        scatter = _complex_normal(state.response.shape, rng)
        return state, np.sqrt(k / (k + 1.0)) * state.response + np.sqrt(1.0 / (k + 1.0)) * scatter


@dataclass(frozen=True)
class NoFading:
    """Every coefficient is one: the gain of a link is that of its path loss and shadowing.

    >>> NoFading().step(Extent(1, 2), Surroundings(np.zeros(1)), 1.0, np.random.default_rng(1))[1]
    array([[1.+0.j, 1.+0.j]])
    """

    def init(self, links: int, antennas: int, rng: np.random.Generator) -> Extent:
        """Return the size of the process; nothing is drawn."""
        return Extent(links, antennas)

    def step(
        self, state: Extent, around: Surroundings, elapsed_s: float, rng: np.random.Generator
    ) -> tuple[Extent, ComplexArray]:
        """Return the same state and ones, shape (K, M); nothing is drawn."""
        return state, np.ones((state.links, state.antennas), dtype=np.complex128)


def _complex_normal(shape: tuple[int, ...], rng: np.random.Generator) -> ComplexArray:
    """Return CN(0, 1) samples, shape (K, M), row by row so that another row changes none before it."""
    links, antennas = shape
    parts = rng.standard_normal((links, 2 * antennas))
    return np.asarray(np.sqrt(0.5) * parts.view(np.complex128))


def _linear_array(bearing: FloatArray, antennas: int) -> ComplexArray:
    """Return the response of a half-wavelength linear array, shape (K, M), to bearings in rad, shape (K,)."""
    return np.asarray(np.exp(1j * np.pi * np.sin(bearing)[:, None] * np.arange(antennas)))
