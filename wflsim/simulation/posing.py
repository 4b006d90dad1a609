"""From an exchange and the links of a round to the allocator's problem; arrays only, so that ``check`` can ask too."""

from dataclasses import dataclass

import numpy as np

from channel_models.channel import Links
from channel_models.rates.links import rate_bps
from channel_models.units import dbm_to_watt
from optimizers.certificate import Allocation
from optimizers.least_latency import least_latency
from optimizers.problem import RoundProblem
from wflsim.contracts import Deadline, Exchange, FloatArray
from wflsim.network.timeline import Plan
from wflsim.scenario.schema import Radio
from wflsim.world.fleet import Devices


@dataclass(frozen=True)
class Posed:
    """A round's problem, and the round times between which its deadline lies.

    Attributes:
        problem: What the allocator answers.
        broadcast_s: Length of the server's message, which every device waits for.
        dense_s: Least round time with nothing pruned and no mask sent.
        sparsest_s: Least round time with all pruned that may be.
    """

    problem: RoundProblem
    broadcast_s: float
    dense_s: float
    sparsest_s: float


def pose(
    exchange: Exchange, links: Links, devices: Devices, radio: Radio, deadline: Deadline
) -> Posed:
    """Return the problem of an exchange on the links of a round."""
    who = exchange.participants
    seconds_per_mac = devices.seconds_per_mac[who]
    broadcast_s = _broadcast_s(exchange, links.broadcast_gain[who], radio)
    free = RoundProblem(
        gain=links.uplink_gain[who] / radio.link.snr_gap,
        noise_w_per_hz=radio.noise_w_per_hz,
        bandwidth_hz=radio.bandwidth_hz,
        power_max_w=devices.power_max_w[who],
        fixed_s=broadcast_s + exchange.macs.fixed * seconds_per_mac,
        slope_s=exchange.macs.prunable * seconds_per_mac,
        fixed_bits=exchange.up_bits.fixed,
        prunable_bits=exchange.up_bits.prunable,
        deadline_s=np.inf,
        weight=exchange.weight,
        keep_min=exchange.keep_min,
        keep_max=exchange.keep_max,
    )
    unmasked = free.changed(fixed_bits=exchange.up_bits.fixed - exchange.mask_bits)
    dense_s, _ = least_latency(unmasked, exchange.keep_max)
    sparsest_s, _ = least_latency(free, exchange.keep_min)
    return Posed(
        free.changed(deadline_s=deadline.seconds(dense_s, sparsest_s) or np.inf),
        broadcast_s,
        dense_s,
        sparsest_s,
    )


def plan_of(
    exchange: Exchange, posed: Posed, allocation: Allocation, devices: Devices
) -> tuple[Plan, FloatArray]:
    """Return what the network is to play, and the kept shares in whole units, shape (K,)."""
    who, problem = exchange.participants, posed.problem
    keep = exchange.whole_units(allocation.keep)
    plan = Plan(
        broadcast_s=posed.broadcast_s,
        compute_s=exchange.macs.at(keep) * devices.seconds_per_mac[who],
        upload_s=problem.upload_s(keep, allocation.bandwidth_hz, allocation.power_w),
        deadline_s=float(np.max(problem.deadline_s)),
        compute_w=devices.compute_w[who],
        transmit_w=np.asarray(allocation.power_w),
    )
    return plan, keep


def _broadcast_s(exchange: Exchange, gain: FloatArray, radio: Radio) -> float:
    """Return how long the longest message takes to the participant with the weakest link.

    R = min_k B log2(1 + P g_k / (N0 B)), docs/papers.md [X]; g_k is the gain of a broadcast,
    which cannot steer its antennas at everybody at once.
    """
    rate = rate_bps(
        radio.downlink_bandwidth_hz,
        float(dbm_to_watt(radio.downlink_dbm)),
        gain,
        radio.noise_w_per_hz,
        radio.link.snr_gap,
    )
    return float(np.max(exchange.down_bits.at(1.0)) / np.min(rate))
