"""Rules who is invited, played in rounds: by channel, in turn, by age."""

import numpy as np
import pytest

from wflsim.scenario.loading import parse
from wflsim.simulation.loop import stage
from wflsim.simulation.setting import settle

WORLD = """\
name: rules
seed: 5
fleet: {{devices: 7}}
radio: {{bandwidth_hz: {band_hz}}}
procedures: {{uplink: {uplink}}}
task: {{data: blank, partition: iid, model: {{kind: mlp, hidden: [8]}}}}
rounds: 9
learning: none
algorithm: {algorithm}
allocator: {allocator}
{deadline}
invited: {invited}
selection: {selection}
variants: {{it: {{}}}}
"""


def world(
    selection,
    invited=2,
    allocator="equal_share",
    deadline="",
    *,
    algorithm="fedavg",
    uplink="ideal",
):
    text = WORLD.format(
        selection=selection,
        invited=invited,
        allocator=allocator,
        deadline=deadline,
        algorithm=algorithm,
        uplink=uplink,
        band_hz="1e6" if uplink == "ideal" else "2e6",
    )
    scenario = parse(text, "rules.yaml").scenario
    return stage(settle(scenario.world), scenario.systems["it"])


def who_began(*given, **named):
    made = world(*given, **named)
    reports = [report for report, _ in made.onward(made.begin())]
    return reports, [sorted(r.played[0].agreement.plan.device.tolist()) for r in reports]


def gains(report):
    return np.sum(np.abs(report.links.antenna_gain) ** 2, axis=1)


def test_the_best_channels_are_those_of_the_round():
    reports, began = who_began("best_channel")
    for report, found in zip(reports, began, strict=True):
        assert found == sorted(np.argsort(-gains(report))[:2].tolist())


def test_in_turn_everybody_comes_once_before_anybody_comes_again():
    _, began = who_began("round_robin")
    assert [device for found in began for device in found][:6] == [0, 1, 2, 3, 4, 5]
    assert began[3] == [0, 6]


def test_the_oldest_are_those_who_were_not_taken_for_longest():
    _, began = who_began("oldest")
    last = dict.fromkeys(range(7), -1)
    for round_, found in enumerate(began):
        ages = {device: round_ - when if when >= 0 else 99 for device, when in last.items()}
        oldest = sorted(sorted(ages, key=lambda device: -ages[device])[:2])
        assert found == oldest
        last |= dict.fromkeys(found, round_)


def test_a_good_moment_is_judged_by_the_device_s_own_past():
    reports, began = who_began("proportional_fair")
    past = np.zeros(7)
    for round_, (report, found) in enumerate(zip(reports, began, strict=True)):
        if round_:
            ratio = gains(report) / (past / round_)
            assert found == sorted(np.argsort(-ratio)[:2].tolist())
        past += gains(report)


def test_where_blocks_are_few_the_oldest_come_in_turn_too():
    _, began = who_began("oldest", "null", uplink="nr")
    assert all(len(found) == 5 for found in began)
    assert set(began[0]) | set(began[1]) == set(range(7))


@pytest.mark.parametrize("selection", ["random", "oldest", "proportional_fair"])
def test_a_run_cut_short_remembers_the_past(selection):
    made = world(selection, invited=3)
    scenes = list(made.onward(made.begin()))
    again = [report for report, _ in made.onward(scenes[3][1], first=4)]
    for report, (whole, _) in zip(again, scenes[4:], strict=True):
        one, other = (r.played[0].agreement.plan.device for r in (report, whole))
        assert one.tolist() == other.tolist()


def test_who_is_not_worth_its_rent_does_not_begin():
    began = {}
    for cost in ("1e-6", "1e6"):
        allocator = f"{{kind: liu_yu2022, data_cost: {cost}}}"
        deadline = "deadline: {kind: relative, share: 0.4}"
        reports, found = who_began("random", "null", allocator, deadline, algorithm="japp")
        assert all(report.played[0].timeline.taken.all() for report in reports)
        began[cost] = [len(some) for some in found]
    assert began["1e6"] == [7] * 9
    assert max(began["1e-6"]) < 7
    assert min(began["1e-6"]) >= 1
