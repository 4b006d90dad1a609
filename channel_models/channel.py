"""Channel: layout, motion, path loss, shadowing and fading composed into the gain of every link and antenna."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from channel_models.large_scale.path_loss import LargeScale, LogDistance, PathLoss
from channel_models.large_scale.shadowing import LogNormal, Shadowing
from channel_models.layouts.geometry import Paths, paths_between
from channel_models.layouts.mobility import Mobility, Static
from channel_models.layouts.sites import Layout, OneCell
from channel_models.rates.receivers import broadcast_gain, mrc_gain
from channel_models.small_scale.fading import Fading, Rayleigh, Surroundings
from channel_models.units import ComplexArray, Count, FloatArray, db_to_linear

Draw = Callable[[str], np.random.Generator]
"""The random stream of a named purpose: "mobility", "path_loss", "shadowing" or "fading"."""


@dataclass(frozen=True, eq=False)
class ChannelState:
    """What the channel of K devices remembers between steps.

    Attributes:
        mobility: State of the rule of motion.
        path_loss: What chance decided once about the losses.
        shadowing: State of the shadowing.
        fading: State of the fading.
        paths: Where the devices stand.
        large: Path loss there, shape (K, S).
        shadowing_db: Loss added by shadowing in dB, shape (K, S).
    """

    mobility: Any
    path_loss: Any
    shadowing: Any
    fading: Any
    paths: Paths
    large: LargeScale
    shadowing_db: FloatArray

    @property
    def gain(self) -> FloatArray:
        """Power gain of path loss and shadowing to the server's site, linear, shape (K,)."""
        return db_to_linear(-(self.large.loss_db[:, 0] + self.shadowing_db[:, 0]))


@dataclass(frozen=True, eq=False)
class Links:
    """The links of K devices at one instant.

    Attributes:
        large_scale_gain: Power gain of path loss and shadowing, linear, shape (K,).
        antenna_gain: Complex amplitude gain of each antenna, large scale included, shape (K, M).
    """

    large_scale_gain: FloatArray
    antenna_gain: ComplexArray

    @property
    def uplink_gain(self) -> FloatArray:
        """Power gain of a device on a band of its own, after maximum ratio combining, shape (K,)."""
        return mrc_gain(self.antenna_gain)

    @property
    def broadcast_gain(self) -> FloatArray:
        """Power gain of a broadcast to all devices, shape (K,)."""
        return broadcast_gain(self.antenna_gain)


@dataclass(frozen=True)
class Channel:
    """The channel between single-antenna devices and a base station: h = √g h̃, g = 10^(−(loss + shadowing)/10).

    Chance that stays is drawn once; devices may move, which changes losses and shadowing; fading moves on at every step.

    Attributes:
        path_loss: How much power a link loses over its distance.
        shadowing: What large obstacles add to that loss.
        fading: How the coefficients of the antennas vary from step to step.
        antennas: Number of antennas M of the base station.
        layout: Where base stations stand; the server's is at the origin.
        mobility: How devices move.

    >>> channel = Channel(antennas=4)
    >>> state = channel.init(np.array([[100.0, 0.0], [0.0, 300.0]]), lambda purpose: np.random.default_rng(1))
    >>> state, links = channel.step(state, 1.0, lambda purpose: np.random.default_rng(2))
    >>> links.antenna_gain.shape, links.uplink_gain.shape
    ((2, 4), (2,))
    """

    path_loss: PathLoss = field(default_factory=LogDistance)
    shadowing: Shadowing = field(default_factory=LogNormal)
    fading: Fading = field(default_factory=Rayleigh)
    antennas: Count = 8
    layout: Layout = field(default_factory=OneCell)
    mobility: Mobility = field(default_factory=Static)

    def init(self, placed_m: FloatArray, draw: Draw) -> ChannelState:
        """Return the state of the channel for devices placed at these positions.

        Args:
            placed_m: Positions in m, the server's base station at the origin, shape (K, 2).
            draw: Streams of the set-up; those of a step must be others, or fading repeats what was drawn here.
        """
        mobility, position_m = self.mobility.init(placed_m, draw("mobility"))
        paths = self._paths(position_m)
        devices, sites = paths.ground_m.shape
        path_loss = self.path_loss.init(devices, sites, draw("path_loss"))
        large = self.path_loss.large_scale(path_loss, paths)
        stream = draw("shadowing")
        shadowing, shadowing_db = self.shadowing.step(
            self.shadowing.init(devices, sites, stream), large, paths, stream
        )
        fading = self.fading.init(devices, self.antennas, draw("fading"))
        return ChannelState(mobility, path_loss, shadowing, fading, paths, large, shadowing_db)

    def step(self, state: ChannelState, elapsed_s: float, draw: Draw) -> tuple[ChannelState, Links]:
        """Return the state after some seconds and the links then.

        Args:
            state: State before.
            elapsed_s: Seconds since that state.
            draw: Streams of this step.
        """
        state = self._moved(state, elapsed_s, draw)
        gain = state.gain
        fading, coefficients = self.fading.step(
            state.fading, _surroundings(state), elapsed_s, draw("fading")
        )
        links = Links(gain, np.sqrt(gain)[:, None] * coefficients)
        return replace(state, fading=fading), links

    def _moved(self, state: ChannelState, elapsed_s: float, draw: Draw) -> ChannelState:
        """Return the state with the devices where they are after some seconds."""
        mobility, position_m = self.mobility.step(state.mobility, elapsed_s, draw("mobility"))
        if position_m is state.paths.position_m:
            return state
        paths = self._paths(position_m)
        large = self.path_loss.large_scale(state.path_loss, paths)
        shadowing, shadowing_db = self.shadowing.step(
            state.shadowing, large, paths, draw("shadowing")
        )
        return replace(
            state,
            mobility=mobility,
            paths=paths,
            large=large,
            shadowing=shadowing,
            shadowing_db=shadowing_db,
        )

    def _paths(self, position_m: FloatArray) -> Paths:
        sites = self.layout.sites()
        return paths_between(position_m, sites.site_m, sites.image_m)


def _surroundings(state: ChannelState) -> Surroundings:
    """Return what fading may ask about the links to the server's site."""
    k_db, spread_s = state.large.k_factor_db, state.large.delay_spread_s
    return Surroundings(
        bearing_rad=state.paths.bearing_rad[:, 0],
        k_factor_db=None if k_db is None else k_db[:, 0],
        delay_spread_s=None if spread_s is None else spread_s[:, 0],
    )
