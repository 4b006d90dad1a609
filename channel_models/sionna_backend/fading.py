"""Fading drawn by Sionna at its link level: the tapped and the clustered delay lines of TR 38.901."""

from dataclasses import asdict, dataclass, field
from typing import Literal

import numpy as np

from channel_models.sionna_backend import door
from channel_models.sionna_backend.groups import (
    GROUP,
    Draws,
    Group,
    heard,
    later,
    look_at,
    refuse_doppler,
    spread_s,
    start,
)
from channel_models.sionna_backend.store import kept_echoes
from channel_models.small_scale.arrays import linear_array
from channel_models.small_scale.correlation import Correlation, Uncorrelated
from channel_models.small_scale.doppler import Block, Doppler
from channel_models.small_scale.fading import Surroundings
from channel_models.units import ComplexArray, Count, Positive


@dataclass(frozen=True)
class SionnaTappedDelayLine:
    """A tapped delay line of TR 38.901, drawn by Sionna: kind ``tdl``, with the same fields, by another hand.

    A Rayleigh tap is a sum of sinusoids: 20 of them where blocks are independent, as many as Jakes' model has where
    devices move. The path in sight of D and E comes from the device's bearing, which Sionna does not know by itself,
    and its phase is drawn with the taps: anew with every block.

    Attributes:
        profile: Table of delays and powers.
        delay_spread_ns: Factor from the table's delays to nanoseconds; null takes the path-loss model's own delay
          spread for each link.
        blocks: Number F of frequencies at which the channel is evaluated.
        block_hz: Distance from one of these frequencies to the next; the first is zero, that is the carrier.
        correlation: How alike the antennas hear a tap; none for D and E, whose path in sight and first tap Sionna
          gives as one.
        doppler: How the taps forget themselves, block or jakes; by default they are drawn anew at every step.

    Reference:
        3GPP TR 38.901, Tables 7.7.2-1 to 7.7.2-5, drawn by TDL of Sionna 2.2 [1].

    >>> from dataclasses import fields
    >>> from channel_models.small_scale.tapped_delay import TappedDelayLine
    >>> [f.name for f in fields(SionnaTappedDelayLine)] == [f.name for f in fields(TappedDelayLine)]
    True
    """

    profile: door.ProfileName = "A"
    delay_spread_ns: Positive | None = 100.0
    blocks: Count = 52
    block_hz: Positive = 180e3
    correlation: Correlation = field(default_factory=Uncorrelated)
    doppler: Doppler = field(default_factory=Block)

    def __post_init__(self) -> None:
        door.require()
        refuse_doppler(self.doppler)
        if self._in_sight and not isinstance(self.correlation, Uncorrelated):
            raise ValueError(
                "correlation must be none with D and E, whose path in sight Sionna does not give by itself, "
                f"got {type(self.correlation).__name__}"
            )

    def init(self, links: int, antennas: int, rng: np.random.Generator) -> Draws:
        """Return the seeds of the draws; Sionna is not asked yet."""
        return start(links, antennas, rng)

    def step(
        self, state: Draws, around: Surroundings, elapsed_s: float, rng: np.random.Generator
    ) -> tuple[Draws, ComplexArray]:
        """Return the state after some seconds and the coefficients then, shape (K, M, F)."""
        state = later(state, self.doppler, elapsed_s, rng)
        look = look_at(state, self.doppler)
        devices, antennas = state.size
        h = heard(
            state,
            lambda group: door.tdl(self.profile, look, GROUP, group.fresh),
            spread_s(self.delay_spread_ns, around, devices),
            self.blocks,
            self.block_hz,
        )
        if self._in_sight:
            return state, linear_array(around.bearing_rad, antennas)[:, :, None] * h
        return state, self.correlation.colour(h, around.bearing_rad)

    @property
    def _in_sight(self) -> bool:
        return self.profile in {"D", "E"}


@dataclass(frozen=True)
class SionnaClusteredDelayLine:
    """A clustered delay line of TR 38.901, drawn by Sionna: paths with directions, so that antennas hear alike.

    A path is 20 rays around its direction. Each device's profile is turned so that its azimuth zero, from which the
    path in sight of D and E comes, is the device's bearing. Sionna gives that path one phase for all; here each device
    has a phase of its own, which stays. Antennas are isotropic, of vertical polarisation and half a wavelength apart. A
    coefficient has mean power one at every antenna and frequency.

    What was drawn is kept on disk and read when it is asked for again: in the folder WFLSIM_CACHE of the environment,
    else in ~/.cache/wflsim/sionna; WFLSIM_CACHE=off keeps nothing.

    Attributes:
        profile: Table of delays, powers and directions.
        delay_spread_ns: Factor from the table's delays to nanoseconds; null takes the path-loss model's own delay
          spread for each link.
        blocks: Number F of frequencies at which the channel is evaluated.
        block_hz: Distance from one of these frequencies to the next; the first is zero, that is the carrier.
        array: Whether the antennas of the base station stand in a row or in a column.
        doppler: How the paths forget themselves, block or jakes; of jakes speed and carrier count, and each device
          moves in a direction of its own.

    Reference:
        3GPP TR 38.901, section 7.7.1, Tables 7.7.1-1 to 7.7.1-5, drawn by CDL of Sionna 2.2 [1].
    """

    profile: door.ProfileName = "A"
    delay_spread_ns: Positive | None = 100.0
    blocks: Count = 52
    block_hz: Positive = 180e3
    array: Literal["row", "column"] = "row"
    doppler: Doppler = field(default_factory=Block)

    def __post_init__(self) -> None:
        door.require()
        refuse_doppler(self.doppler)

    def init(self, links: int, antennas: int, rng: np.random.Generator) -> Draws:
        """Return the seeds of the draws and the devices' phases; Sionna is not asked yet."""
        return start(links, antennas, rng)

    def step(
        self, state: Draws, around: Surroundings, elapsed_s: float, rng: np.random.Generator
    ) -> tuple[Draws, ComplexArray]:
        """Return the state after some seconds and the coefficients then, shape (K, M, F)."""
        state = later(state, self.doppler, elapsed_s, rng)
        look = look_at(state, self.doppler, upright=self.array == "column")
        asked = {"kind": "cdl", "profile": self.profile, **asdict(look)}

        def draw(group: Group) -> door.Echoes:
            turned_rad = group.of(around.bearing_rad)
            return kept_echoes(
                {**asked, "bearing": turned_rad, "seed": group.fresh},
                lambda: door.cdl(self.profile, look, turned_rad, group.fresh),
            )

        unit_s = spread_s(self.delay_spread_ns, around, state.size[0])
        h = heard(state, draw, unit_s, self.blocks, self.block_hz)
        return state, state.phase[:, None, None] * h
