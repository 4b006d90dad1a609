"""What holds in every round: closed forms, conservation, chance that is a device's own, and counts of events."""

from dataclasses import replace
from functools import cache
from hashlib import sha256

import numpy as np
import pytest

from channel_models.rates.access import RandomAccess
from wflsim.clock import NANOSECONDS
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
from wflsim.network.procedures.background import Poisson
from wflsim.network.procedures.grant import Request
from wflsim.network.procedures.paging import Cycle
from wflsim.network.procedures.uplink import Packet, Slots
from wflsim.network.round import play, stop
from wflsim.network.testing import network, plan_of
from wflsim.network.timeline import PHASES, QUEUE, WAIT, Outcome
from wflsim.scenario.schema import Procedures
from wflsim.world.electronics import Handset

REAL = Procedures(
    paging=Cycle(0.064),
    access=WhenIdle(inactivity_s=0.02, procedure=RandomAccess(preambles=4, attempts=2)),
    grant=Request(),
    background=Poisson(load=0.4, packet_bits=2.0),
    uplink=Slots(pattern="DSUU"),
)
PACKETS = replace(REAL, uplink=Packet())
POLICIES = {
    "all": WaitForAll(),
    "deadline": AtDeadline(),
    "deadline_kept": AtDeadline(late=Kept()),
    "first": FirstOf(3),
    "first_aged": FirstOf(3, late=Aged()),
    "buffered": Buffered(2),
    "period": Period(0.15),
    "period_dropped": Period(0.15, late=Dropped()),
    "tiers": Tiers(0.08),
    "tiers_kept": Tiers(0.08, late=Kept()),
    "hierarchical": Hierarchical(Wired(rate_bps=1e4, delay_s=0.01)),
}


def random_plan(rng, devices, rounds=1):
    """Return devices of which some run empty, some leave, and whose blocks fail."""
    many = len(devices)
    return plan_of(
        rng.uniform(0.005, 0.08, many),
        rng.uniform(0.005, 0.12, many),
        device=devices,
        receive_s=float(rng.uniform(0.001, 0.02)),
        deadline_s=float(rng.uniform(0.05, 0.4)),
        cell=rng.integers(0, 3, many),
        rounds=rng.integers(1, rounds + 1, many),
        charge_j=np.where(rng.random(many) < 0.3, rng.uniform(0.01, 2.0, many), np.inf),
        leaves_s=np.where(rng.random(many) < 0.2, rng.uniform(0.0, 0.3, many), np.inf),
        errors=np.tile([0.3, 0.1, 0.5], (many, 1)),
        together=bool(rng.random() < 0.5),
    )


@cache
def rounds_of(policy, seed, rounds=12, devices=9, procedures=REAL):
    """Return the time lines of several rounds, the last of them of what was under way at the end."""
    rules = network(procedures, Handset(), seed=seed)
    rng, now_ns, flights, found = np.random.default_rng(seed), 0, rules.nobody(), []
    began = 0
    for round_ in range(rounds):
        idle = np.setdiff1d(np.arange(devices), flights.plan.device)
        plan = random_plan(rng, idle, rounds=3 if isinstance(policy, Tiers) else 1)
        began += len(idle)
        flights = flights.and_also(rules.launch(plan, round_, now_ns))
        timeline, flights = play(
            now_ns, flights, rules, policy, round_=round_, limit_s=policy.limit_s(0.12)
        )
        now_ns = timeline.end_ns
        found.append(timeline)
    return [*found, stop(now_ns, flights, rules)], began


def test_an_ideal_round_lasts_as_long_as_the_closed_form_in_a_thousand_worlds():
    rng, rules = np.random.default_rng(3), network()
    for world in range(1000):
        many, now_ns = int(rng.integers(1, 30)), int(rng.integers(0, 10**15))
        lengths_s = 10.0 ** rng.uniform(-6, 2, (2, many))
        bits, rate_bps = 10.0 ** rng.uniform(2, 8, (2, many))
        plan = replace(plan_of(*lengths_s, receive_s=10.0 ** rng.uniform(-6, 1)), bits=bits)
        plan = replace(plan, rate_bps=rate_bps)
        timeline, on = play(
            now_ns, rules.launch(plan, world, now_ns), rules, WaitForAll(), round_=world
        )
        closed_form_s = np.max(plan.receive_s + plan.compute_s + bits / rate_bps)
        assert timeline.end_ns - now_ns == round(float(closed_form_s) * NANOSECONDS)
        assert (timeline.outcome == Outcome.ON_TIME).all()
        assert not len(on)


def test_updates_wait_behind_other_traffic_as_in_a_queue_with_equal_services():
    # M/D/1: mean wait ρ D / (2 (1 − ρ)), here with D = 4 bits over 1000 bit/s.
    load, service_s, many = 0.6, 0.004, 4000
    rules = network(Procedures(background=Poisson(load=load, packet_bits=4.0)))
    plan = plan_of(np.full(many, 0.01), np.full(many, 0.02))
    timeline, _ = play(0, rules.launch(plan, 0, 0), rules, WaitForAll(), round_=0)
    waits_s = timeline.phase_ns[:, QUEUE] / NANOSECONDS
    mean_s = load * service_s / (2 * (1 - load))
    assert abs(waits_s.mean() - mean_s) < 3 * waits_s.std() / np.sqrt(many)
    assert (waits_s == 0).mean() == pytest.approx(1 - load, abs=3 * np.sqrt(0.24 / many))


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("procedures", [REAL, PACKETS], ids=["slots", "packets"])
def test_seconds_joules_and_bits_are_conserved(name, seed, procedures):
    policy = POLICIES[name]
    found, began = rounds_of(policy, seed, procedures=procedures)
    seen = set()
    for timeline in found:
        settled, plan = timeline.settled, timeline.settled.plan
        gone = np.isin(timeline.outcome, (Outcome.EMPTY, Outcome.LEFT))
        last_ns = np.where(gone, np.minimum(settled.final_ns, timeline.close_ns), timeline.end_ns)
        assert (timeline.phase_ns >= 0).all()
        assert (timeline.phase_ns.sum(axis=1) == last_ns - settled.start_ns).all()
        power_w = network(procedures, Handset()).power_w(settled)
        spent_j = power_w[:, :WAIT] * timeline.phase_ns[:, :WAIT] / NANOSECONDS
        total_j, empty = timeline.phase_j.sum(axis=1), timeline.outcome == Outcome.EMPTY
        assert timeline.phase_j[~empty, :WAIT] == pytest.approx(spent_j[~empty], rel=1e-12)
        assert (total_j <= plan.charge_j * (1 + 1e-12)).all()
        assert total_j[empty] == pytest.approx(plan.charge_j[empty], rel=1e-12)
        # Where the battery is used up, the instant is that of the nanosecond: 90 W for one of them.
        assert timeline.phase_j[empty, :WAIT] == pytest.approx(spent_j[empty], abs=4e-7)
        assert timeline.delivered_bits.sum() + plan.bits[~timeline.taken].sum() == pytest.approx(
            plan.bits.sum(), rel=1e-9
        )
        for begun, device in zip(settled.round_.tolist(), plan.device.tolist(), strict=True):
            assert (begun, device) not in seen  # nothing is settled twice
            seen.add((begun, device))
    assert began == len(seen) >= 30  # and everything is settled once
    if not policy.late.goes_on and not isinstance(policy, Tiers):
        assert not len(found[-1].device)


def test_faults_of_every_kind_have_been_among_them():
    outcomes = set()
    for policy in POLICIES.values():
        for seed in range(4):
            for timeline in rounds_of(policy, seed)[0]:
                outcomes |= set(timeline.outcome.tolist())
    assert outcomes == set(Outcome)


def digest(timelines):
    total = sha256()
    for timeline in timelines:
        total.update(timeline.log.tobytes() + timeline.phase_ns.tobytes())
    return total.hexdigest()


@pytest.mark.parametrize("name", POLICIES)
def test_a_seed_gives_the_same_events(name):
    policy = POLICIES[name]
    again, _ = rounds_of.__wrapped__(policy, 1)
    assert digest(rounds_of(policy, 1)[0]) == digest(again)
    assert digest(again) != digest(rounds_of(policy, 2)[0])


def together(plan, procedures=REAL):
    rules = network(procedures, Handset())
    timeline, _ = play(0, rules.launch(plan, 0, 0), rules, WaitForAll(), round_=0)
    order = np.argsort(timeline.device)
    return timeline.settled.only(order), timeline.phase_ns[order]


def test_a_device_more_or_with_other_parameters_changes_no_draw_of_the_others():
    rng = np.random.default_rng(8)
    plan = replace(random_plan(rng, np.arange(12)), together=False)
    alone = replace(REAL, access=WhenIdle(inactivity_s=10.0))  # contention is between devices
    less = plan.only(np.arange(11))
    changed = replace(
        plan,
        bits=np.where(np.arange(12) == 4, 7 * plan.bits, plan.bits),
        errors=np.where(np.arange(12)[:, None] == 4, 0.9, plan.errors),
        rate_bps=np.where(np.arange(12) == 4, 10.0, plan.rate_bps),
        charge_j=np.where(np.arange(12) == 4, 0.02, plan.charge_j),
    )
    whole, phases = together(plan, alone)
    for other, kept in (
        (less, np.arange(11)),
        (changed, np.delete(np.arange(12), 4)),
    ):
        found, found_ns = together(other, alone)
        assert (found_ns[kept, :WAIT] == phases[kept, :WAIT]).all()
        assert (found.attempts[kept] == whole.attempts[kept]).all()
    # Where they contend, what a device draws is still its own: its preambles and its waits.
    crowd, _ = together(plan)
    fewer, _ = together(less)
    assert (crowd.preamble[:11] == fewer.preamble).all()
    assert (crowd.wait_s[:11] == fewer.wait_s).all()


def test_the_order_of_the_rows_is_of_no_account():
    rng = np.random.default_rng(4)
    plan, order = random_plan(rng, np.arange(12)), rng.permutation(12)
    shuffled = {
        name: value[order] for name, value in vars(plan).items() if isinstance(value, np.ndarray)
    }
    whole, phases = together(plan)
    found, found_ns = together(replace(plan, **shuffled))
    assert (found_ns == phases).all()
    assert (found.fate == whole.fate).all()


def test_a_crowd_contends_as_the_random_access_of_the_radio_says():
    procedure = RandomAccess(preambles=6, attempts=3)
    rules = network(Procedures(access=WhenIdle(inactivity_s=0.0, procedure=procedure)))
    ready_s = np.random.default_rng(2).uniform(0.0, 0.05, 60)
    plan = plan_of(ready_s, np.full(60, 0.01), receive_s=0.0)
    timeline, _ = play(0, rules.launch(plan, 7, 0), rules, WaitForAll(), round_=7)
    order = np.argsort(timeline.device)
    expected = procedure.draw(ready_s, rules.draw("access", 7))
    elapsed_ns = timeline.phase_ns[order, PHASES.index("access")]
    assert elapsed_ns == pytest.approx(expected.elapsed_s * NANOSECONDS, abs=2)
    assert (timeline.settled.tries[order] == expected.attempts).all()
    lost = timeline.outcome[order] == Outcome.LOST
    assert (lost == ~expected.admitted).all()
    assert lost.any()


def test_a_synchronous_crowd_is_an_access_storm():
    # Of a hundred that finish together 0.146 are admitted at once, (1 − 1/52)^99.
    rules = network(Procedures(access=WhenIdle(inactivity_s=0.0)))
    first = []
    for round_ in range(40):
        plan = plan_of(np.full(100, 0.01), np.full(100, 0.01))
        timeline, _ = play(0, rules.launch(plan, round_, 0), rules, WaitForAll(), round_=round_)
        first.append((timeline.settled.tries == 1).mean())
    expected = float(RandomAccess().success_probability(100))
    assert abs(np.mean(first) - expected) < 3 * np.std(first) / np.sqrt(40)


def test_the_events_of_a_canonical_round_with_everything_real():
    devices = 100
    rules = network(replace(REAL, access=WhenIdle(inactivity_s=0.0)), Handset())
    plan = plan_of(np.full(devices, 0.02), np.full(devices, 0.04))
    timeline, _ = play(0, rules.launch(plan, 0, 0), rules, WaitForAll(), round_=0)
    settled, asked = (timeline.log[:, 1] == 0).sum(), (timeline.log[:, 1] == 1).sum()
    assert (settled, timeline.events) == (devices, devices + asked)
    assert asked == len(np.unique(timeline.log[timeline.log[:, 1] == 1, 0])) < 30
    assert timeline.events <= 40 * devices


def test_bandwidth_is_held_until_the_update_is_settled_and_not_longer():
    rules = network()
    plan = plan_of([0.01, 0.02, 0.03], [0.01, 0.01, 0.01], bandwidth_hz=[1.0, 2.0, 4.0])
    timeline, on = play(0, rules.launch(plan, 0, 0), rules, Buffered(1), round_=0)
    assert on.held_hz(timeline.end_ns) == 6.0
    assert on.held_hz(timeline.end_ns + 10**7) == 4.0


def test_more_is_not_slower():
    rng = np.random.default_rng(1)
    plan = replace(random_plan(rng, np.arange(8)), charge_j=np.full(8, np.inf))
    plan = replace(plan, leaves_s=np.full(8, np.inf), errors=None)
    rules = network(replace(REAL, access=WhenIdle(inactivity_s=10.0)))
    slow = rules.launch(plan, 0, 0).final_ns
    fast = rules.launch(replace(plan, rate_bps=2 * plan.rate_bps), 0, 0).final_ns
    assert (fast <= slow).all()
    assert (fast < slow).any()
