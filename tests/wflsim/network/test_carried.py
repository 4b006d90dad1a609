"""Updates that go on beyond a round: what they keep, what happens to them meanwhile, and when they are settled."""

import numpy as np
import pytest

from channel_models.rates.access import RandomAccess
from wflsim.errors import UserError
from wflsim.network.backhaul import Wired
from wflsim.network.lateness import Dropped, Kept
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
from wflsim.network.procedures.uplink import Slots
from wflsim.network.round import play, stop
from wflsim.network.testing import ideal, network, plan_of
from wflsim.network.timeline import QUEUE, UPLOAD, Outcome
from wflsim.scenario.schema import Procedures

MS = 1_000_000
IDLE = WhenIdle(inactivity_s=0.0)


def test_block_errors_are_not_lost_when_updates_are_joined():
    rules = network(Procedures(access=IDLE, uplink=Slots(pattern="U", grid=False)))
    plan = plan_of([0.02] * 50, [0.1] * 50, errors=np.tile([0.5, 0.25], (50, 1)))
    alone = rules.launch(plan, 0, 0)
    joined = rules.nobody().and_also(rules.launch(plan, 0, 0)).and_also(rules.nobody())
    repeats = []
    for flights in (alone, joined):
        timeline, _ = play(0, flights, rules, WaitForAll(), round_=0)
        repeats.append(int((timeline.settled.attempts - timeline.settled.blocks).sum()))
    assert repeats[0] == repeats[1] > 0


def test_a_server_that_aggregates_takes_its_time():
    rules = network(Procedures(aggregation_s=0.025))
    plan = plan_of([0.020, 0.030], [0.040, 0.050])
    timeline, _ = play(0, rules.launch(plan, 0, 0), rules, WaitForAll(), round_=0)
    assert (timeline.close_ns, timeline.end_ns) == (90 * MS, 115 * MS)
    assert (timeline.phase_ns.sum(axis=1) == 115 * MS).all()


def test_contention_goes_on_while_the_server_aggregates():
    rules = network(Procedures(access=IDLE, aggregation_s=0.05))
    plan = plan_of([0.001, 0.06], [0.01, 0.01])
    first, on = play(0, rules.launch(plan, 0, 0), rules, Buffered(1), round_=0)
    assert first.device.tolist() == [0]
    second, on = play(first.end_ns, on, rules, Buffered(1), round_=1)
    assert second.device.tolist() == [1]
    assert not len(on)
    log = np.concatenate([first.log, second.log])
    assert (np.diff(log[:, 0]) >= 0).all()
    assert sorted(log[log[:, 1] == 0, 2].tolist()) == [0, 1]  # each is settled once, and told once


def test_what_comes_while_the_server_aggregates_is_there_when_it_is_done():
    rules = network(Procedures(aggregation_s=0.05))
    first, on = play(
        0, rules.launch(plan_of([0.001, 0.03], [0.01, 0.01]), 0, 0), rules, Buffered(1), round_=0
    )
    assert (first.close_ns, first.end_ns) == (21 * MS, 71 * MS)
    slow = rules.launch(plan_of([5.0], [1.0]), 1, first.end_ns)
    second, _ = play(first.end_ns, on.and_also(slow), rules, Buffered(1), round_=1)
    assert (second.close_ns, second.device.tolist()) == (71 * MS, [1])


def test_what_takes_no_time_comes_at_once():
    plan = plan_of([0.0, 1.0], [0.0, 1.0], receive_s=0.0)
    timeline, _ = play(0, ideal().launch(plan, 0, 0), ideal(), FirstOf(1), round_=0)
    assert timeline.close_ns == 0
    assert timeline.outcome.tolist() == [Outcome.ON_TIME, Outcome.DROPPED]
    assert timeline.log[:, 2].tolist() == [0]


@pytest.mark.parametrize("policy", [AtDeadline(late=Kept()), Period(0.1, late=Kept())])
def test_who_has_no_grant_does_not_go_on_for_ever(policy):
    plan = plan_of([0.02, 0.02], [0.2, np.inf])
    timeline, on = play(0, ideal().launch(plan, 0, 0), ideal(), policy, round_=0, limit_s=0.1)
    assert on.plan.device.tolist() == [0]
    assert timeline.outcome.tolist() == [Outcome.DROPPED]


@pytest.mark.parametrize("late", [Dropped(), Kept()])
def test_a_cell_waits_for_its_devices_until_the_deadline_whatever_becomes_of_them(late):
    policy = Hierarchical(Wired(rate_bps=1000.0, delay_s=0.002), late=late)
    plan = plan_of([0.02, 0.03], [0.04, 0.05], cell=[0, 0])
    timeline, on = play(0, ideal().launch(plan, 0, 0), ideal(), policy, round_=0, limit_s=0.075)
    assert timeline.end_ns == (75 + 2 + 40) * MS
    assert len(on) == int(late.goes_on)


def test_a_backhaul_that_never_delivers_is_told():
    policy = Hierarchical(Wired(rate_bps=1e-300))
    with pytest.raises(
        UserError, match=r"policy\.backhaul: a message takes .* give a faster backhaul"
    ):
        play(0, ideal().launch(plan_of([0.1], [0.1]), 0, 0), ideal(), policy, round_=0)


def test_what_is_there_but_not_taken_when_the_run_ends_is_unfinished():
    policy = Tiers(0.060)
    timeline, on = play(
        0,
        ideal().launch(plan_of([0.005], [0.020], rounds=[2]), 0, 0),
        ideal(),
        policy,
        round_=0,
        limit_s=0.06,
    )
    last = stop(timeline.end_ns, on, ideal())
    assert last.outcome.tolist() == [Outcome.UNFINISHED]
    assert last.delivered_bits.sum() == 0.0
    assert last.phase_ns.sum() == 60 * MS  # and it has waited until then


@pytest.mark.parametrize(
    ("columns", "outcome"),
    [({"leaves_s": [0.03]}, Outcome.LEFT), ({"charge_j": [0.001]}, Outcome.EMPTY)],
)
def test_a_slow_tiers_device_that_fails_is_settled_then_and_not_at_the_end_of_its_periods(
    columns, outcome
):
    plan = plan_of([0.02], [0.06], rounds=[2], **columns)
    timeline, on = play(0, ideal().launch(plan, 0, 0), ideal(), Tiers(0.05), round_=0, limit_s=0.05)
    assert (timeline.outcome.tolist(), len(on)) == ([outcome], 0)


def test_running_empty_and_leaving_in_one_nanosecond_is_running_empty():
    plan = plan_of([0.02], [0.04], charge_j=[0.01], leaves_s=[0.02])  # a watt from 10 ms on
    timeline, _ = play(0, ideal().launch(plan, 0, 0), ideal(), WaitForAll(), round_=0)
    assert timeline.outcome.tolist() == [Outcome.EMPTY]


def test_who_changes_its_cell_asks_no_more_and_collides_with_nobody():
    access = WhenIdle(0.0, RandomAccess(preambles=1, attempts=1, period_s=0.1))
    rules = network(Procedures(access=access))
    plan = plan_of([0.01, 0.04], [0.01, 0.01])  # both would ask at 100 ms, with the only preamble
    _, on = play(0, rules.launch(plan, 0, 0), rules, Period(0.06), round_=0, limit_s=0.06)
    gone = on.leaving(np.array([True, False]), 60 * MS)
    timeline, _ = play(60 * MS, gone, rules, WaitForAll(), round_=1)
    assert timeline.outcome.tolist() == [Outcome.LEFT, Outcome.ON_TIME]
    timeline, _ = play(60 * MS, on, rules, WaitForAll(), round_=1)
    assert timeline.outcome.tolist() == [Outcome.LOST, Outcome.LOST]


def test_devices_of_different_cells_do_not_contend():
    access = WhenIdle(0.0, RandomAccess(preambles=1, attempts=1))
    rules = network(Procedures(access=access))
    for cells, outcome in (([0, 1, 2], Outcome.ON_TIME), ([0, 0, 0], Outcome.LOST)):
        plan = plan_of([0.01] * 3, [0.01] * 3, cell=cells)
        timeline, _ = play(0, rules.launch(plan, 0, 0), rules, WaitForAll(), round_=0)
        assert set(timeline.outcome.tolist()) == {outcome}


def test_an_update_keeps_the_chance_of_the_round_in_which_it_began():
    # Admitted together with devices that began later, it waits and repeats as if it were alone.
    procedures = Procedures(
        access=IDLE,
        background=Poisson(load=0.7, packet_bits=20.0),
        uplink=Slots(pattern="U", grid=False),
    )
    rules = network(procedures)
    old = plan_of([0.055], [0.05], device=[3], errors=[[0.5, 0.5]])
    alone, _ = play(0, rules.launch(old, 0, 0), rules, WaitForAll(), round_=0)
    _, on = play(0, rules.launch(old, 0, 0), rules, Period(0.05), round_=0, limit_s=0.05)
    many = plan_of([0.005] * 3, [0.05] * 3, errors=[[0.5, 0.5]] * 3)
    flights = on.and_also(rules.launch(many, 1, 50 * MS))
    timeline, _ = play(50 * MS, flights, rules, WaitForAll(), round_=1)
    assert len(np.unique(timeline.log[timeline.log[:, 1] == 1, 0])) == 1  # one occasion for all
    row = timeline.device.tolist().index(3)
    assert (timeline.phase_ns[row, : UPLOAD + 1] == alone.phase_ns[0, : UPLOAD + 1]).all()
    assert timeline.settled.attempts[row] == alone.settled.attempts[0]


def test_packets_before_an_update_are_sent_in_uplink_slots_too():
    load, many = 0.6, 4000
    procedures = Procedures(
        background=Poisson(load=load, packet_bits=4.0), uplink=Slots(pattern="DSUU", grid=False)
    )
    rules = network(procedures)
    plan = plan_of(np.full(many, 0.01), np.full(many, 0.02))
    waits_s = rules.launch(plan, 0, 0).ends_s[:, QUEUE] - 0.02
    mean_s = load * (4.0 / (1000.0 * 0.5)) / (2 * (1 - load))
    assert abs(waits_s.mean() - mean_s) < 3 * waits_s.std() / np.sqrt(many)


def test_a_grant_without_a_rate_is_on_the_air_whenever_the_uplink_is():
    rules = network(Procedures(uplink=Slots(pattern="DDDU", grid=False)))
    plan = plan_of([0.02], [np.inf], charge_j=[0.02 + 0.1])  # 10 W in a quarter of the time
    timeline, _ = play(0, rules.launch(plan, 0, 0), rules, WaitForAll(), round_=0)
    assert timeline.outcome.tolist() == [Outcome.EMPTY]
    assert timeline.phase_ns[0, UPLOAD] == pytest.approx(0.1 / 2.5 * 1e9, rel=1e-6)


def test_who_is_told_to_stop_asks_no_more_and_leaves_no_trace():
    access = WhenIdle(0.0, RandomAccess(preambles=1, attempts=1, window_s=0.0, contention_s=0.0))
    rules = network(Procedures(access=access, aggregation_s=0.02))
    plan = plan_of([0.061, 0.062], [0.001] * 2, receive_s=0.0, rounds=[1, 2])
    policy = Tiers(0.05, 2)
    timeline, on = play(0, rules.launch(plan, 0, 0), rules, policy, round_=0, limit_s=0.05)
    assert (timeline.device.tolist(), timeline.settled.tries.tolist()) == ([0], [0])
    second, _ = play(timeline.end_ns, on, rules, policy, round_=1, limit_s=0.05)
    assert second.outcome.tolist() == [Outcome.ON_TIME]
    assert (
        0
        not in np.concatenate([timeline.log, second.log])[:, 2][
            np.concatenate([timeline.log, second.log])[:, 1] == 0
        ]
    )


def test_a_cell_waits_for_a_device_until_it_has_failed():
    policy = Hierarchical(Wired(rate_bps=1e9, delay_s=0.002))
    plan = plan_of([0.02, 0.03], [0.04, 0.5], cell=[0, 0], leaves_s=[np.inf, 0.085])
    timeline, _ = play(0, ideal().launch(plan, 0, 0), ideal(), policy, round_=0)
    assert timeline.end_ns == pytest.approx(87 * MS, abs=100)
