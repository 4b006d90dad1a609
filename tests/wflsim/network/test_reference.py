"""The network beside a simulator written the other way round: one object a device, one event at a time, no arrays."""

import heapq
from dataclasses import dataclass, field
from math import ceil, floor, inf

import numpy as np
import pytest

from channel_models.rates.access import RandomAccess
from wflsim.network.backhaul import Wired
from wflsim.network.lateness import Aged, Dropped, Kept
from wflsim.network.policies import (
    AtDeadline,
    Buffered,
    FirstOf,
    Hierarchical,
    Period,
    Tiers,
    WaitForAll,
)
from wflsim.network.procedures.access import WhenIdle
from wflsim.network.procedures.grant import Request
from wflsim.network.procedures.paging import Cycle
from wflsim.network.round import play
from wflsim.network.testing import network, plan_of
from wflsim.network.timeline import Outcome
from wflsim.scenario.schema import Procedures
from wflsim.world.electronics import Handset

ACCESS, GRANT, QUEUE, UPLOAD, WAIT = range(3, 8)
NS = 1e9


@dataclass
class Device:
    """A device with an update under way; instants in nanoseconds, not rounded."""

    index: int
    cell: int
    round_: int
    due: int
    due_ns: float
    lengths_s: list  # page, receive, compute, then what is not yet known
    upload_s: float
    watts: list
    charge_j: float
    asks: bool
    preambles: list
    waits_s: list
    phase: int = -1
    since_ns: float = 0.0
    until_ns: float = inf
    tries: int = 0
    refused: bool = False
    fate: int | None = None
    final_ns: float = inf
    turn: int = 0  # events of earlier turns are of no account
    spent_s: list = field(default_factory=lambda: [0.0] * 8)
    spent_j: list = field(default_factory=lambda: [0.0] * 8)


class Reference:
    """An event list, gone through by hand."""

    def __init__(self, procedures, grant_offset):
        self.procedures, self.grant_offset = procedures, grant_offset
        self.events, self.count, self.expired = [], 0, False

    def plan(self, at_ns, what, device=None):
        if at_ns < inf:
            self.count += 1
            turn = device.turn if device else 0
            heapq.heappush(self.events, (round(at_ns), self.count, at_ns, what, device, turn))

    def enter(self, device, phase, at_ns):
        device.phase, device.since_ns, device.turn = phase, at_ns, device.turn + 1
        watts = device.watts[phase]
        device.until_ns = at_ns + self.length_s(device, phase, at_ns) * NS
        empty_ns = at_ns + device.charge_j / watts * NS if watts else inf
        if empty_ns < device.until_ns:
            self.plan(empty_ns, "empty", device)
        if phase == ACCESS and device.asks:
            period_ns = round(self.procedures.access.procedure.period_s * NS)
            self.plan(ceil(round(at_ns) / period_ns) * period_ns, "ask", device)
        else:
            self.plan(device.until_ns, "end", device)

    def length_s(self, device, phase, at_ns):
        if phase < ACCESS:
            return device.lengths_s[phase]
        if phase == ACCESS:
            return inf if device.asks else 0.0
        if phase == GRANT and isinstance(self.procedures.grant, Request):
            grant = self.procedures.grant
            period_ns = round(grant.period_s * NS)
            place_ns = floor(self.grant_offset[device.index] * period_ns)
            waits_ns = (place_ns - round(at_ns)) % period_ns + round(at_ns) - at_ns
            return waits_ns / NS + grant.decision_s + grant.processing_s
        return device.upload_s if phase == UPLOAD else 0.0

    def spend(self, device, at_ns):
        joules = device.watts[device.phase] * (at_ns - device.since_ns) / NS
        device.charge_j -= joules
        device.spent_j[device.phase] += joules
        device.spent_s[device.phase] += (at_ns - device.since_ns) / NS

    def settle(self, device, at_ns, fate):
        self.spend(device, at_ns)
        device.final_ns, device.fate, device.turn = at_ns, fate, device.turn + 1

    def instant(self):
        """Handle everything that happens in the next nanosecond at which anything does."""
        now, asking = self.events[0][0], []
        while self.events and self.events[0][0] == now:
            _, _, at_ns, what, device, turn = heapq.heappop(self.events)
            if what == "expire":
                self.expired = True
            elif what == "leave":
                arriving = device.phase == UPLOAD and round(device.until_ns) <= now
                if device.fate is None and not arriving:
                    self.settle(device, at_ns, Outcome.LEFT)
            elif turn == device.turn:
                asking += [device] if what == "ask" else []
                self.happens(device, what, at_ns)
        self.contend(now, [device for device in asking if device.fate is None])
        return now

    def happens(self, device, what, at_ns):
        """Let a device run empty, or end a phase."""
        if what == "empty":
            self.settle(device, at_ns, Outcome.EMPTY)
        elif what == "end" and device.refused:
            self.settle(device, at_ns, Outcome.LOST)
        elif what == "end" and device.phase == UPLOAD:
            self.settle(device, at_ns, Outcome.ON_TIME)
        elif what == "end":
            self.spend(device, at_ns)
            self.enter(device, device.phase + 1, at_ns)

    def contend(self, now, asking):
        sent = [(device.cell, device.preambles[device.tries]) for device in asking]
        for device, preamble in zip(asking, sent, strict=True):
            procedure = self.procedures.access.procedure
            answer_ns = now + round((procedure.window_s + procedure.contention_s) * NS)
            waits_s = device.waits_s[device.tries]
            device.tries += 1
            heard = sent.count(preamble) == 1
            if heard or device.tries == len(device.preambles):
                device.refused, device.until_ns = not heard, answer_ns
                self.plan(answer_ns, "end", device)
            else:
                period_ns = round(procedure.period_s * NS)
                occasion_ns = ceil(round(answer_ns + waits_s * NS) / period_ns) * period_ns
                self.plan(max(occasion_ns, now + period_ns), "ask", device)


def world(rng):
    """Return procedures, electronics and a policy, all by chance."""
    some = rng.choice([0.0, 0.003, 0.02], 4).tolist()
    access = RandomAccess(
        preambles=int(rng.integers(1, 5)), attempts=int(rng.integers(1, 4)),
        window_s=some[0], contention_s=some[1], backoff_s=some[2],
    )  # fmt: skip
    plain = Procedures()
    procedures = Procedures(
        paging=Cycle(0.064) if rng.random() < 0.5 else plain.paging,
        access=WhenIdle(float(rng.choice([0.0, 0.04])), access)
        if rng.random() < 0.8
        else plain.access,
        grant=Request() if rng.random() < 0.5 else plain.grant,
        downlink="unicast",
    )
    watts = rng.choice([0.0, 0.5], 3).tolist()
    handset = Handset(receive_w=watts[0], idle_w=watts[1], access_w=watts[2])
    late = [Dropped(), Kept(), Aged()][rng.integers(3)]
    policies = [
        WaitForAll(), AtDeadline(late), FirstOf(3, late), Buffered(2, late=Kept()), Period(0.15, late),
        Tiers(0.08, 3, late), Hierarchical(Wired(1e12, 0.0), late),
    ]  # fmt: skip
    return procedures, handset, policies[rng.integers(len(policies))]


def some_plan(rng, devices, policy):
    many = len(devices)

    def lengths_s(most):
        return np.where(rng.random(many) < 0.1, 0.0, rng.uniform(0.005, most, many))

    return plan_of(
        lengths_s(0.08), lengths_s(0.12), device=devices, cell=rng.integers(0, 3, many),
        receive_s=float(rng.choice([0.0, 0.013])), deadline_s=float(rng.uniform(0.05, 0.4)),
        rounds=rng.integers(1, 4, many) if isinstance(policy, Tiers) else np.ones(many, dtype=np.int64),
        charge_j=np.where(rng.random(many) < 0.3, rng.uniform(0.01, 2.0, many), np.inf),
        leaves_s=np.where(rng.random(many) < 0.2, rng.uniform(0.0, 0.3, many), np.inf),
        together=bool(rng.random() < 0.5),
    )  # fmt: skip


def begun(rules, plan, flights, now_ns, round_):
    """Return the devices of a plan as objects."""
    page_s = np.zeros(len(plan.device))
    if isinstance(rules.procedures.paging, Cycle):
        period_ns = round(rules.procedures.paging.period_s * NS)
        place_ns = np.floor(rules.paging_offset[plan.device] * period_ns)
        page_s = (place_ns - now_ns) % period_ns / NS
    if plan.together and len(page_s):
        page_s = np.full_like(page_s, page_s.max())
    hands, access = rules.electronics, rules.procedures.access
    found = []
    for row, index in enumerate(plan.device.tolist()):
        compute_s = float(plan.compute_s[row])
        upload_w = plan.transmit_w[row] / hands.amplifier_efficiency + hands.circuit_w
        found.append(
            Device(
                index=index, cell=int(plan.cell[row]), round_=round_,
                due=round_ + int(plan.rounds[row]) - 1, due_ns=now_ns + ceil(plan.deadline_s[row] * NS),
                lengths_s=[float(page_s[row]), float(plan.receive_s[row]), compute_s],
                upload_s=float(plan.bits[row] / plan.rate_bps[row]),
                watts=[hands.idle_w, hands.receive_w, plan.compute_w[row], hands.access_w, hands.idle_w,
                       hands.idle_w, upload_w, hands.idle_w],
                charge_j=float(plan.charge_j[row]),
                asks=isinstance(access, WhenIdle) and compute_s > access.inactivity_s,
                preambles=flights.preamble[row].tolist(), waits_s=flights.wait_s[row].tolist(),
            )
        )  # fmt: skip
    return found


@dataclass
class Counts:
    awaited: int
    arrived: int
    expired: bool


def closing(reference, devices, policy, now_ns):
    """Return when the reference closes a round."""
    while True:
        arrived = sum(device.fate == Outcome.ON_TIME for device in devices)
        awaited = sum(device.fate is None for device in devices)
        if policy.closes(Counts(awaited, arrived, reference.expired)):
            return now_ns
        now_ns = reference.instant()


def compare(timeline, devices, close_ns, idle_w):
    """Hold the columns of the devices that were settled to the objects."""
    rows = {device: row for row, device in enumerate(timeline.device.tolist())}
    assert set(rows) == {device.index for device in devices}
    for device in devices:
        row = rows[device.index]
        late = device.fate == Outcome.ON_TIME and round(device.final_ns) > device.due_ns
        assert timeline.outcome[row] == (Outcome.LATE if late else device.fate)
        if device.fate not in (Outcome.EMPTY, Outcome.LEFT):
            device.spent_s[WAIT] = (close_ns - device.final_ns) / NS
            device.spent_j[WAIT] = min(idle_w * device.spent_s[WAIT], max(device.charge_j, 0.0))
        assert timeline.phase_ns[row] / NS == pytest.approx(device.spent_s, abs=6e-9)
        assert timeline.phase_j[row] == pytest.approx(device.spent_j, rel=1e-9, abs=3e-6)
        assert timeline.settled.tries[row] == device.tries


@pytest.mark.parametrize("seed", range(150))
def test_columns_and_objects_tell_the_same_story(seed):
    rng = np.random.default_rng(seed)
    procedures, handset, policy = world(rng)
    rules = network(procedures, handset, seed=seed)
    reference = Reference(procedures, rules.grant_offset)
    now_ns, flights, devices, fleet = 0, rules.nobody(), [], int(rng.integers(1, 10))
    for round_ in range(8):
        idle = np.setdiff1d(np.arange(fleet), [device.index for device in devices])
        plan = some_plan(rng, idle[rng.random(len(idle)) < 0.8], policy)
        new, limit_s = rules.launch(plan, round_, now_ns), policy.limit_s(0.12)
        fresh = begun(rules, plan, new, now_ns, round_)
        reference.expired = False
        for device, leaves_s in zip(fresh, plan.leaves_s.tolist(), strict=True):
            reference.plan(now_ns + leaves_s * NS, "leave", device)
            reference.enter(device, 0, now_ns)
        if limit_s < inf:
            reference.plan(now_ns + ceil(limit_s * NS), "expire")
        devices += fresh
        close_ns = closing(reference, devices, policy, now_ns)
        reference.events = [event for event in reference.events if event[3] != "expire"]
        heapq.heapify(reference.events)
        goes_on = [
            device for device in devices
            if (device.fate is None and (device.due > round_ or policy.late.goes_on))
            or (device.fate == Outcome.ON_TIME and device.due > round_)
        ]  # fmt: skip
        settled = [device for device in devices if device not in goes_on]
        for device in settled:
            if device.fate is None:
                reference.settle(device, close_ns, Outcome.DROPPED)
        timeline, flights = play(
            now_ns, flights.and_also(new), rules, policy, round_=round_, limit_s=limit_s
        )
        assert (timeline.close_ns, timeline.end_ns) == (close_ns, close_ns)
        compare(timeline, settled, close_ns, handset.idle_w)
        assert flights.plan.device.tolist() == [device.index for device in goes_on]
        devices, now_ns = goes_on, timeline.end_ns
