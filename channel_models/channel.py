"""Channel: layout, motion, path loss, shadowing, antennas and fading composed into the gain of every link."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from channel_models.large_scale.path_loss import LargeScale, LogDistance, PathLoss
from channel_models.large_scale.shadowing import LogNormal, Shadowing, independent
from channel_models.layouts.geometry import Paths, paths_between
from channel_models.layouts.mobility import Mobility, Static
from channel_models.layouts.sites import Layout, OneCell, Sites
from channel_models.rates.interference import Interference, Meddling, NoInterference
from channel_models.rates.receivers import block_gain, broadcast_gain, mrc_gain
from channel_models.small_scale.elements import Element, Isotropic
from channel_models.small_scale.fading import Fading, Rayleigh, Surroundings
from channel_models.units import ComplexArray, Count, FloatArray, IntArray, db_to_linear

Draw = Callable[[str], np.random.Generator]
"""The random stream of a purpose: "mobility", "path_loss", "shadowing", "fading" or "interference"."""


@dataclass(frozen=True, eq=False)
class ChannelState:
    """What the channel of K devices remembers between steps.

    Attributes:
        mobility: State of the rule of motion.
        path_loss: What chance decided once about the losses.
        shadowing: State of the shadowing.
        fading: State of the fading.
        interference: State of the other cells.
        paths: Where the devices stand.
        large: Path loss there, shape (K, S).
        shadowing_db: Loss added by shadowing in dB, shape (K, S).
        coupling: Power gain between each device and each cell, patterns of the antennas included, linear, shape (K, C).
        serving: The cell that each device hears best, by which it reaches the server, shape (K,).
    """

    mobility: Any
    path_loss: Any
    shadowing: Any
    fading: Any
    interference: Any
    paths: Paths
    large: LargeScale
    shadowing_db: FloatArray
    coupling: FloatArray
    serving: IntArray

    @property
    def gain(self) -> FloatArray:
        """Power gain of path loss, shadowing and pattern to the serving cell, linear, shape (K,)."""
        return np.asarray(self.coupling[np.arange(len(self.serving)), self.serving])


@dataclass(frozen=True, eq=False)
class Links:
    """The links of K devices at one instant.

    Attributes:
        large_scale_gain: Power gain of path loss, shadowing and pattern, linear, shape (K,).
        fading: Complex coefficient of each antenna, of unit mean power, shape (K, M), or (K, M, F) over F blocks of
            the band.
        uplink_interference_w_per_hz: Power density from other cells at each antenna of the serving cell, shape (K,).
        downlink_interference_w_per_hz: Power density from other cells at the device, shape (K,).
    """

    large_scale_gain: FloatArray
    fading: ComplexArray
    uplink_interference_w_per_hz: FloatArray
    downlink_interference_w_per_hz: FloatArray

    @property
    def antenna_gain(self) -> ComplexArray:
        """Complex amplitude gain of each antenna, large scale included, of the shape of the fading."""
        amplitude = np.sqrt(self.large_scale_gain)
        return amplitude.reshape(-1, *(1,) * (self.fading.ndim - 1)) * self.fading

    @property
    def uplink_gain(self) -> FloatArray:
        """Power gain of a device on a band of its own after maximum ratio combining, the mean over blocks, shape (K,)."""
        return self.large_scale_gain * mrc_gain(self.fading)

    @property
    def broadcast_gain(self) -> FloatArray:
        """Power gain of a broadcast to all devices, the mean over blocks, shape (K,)."""
        return self.large_scale_gain * broadcast_gain(self.fading)

    @property
    def block_gain(self) -> FloatArray:
        """Power gain after maximum ratio combining in each block of the band, shape (K, F)."""
        return self.large_scale_gain[:, None] * block_gain(self.fading)


@dataclass(frozen=True)
class Channel:
    """The channel between single-antenna devices and a base station: h = √g h̃, g = 10^((pattern − loss − shadowing)/10).

    Chance that stays is drawn once; devices may move, which changes losses and shadowing; fading moves on at every step.
    With several sites the server is behind all of them, and a device is served by the cell that it hears best.

    Attributes:
        path_loss: How much power a link loses over its distance.
        shadowing: What large obstacles add to that loss.
        fading: How the coefficients of the antennas vary from step to step.
        antennas: Number of antennas M of the base station, each with the element's pattern.
        layout: Where base stations stand, one of them at the origin.
        element: The pattern of one antenna of a sector.
        mobility: How devices move.
        interference: What the layout's other cells add to the noise.

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
    element: Element = field(default_factory=Isotropic)
    mobility: Mobility = field(default_factory=Static)
    interference: Interference = field(default_factory=NoInterference)

    def init(self, placed_m: FloatArray, draw: Draw) -> ChannelState:
        """Return the state of the channel for devices placed at these positions.

        Args:
            placed_m: Positions in m, the server's base station at the origin, shape (K, 2).
            draw: Streams of the set-up; those of a step must be others, or fading repeats what was drawn here.
        """
        sites = self.layout.sites()
        mobility, position_m = self.mobility.init(placed_m, draw("mobility"))
        devices, many = len(position_m), len(sites.site_m)
        path_loss = self.path_loss.init(devices, many, draw("path_loss"))
        shadowing = self.shadowing.init(devices, many, draw("shadowing"))
        return ChannelState(
            mobility=mobility,
            path_loss=path_loss,
            fading=self.fading.init(devices, self.antennas, draw("fading")),
            interference=self.interference.init(self._couple, sites, draw("interference")),
            **self._seen(sites, position_m, path_loss, shadowing, draw("track")),
        )

    def step(self, state: ChannelState, elapsed_s: float, draw: Draw) -> tuple[ChannelState, Links]:
        """Return the state after some seconds and the links then.

        Args:
            state: State before.
            elapsed_s: Seconds since that state.
            draw: Streams of this step.
        """
        sites = self.layout.sites()
        mobility, position_m = self.mobility.step(state.mobility, elapsed_s, draw("mobility"))
        if position_m is not state.paths.position_m:
            seen = self._seen(sites, position_m, state.path_loss, state.shadowing, draw("track"))
            state = replace(state, mobility=mobility, **seen)
        fading, coefficients = self.fading.step(
            state.fading, _surroundings(state, sites), elapsed_s, draw("fading")
        )
        interference, heard = self._others(state, sites, draw)
        links = Links(state.gain, coefficients, heard.uplink_w_per_hz, heard.downlink_w_per_hz)
        return replace(state, fading=fading, interference=interference), links

    def distance_m(self, state: ChannelState) -> FloatArray:
        """Return the distance along the ground from each device to the site that serves it, shape (K,)."""
        site = state.serving // len(self.layout.sites().sector_rad)
        return np.asarray(state.paths.ground_m[np.arange(len(site)), site])

    def _others(self, state: ChannelState, sites: Sites, draw: Draw) -> tuple[Any, Meddling]:
        """Return the state of the other cells after a step and what they add, which is nothing where there are none."""
        if sites.cells == 1:
            nothing = np.zeros(len(state.serving))
            return state.interference, Meddling(nothing, nothing)
        return self.interference.step(
            state.interference, state.coupling, state.serving, draw("interference")
        )

    def _seen(
        self,
        sites: Sites,
        position_m: FloatArray,
        path_loss: Any,
        shadowing: Any,
        rng: np.random.Generator,
    ) -> dict[str, Any]:
        """Return the fields of the state that follow from where the devices stand."""
        paths = paths_between(position_m, sites.site_m, sites.image_m)
        large = self.path_loss.large_scale(path_loss, paths)
        shadowing, shadowing_db = self.shadowing.step(shadowing, large, paths, rng)
        coupling = coupled(large, shadowing_db, paths, sites, self.element)
        return {
            "paths": paths,
            "large": large,
            "shadowing": shadowing,
            "shadowing_db": shadowing_db,
            "coupling": coupling,
            "serving": np.argmax(coupling, axis=1),
        }

    def _couple(self, position_m: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Return the power gains, linear, between devices of other cells and every cell, shape (J, C).

        They are strangers to each other, so that shadowing and sight need no map, which would have to cover all cells.
        """
        sites, (one, two) = self.layout.sites(), rng.spawn(2)
        paths = paths_between(position_m, sites.site_m, sites.image_m)
        devices, many = paths.ground_m.shape
        path_loss: Any = self.path_loss
        if getattr(path_loss, "line_of_sight", None) == "correlated":
            path_loss = replace(path_loss, line_of_sight="random")
        large = path_loss.large_scale(path_loss.init(devices, many, one), paths)
        model = independent(self.shadowing)
        _, shadowing_db = model.step(model.init(devices, many, two), large, paths, two)
        return coupled(large, shadowing_db, paths, sites, self.element)


def coupled(
    large: LargeScale, shadowing_db: FloatArray, paths: Paths, sites: Sites, element: Element
) -> FloatArray:
    """Return the power gains, linear, between devices and cells, pattern − loss − shadowing in dB, shape (K, C)."""
    azimuth_rad = paths.bearing_rad[:, :, None] - sites.sector_rad
    zenith_rad = np.full((1, 1), np.pi / 2) if large.zenith_rad is None else large.zenith_rad
    pattern_db = element.gain_db(azimuth_rad, zenith_rad[:, :, None])
    gain_db = pattern_db - (large.loss_db + shadowing_db)[:, :, None]
    return db_to_linear(gain_db.reshape(len(gain_db), -1))


def _surroundings(state: ChannelState, sites: Sites) -> Surroundings:
    """Return what fading may ask about the links to the serving cells."""
    k_db, spread_s = state.large.k_factor_db, state.large.delay_spread_s
    site, sector = np.divmod(state.serving, len(sites.sector_rad))
    link = (slice(None), 0) if len(sites.site_m) == 1 else (np.arange(len(site)), site)
    return Surroundings(
        bearing_rad=state.paths.bearing_rad[link] - sites.sector_rad[sector],
        k_factor_db=None if k_db is None else k_db[link],
        delay_spread_s=None if spread_s is None else spread_s[link],
        ground_m=state.paths.ground_m[link],
    )
