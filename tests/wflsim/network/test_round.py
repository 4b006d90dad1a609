"""Two devices, every policy and every outcome: the exact time lines, in milliseconds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizers import solve
from optimizers.testing import random_problem
from wflsim.clock import NANOSECONDS
from wflsim.errors import UserError
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
from wflsim.network.round import play, stop
from wflsim.network.testing import ideal, network, plan_of
from wflsim.network.timeline import Outcome

MS = 1_000_000
ON_TIME, LATE, DROPPED, LOST, EMPTY, LEFT, UNFINISHED = Outcome
RECEIVE, COMPUTE, UPLOAD, WAIT = 1, 2, 6, 7


def begin(plan, now_ns=0, round_=0, rules=None):
    return (rules or ideal()).launch(plan, round_, now_ns)


def played(plan, policy, *, now_ns=0, round_=0, limit_s=np.inf, flights=None, rules=None):
    """Return the time line of a round in which a plan begins beside what is under way, and what goes on."""
    rules = rules or ideal()
    new = begin(plan, now_ns, round_, rules)
    flights = new if flights is None else flights.and_also(new)
    return play(now_ns, flights, rules, policy, round_=round_, limit_s=policy.limit_s(limit_s))


def columns(timeline):
    """Return device → milliseconds of receiving, computing, sending, waiting; nothing else takes time here."""
    assert (timeline.phase_ns[:, [0, 3, 4, 5]] == 0).all()
    rows = timeline.phase_ns[:, [RECEIVE, COMPUTE, UPLOAD, WAIT]]
    assert (rows % MS == 0).all()
    return dict(zip(timeline.device.tolist(), (rows // MS).tolist(), strict=True))


def outcomes(timeline):
    return dict(zip(timeline.device.tolist(), timeline.outcome.tolist(), strict=True))


TWO = plan_of(
    [0.020, 0.030], [0.040, 0.050]
)  # done after 70 and 90 ms, the first 10 of them receiving
HURRIED = plan_of([0.020, 0.030], [0.040, 0.050], deadline_s=0.080)


def test_everybody_is_waited_for():
    timeline, on = played(TWO, WaitForAll())
    assert columns(timeline) == {0: [10, 20, 40, 20], 1: [10, 30, 50, 0]}
    assert (timeline.start_ns, timeline.end_ns, len(on)) == (0, 90 * MS, 0)
    assert outcomes(timeline) == {0: ON_TIME, 1: ON_TIME}


def test_whoever_comes_after_the_deadline_is_late_but_taken_when_everybody_is_waited_for():
    timeline, _ = played(HURRIED, WaitForAll(), now_ns=5 * MS, limit_s=0.080)
    assert columns(timeline) == {0: [10, 20, 40, 20], 1: [10, 30, 50, 0]}
    assert timeline.end_ns == 95 * MS
    assert outcomes(timeline) == {0: ON_TIME, 1: LATE}
    assert timeline.taken.all()


def test_the_deadline_cuts_an_upload():
    timeline, on = played(HURRIED, AtDeadline(), limit_s=0.080)
    assert columns(timeline) == {0: [10, 20, 40, 10], 1: [10, 30, 40, 0]}
    assert (timeline.end_ns, len(on)) == (80 * MS, 0)
    assert outcomes(timeline) == {0: ON_TIME, 1: DROPPED}
    assert timeline.delivered_bits.tolist() == [40.0, 0.0]


def test_the_deadline_cuts_computing_and_even_the_broadcast():
    timeline, _ = played(plan_of([0.020, 0.100], [0.040, 0.050]), AtDeadline(), limit_s=0.080)
    assert columns(timeline) == {0: [10, 20, 40, 10], 1: [10, 70, 0, 0]}
    slow = plan_of([0.1, 0.1], [0.1, 0.1], receive_s=1.0)
    timeline, _ = played(slow, AtDeadline(), limit_s=0.080)
    assert columns(timeline) == {0: [80, 0, 0, 0], 1: [80, 0, 0, 0]}
    assert outcomes(timeline) == {0: DROPPED, 1: DROPPED}


def test_a_round_ends_early_when_everybody_is_early():
    timeline, _ = played(plan_of([0.020, 0.030], [0.010, 0.010]), AtDeadline(), limit_s=0.080)
    assert timeline.end_ns == 50 * MS


def test_arriving_at_the_deadline_is_on_time_and_a_nanosecond_later_is_not():
    exact = plan_of([0.030, 0.030], [0.040, 0.040], deadline_s=0.080)
    timeline, _ = played(exact, AtDeadline(), limit_s=0.080)
    assert (timeline.end_ns, timeline.outcome.tolist()) == (80 * MS, [ON_TIME, ON_TIME])
    after = plan_of([0.030, 0.030], [0.040, 0.040 + 1e-9], deadline_s=0.080)
    timeline, _ = played(after, AtDeadline(), limit_s=0.080)
    assert timeline.outcome.tolist() == [ON_TIME, DROPPED]


def test_a_late_update_goes_on_into_the_next_round():
    policy = AtDeadline(late=Kept())
    timeline, on = played(HURRIED, policy, limit_s=0.080)
    assert columns(timeline) == {0: [10, 20, 40, 10]}
    assert (timeline.end_ns, on.plan.device.tolist()) == (80 * MS, [1])
    again = plan_of([0.020], [0.040], deadline_s=0.080)
    timeline, on = played(again, policy, now_ns=80 * MS, round_=1, limit_s=0.080, flights=on)
    # Device 1 came 10 ms into the round and waited until device 0 was there, 70 ms into it.
    assert columns(timeline) == {1: [10, 30, 50, 60], 0: [10, 20, 40, 0]}
    assert outcomes(timeline) == {1: LATE, 0: ON_TIME}
    assert (timeline.end_ns, len(on)) == (150 * MS, 0)
    assert (1 - timeline.settled.round_).tolist() == [1, 0]


def test_the_first_of_two_ends_the_round():
    timeline, on = played(TWO, FirstOf(1))
    assert columns(timeline) == {0: [10, 20, 40, 0], 1: [10, 30, 30, 0]}
    assert outcomes(timeline) == {0: ON_TIME, 1: DROPPED}
    assert (timeline.end_ns, len(on)) == (70 * MS, 0)


def test_a_tie_is_broken_by_nobody_both_are_taken():
    for order in ([0, 1], [1, 0]):
        plan = plan_of([0.020, 0.030], [0.040, 0.030], device=order)
        timeline, _ = played(plan, FirstOf(1))
        assert outcomes(timeline) == {0: ON_TIME, 1: ON_TIME}
        assert timeline.end_ns == 70 * MS


def test_a_buffer_of_one_is_asynchronous():
    policy = Buffered(1)
    timeline, on = played(TWO, policy)
    assert columns(timeline) == {0: [10, 20, 40, 0]}
    assert timeline.end_ns == 70 * MS
    timeline, on = played(plan_of([0.020], [0.040]), policy, now_ns=70 * MS, round_=1, flights=on)
    assert columns(timeline) == {1: [10, 30, 50, 0]}
    assert timeline.end_ns == 90 * MS
    assert (timeline.settled.round_.tolist(), on.plan.device.tolist()) == ([0], [0])
    assert policy.late.weight(np.array([1]))[0] == pytest.approx(2**-0.5)


def test_a_period_ends_neither_earlier_nor_later():
    policy = Period(0.075)
    timeline, on = played(TWO, policy)
    assert columns(timeline) == {0: [10, 20, 40, 5]}
    assert (timeline.end_ns, len(on)) == (75 * MS, 1)
    timeline, on = played(plan_of([], []), policy, now_ns=75 * MS, round_=1, flights=on)
    assert columns(timeline) == {1: [10, 30, 50, 60]}
    assert (timeline.end_ns, len(on)) == (150 * MS, 0)


def test_a_device_of_the_second_tier_has_two_periods_and_counts_at_their_end():
    policy = Tiers(0.045)
    assert policy.windows(np.array([0.040, 0.046, 9.0])).tolist() == [1, 2, 4]
    slow = plan_of([0.005, 0.010], [0.020, 0.030], rounds=[1, 2])  # done after 35 and 50 ms
    timeline, on = played(slow, policy)
    assert columns(timeline) == {0: [10, 5, 20, 10]}
    assert on.plan.device.tolist() == [1]
    timeline, on = played(plan_of([], []), policy, now_ns=45 * MS, round_=1, flights=on)
    assert columns(timeline) == {1: [10, 10, 30, 40]}
    assert (outcomes(timeline), timeline.end_ns, len(on)) == ({1: ON_TIME}, 90 * MS, 0)


def test_an_update_that_is_there_before_its_tiers_time_waits_for_it():
    policy = Tiers(0.060)
    early = plan_of([0.005], [0.020], rounds=[2])
    timeline, on = played(early, policy)
    assert (len(timeline.device), len(on), timeline.end_ns) == (0, 1, 60 * MS)
    timeline, on = played(plan_of([], []), policy, now_ns=60 * MS, round_=1, flights=on)
    assert columns(timeline) == {0: [10, 5, 20, 85]}


@pytest.mark.parametrize(("late", "goes_on"), [(Dropped(), False), (Kept(), True), (Aged(), True)])
def test_a_tiers_late_update(late, goes_on):
    policy = Tiers(0.030, late=late)
    timeline, on = played(plan_of([0.020], [0.040], rounds=[2]), policy)
    assert (len(timeline.device), len(on)) == (0, 1)
    timeline, on = played(plan_of([], []), policy, now_ns=30 * MS, round_=1, flights=on)
    assert len(on) == int(goes_on)
    assert outcomes(timeline) == ({} if goes_on else {0: DROPPED})


def test_cells_relay_what_they_gathered_to_the_cloud():
    from wflsim.network.backhaul import Wired, Wireless

    # 40 and 50 bits; a line of 1000 bit/s takes 40 and 50 ms, a shared radio link twice that, and 2 ms on the way.
    wired = Hierarchical(Wired(rate_bps=1000.0, delay_s=0.002))
    apart = plan_of([0.020, 0.030], [0.040, 0.050], cell=[0, 1])
    timeline, _ = played(apart, wired)
    assert (timeline.close_ns, timeline.end_ns) == (90 * MS, 142 * MS)
    assert columns(timeline) == {0: [10, 20, 40, 72], 1: [10, 30, 50, 52]}
    together = plan_of([0.020, 0.030], [0.040, 0.050], cell=[1, 1])
    timeline, _ = played(together, wired)
    assert timeline.end_ns == 142 * MS  # one message, as large as the larger
    shared = Hierarchical(Wireless(rate_bps=1000.0, delay_s=0.002))
    timeline, _ = played(apart, shared)
    assert timeline.end_ns == (90 + 2 + 100) * MS
    # At a deadline of 75 ms the second cell has gathered nothing and relays nothing.
    timeline, _ = played(apart, wired, limit_s=0.075)
    assert (timeline.close_ns, timeline.end_ns) == (75 * MS, 112 * MS)
    assert outcomes(timeline) == {0: ON_TIME, 1: DROPPED}


def test_a_device_that_leaves_is_gone():
    plan = plan_of([0.020, 0.030], [0.040, 0.050], leaves_s=[np.inf, 0.060])
    timeline, _ = played(plan, WaitForAll())
    assert columns(timeline) == {0: [10, 20, 40, 0], 1: [10, 30, 20, 0]}
    assert outcomes(timeline) == {0: ON_TIME, 1: LEFT}
    assert timeline.end_ns == 70 * MS  # nobody else is awaited


def test_leaving_in_the_nanosecond_of_arrival_is_arriving():
    timeline, _ = played(plan_of([0.020], [0.040], leaves_s=[0.070]), WaitForAll())
    assert outcomes(timeline) == {0: ON_TIME}
    timeline, _ = played(plan_of([0.020], [0.040], leaves_s=[0.070 - 1e-9]), WaitForAll())
    assert outcomes(timeline) == {0: LEFT}


def test_a_battery_runs_empty_in_the_middle_of_a_phase():
    # Device 0 computes at 1 W and sends at 10 W, device 1 at 2 and 20 W: 0.06 J are left for 3 ms of sending.
    plan = plan_of([0.020, 0.030], [0.040, 0.050], charge_j=[np.inf, 0.12])
    timeline, _ = played(plan, WaitForAll())
    assert columns(timeline) == {0: [10, 20, 40, 0], 1: [10, 30, 3, 0]}
    assert outcomes(timeline) == {0: ON_TIME, 1: EMPTY}
    assert timeline.phase_j[1].sum() == pytest.approx(0.12, rel=1e-12)
    enough = plan_of([0.030], [0.050], charge_j=[0.03 + 0.5])
    assert outcomes(played(enough, WaitForAll())[0]) == {0: ON_TIME}


def test_a_device_waits_on_what_its_battery_has_left():
    from wflsim.world.electronics import Handset

    rules = network(electronics=Handset(1.0, 0.0, 0.0, idle_w=1.0, access_w=0.0))
    plan = plan_of([0.020, 0.030], [0.040, 0.050], charge_j=[0.425, np.inf])
    timeline, _ = played(plan, WaitForAll(), rules=rules)
    assert outcomes(timeline) == {0: ON_TIME, 1: ON_TIME}
    assert timeline.phase_j[0].sum() == pytest.approx(0.425, rel=1e-12)  # 5 of the 20 ms of waiting
    assert timeline.phase_j[1, WAIT] == 0.0


def test_what_is_under_way_when_the_run_ends_is_told():
    timeline, on = played(TWO, Buffered(1))
    last = stop(timeline.end_ns, on, ideal())
    assert columns(last) == {1: [10, 30, 30, 0]}
    assert outcomes(last) == {1: UNFINISHED}


def test_a_change_of_cell_loses_the_grant():
    _, on = played(TWO, Buffered(1))
    gone = on.leaving(np.array([True]), 70 * MS)
    timeline, on = play(70 * MS, gone, ideal(), Buffered(1), round_=1)
    assert outcomes(timeline) == {1: LEFT}
    assert (timeline.end_ns, len(on)) == (70 * MS, 0)


def test_a_device_without_bandwidth_never_arrives():
    plan = plan_of([0.020, 0.030], [0.040, np.inf], deadline_s=0.080)
    timeline, _ = played(plan, AtDeadline(), limit_s=0.080)
    assert outcomes(timeline) == {0: ON_TIME, 1: DROPPED}
    assert columns(timeline)[1] == [10, 30, 40, 0]


@pytest.mark.parametrize("upload_s", [np.inf, 1e12])
def test_waiting_for_a_device_that_never_arrives_is_refused_and_not_a_hang(upload_s):
    with pytest.raises(UserError, match=r"devices \[1\] can never send"):
        played(plan_of([0.020, 0.030], [0.040, upload_s]), WaitForAll())


def test_the_events_of_a_canonical_round():
    many = 100
    plan = plan_of([0.02] * many, [0.04] * many, deadline_s=1.0)
    timeline, _ = played(plan, AtDeadline(), limit_s=1.0)
    assert timeline.events == many  # one a device: its arrival; the deadline comes later
    assert timeline.log[0].tolist() == [70 * MS, 0, 0]


times = st.floats(1e-6, 10.0)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(times, times), min_size=1, max_size=6),
    times,
    times,
    st.booleans(),
    st.integers(0, 10**15),
)
def test_seconds_and_joules_are_those_of_the_plan_until_the_round_closes(
    devices, receive_s, deadline_s, waits, start_ns
):
    compute_s, upload_s = zip(*devices, strict=True)
    plan = plan_of(compute_s, upload_s, receive_s=receive_s, deadline_s=deadline_s)
    policy = WaitForAll() if waits else AtDeadline()
    timeline, _ = played(plan, policy, now_ns=start_ns, limit_s=deadline_s)
    finish = [round((receive_s + c + u) * 1e9) for c, u in devices]
    length = max(finish) if waits else min(max(finish), int(np.ceil(deadline_s * 1e9)))
    assert abs(timeline.end_ns - start_ns - length) <= 1
    for k, (c, u) in enumerate(devices):
        receive = min(receive_s * 1e9, length)
        compute = min((receive_s + c) * 1e9, length) - receive
        upload = min((receive_s + c + u) * 1e9, length) - receive - compute
        wait = length - receive - compute - upload
        found = timeline.phase_ns[k, [RECEIVE, COMPUTE, UPLOAD, WAIT]]
        assert found == pytest.approx([receive, compute, upload, wait], abs=4)
        assert timeline.phase_j[k, COMPUTE] == pytest.approx((k + 1) * compute / 1e9, abs=1e-7)
        assert timeline.phase_j[k, UPLOAD] == pytest.approx(10 * (k + 1) * upload / 1e9, abs=1e-6)


@pytest.mark.parametrize("seed", range(20))
def test_the_allocators_round_is_the_networks_round_to_the_nanosecond(seed):
    problem = random_problem(np.random.default_rng(seed), devices=8)
    answer = solve(problem)
    computed_s = problem.fixed_s + problem.slope_s * answer.keep
    plan = plan_of(
        computed_s, answer.upload_s, receive_s=0.0, deadline_s=float(problem.deadline_s[0])
    )
    timeline, _ = played(plan, AtDeadline(), limit_s=float(problem.deadline_s[0]))
    assert (timeline.outcome == ON_TIME).all()
    assert timeline.end_ns == round(float(np.max(computed_s + answer.upload_s)) * NANOSECONDS)
