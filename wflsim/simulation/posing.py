"""From an exchange and the links of a round to the allocator's problem and its answer; arrays only, so that ``check`` can ask too."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from operator import itemgetter

import numpy as np

from channel_models.units import dbm_to_watt, linear_to_db
from optimizers.allocator import Allocator
from optimizers.certificate import Allocation
from optimizers.least_latency import least_latency
from optimizers.problem import RoundProblem
from wflsim.contracts import Deadline, Exchange, FloatArray
from wflsim.errors import UserError
from wflsim.network.timeline import Plan
from wflsim.scenario.schema import Radio
from wflsim.simulation.air import Air, Sensed, as_planned
from wflsim.world.fleet import Devices

# Plans until every device's link carries what was planned for it; what is late after the last is late.
_PLANNINGS = 12
_SPARE = 0.02  # of a gap, more with every planning
_SAME = 1e-9
_WORST_GAP = 1e20


@dataclass(frozen=True)
class Posed:
    """A round's problem, and the round times between which its deadline lies.

    Attributes:
        problem: What the allocator answers.
        uplink: What the links of the participants really carry.
        broadcast_s: Length of the pilots and the server's message, which every device waits for.
        dense_s: Least round time with nothing pruned and no mask sent.
        sparsest_s: Least round time with all pruned that may be.
    """

    problem: RoundProblem
    uplink: Air
    broadcast_s: float
    dense_s: float
    sparsest_s: float


def pose(
    exchange: Exchange, sensed: Sensed, devices: Devices, radio: Radio, deadline: Deadline
) -> Posed:
    """Return the problem of an exchange on the links of a round."""
    who = exchange.participants
    seconds_per_mac = devices.seconds_per_mac[who]
    broadcast_s = radio.estimation.pilots_s(len(who)) + _broadcast_s(exchange, sensed, radio)
    uplink = sensed.uplink(radio, who)
    free = RoundProblem(
        gain=uplink.gain / radio.link.snr_gap,
        noise_w_per_hz=uplink.noise_w_per_hz,
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
        efficiency_max=uplink.efficiency_max,
    )
    unmasked = free.changed(fixed_bits=exchange.up_bits.fixed - exchange.mask_bits)
    dense_s, gain = _least_s(unmasked, uplink, exchange.keep_max)
    sparsest_s, _ = _least_s(free, uplink, exchange.keep_min)
    return Posed(
        free.changed(gain=gain, deadline_s=deadline.seconds(dense_s, sparsest_s) or np.inf),
        uplink,
        broadcast_s,
        dense_s,
        sparsest_s,
    )


def answer(
    posed: Posed, allocator: Allocator, stream: Callable[[], np.random.Generator]
) -> tuple[Posed, Allocation]:
    """Return the allocator's answer and the problem that it answers.

    A link behind a fixed gap is planned once. Others are planned again, with the gaps that they needed where the last
    plan had put them, until plan and links agree; of all plans that is taken under which the fewest devices are late,
    and of these the best.

    Args:
        posed: The problem.
        allocator: What answers it.
        stream: From nothing to the allocator's stream, the same at every call.
    """
    gap, plans = posed.uplink.gain / posed.problem.gain, []
    for planning in range(_PLANNINGS):
        allocation = allocator.allocate(posed.problem, stream())
        needed = posed.uplink.gap(allocation.bandwidth_hz, allocation.power_w)
        plans.append((_merit(posed, allocation), posed, allocation))
        if np.allclose(needed, gap, rtol=_SAME, atol=0.0):
            break
        gap = _next_gap(gap, needed, planning)
        posed = replace(posed, problem=posed.problem.changed(gain=posed.uplink.gain / gap))
    _, posed, allocation = min(plans, key=itemgetter(0))
    return posed, allocation


def _merit(posed: Posed, allocation: Allocation) -> tuple[float, float]:
    """Return how many devices are late on what their links carry, and then what there is to lose: weight, or time."""
    problem = posed.problem
    finish_s = _finish_s(
        problem, posed.uplink, allocation.keep, allocation.bandwidth_hz, allocation.power_w
    )
    if np.isinf(problem.deadline_s).all():
        return 0.0, float(np.max(finish_s))
    late = np.count_nonzero(finish_s > problem.deadline_s * (1.0 + _SAME))
    return float(late), float(np.sum(problem.weight * (1.0 - allocation.keep)))


def _least_s(problem: RoundProblem, uplink: Air, keep: FloatArray) -> tuple[float, FloatArray]:
    """Return the least round time at given kept shares on what the links carry, and the gains of the plan that takes it."""
    gap, best_s, gain = uplink.gain / problem.gain, np.inf, problem.gain
    for planning in range(_PLANNINGS):
        planned_s, bandwidth_hz = least_latency(problem, keep)
        needed = uplink.gap(bandwidth_hz, problem.power_max_w)
        agreed = np.allclose(needed, gap, rtol=_SAME, atol=0.0)
        finish_s = _finish_s(problem, uplink, keep, bandwidth_hz, problem.power_max_w)
        found_s = planned_s if agreed else float(np.max(finish_s))
        if found_s < best_s:
            best_s, gain = found_s, problem.gain
        if agreed:
            break
        gap = _next_gap(gap, needed, planning)
        problem = problem.changed(gain=uplink.gain / gap)
    return best_s, gain


def _finish_s(
    problem: RoundProblem,
    uplink: Air,
    keep: FloatArray,
    bandwidth_hz: FloatArray,
    power_w: FloatArray,
) -> FloatArray:
    """Return when each upload ends on what its link carries, shape (K,)."""
    upload_s = _upload_s(problem.bits(keep), uplink.rate_bps(bandwidth_hz, power_w))
    return np.asarray(problem.fixed_s + problem.slope_s * keep + upload_s)


def _upload_s(bits: FloatArray, rate_bps: FloatArray) -> FloatArray:
    """Return the time of each upload, 0 without bits and infinite without rate, shape (K,)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(bits == 0.0, 0.0, bits / rate_bps)


def _next_gap(gap: FloatArray, needed: FloatArray, planning: int) -> FloatArray:
    """Return the gaps to plan with next, shape (K,): those needed at first, then half the way, with a little to spare."""
    enough = np.minimum(needed, _WORST_GAP)
    return enough if planning == 0 else np.sqrt(gap * enough) * (1.0 + _SPARE * planning)


def plan_of(
    exchange: Exchange, posed: Posed, allocation: Allocation, devices: Devices
) -> tuple[Plan, FloatArray, FloatArray]:
    """Return what the network is to play, the kept shares in whole units, and the uplink's rates, shapes (K,)."""
    who, problem = exchange.participants, posed.problem
    keep = exchange.whole_units(allocation.keep)
    rate_bps = as_planned(
        problem.rate_bps(allocation.bandwidth_hz, allocation.power_w),
        posed.uplink.rate_bps(allocation.bandwidth_hz, allocation.power_w),
    )
    plan = Plan(
        broadcast_s=posed.broadcast_s,
        compute_s=exchange.macs.at(keep) * devices.seconds_per_mac[who],
        upload_s=_upload_s(problem.bits(keep), rate_bps),
        deadline_s=float(np.max(problem.deadline_s)),
        compute_w=devices.compute_w[who],
        transmit_w=np.asarray(allocation.power_w),
    )
    return plan, keep, rate_bps


def _broadcast_s(exchange: Exchange, sensed: Sensed, radio: Radio) -> float:
    """Return how long the longest message takes to the participant with the weakest link.

    R = min_k B log2(1 + P g_k / (N0 B)), docs/papers.md [X]; g_k is the gain of a broadcast,
    which cannot steer its antennas at everybody at once.
    """
    every = np.ones(len(exchange.participants))
    power_w = float(dbm_to_watt(radio.downlink_dbm)) * every
    air = sensed.broadcast(radio, exchange.participants)
    bandwidth_hz = radio.downlink_bandwidth_hz * every
    rate = air.rate_bps(bandwidth_hz, power_w)
    weakest = int(np.argmin(rate))
    if not rate[weakest] > 0.0:
        snr_db = linear_to_db(power_w * air.gain / (air.noise_w_per_hz * bandwidth_hz))[weakest]
        raise UserError(
            f"radio.link: device {exchange.participants[weakest]} hears nothing of the broadcast, at {snr_db:.1f} dB; "
            "raise radio.downlink_dbm, move the device, choose another link, or less interference"
        )
    return float(np.max(exchange.down_bits.at(1.0)) / rate[weakest])
