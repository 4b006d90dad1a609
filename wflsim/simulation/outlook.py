"""What can be said of a scenario before it is played: link budget, rates, deadline, binding constraints; no torch."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from channel_models.channel import Links
from channel_models.geometry import distance_2d_m
from channel_models.links import rate_bps
from channel_models.units import linear_to_db, watt_to_dbm
from optimizers.certificate import Certificate
from wflsim.contracts import FloatArray
from wflsim.learning.task import hold
from wflsim.randomness import Streams
from wflsim.scenario.schema import Scenario, System, World
from wflsim.simulation.posing import plan_of, pose
from wflsim.world.fleet import Devices, draw_devices

BINDING = {
    "keep_min": "the least share that may be kept",
    "keep_max": "nothing: everything is kept",
    "deadline": "the deadline, through bandwidth and power",
    "slack": "nothing: the device is early",
}


@dataclass(frozen=True)
class Budget:
    """The link budget of every device at its mean channel, with an equal share of the bandwidth; shapes (K,).

    Attributes:
        distance_m: Distance from the base station.
        loss_db: Path loss and shadowing.
        power_dbm: Limit of transmit power.
        array_db: Mean gain of combining all antennas.
        noise_dbm: Noise in an equal share of the bandwidth.
        snr_db: Signal-to-noise ratio.
        rate_bps: Expected rate.
    """

    distance_m: FloatArray
    loss_db: FloatArray
    power_dbm: FloatArray
    array_db: FloatArray
    noise_dbm: FloatArray
    snr_db: FloatArray
    rate_bps: FloatArray


@dataclass(frozen=True)
class Outlook:
    """The first exchange of a variant at the mean channel.

    Attributes:
        deadline_s: Length that it may have; infinite without a deadline.
        dense_s: Least length with nothing pruned.
        sparsest_s: Least length with all pruned that may be.
        length_s: Length under the variant's allocator.
        keep: Kept shares, shape (K,).
        binding: What holds the devices, with the number of devices.
        certificate: The allocation's certificate.
    """

    deadline_s: float
    dense_s: float
    sparsest_s: float
    length_s: float
    keep: FloatArray
    binding: Mapping[str, int]
    certificate: Certificate

    @property
    def feasible(self) -> bool:
        """Whether the deadline can be met at all."""
        return self.sparsest_s <= self.deadline_s * (1 + 1e-9)


def mean_links(world: World, devices: Devices, streams: Streams) -> Links:
    """Return the links with fading at its mean power on every antenna."""
    gain = world.channel.init(devices.position_m, streams.at()).gain
    amplitude = np.sqrt(gain)[:, None] * np.ones(world.channel.antennas)
    return Links(large_scale_gain=gain, antenna_gain=amplitude.astype(complex))


def budget(scenario: Scenario) -> Budget:
    """Return the link budget of every device."""
    world = scenario.world
    streams = Streams(world.seed)
    devices = draw_devices(world.fleet, streams)
    links = mean_links(world, devices, streams)
    share_hz = world.radio.bandwidth_hz / world.fleet.devices
    noise_w = world.radio.noise_w_per_hz * share_hz
    every = np.ones(world.fleet.devices)
    return Budget(
        distance_m=distance_2d_m(devices.position_m),
        loss_db=-linear_to_db(links.large_scale_gain),
        power_dbm=watt_to_dbm(devices.power_max_w),
        array_db=linear_to_db(links.uplink_gain / links.large_scale_gain),
        noise_dbm=watt_to_dbm(noise_w) * every,
        snr_db=linear_to_db(devices.power_max_w * links.uplink_gain / noise_w),
        rate_bps=rate_bps(
            share_hz,
            devices.power_max_w,
            links.uplink_gain,
            world.radio.noise_w_per_hz,
            world.radio.link.snr_gap,
        ),
    )


def outlook(world: World, system: System) -> Outlook:
    """Return what a variant's first exchange looks like at the mean channel."""
    streams = Streams(world.seed)
    devices = draw_devices(world.fleet, streams)
    holdings = hold(world.task, world.fleet.devices, streams)
    exchange = system.algorithm.plan(holdings.anatomy, holdings.samples, 0, None)[0]
    posed = pose(
        exchange, mean_links(world, devices, streams), devices, world.radio, system.deadline
    )
    allocation = system.allocator.allocate(posed.problem, streams.stream("allocator", 0))
    plan, keep = plan_of(exchange, posed, allocation, devices)
    return Outlook(
        deadline_s=plan.deadline_s,
        dense_s=posed.dense_s,
        sparsest_s=posed.sparsest_s,
        length_s=float(np.max(plan.broadcast_s + plan.compute_s + plan.upload_s)),
        keep=keep,
        binding=Counter(BINDING[active] for active in allocation.certificate.active),
        certificate=allocation.certificate,
    )
