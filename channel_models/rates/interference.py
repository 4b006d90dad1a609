"""Interference: what the other cells add to the noise of a link, up and down."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from channel_models.layouts.placements import Placement, Ring
from channel_models.layouts.sites import Sites
from channel_models.rates.power_control import open_loop_dbm
from channel_models.units import (
    BoolArray,
    Count,
    Decibel,
    FloatArray,
    IntArray,
    NonNegative,
    Positive,
    Share,
    dbm_to_watt,
    linear_to_db,
    noise_w_per_hz,
)

Couple = Callable[[FloatArray, np.random.Generator], FloatArray]
"""The channel's word on strangers: power gains, linear, shape (J, C), of J devices at these positions to all cells."""

BLOCK_HZ = 180e3
"""Bandwidth of a resource block at a subcarrier spacing of 15 kHz, to which the target of power control refers."""

_FIXED_POINT_ROUNDS = 100_000


@dataclass(frozen=True, eq=False)
class Meddling:
    """What other cells add to the noise of K devices' links.

    Attributes:
        uplink_w_per_hz: Power density at each antenna of the device's serving cell, shape (K,).
        downlink_w_per_hz: Power density at the device, shape (K,).
    """

    uplink_w_per_hz: FloatArray
    downlink_w_per_hz: FloatArray


class Interference(Protocol):
    """A model of what goes on in other cells; its state is opaque to the caller and never mutated."""

    def init(self, couple: Couple, sites: Sites, rng: np.random.Generator) -> Any:
        """Return the state of the other cells, strangers placed around the sites and coupled to the cells."""
        ...

    def step(
        self, state: Any, gain: FloatArray, serving: IntArray, rng: np.random.Generator
    ) -> tuple[Any, Meddling]:
        """Return the state after a step and what the cells add to the links of K devices.

        Args:
            state: State before.
            gain: Power gains of the devices to the cells, linear, shape (K, C).
            serving: Index of the cell that serves each device, shape (K,).
            rng: Stream of this step.
        """
        ...


@dataclass(frozen=True, eq=False)
class Strangers:
    """The devices of the background in C cells; they stay, and one in each cell that has some is scheduled at a time.

    Attributes:
        received_w: What a stranger's uplink puts at every cell, strangers ordered by serving cell, shape (J, C).
        first: Index of the first stranger of each cell, shape (C,).
        count: Number of strangers of each cell, shape (C,).
        load: Share of steps in which each cell is active, shape (C,).
        overloaded: Whether each cell is asked for more than it can carry, shape (C,).
    """

    received_w: FloatArray
    first: IntArray
    count: IntArray
    load: FloatArray
    overloaded: BoolArray


@dataclass(frozen=True)
class Neighbours:
    """What all cells and their devices have in common.

    Attributes:
        station_dbm: Power of a cell's base station.
        device_dbm: Limit of a device's power.
        p0_dbm: Power per resource block of 180 kHz at which a device is to arrive, before α.
        alpha: Share of its loss that a device makes up for.
        bandwidth_hz: Band over which the other cells spread their powers.
        devices: Number of devices dropped for each cell.
        placement: Where they stand around each site; the default suits sites 800 m apart, so give one that reaches about
            half the way to the next, in halls as well.

    Reference:
        Power control by the formula of 3GPP TS 38.213, section 7.1.1, with P0 and α by default as in Sionna 2.2,
        open_loop_uplink_power_control [1].

    >>> round(Neighbours(station_dbm=43.0).station_w, 2)
    19.95
    """

    station_dbm: Decibel = 43.0
    device_dbm: Decibel = 23.0
    p0_dbm: Decibel = -90.0
    alpha: Share = 1.0
    bandwidth_hz: Positive = 10e6
    devices: Count = 10
    placement: Placement = field(default_factory=Ring)

    @property
    def station_w(self) -> float:
        """Power of a base station in W."""
        return float(dbm_to_watt(self.station_dbm))

    def drop(self, couple: Couple, sites: Sites, rng: np.random.Generator) -> FloatArray:
        """Return the gains of strangers dropped around every site to all cells, linear, shape (J, C)."""
        places, coupling = rng.spawn(2)
        many = self.devices * len(sites.sector_rad)
        streams = places.spawn(len(sites.site_m))
        position_m = [
            site + self.placement.place(many, stream)
            for site, stream in zip(sites.site_m, streams, strict=True)
        ]
        return couple(np.concatenate(position_m), coupling)

    def strangers(self, gain: FloatArray, load: FloatArray, overloaded: BoolArray) -> Strangers:
        """Return strangers with these gains, each served by its best cell, under the load of each cell."""
        serving = np.argmax(gain, axis=1)
        order = np.argsort(serving, kind="stable")
        count = np.bincount(serving, minlength=gain.shape[1])
        power_dbm = open_loop_dbm(
            -linear_to_db(np.max(gain, axis=1)),
            self.device_dbm,
            self.p0_dbm,
            alpha=self.alpha,
            blocks=self.bandwidth_hz / BLOCK_HZ,
        )
        return Strangers(
            received_w=(dbm_to_watt(power_dbm)[:, None] * gain)[order],
            first=np.cumsum(count) - count,
            count=count,
            load=load,
            overloaded=overloaded,
        )

    def meddling(
        self, state: Strangers, gain: FloatArray, serving: IntArray, rng: np.random.Generator
    ) -> Meddling:
        """Return what a step's active stations and scheduled strangers put on the links of K devices."""
        chosen, up, down = rng.random((len(state.load), 3)).T
        active = (up < state.load) & (state.count > 0)
        who = state.first + (chosen * state.count).astype(np.int64)
        scheduled_w = np.zeros((len(state.load), gain.shape[1]))
        scheduled_w[active] = state.received_w[who[active]]
        station_w = np.where(down < state.load, self.station_w, 0.0)
        uplink_w = uplink_interference_w(scheduled_w)[serving]
        downlink_w = downlink_interference_w(gain, serving, station_w)
        return Meddling(uplink_w / self.bandwidth_hz, downlink_w / self.bandwidth_hz)


@dataclass(frozen=True)
class NoInterference:
    """The other cells are silent.

    >>> model, rng = NoInterference(), np.random.default_rng(1)
    >>> model.step(None, np.ones((2, 1)), np.zeros(2, dtype=int), rng)[1].uplink_w_per_hz
    array([0., 0.])
    """

    def init(self, couple: Couple, sites: Sites, rng: np.random.Generator) -> None:
        """Return nothing; nobody is placed."""

    def step(
        self, state: None, gain: FloatArray, serving: IntArray, rng: np.random.Generator
    ) -> tuple[None, Meddling]:
        """Return zeros; nothing is drawn."""
        return None, Meddling(np.zeros(len(gain)), np.zeros(len(gain)))


@dataclass(frozen=True)
class FullBuffer:
    """Every other cell always sends, and always lets one of its devices send: Σ_{c≠s} P_c g_kc, and Σ_{c≠s} p_u g_us.

    Station and device send over the whole band; the device is drawn anew at every step.

    Attributes:
        neighbours: What all cells and their devices have in common.

    >>> FullBuffer().neighbours.devices
    10
    """

    neighbours: Neighbours = field(default_factory=Neighbours)

    def init(self, couple: Couple, sites: Sites, rng: np.random.Generator) -> Strangers:
        """Return strangers under full load."""
        return Load(1.0, self.neighbours).init(couple, sites, rng)

    def step(
        self, state: Strangers, gain: FloatArray, serving: IntArray, rng: np.random.Generator
    ) -> tuple[Strangers, Meddling]:
        """Return the same state and what the cells add."""
        return state, self.neighbours.meddling(state, gain, serving, rng)


@dataclass(frozen=True)
class Load:
    """Every other cell is active in a share of the steps, drawn for each step, cell and direction.

    Attributes:
        load: Probability that a cell is active in a step.
        neighbours: What all cells and their devices have in common.

    >>> Load().load
    0.5
    """

    load: Share = 0.5
    neighbours: Neighbours = field(default_factory=Neighbours)

    def init(self, couple: Couple, sites: Sites, rng: np.random.Generator) -> Strangers:
        """Return strangers under the same load everywhere."""
        gain = self.neighbours.drop(couple, sites, rng)
        load = np.full(sites.cells, self.load)
        return self.neighbours.strangers(gain, load, np.zeros(sites.cells, dtype=bool))

    def step(
        self, state: Strangers, gain: FloatArray, serving: IntArray, rng: np.random.Generator
    ) -> tuple[Strangers, Meddling]:
        """Return the same state and what the active cells add."""
        return state, self.neighbours.meddling(state, gain, serving, rng)


@dataclass(frozen=True)
class Coupled:
    """Every cell is as active as its devices' downloads ask, which depends on how active the others are.

    ρ_c = Σ_k demand / (B log2(1 + P g_kc / (Σ_{j≠c} ρ_j P g_kj + N0 B))), at most 1, solved once for the strangers
    dropped; a cell's uplink is taken to be as active as its downlink.

    Attributes:
        demand_bps: Traffic that each of the dropped devices asks of its cell.
        noise_figure_db: Noise figure of those devices.
        neighbours: What all cells and their devices have in common.

    Reference:
        Siomina and Yuan, Analysis of cell load coupling for LTE network planning and optimization, IEEE Trans. Wireless
        Commun., 2012 [S].

    >>> Coupled(demand_bps=2e6).demand_bps
    2000000.0
    """

    demand_bps: NonNegative = 1e6
    noise_figure_db: Decibel = 7.0
    neighbours: Neighbours = field(default_factory=Neighbours)

    def init(self, couple: Couple, sites: Sites, rng: np.random.Generator) -> Strangers:
        """Return strangers under the loads that they make; overloaded cells are marked and always active."""
        common = self.neighbours
        gain = common.drop(couple, sites, rng)
        load, asked = coupled_load(
            gain,
            np.argmax(gain, axis=1),
            np.full(len(gain), self.demand_bps),
            bandwidth_hz=common.bandwidth_hz,
            station_w=common.station_w,
            noise_w=noise_w_per_hz(self.noise_figure_db) * common.bandwidth_hz,
        )
        return common.strangers(gain, load, asked > 1.0)

    def step(
        self, state: Strangers, gain: FloatArray, serving: IntArray, rng: np.random.Generator
    ) -> tuple[Strangers, Meddling]:
        """Return the same state and what the active cells add."""
        return state, self.neighbours.meddling(state, gain, serving, rng)


def downlink_interference_w(
    gain: FloatArray, serving: IntArray, station_w: FloatArray | float
) -> FloatArray:
    """Return what K devices hear of all cells but their own, Σ_{c≠s} P_c g_kc, shape (K,) or (K, F).

    Args:
        gain: Power gains to the cells, linear, shape (K, C).
        serving: Index of the serving cell, shape (K,).
        station_w: What each cell sends, silent cells 0, shape (C,), on F frequency blocks (C, F), or one for all; its
            mean is the cell's load times its power.

    >>> downlink_interference_w(np.array([[1.0, 2.0, 3.0]]), np.array([1]), 10.0)
    array([40.])
    """
    others = gain.copy()
    others[np.arange(len(gain)), serving] = 0.0
    power_w = np.asarray(station_w, dtype=np.float64)
    power_w = np.broadcast_to(power_w, (gain.shape[1], *power_w.shape[1:]))
    # Row by row, so that the bits of a device do not depend on how many follow it.
    return np.asarray((others[:, None, :] @ power_w)[:, 0])


def uplink_interference_w(scheduled_w: FloatArray) -> FloatArray:
    """Return what every cell hears of the devices that the other cells have scheduled, shape (C,).

    Args:
        scheduled_w: What the device scheduled in a cell (row) puts at every cell (column), silent cells 0, shape (C, C).

    >>> uplink_interference_w(np.array([[9.0, 1.0], [2.0, 9.0]]))
    array([2., 1.])
    """
    own = np.eye(len(scheduled_w), dtype=bool)
    return np.asarray(np.sum(np.where(own, 0.0, scheduled_w), axis=0))


def coupled_load(
    gain: FloatArray,
    serving: IntArray,
    demand_bps: FloatArray,
    *,
    bandwidth_hz: float,
    station_w: float,
    noise_w: float,
    start: float = 0.0,
) -> tuple[FloatArray, FloatArray]:
    """Return the loads ρ of C cells, at most 1, and the loads that they ask for, which exceed 1 where overloaded.

    The load that a cell asks for is a standard interference function of all loads, so ρ = min(f(ρ), 1) has one solution
    and iterating finds it from anywhere.

    Args:
        gain: Power gains of the devices to the cells, linear, above 0, shape (J, C).
        serving: Index of the serving cell, shape (J,).
        demand_bps: Traffic that each device asks for, shape (J,).
        bandwidth_hz: Bandwidth that a device has while it is served.
        station_w: Power of an active cell.
        noise_w: Noise power at a device over the band.
        start: Load of every cell to begin with.

    Reference:
        Fehske and Fettweis, Aggregation of variables in load models for interference-coupled cellular data networks,
        IEEE ICC, 2012 [S]; Yates, A framework for uplink power control in cellular radio systems, IEEE JSAC, 1995 [S].
    """
    own_w = station_w * gain[np.arange(len(gain)), serving]
    load = np.full(gain.shape[1], start)
    for _ in range(_FIXED_POINT_ROUNDS):
        heard_w = downlink_interference_w(gain, serving, station_w * load)
        bits_per_hz = np.log1p(own_w / (heard_w + noise_w)) / np.log(2.0)
        share = demand_bps / (bandwidth_hz * bits_per_hz)
        asked = np.bincount(serving, weights=share, minlength=len(load)).astype(np.float64)
        before, load = load, np.minimum(asked, 1.0)
        if np.max(np.abs(load - before)) <= 1e-13:
            return load, asked
    raise ArithmeticError(f"loads did not settle in {_FIXED_POINT_ROUNDS} rounds")
