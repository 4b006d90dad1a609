"""What can be said of a scenario before it is played: link budget, rates, deadline, binding constraints; no torch."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from channel_models.channel import Links
from channel_models.layouts.geometry import distance_2d_m
from channel_models.rates.links import rate_bps
from channel_models.units import linear_to_db, watt_to_dbm
from optimizers.certificate import Certificate
from wflsim.contracts import FloatArray, Turn
from wflsim.errors import UserError
from wflsim.scenario.schema import System
from wflsim.simulation.posing import plan_of, pose
from wflsim.simulation.setting import Setting

DRAWS = 64
BINDING = {
    "keep_min": "the least share that may be kept",
    "keep_max": "nothing: everything is kept",
    "deadline": "the deadline, through bandwidth and power",
    "slack": "nothing: the device is early",
}
TOO_LATE = "nothing, and come too late"


@dataclass(frozen=True)
class Budget:
    """The link budget of every device at its mean channel, with an equal share of the bandwidth; shapes (K,).

    Attributes:
        distance_m: Distance from the base station.
        loss_db: Path loss and shadowing.
        power_dbm: Limit of transmit power.
        array_db: Mean gain of combining all antennas.
        noise_dbm: Noise in an equal share of the bandwidth.
        snr_db: Signal-to-noise ratio at the mean gain.
        rate_bps: Expected rate, the mean over draws of the fading.
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
        """Whether some allocation meets the deadline."""
        return self.sparsest_s <= self.deadline_s * (1 + 1e-9)

    @property
    def met(self) -> bool:
        """Whether the variant's own allocation meets the deadline."""
        return self.length_s <= self.deadline_s * (1 + 1e-9)


def mean_links(setting: Setting) -> Links:
    """Return the links with fading at its mean power on every antenna."""
    gain = setting.channel.gain
    amplitude = np.sqrt(gain)[:, None] * np.ones(setting.world.channel.antennas)
    return Links(large_scale_gain=gain, antenna_gain=amplitude.astype(complex))


def budget(setting: Setting) -> Budget:
    """Return the link budget of every device."""
    radio, power_w = setting.world.radio, setting.devices.power_max_w
    links = mean_links(setting)
    share_hz = radio.bandwidth_hz / len(power_w)
    noise_w = radio.noise_w_per_hz * share_hz
    state, rates = setting.channel, []
    for draw in range(DRAWS):
        state, drawn = setting.world.channel.step(state, 0.0, setting.streams.at(draw))
        rates.append(
            rate_bps(share_hz, power_w, drawn.uplink_gain, radio.noise_w_per_hz, radio.link.snr_gap)
        )
    return Budget(
        distance_m=distance_2d_m(setting.devices.position_m),
        loss_db=-linear_to_db(links.large_scale_gain),
        power_dbm=watt_to_dbm(power_w),
        array_db=linear_to_db(links.uplink_gain / links.large_scale_gain),
        noise_dbm=np.full_like(power_w, watt_to_dbm(noise_w)),
        snr_db=linear_to_db(power_w * links.uplink_gain / noise_w),
        rate_bps=np.mean(rates, axis=0),
    )


def outlook(setting: Setting, system: System) -> Outlook:
    """Return what a variant's first exchange looks like at the mean channel."""
    holdings, turn = setting.holdings, Turn(0, 0, setting.streams)
    exchange = system.algorithm.plan(holdings.anatomy, holdings.samples, turn, None)
    if exchange is None:
        raise UserError("the algorithm plans no exchange; plan at least one")
    posed = pose(
        exchange, mean_links(setting), setting.devices, setting.world.radio, system.deadline
    )
    allocation = system.allocator.allocate(posed.problem, turn.draw("allocator"))
    plan, keep = plan_of(exchange, posed, allocation, setting.devices)
    finish_s = plan.broadcast_s + plan.compute_s + plan.upload_s
    late = finish_s > plan.deadline_s * (1 + 1e-9)
    held = zip(late, allocation.certificate.active, strict=True)
    return Outlook(
        deadline_s=plan.deadline_s,
        dense_s=posed.dense_s,
        sparsest_s=posed.sparsest_s,
        length_s=float(np.max(finish_s)),
        keep=keep,
        binding=Counter(TOO_LATE if missed else BINDING[active] for missed, active in held),
        certificate=allocation.certificate,
    )
