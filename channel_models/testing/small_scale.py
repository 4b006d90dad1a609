"""Checks of patterns, of what makes coefficients vary in time and over antennas, and of fading."""

from typing import Any

import numpy as np

from channel_models.small_scale.correlation import Correlation
from channel_models.small_scale.doppler import Doppler
from channel_models.small_scale.elements import Element
from channel_models.small_scale.fading import Fading, Surroundings
from channel_models.testing.laws import (
    MANY,
    require,
    require_array,
    require_mean,
    require_pure,
    require_same,
    rng,
)
from channel_models.units import ComplexArray


def check_element(model: Element) -> None:
    """Check an antenna's pattern: finite, pure, and the same after a whole turn.

    >>> from channel_models.small_scale.elements import Sector
    >>> check_element(Sector())
    """
    azimuth_rad, zenith_rad = np.linspace(-3.0, 3.0, 13)[:, None], np.linspace(0.0, np.pi, 7)
    gain_db = model.gain_db(azimuth_rad, zenith_rad)
    require_array(gain_db, (13, 7), np.floating, "gain_db")
    require_same(gain_db, model.gain_db(azimuth_rad, zenith_rad), "gains asked for twice")
    turned_db = model.gain_db(azimuth_rad + 2.0 * np.pi, zenith_rad)
    require(
        bool(np.allclose(gain_db, turned_db, atol=1e-6)),
        "gain_db must be that of a whole turn more.",
    )


def check_correlation(model: Correlation) -> None:
    """Check a correlation between antennas: shapes, purity, the prefix law, unit power on each antenna.

    >>> from channel_models.small_scale.correlation import Exponential
    >>> check_correlation(Exponential())
    """
    bearing_rad = np.linspace(-1.2, 1.2, MANY)
    for shape in ((MANY, 4), (MANY, 4, 2)):
        white = _white(shape)
        asked = white.copy()
        coloured = model.colour(asked, bearing_rad)
        require_array(coloured, shape, np.complexfloating, "coefficients")
        require_same(white, asked, "the coefficients handed in")
        fewer = model.colour(white[:-3], bearing_rad[:-3])
        require_same(coloured[:-3], fewer, "coefficients of the first devices")
        for antenna in range(4):
            power = np.abs(coloured[:, antenna].reshape(MANY, -1)) ** 2
            require_mean(power.mean(axis=1), 1.0, f"power of antenna {antenna}")


def check_doppler(model: Doppler) -> None:
    """Check a process in time: shapes, purity, the prefix law, unit power from the first step on.

    >>> from channel_models.small_scale.doppler import AutoRegressive
    >>> check_doppler(AutoRegressive())
    """
    played, fewer = _played(model, MANY), _played(model, MANY - 3)
    require_array(played, (3, MANY, 2), np.complexfloating, "numbers")
    require_same(played, _played(model, MANY), "numbers from the same seed")
    require_same(played[:, :-3], fewer, "numbers of the first devices")
    state = model.init((6, 2), rng(0))
    require_pure(state, lambda: model.step(state, 1e-3, rng(1))[1], "numbers")
    for step, numbers in enumerate(played):
        require_mean((np.abs(numbers) ** 2).mean(axis=1), 1.0, f"power at step {step}")


def check_fading(model: Fading, links: int = MANY) -> None:
    """Check a fading model; give fewer links where drawing many would take minutes.

    >>> from channel_models.small_scale.fading import Rayleigh
    >>> check_fading(Rayleigh())
    """
    for antennas in (1, 4):
        h = _coefficients(model, 6, antennas)
        require_same(h, _coefficients(model, 6, antennas), "coefficients from the same seed")
        require_same(
            h[:, :-2], _coefficients(model, 4, antennas), "coefficients of the first devices"
        )
    state = model.init(6, 4, rng(0))
    require_pure(
        state, lambda: model.step(state, any_surroundings(6), 1.0, rng(1))[1], "coefficients"
    )
    power = np.abs(_coefficients(model, links, 4)) ** 2
    require_mean(
        power.reshape(len(power), links, -1).mean(axis=(0, 2)), 1.0, "power of the coefficients"
    )


def _coefficients(model: Fading, links: int, antennas: int, steps: int = 3) -> ComplexArray:
    """Return the coefficients of some steps, shape (steps, K, M, …), each step with a stream of its own."""
    state = model.init(links, antennas, rng(0))
    played = []
    for step in range(steps):
        state, h = model.step(state, any_surroundings(links), 0.5, rng(1, step))
        wide = h.shape[2:] if h.ndim == 3 else ()
        require_array(h, (links, antennas, *wide), np.complexfloating, "coefficients")
        played.append(h)
    return np.stack(played)


def any_surroundings(links: int) -> Surroundings:
    """Return surroundings of many bearings, every other link in sight."""
    return Surroundings(
        bearing_rad=np.linspace(-1.0, 1.0, MANY)[:links],
        k_factor_db=np.where(np.arange(links) % 2, 9.0, -np.inf),
        delay_spread_s=np.full(links, 100e-9),
    )


def _white(shape: tuple[int, ...]) -> ComplexArray:
    parts = rng(5).standard_normal((*shape[:-1], 2 * shape[-1]))
    return np.asarray(np.sqrt(0.5) * parts.view(np.complex128))


def _played(model: Doppler, links: int) -> ComplexArray:
    """Return the numbers of some steps, shape (steps, K, 2)."""
    state: Any = model.init((links, 2), rng(0))
    played = []
    for step in range(3):
        state, numbers = model.step(state, 1e-3, rng(1, step))
        played.append(numbers)
    return np.stack(played)
