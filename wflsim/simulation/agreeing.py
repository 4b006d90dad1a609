"""From a problem that is posed to what is agreed: budgets, who is worth its rent, clocks, and the allocator's answer."""

from collections.abc import Callable
from dataclasses import replace
from operator import itemgetter

import numpy as np

from optimizers.allocator import Allocator
from optimizers.certificate import Allocation
from optimizers.closed_forms.liu_yu2022 import Choosing
from optimizers.convex.cpu_frequency import Clocking, Processors, at_frequencies
from optimizers.lyapunov import Queues, Weighing
from wflsim.contracts import Exchange, FloatArray
from wflsim.simulation.air import Sensed, as_planned
from wflsim.simulation.budgeting import Spending, spending
from wflsim.simulation.grid import on_grid
from wflsim.simulation.posing import PLANNINGS, SAME, Posed, Site, Window, finishes_s, next_gap
from wflsim.world.compute import Kappa

Stream = Callable[[], np.random.Generator]


def agree(
    site: Site, exchange: Exchange, sensed: Sensed, window: Window, stream: Stream
) -> tuple[Posed, Allocation]:
    """Return the problem that those who begin pose, and the answer as the uplink can grant it, in blocks if it has such.

    Args:
        site: Where it is posed.
        exchange: What is agreed.
        sensed: The links.
        window: When and on which band.
        stream: From nothing to the allocator's stream, the same at every call.
    """
    allocator, posed = site.system.allocator, site.pose(exchange, sensed, window)
    if isinstance(allocator, Weighing) and window.overdrawn_j is not None:
        # The problem counts in radiated joules.
        radiated = _spending(site, posed).radiated
        allocator = allocator.weighing(Queues(window.overdrawn_j * radiated))
    if isinstance(allocator, Choosing) and site.system.energy.compares:
        posed = posed.only(allocator.chosen(posed.problem))
    posed = budgeted(site, posed, allocator, stream)
    if isinstance(allocator, Choosing):
        posed = posed.only(allocator.chosen(posed.problem))
    if isinstance(allocator, Clocking):
        posed = clocked(site, posed, allocator)
    posed, allocation = answer(posed, allocator, stream)
    block_hz = site.system.procedures.uplink.block_hz
    if block_hz:
        allocation = on_grid(posed.problem, allocation, block_hz)
    return posed, allocation


def budgeted(site: Site, posed: Posed, allocator: Allocator, stream: Stream) -> Posed:
    """Return the problem with the energy budgets of its round, if there are any."""
    energy, free_j = site.system.energy, np.full_like(posed.budget_j, np.inf)
    if np.isinf(energy.mean_j) and not energy.compares and np.isinf(energy.round_j(free_j)).all():
        return posed
    plans = _spending(site, posed)
    if energy.compares:
        free_j = plans.of(answer(posed, allocator, stream)[1])
        free_j = np.where(np.isfinite(free_j), free_j, 0.0)  # who cannot send has no part
    budget_j = energy.round_j(free_j)
    return replace(posed, problem=plans.within(posed.problem, budget_j), budget_j=budget_j)


def clocked(site: Site, posed: Posed, allocator: Clocking) -> Posed:
    """Return the problem at the clock rates that an allocator chooses, none above the device's own."""
    compute, exchange, plans = site.devices.compute, posed.exchange, _spending(site, posed)
    assert isinstance(compute, Kappa), "others are refused before anything is played"
    who = exchange.participants
    computing_s = exchange.macs.fixed * site.devices.seconds_per_mac[who]
    processors = Processors(
        cycles_fixed=compute.cycles_per_mac * exchange.macs.fixed,
        cycles_slope=compute.cycles_per_mac * exchange.macs.prunable,
        frequency_max_hz=posed.clock_hz,
        kappa=compute.kappa / plans.radiated,
    )
    left_j = plans.left_j(posed.problem, posed.budget_j)
    left_j = np.maximum(left_j + site.devices.compute_w[who] * computing_s, 0.0)
    problem = posed.problem.changed(
        fixed_s=np.maximum(posed.problem.fixed_s - computing_s, 0.0),
        energy_j=left_j / plans.radiated,
    )
    clock_hz = allocator.clock_hz(problem, processors)
    return replace(posed, problem=at_frequencies(problem, processors, clock_hz), clock_hz=clock_hz)


def answer(posed: Posed, allocator: Allocator, stream: Stream) -> tuple[Posed, Allocation]:
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
    for planning in range(PLANNINGS):
        allocation = allocator.allocate(posed.problem, stream())
        needed = posed.uplink.gap(allocation.bandwidth_hz, allocation.power_w)
        plans.append((_merit(posed, allocation), posed, allocation))
        if np.allclose(needed, gap, rtol=SAME, atol=0.0):
            break
        gap = next_gap(gap, needed, planning)
        posed = replace(posed, problem=posed.problem.changed(gain=posed.uplink.gain / gap))
    _, posed, allocation = min(plans, key=itemgetter(0))
    return posed, allocation


def _merit(posed: Posed, allocation: Allocation) -> tuple[float, float]:
    """Return how many devices are late on what their links carry, and then what there is to lose: weight, or time."""
    problem = posed.problem
    rate_bps = posed.uplink.rate_bps(allocation.bandwidth_hz, allocation.power_w)
    finish_s = finishes_s(problem, allocation.keep, rate_bps)
    if np.isinf(problem.deadline_s).all():
        return 0.0, float(np.max(finish_s))
    late = np.count_nonzero(finish_s > problem.deadline_s * (1.0 + SAME))
    return float(late), allocation.objective


def rates_of(posed: Posed, allocation: Allocation) -> FloatArray:
    """Return the uplink rates of an answer, shape (K,)."""
    band_hz, power_w = allocation.bandwidth_hz, allocation.power_w
    planned = posed.problem.rate_bps(band_hz, power_w)
    return as_planned(planned, posed.uplink.rate_bps(band_hz, power_w))


def _spending(site: Site, posed: Posed) -> Spending:
    """Return what the participants spend until the server is done with the round."""
    devices, exchange, system = site.devices, posed.exchange, site.system
    who, period_s = exchange.participants, system.policy.limit_s(posed.deadline_s)
    until_s = np.maximum(posed.due_s, posed.rounds * period_s if np.isfinite(period_s) else 0.0)
    return spending(
        posed.problem,
        site.world.fleet.electronics,
        devices.compute_w[who],
        receive_s=posed.receive_s,
        computing_s=devices.compute.start_s + exchange.macs.fixed * devices.seconds_per_mac[who],
        until_s=until_s + system.procedures.aggregation_s,
        airtime_share=system.procedures.uplink.share,
    )
