"""Clusters: fading by the full procedure of TR 38.901, drawn by Sionna for the places where devices stand."""

from dataclasses import asdict, dataclass, field
from typing import Literal

import numpy as np

from channel_models.large_scale.validity import Release, refuse_release
from channel_models.sionna_backend import door
from channel_models.sionna_backend.groups import (
    Draws,
    Group,
    heard,
    later,
    look_at,
    refuse_doppler,
    start,
)
from channel_models.sionna_backend.store import kept_echoes
from channel_models.small_scale.doppler import Block, Doppler, Jakes
from channel_models.small_scale.fading import Surroundings
from channel_models.units import BoolArray, ComplexArray, Count, FloatArray, Positive

MAST_M: dict[door.Scene, float] = {"umi": 10.0, "uma": 25.0, "rma": 35.0}
"""Heights of the base stations for which TR 38.901 is written, Tables 7.2-1 and 7.2-3."""


@dataclass(frozen=True)
class SionnaClusters:
    """The full cluster model of TR 38.901 in a cell, drawn by Sionna: spreads, clusters, rays and their directions.

    Each device has spreads and a K-factor of its own, which last; its paths are drawn anew with every block, or turn
    as it moves. It stands outdoors, at its bearing and distance; loss and shadowing are the path-loss model's business,
    and so the spreads drawn here do not correlate with them, nor between devices. Antennas are isotropic, of vertical
    polarisation and half a wavelength apart. A coefficient has mean power one at every antenna and frequency.

    What was drawn is kept on disk and read when it is asked for again: in the folder WFLSIM_CACHE of the environment,
    else in ~/.cache/wflsim/sionna; WFLSIM_CACHE=off keeps nothing.

    Attributes:
        scene: Urban micro (umi), urban macro (uma) or rural macro (rma) cell.
        carrier_ghz: Carrier frequency, in GHz.
        line_of_sight: Which links are in sight: those to which the path-loss model gives a finite K-factor (told),
          all of them (always) or none (never).
        base_height_m: Height of the base station's antennas, in m; null takes the scene's: 10, 25 or 35.
        device_height_m: Height of the devices, in m.
        distance_m: Distance along the ground of devices whose own is not told, in m.
        blocks: Number F of frequencies at which the channel is evaluated.
        block_hz: Distance from one of these frequencies to the next; the first is zero, that is the carrier.
        array: Whether the antennas of the base station stand in a row or in a column.
        doppler: How the paths forget themselves, block or jakes; of jakes the speed counts, to the east.
        release: Release of the standard, 16 or 19; spreads differ.

    Reference:
        3GPP TR 38.901, section 7.5, steps 1 to 11, drawn by UMi, UMa and RMa of Sionna 2.2 [1].
    """

    scene: door.Scene = "umi"
    carrier_ghz: Positive = 3.5
    line_of_sight: Literal["told", "always", "never"] = "told"
    base_height_m: Positive | None = None
    device_height_m: Positive = 1.5
    distance_m: Positive = 100.0
    blocks: Count = 52
    block_hz: Positive = 180e3
    array: Literal["row", "column"] = "row"
    doppler: Doppler = field(default_factory=Block)
    release: Release = 19

    def __post_init__(self) -> None:
        door.require()
        refuse_release(self.release)
        refuse_doppler(self.doppler)
        if isinstance(self.doppler, Jakes) and self.doppler.carrier_ghz != self.carrier_ghz:
            raise ValueError(
                f"carrier_ghz must be that of doppler, {self.doppler.carrier_ghz}, got {self.carrier_ghz}"
            )

    def init(self, links: int, antennas: int, rng: np.random.Generator) -> Draws:
        """Return the seeds of the draws and the devices' phases; Sionna is not asked yet."""
        return start(links, antennas, rng)

    def step(
        self, state: Draws, around: Surroundings, elapsed_s: float, rng: np.random.Generator
    ) -> tuple[Draws, ComplexArray]:
        """Return the state after some seconds and the coefficients then, shape (K, M, F)."""
        state = later(state, self.doppler, elapsed_s, rng)
        look = look_at(
            state,
            self.doppler,
            carrier_hz=self.carrier_ghz * 1e9,
            upright=self.array == "column",
        )
        sight, ground_m = self._in_sight(around), self._ground_m(around)

        def draw(group: Group) -> door.Echoes:
            stand = door.Stand(
                MAST_M[self.scene] if self.base_height_m is None else self.base_height_m,
                self.device_height_m,
                group.of(ground_m),
                group.of(around.bearing_rad),
                group.where(sight),
            )
            return self._drawn(look, stand, (group.lasting, group.fresh))

        h = heard(state, draw, np.ones(state.size[0]), self.blocks, self.block_hz)
        return state, state.phase[:, None, None] * h

    def _drawn(self, look: door.Look, stand: door.Stand, seeds: tuple[int, int]) -> door.Echoes:
        asked = {"kind": "cluster", "scene": self.scene, "release": self.release, "seeds": seeds}
        return kept_echoes(
            {**asked, **asdict(look), **asdict(stand)},
            lambda: door.clusters(self.scene, self.release, look, stand, seeds),
        )

    def _in_sight(self, around: Surroundings) -> BoolArray:
        """Return which links are in sight, shape (K,)."""
        if self.line_of_sight != "told":
            return np.full(around.bearing_rad.shape, self.line_of_sight == "always")
        if around.k_factor_db is None:
            raise ValueError(
                "line_of_sight must be always or never, for this path-loss model tells no K-factors, got told"
            )
        return np.isfinite(around.k_factor_db)

    def _ground_m(self, around: Surroundings) -> FloatArray:
        """Return the distances along the ground, shape (K,)."""
        if around.ground_m is None:
            return np.full(around.bearing_rad.shape, self.distance_m)
        return around.ground_m
