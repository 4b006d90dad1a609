"""Doppler: how coefficients forget themselves as time passes, from one block to the next or along a movement."""

from dataclasses import dataclass, replace
from math import prod
from typing import Annotated, Any, Protocol

import numpy as np
from scipy.special import j0

from channel_models.units import (
    SPEED_OF_LIGHT_38901,
    ComplexArray,
    FloatArray,
    NonNegative,
    Positive,
)

Shape = tuple[int, ...]


class Doppler(Protocol):
    """A process of complex numbers of unit mean power, independent of one another at any one time.

    Its state is opaque to the caller and never mutated.
    """

    def init(self, shape: Shape, rng: np.random.Generator) -> Any:
        """Return the state of processes of a shape (K, …); more devices change none of the earlier ones."""
        ...

    def step(
        self, state: Any, elapsed_s: float, rng: np.random.Generator
    ) -> tuple[Any, ComplexArray]:
        """Return the state after some seconds and the numbers then, of the shape given to ``init``."""
        ...


@dataclass(frozen=True)
class Block:
    """Independent blocks: CN(0, 1), drawn anew at every step, however little time has passed.

    It suits steps that are much longer than the time in which a channel forgets itself.

    Reference:
        Tse and Viswanath, Fundamentals of Wireless Communication, section 5.4 [S].

    >>> Block().step((3, 8), 1.0, np.random.default_rng(1))[1].shape
    (3, 8)
    """

    def init(self, shape: Shape, rng: np.random.Generator) -> Shape:
        """Return the shape; nothing is drawn."""
        return shape

    def step(
        self, state: Shape, elapsed_s: float, rng: np.random.Generator
    ) -> tuple[Shape, ComplexArray]:
        """Return the same state and fresh numbers."""
        return state, complex_normal(state, rng)


@dataclass(frozen=True)
class AutoRegressive:
    """A first-order process: h ← ρ h + √(1 − ρ²) n with n ~ CN(0, 1) and ρ = J0(2π f_D Δt), f_D = v f / c.

    Two successive steps correlate as in Jakes' model, and the process is stationary from the first step. Over more
    steps the correlation is the product of theirs, not J0 of the sum: for that, choose ``jakes``.

    Attributes:
        speed_m_s: Speed v of a device against what surrounds it, in m/s.
        carrier_ghz: Carrier frequency f, in GHz.

    Reference:
        Baddour and Beaulieu, Autoregressive modeling for fading channel simulation, IEEE Trans. Wireless Commun.,
        2005 [S].

    >>> model, rng = AutoRegressive(speed_m_s=0.0), np.random.default_rng(1)
    >>> state, first = model.step(model.init((1, 2), rng), 1.0, rng)
    >>> bool((first == model.step(state, 1.0, rng)[1]).all())
    True
    """

    speed_m_s: NonNegative = 1.0
    carrier_ghz: Positive = 3.5

    def init(self, shape: Shape, rng: np.random.Generator) -> ComplexArray:
        """Return the numbers at the start, drawn now."""
        return complex_normal(shape, rng)

    def step(
        self, state: ComplexArray, elapsed_s: float, rng: np.random.Generator
    ) -> tuple[ComplexArray, ComplexArray]:
        """Return the numbers after some seconds, as state and as a copy for the caller."""
        doppler_hz = max_doppler_hz(self.speed_m_s, self.carrier_ghz)
        rho = float(jakes_autocorrelation(doppler_hz, elapsed_s))
        after = complex_normal(state.shape, rng)
        after *= np.sqrt(1.0 - rho**2)
        after += rho * state
        return after, after.copy()


@dataclass(frozen=True, eq=False)
class Waves:
    """State of Jakes' model: the waves that reach each device.

    Attributes:
        shape: Shape of the processes, (K, …).
        shift_hz: Doppler shift of each wave, shape (K, N).
        amplitude: Complex amplitude of each wave at time zero in each of a device's R processes, shape (K, R, N).
        time_s: Seconds since the start.
    """

    shape: Shape
    shift_hz: FloatArray
    amplitude: ComplexArray
    time_s: float


@dataclass(frozen=True)
class Jakes:
    """A sum of sinusoids in continuous time: h(t) = Σ_n e^{j(2π f_D t cos α_n + φ_n)} / √N, whose autocorrelation is J0.

    The waves of a device come from all around: wave n from an angle α_n that is uniform on the n-th of N equal arcs.
    All processes of a device share these angles, for it is the device that moves; each has phases φ_n of its own,
    uniform on [0, 2π). The power correlates as 1 + J0² minus something below 1/N, and the state takes 16 N bytes a
    process.

    Attributes:
        speed_m_s: Speed of a device against what surrounds it, in m/s.
        carrier_ghz: Carrier frequency, in GHz.
        sinusoids: Number N of waves.

    Reference:
        Zheng and Xiao, Simulation models with correct statistical properties for Rayleigh fading channels, IEEE
        Trans. Commun., 2003 [S]. Phases on [0, 1) instead of [0, 2π), the default of one function of pyphysim, leave a
        mean and spoil the spectrum.

    >>> model, rng = Jakes(), np.random.default_rng(1)
    >>> state, h = model.step(model.init((3, 8), rng), 0.01, rng)
    >>> h.shape, state.time_s
    ((3, 8), 0.01)
    """

    speed_m_s: NonNegative = 1.0
    carrier_ghz: Positive = 3.5
    sinusoids: Annotated[int, ("least", 16), ("most", 10_000)] = 32

    def init(self, shape: Shape, rng: np.random.Generator) -> Waves:
        """Return the waves at time zero, their angles and phases drawn now."""
        angles, phases = rng.spawn(2)
        devices, many, rest = shape[0], self.sinusoids, prod(shape[1:])
        arc = (np.arange(many) + angles.random((devices, many))) / many
        phase = phases.random((devices, rest, many))
        return Waves(
            shape=shape,
            shift_hz=max_doppler_hz(self.speed_m_s, self.carrier_ghz) * np.cos(2.0 * np.pi * arc),
            amplitude=np.exp(2j * np.pi * phase) / np.sqrt(many),
            time_s=0.0,
        )

    def step(
        self, state: Waves, elapsed_s: float, rng: np.random.Generator
    ) -> tuple[Waves, ComplexArray]:
        """Return the waves with their time moved on and the numbers then; nothing is drawn."""
        time_s = state.time_s + elapsed_s
        turned = np.exp(2j * np.pi * time_s * state.shift_hz)
        sums = np.einsum("krn,kn->kr", state.amplitude, turned)
        return replace(state, time_s=time_s), sums.reshape(state.shape)


def complex_normal(shape: Shape, rng: np.random.Generator) -> ComplexArray:
    """Return CN(0, 1) samples of a shape (K, …), device by device so that another device changes none before it.

    >>> complex_normal((2, 3), np.random.default_rng(1)).shape
    (2, 3)
    """
    parts = rng.standard_normal((*shape[:-1], 2 * shape[-1]))
    parts *= np.sqrt(0.5)
    return parts.view(np.complex128)


def max_doppler_hz(speed_m_s: float, carrier_ghz: float) -> float:
    """Return the largest Doppler shift f_D = v f / c in Hz, with c = 3.0e8 m/s.

    >>> round(max_doppler_hz(30.0, 2.0), 9)
    200.0
    """
    return speed_m_s * carrier_ghz * 1e9 / SPEED_OF_LIGHT_38901


def jakes_autocorrelation(doppler_hz: FloatArray | float, lag_s: FloatArray | float) -> FloatArray:
    """Return the autocorrelation J0(2π f_D τ) of waves that come from all around; shapes broadcast.

    Args:
        doppler_hz: Largest Doppler shift f_D.
        lag_s: Time τ between two looks.

    Reference:
        Jakes, Microwave Mobile Communications, section 1.1 [S].

    >>> jakes_autocorrelation(5.0, np.array([0.01, 0.02])).round(6)
    array([0.975478, 0.903713])
    """
    return np.asarray(j0(2.0 * np.pi * np.asarray(doppler_hz) * np.asarray(lag_s)))
