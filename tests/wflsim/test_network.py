import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizers import solve
from optimizers.testing import random_problem
from wflsim.errors import UserError
from wflsim.network.policies import AtDeadline, WaitForAll
from wflsim.network.round import play
from wflsim.network.timeline import NANOSECONDS, NEVER, Outcome, Plan, energy_j

MS = 1_000_000
ON_TIME, LATE, LOST = Outcome.ON_TIME, Outcome.LATE, Outcome.LOST


def plan_of(compute_s, upload_s, *, broadcast_s=0.010, deadline_s=np.inf):
    devices = len(compute_s)
    watts = np.arange(1.0, devices + 1)
    return Plan(broadcast_s, np.array(compute_s), np.array(upload_s), deadline_s, watts, 10 * watts)


def columns(timeline):
    phases = (timeline.broadcast_ns, timeline.compute_ns, timeline.upload_ns, timeline.wait_ns)
    return [tuple(int(value) // MS for value in row) for row in zip(*phases, strict=True)]


def test_two_devices_and_everybody_is_waited_for():
    timeline = play(0, plan_of([0.020, 0.030], [0.040, 0.050]), WaitForAll())
    assert columns(timeline) == [(10, 20, 40, 20), (10, 30, 50, 0)]
    assert (timeline.start_ns, timeline.end_ns) == (0, 90 * MS)
    assert timeline.outcome.tolist() == [ON_TIME, ON_TIME]


def test_whoever_comes_after_the_deadline_is_late_but_taken_when_everybody_is_waited_for():
    timeline = play(5 * MS, plan_of([0.020, 0.030], [0.040, 0.050], deadline_s=0.080), WaitForAll())
    assert columns(timeline) == [(10, 20, 40, 20), (10, 30, 50, 0)]
    assert timeline.end_ns == 95 * MS
    assert timeline.outcome.tolist() == [ON_TIME, LATE]
    assert timeline.arrived.tolist() == [True, True]


def test_the_deadline_cuts_an_upload():
    timeline = play(0, plan_of([0.020, 0.030], [0.040, 0.050], deadline_s=0.080), AtDeadline())
    assert columns(timeline) == [(10, 20, 40, 10), (10, 30, 40, 0)]
    assert timeline.end_ns == 80 * MS
    assert timeline.outcome.tolist() == [ON_TIME, LOST]


def test_the_deadline_cuts_computing():
    timeline = play(0, plan_of([0.020, 0.100], [0.040, 0.050], deadline_s=0.080), AtDeadline())
    assert columns(timeline) == [(10, 20, 40, 10), (10, 70, 0, 0)]
    assert timeline.outcome.tolist() == [ON_TIME, LOST]


def test_the_deadline_cuts_even_the_broadcast():
    timeline = play(
        0, plan_of([0.1, 0.1], [0.1, 0.1], broadcast_s=1.0, deadline_s=0.080), AtDeadline()
    )
    assert columns(timeline) == [(80, 0, 0, 0), (80, 0, 0, 0)]
    assert timeline.outcome.tolist() == [LOST, LOST]


def test_a_round_ends_early_when_everybody_is_early():
    timeline = play(0, plan_of([0.020, 0.030], [0.010, 0.010], deadline_s=0.080), AtDeadline())
    assert timeline.end_ns == 50 * MS
    assert timeline.outcome.tolist() == [ON_TIME, ON_TIME]


def test_arriving_at_the_deadline_is_on_time():
    timeline = play(0, plan_of([0.030, 0.030], [0.040, 0.040], deadline_s=0.080), AtDeadline())
    assert timeline.end_ns == 80 * MS
    assert timeline.outcome.tolist() == [ON_TIME, ON_TIME]


def test_a_nanosecond_after_the_deadline_is_not():
    timeline = play(
        0, plan_of([0.030, 0.030], [0.040, 0.040 + 1e-9], deadline_s=0.080), AtDeadline()
    )
    assert timeline.outcome.tolist() == [ON_TIME, LOST]


def test_a_device_without_bandwidth_never_arrives():
    timeline = play(0, plan_of([0.020, 0.030], [0.040, np.inf], deadline_s=0.080), AtDeadline())
    assert timeline.outcome.tolist() == [ON_TIME, LOST]
    assert columns(timeline)[1] == (10, 30, 40, 0)


def test_waiting_for_a_device_that_never_arrives_is_refused_and_not_a_hang():
    with pytest.raises(UserError, match=r"devices \[1\] can never send"):
        play(0, plan_of([0.020, 0.030], [0.040, np.inf]), WaitForAll())


def test_the_events_of_a_canonical_round():
    devices = 100
    timeline = play(0, plan_of([0.02] * devices, [0.04] * devices, deadline_s=1.0), AtDeadline())
    assert (
        timeline.events == 5 * devices + 2
    )  # start, three phases, arrival a device; everyone, closed


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
    devices, broadcast_s, deadline_s, waits, start_ns
):
    compute_s, upload_s = zip(*devices, strict=True)
    plan = plan_of(compute_s, upload_s, broadcast_s=broadcast_s, deadline_s=deadline_s)
    timeline = play(start_ns, plan, WaitForAll() if waits else AtDeadline())
    finish = [round((broadcast_s + c + u) * 1e9) for c, u in devices]
    length = max(finish) if waits else min(max(finish), math.ceil(deadline_s * 1e9))
    assert abs(timeline.end_ns - start_ns - length) <= 1
    joules = energy_j(plan, timeline)
    for k, (c, u) in enumerate(devices):
        receive = min(broadcast_s * 1e9, length)
        compute = min((broadcast_s + c) * 1e9, length) - receive
        upload = min((broadcast_s + c + u) * 1e9, length) - receive - compute
        wait = length - receive - compute - upload
        found = [
            timeline.broadcast_ns[k],
            timeline.compute_ns[k],
            timeline.upload_ns[k],
            timeline.wait_ns[k],
        ]
        assert found == pytest.approx([receive, compute, upload, wait], abs=4)
        assert joules[0][k] == pytest.approx((k + 1) * compute / 1e9, abs=1e-7)
        assert joules[1][k] == pytest.approx(10 * (k + 1) * upload / 1e9, abs=1e-6)


@pytest.mark.parametrize("seed", range(20))
def test_the_allocators_round_is_the_networks_round_to_the_nanosecond(seed):
    problem = random_problem(np.random.default_rng(seed), devices=8)
    answer = solve(problem)
    compute_s = problem.fixed_s + problem.slope_s * answer.keep
    plan = Plan(
        0.0, compute_s, answer.upload_s, float(problem.deadline_s[0]), compute_s, answer.power_w
    )
    timeline = play(0, plan, AtDeadline())
    assert (timeline.outcome == ON_TIME).all()
    assert timeline.end_ns == round(float(np.max(compute_s + answer.upload_s)) * NANOSECONDS)


def test_no_deadline_is_never():
    assert plan_of([1.0], [1.0]).deadline_ns == NEVER


def test_a_phase_of_more_than_two_years_ends_never():
    with pytest.raises(UserError, match="can never send"):
        play(0, plan_of([1.0, 1.0], [1.0, 1e12]), WaitForAll())
