"""Groups: how devices share Sionna's draws, so that one device more changes none of those before it."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from channel_models.refusals import refuse_negative
from channel_models.sionna_backend.door import Echoes, Look
from channel_models.small_scale.arrays import powers
from channel_models.small_scale.doppler import Block, Doppler, Jakes
from channel_models.small_scale.fading import Surroundings, extent, random_phases
from channel_models.small_scale.products import products
from channel_models.units import BoolArray, ComplexArray, FloatArray, IntArray

GROUP = 32
"""Devices that Sionna draws at once, from seeds of their own; a group with places left is drawn whole and cut."""


@dataclass(frozen=True, eq=False)
class Draws:
    """State of a channel that Sionna draws: all else is a function of seeds, places and time.

    Attributes:
        size: Numbers K of devices and M of antennas.
        phase: Phase e^{jφ} by which a device's coefficients are turned, shape (K,).
        seeds: Seeds of each group, of what lasts and of what blocks draw anew, shape (G, 2).
        time_s: Seconds since the start.
    """

    size: tuple[int, int]
    phase: ComplexArray
    seeds: IntArray
    time_s: float


@dataclass(frozen=True)
class Group:
    """The devices of one draw.

    Attributes:
        number: Which group.
        lasting: Seed of what lasts while the devices stand where they are.
        fresh: Seed of the paths.
    """

    number: int
    lasting: int
    fresh: int

    def of(self, column: FloatArray) -> FloatArray:
        """Return the group's values of a column of shape (K,), ones in the places left, shape (32,)."""
        found = np.ones(GROUP)
        some = column[self.number * GROUP : (self.number + 1) * GROUP]
        found[: len(some)] = some
        return found

    def where(self, column: BoolArray) -> BoolArray:
        """Return whether something holds for the devices of the group, shape (32,), from a column of shape (K,)."""
        return np.asarray(self.of(column.astype(np.float64)) > 0.0)


def start(links: int, antennas: int, rng: np.random.Generator) -> Draws:
    """Return the state at time zero."""
    size = extent(links, antennas)
    phases, seeds = rng.spawn(2)
    return Draws(size, random_phases((links,), phases), _seeds(links, 2, seeds), 0.0)


def later(state: Draws, doppler: Doppler, elapsed_s: float, rng: np.random.Generator) -> Draws:
    """Return the state after some seconds: with new seeds of the paths for blocks, else with its time moved on."""
    if isinstance(doppler, Jakes):
        return replace(state, time_s=state.time_s + elapsed_s)
    fresh = _seeds(state.size[0], 1, rng)
    return replace(state, seeds=np.concatenate([state.seeds[:, :1], fresh], axis=1))


def look_at(
    state: Draws, doppler: Doppler, *, carrier_hz: float = 1e9, upright: bool = False
) -> Look:
    """Return how Sionna shall look at the devices now.

    Args:
        state: Seeds and time.
        doppler: How the devices move.
        carrier_hz: Carrier frequency; where they move that of the movement counts.
        upright: Whether the antennas stand in a column instead of a row.
    """
    look = Look(state.size[1], carrier_hz, upright)
    if not isinstance(doppler, Jakes):
        return look
    return replace(
        look,
        carrier_hz=doppler.carrier_ghz * 1e9,
        speed_m_s=doppler.speed_m_s,
        sinusoids=doppler.sinusoids,
        time_s=state.time_s,
    )


def heard(
    state: Draws,
    draw: Callable[[Group], Echoes],
    unit_s: FloatArray,
    blocks: int,
    block_hz: float,
) -> ComplexArray:
    """Return the sums of the paths at F frequencies, Σ_p a_p e^{−j2π f τ_p}, shape (K, M, F).

    Args:
        state: Seeds of the groups.
        draw: Draws the paths of a group.
        unit_s: Unit of the delays of each device, shape (K,).
        blocks: Number F of frequencies.
        block_hz: Distance from one to the next; the first is zero.
    """
    devices, antennas = state.size
    h = np.empty((len(state.seeds) * GROUP, antennas, blocks), dtype=np.complex128)
    for number, (lasting, fresh) in enumerate(state.seeds.tolist()):
        group = Group(number, lasting, fresh)
        echoes = draw(group)
        cycles = block_hz * group.of(unit_s)[:, None] * echoes.delay
        turns = powers(np.exp(-2j * np.pi * cycles), blocks)
        products(echoes.gain.astype(np.complex128), turns, h[number * GROUP :][:GROUP])
    return h[:devices]


def spread_s(own_ns: float | None, around: Surroundings, devices: int) -> FloatArray:
    """Return the delay spread of each device, its own or that of the path loss, shape (K,)."""
    if own_ns is not None:
        return np.full(devices, own_ns * 1e-9)
    if around.delay_spread_s is None:
        raise ValueError(
            "delay_spread_ns must be set, for this path-loss model tells no spread of its own, got None"
        )
    refuse_negative("delay_spread_s", around.delay_spread_s)
    return around.delay_spread_s


def refuse_doppler(doppler: Doppler) -> None:
    """Raise ValueError unless Sionna knows this movement.

    >>> from channel_models.small_scale.doppler import AutoRegressive
    >>> refuse_doppler(AutoRegressive())
    Traceback (most recent call last):
        ...
    ValueError: doppler must be block or jakes where Sionna draws, got AutoRegressive
    """
    known = isinstance(doppler, Block | Jakes)
    if not known:
        raise ValueError(
            f"doppler must be block or jakes where Sionna draws, got {type(doppler).__name__}"
        )


def _seeds(devices: int, columns: int, rng: np.random.Generator) -> IntArray:
    """Return seeds, shape (G, columns), row by row; at least one group, that even no device has a shape."""
    groups = max(1, -(-devices // GROUP))
    return rng.integers(0, 2**63, size=(groups, columns), dtype=np.int64)
