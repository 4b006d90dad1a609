"""One exchange in its world: who begins, what is allocated, how it is played, what it costs the devices."""

from dataclasses import dataclass, replace

import numpy as np

from optimizers.certificate import Allocation
from wflsim.clock import NANOSECONDS
from wflsim.contracts import (
    Exchange,
    FloatArray,
    IntArray,
    Load,
    Lossy,
    TrainsFirst,
    Turn,
    Uplink,
)
from wflsim.network.launch import Network
from wflsim.network.round import play
from wflsim.network.timeline import PAGE, RECEIVE, Flights, Plan, Timeline
from wflsim.records.report import Played
from wflsim.scenario.schema import System
from wflsim.simulation.agreeing import agree, rates_of
from wflsim.simulation.air import Air, Sensed
from wflsim.simulation.arrivals import Beginning, Learner
from wflsim.simulation.inviting import Past, invited
from wflsim.simulation.posing import Posed, Site, Window
from wflsim.simulation.setting import Setting
from wflsim.world.life import Life

_ANY_BAND = 1e-6  # share of the band that is worth beginning for


@dataclass(frozen=True, eq=False)
class Ground:
    """What an exchange is played on, the same for all exchanges of a round.

    Attributes:
        setting: What surrounds the system.
        system: The system.
        network: The rules by which updates travel.
        learner: Who trains before it sends, if the algorithm wants that.
        serving: The cell that serves each device, shape (N,).
    """

    setting: Setting
    system: System
    network: Network
    learner: Learner
    serving: IntArray

    def site(self, exchange: Exchange) -> Site:
        """Return where an exchange is posed."""
        return Site.of(self.setting.devices, self.setting.world, self.system, exchange)


@dataclass(frozen=True, eq=False)
class Instant:
    """How things stand when an exchange begins or is over.

    Attributes:
        now_ns: When that is.
        flights: Updates under way.
        life: The devices.
        past: What is remembered of the rounds before.
        overdrawn_j: What every device has spent beyond its mean allowance, shape (N,); None for nothing.
    """

    now_ns: int
    flights: Flights
    life: Life
    past: Past
    overdrawn_j: FloatArray | None = None


@dataclass(frozen=True, eq=False)
class Agreement:
    """What devices that begin together have agreed on.

    Attributes:
        posed: What is exchanged, and the problem that it poses.
        allocation: The answer.
        plan: What the devices are going to do.
        waiting: Indices of the devices that could have begun, too, had there been room to ask them.
    """

    posed: Posed
    allocation: Allocation
    plan: Plan
    waiting: IntArray

    @property
    def exchange(self) -> Exchange:
        """What is exchanged."""
        return self.posed.exchange

    @property
    def dense_s(self) -> float:
        """Least length with nothing pruned."""
        return self.posed.dense_s


def played(
    ground: Ground, exchange: Exchange, sensed: Sensed, began: Beginning, before: Instant
) -> tuple[Played, Instant, Beginning]:
    """Return what happened in an exchange, how things stand after it, and the moment at which its updates began."""
    turn, flights = began.turn, before.flights
    made = agreed(ground, exchange, sensed, turn, before)
    # Without anybody who begins, only a deadline that depends on nobody is known.
    deadline_s = ground.system.deadline.seconds(np.nan, np.nan)
    deadline_s = np.inf if np.isnan(deadline_s) else deadline_s
    if made is not None:
        began = replace(began, turn=replace(turn, began=made.plan.device))
        began, plan = _trained(ground, began, made.plan)
        flights = flights.and_also(ground.network.launch(plan, turn.round_, before.now_ns))
        deadline_s = made.posed.deadline_s
    timeline, flights = play(
        before.now_ns,
        flights,
        ground.network,
        ground.system.policy,
        round_=turn.round_,
        limit_s=ground.system.policy.limit_s(deadline_s),
        relayed_bits=exchange.relayed_bits,
    )
    spent_j = timeline.phase_j.sum(axis=1)
    life = before.life.gathered(timeline.device, spent_j, timeline.end_ns)
    listened = None if made is None else _listening(ground, made, sensed, timeline, life)
    if listened is not None:
        life = life.gathered(*listened, timeline.end_ns)
    game = Played(
        purpose=exchange.purpose,
        round_=turn.round_,
        deadline_s=deadline_s,
        agreement=made,
        timeline=timeline,
        charge_j=life.charge.charge_j[timeline.device],
        under_way=len(flights),
        listened=listened,
    )
    after = replace(before, now_ns=timeline.end_ns, flights=flights, life=life)
    return game, after, began


def agreed(
    ground: Ground, exchange: Exchange, sensed: Sensed, turn: Turn, before: Instant
) -> Agreement | None:
    """Return what those who begin agree on; None where nobody can."""
    site, radio = ground.site(exchange), ground.setting.world.radio
    free_hz = radio.bandwidth_hz - before.flights.held_hz(before.now_ns)
    if free_hz < max(_ANY_BAND * radio.bandwidth_hz, site.system.procedures.uplink.block_hz):
        return None
    who, busy = exchange.participants, before.flights.plan.device
    ready = exchange.only(np.flatnonzero(before.life.ready()[who] & ~np.isin(who, busy)))
    if not len(ready.participants):
        return None
    if exchange.listeners is not None and turn.heard is not None:
        ready = replace(ready, listeners=exchange.listeners[turn.heard[exchange.listeners]])
    rounds = site.rounds(ready, sensed, site.sharers(len(who)), before.now_ns)
    begins = np.flatnonzero(turn.round_ % rounds == 0)
    could = ready.only(begins)
    asked_rows = invited(
        site, could, sensed, turn, past=before.past, busy=len(busy), band_hz=free_hz
    )
    waiting = np.delete(could.participants, asked_rows)
    begins = begins[asked_rows]
    if not len(begins):
        return None
    asked, overdrawn_j = ready.only(begins), before.overdrawn_j
    if overdrawn_j is not None:
        overdrawn_j = overdrawn_j[asked.participants]
    window = Window(free_hz, rounds[begins], before.now_ns, overdrawn_j)
    posed, allocation = agree(site, asked, sensed, window, lambda: turn.draw("allocator"))
    plan = plan_of(ground, posed, allocation, turn, before)
    endless = np.isinf(ground.system.policy.limit_s(posed.deadline_s))
    if (endless and np.isfinite(posed.deadline_s)) or np.isfinite(posed.budget_j).any():
        # The allocator has left out who cannot meet the deadline, or cannot afford it; a server without a limit would wait for
        # them for ever, and computing in vain would cost more than a budget allows.
        plan = plan.only((plan.bits == 0.0) | (plan.rate_bps > 0.0))
    return Agreement(posed, allocation, plan, waiting)


def plan_of(
    ground: Ground,
    posed: Posed,
    allocation: Allocation,
    turn: Turn,
    before: Instant,
) -> Plan:
    """Return what the network is to play."""
    exchange, devices = posed.exchange, ground.setting.devices
    who, keep = exchange.participants, exchange.whole_units(allocation.keep)
    slowness = ground.setting.world.fleet.slowness
    factors = slowness.factors(len(ground.serving), turn.draw("slowness"))[who]
    macs = exchange.computed_macs(keep)
    computing_s = macs * devices.compute.seconds_per_mac(posed.clock_hz) * factors
    band_hz, power_w = allocation.bandwidth_hz, np.asarray(allocation.power_w)
    rate_bps = rates_of(posed, allocation)
    return Plan(
        device=who,
        cell=ground.serving[who],
        receive_s=posed.receive_s,
        compute_s=devices.compute.start_s + computing_s,
        bits=exchange.sent_bits(keep),
        rate_bps=rate_bps,
        errors=_errors(ground.system.procedures.uplink, posed.uplink, band_hz, power_w),
        keep=keep,
        bandwidth_hz=band_hz,
        compute_w=devices.compute.power_w(posed.clock_hz),
        transmit_w=np.where(rate_bps > 0.0, power_w, 0.0),
        deadline_s=posed.due_s,
        rounds=posed.rounds,
        charge_j=before.life.charge.charge_j[who],
        leaves_s=before.life.presence.until_s[who] - before.now_ns / NANOSECONDS,
        gain=posed.uplink.gain,
        held=np.array(allocation.certificate.held),
        budget_j=posed.budget_j,
        macs=macs,
        called_s=_called_s(ground.site(exchange), exchange, before.now_ns),
        together=ground.system.procedures.downlink == "multicast",
        silent=exchange.silent,
    )


def _called_s(site: Site, exchange: Exchange, now_ns: int) -> FloatArray:
    """Return when those listen whom a broadcast is for besides the participants, shape (K,); 0 where there are none."""
    if exchange.listeners is None or not site.together:
        return np.zeros(len(exchange.participants))
    return site.paged_s(exchange, now_ns)


def _errors(
    uplink: Uplink, air: Air, bandwidth_hz: FloatArray, power_w: FloatArray
) -> FloatArray | None:
    """Return how likely each attempt fails, shape (K, A): at a message as the uplink says, or else at a link's blocks."""
    if isinstance(uplink, Lossy):
        return uplink.message_errors(air.used_snr(bandwidth_hz, power_w))
    return air.attempt_errors(bandwidth_hz, power_w)


def _trained(ground: Ground, began: Beginning, plan: Plan) -> tuple[Beginning, Plan]:
    """Return a plan with the bits of messages and the operations that are known only after training, and the messages."""
    algorithm = ground.system.algorithm
    first = isinstance(algorithm, TrainsFirst) and algorithm.trains_first
    if not (first and ground.system.learning.trains and len(plan.device)):
        return began, plan
    updates = ground.learner.train(began, plan.device, plan.keep)
    bits = np.array([float(message.bits) for message in updates.messages])
    plan = replace(plan, bits=bits)
    if updates.macs is not None:
        start_s = ground.setting.devices.compute.start_s
        each_s = (plan.compute_s - start_s) / plan.macs
        plan = replace(plan, macs=updates.macs, compute_s=start_s + updates.macs * each_s)
    return replace(began, updates=updates), plan


def _listening(
    ground: Ground, made: Agreement, sensed: Sensed, timeline: Timeline, life: Life
) -> tuple[IntArray, FloatArray] | None:
    """Return who heard the server's message without taking part, and what that took, shape (L,); None where nobody should.

    They listen as long as the exchange lasts, and no longer, so that nobody pays for two broadcasts at the same time.
    """
    exchange = made.exchange
    if exchange.listeners is None:
        return None
    others = np.setdiff1d(exchange.listeners, made.plan.device)
    none, site = np.zeros(len(others)), ground.site(exchange)
    if not len(others):
        return None
    bits = Load(none + exchange.down_bits.at(1.0).max(), none)
    told = replace(exchange, participants=others, down_bits=bits)
    pilots_s = site.radio.estimation.pilots_s(len(made.plan.device))
    called_s = site.paged_s(told, timeline.start_ns)
    ends_s = np.stack([called_s, called_s + pilots_s + site.message_s(told, sensed)], axis=1)
    ends_s = np.minimum(ends_s, (timeline.end_ns - timeline.start_ns) / NANOSECONDS)
    power_w = ground.network.electronics.phase_power_w(none, none, none)[:, [PAGE, RECEIVE]]
    spent_j = (np.diff(ends_s, axis=1, prepend=0.0) * power_w).sum(axis=1)
    return others, np.minimum(spent_j, life.charge.charge_j[others])
