"""Channel: path loss, shadowing and fading composed into the gain of every link and antenna."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from channel_models.fading import Fading, Rayleigh
from channel_models.geometry import distance_2d_m
from channel_models.path_loss import LogDistance, PathLoss
from channel_models.receivers import broadcast_gain, mrc_gain
from channel_models.shadowing import LogNormal, Shadowing
from channel_models.units import BoolArray, ComplexArray, Count, FloatArray, db_to_linear

Draw = Callable[[str], np.random.Generator]
"""The random stream of a named purpose: "path_loss", "shadowing" or "fading"."""


@dataclass(frozen=True, eq=False)
class ChannelState:
    """What the channel of K devices remembers between steps.

    Attributes:
        loss_db: Path loss in dB, shape (K,).
        shadowing_db: Loss added by shadowing in dB, shape (K,).
        line_of_sight: Whether each link is in line of sight, shape (K,).
        gain: Power gain of path loss and shadowing, linear, shape (K,).
        fading: State of the fading model.
    """

    loss_db: FloatArray
    shadowing_db: FloatArray
    line_of_sight: BoolArray
    gain: FloatArray
    fading: object


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

    Path loss and shadowing are drawn once, for positions that stay; fading moves on at every step.

    Attributes:
        path_loss: How much power a link loses over its distance.
        shadowing: What large obstacles add to that loss.
        fading: How the coefficients of the antennas vary from step to step.
        antennas: Number of antennas M of the base station.

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

    def init(self, positions_m: FloatArray, draw: Draw) -> ChannelState:
        """Return the state of the channel for devices at these positions.

        Args:
            positions_m: Positions in m, the base station at the origin, shape (K, 2).
            draw: Streams of the set-up; those of a step must be others, or fading repeats what was drawn here.
        """
        large = self.path_loss.draw(distance_2d_m(positions_m), draw("path_loss"))
        shadowing_db = self.shadowing.draw(large.sigma_db, draw("shadowing"))
        return ChannelState(
            loss_db=large.loss_db,
            shadowing_db=shadowing_db,
            line_of_sight=large.line_of_sight,
            gain=db_to_linear(-(large.loss_db + shadowing_db)),
            fading=self.fading.init(len(positions_m), self.antennas, draw("fading")),
        )

    def step(self, state: ChannelState, elapsed_s: float, draw: Draw) -> tuple[ChannelState, Links]:
        """Return the state after some seconds and the links then.

        Args:
            state: State before.
            elapsed_s: Seconds since that state.
            draw: Streams of this step.
        """
        fading, coefficients = self.fading.step(state.fading, elapsed_s, draw("fading"))
        links = Links(state.gain, np.sqrt(state.gain)[:, None] * coefficients)
        return replace(state, fading=fading), links
