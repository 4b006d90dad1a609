"""The plan of a sweep: points times seeds, keys that change with what determines a run and with nothing else."""

import json

import numpy as np
import pytest

from wflsim.errors import ScenarioError, UserError
from wflsim.scenario.loading import parse
from wflsim.scenario.sweep import Sweep
from wflsim.sweep.axes import Grid
from wflsim.sweep.plan import key_of, planned
from wflsim.sweep.varying import varied


def plan_of(text, sweep, seed=3):
    return planned(lambda more, one: parse(text, "t", more, one), sweep, seed)


def test_every_point_meets_every_seed(tiny):
    sweep = Sweep((Grid({"rounds": (1, 2)}), Grid({"radio.bandwidth_hz": (1e6, 2e6, 3e6)})), (5, 6))
    items = plan_of(tiny, sweep).items
    assert len(items) == len({item.key for item in items}) == 12
    assert {item.seed for item in items} == {5, 6}
    assert [item.rounds for item in items] == [3] * 6 + [6] * 6  # three variants
    for item in items:
        told = json.loads(item.text)
        assert told["seed"] == item.seed
        assert told["radio"]["bandwidth_hz"] == item.values["radio.bandwidth_hz"]
        assert told["variants"]["fedavg"]["rounds"] == item.values["rounds"]


def test_without_axes_and_seeds_a_sweep_is_the_scenario(tiny):
    (item,) = plan_of(tiny, Sweep()).items
    assert (item.values, item.seed) == ({}, 3)


def test_seeds_of_their_own_differ_between_points_and_come_again(tiny):
    sweep = Sweep((Grid({"rounds": (1, 2)}),), (1, 2), paired=False)
    items = plan_of(tiny, sweep).items
    assert len({item.seed for item in items}) == 4
    assert plan_of(tiny, sweep).items == items


def test_a_key_follows_from_what_determines_a_run(tiny):
    one = parse(tiny, "t")
    same = parse(tiny.replace("{devices: 4}", "{devices: 4}   # four"), "elsewhere.yaml")
    assert key_of(one) == key_of(same)
    spelt = parse(json.dumps(json.loads(plan_of(tiny, Sweep()).items[0].text)), "json")
    assert key_of(one) == key_of(spelt)
    swept = parse(f"{tiny}sweep: {{seeds: [1, 2]}}\n", "t")
    assert key_of(one) == key_of(swept)
    for other in (
        "rounds=4",
        "seed=4",
        "task.model.hidden=[8]",
        "variants.fedavg.algorithm.steps=2",
    ):
        assert key_of(parse(tiny, "t", [other])) != key_of(one)


def test_two_points_that_are_one_run_are_refused(tiny):
    with pytest.raises(UserError, match=r"'bandwidth_hz 1e\+06, seed 3' .* are the same run"):
        plan_of(tiny, Sweep((Grid({"radio.bandwidth_hz": (1e6, 1000000.0)}),)))
    with pytest.raises(UserError, match="rounds is varied by two axes"):
        plan_of(tiny, Sweep((Grid({"rounds": (1,)}), Grid({"rounds": (2,)}))))


def test_a_point_that_is_no_scenario_is_refused_before_anything_is_played(tiny):
    with pytest.raises(ScenarioError, match="did you mean 'bandwidth_hz'"):
        plan_of(tiny, Sweep((Grid({"radio.bandwith_hz": (1e6,)}),)))


def test_the_command_line_lays_axes_and_seeds_over_those_of_the_scenario():
    swept = Sweep((Grid({"rounds": (1,)}),), (7,))
    found = varied(
        swept,
        ["radio.bandwidth_hz=1e6,2e6", "task.partition=iid,{kind: classes, per_device: 2}"],
        "3",
        True,
    )
    assert found.axes[0] == swept.axes[0]
    assert found.axes[1] == Grid({"radio.bandwidth_hz": (1e6, 2e6)})
    assert found.axes[2] == Grid({"task.partition": ("iid", {"kind": "classes", "per_device": 2})})
    assert (found.seeds, found.paired) == ((1, 2, 3), False)
    assert varied(swept, [], None, False) == swept
    assert varied(swept, [], "3,9,4", False).seeds == (3, 9, 4)


@pytest.mark.parametrize("text", ["rounds", "rounds=", "=1,2"])
def test_what_is_no_axis_is_refused(text):
    with pytest.raises(ScenarioError, match="write --vary radio"):
        varied(Sweep(), [text], None, False)


@pytest.mark.parametrize("seeds", ["", "x", "0", "1,1", "-2,3", "1.5"])
def test_what_are_no_seeds_is_refused(seeds):
    with pytest.raises(UserError, match="write --seeds 5"):
        varied(Sweep(), [], seeds, False)


@pytest.mark.parametrize("key", ["seed", "name", "about", "sweep.paired"])
def test_what_sets_no_two_runs_apart_is_no_axis(tiny, key):
    with pytest.raises(UserError, match=r"--seeds|leave it out"):
        plan_of(tiny, Sweep((Grid({key: (1, 2)}),)))


def test_a_number_is_told_as_the_scenario_reads_it(tiny):
    (item,) = plan_of(tiny, Sweep((Grid({"radio.bandwidth_hz": (1000000,)}),))).items
    assert repr(item.values["radio.bandwidth_hz"]) == "1000000.0"
    (item,) = plan_of(tiny, Sweep((Grid({"rounds": (4.0,)}),))).items
    assert repr(item.values["rounds"]) == "4"
    (item,) = plan_of(tiny, Sweep((Grid({"variants.fedavg.algorithm.learning_rate": (1,)}),))).items
    assert repr(item.values["variants.fedavg.algorithm.learning_rate"]) == "1.0"


def test_a_system_without_a_name_is_called_by_its_algorithm_also_when_that_is_varied(tiny):
    alone = tiny.partition("variants:")[0] + "algorithm: fedavg\n"
    items = plan_of(alone, Sweep((Grid({"algorithm": ("fedavg", "fedalt")}),))).items
    assert [list(json.loads(item.text)["variants"]) for item in items] == [["fedavg"], ["fedalt"]]


def test_what_a_scenario_says_of_itself_sets_no_two_runs_apart(tiny):
    assert key_of(parse(tiny, "t")) == key_of(parse(f"about: four devices\n{tiny}", "t"))


def test_what_is_in_a_file_that_the_scenario_names_determines_a_run(tiny, tmp_path):
    file = tmp_path / "own.npz"
    data = f"{{kind: npz, file: {file}, inputs: x, labels: y}}"
    loaded = parse(tiny, "t", [f"task.data={data}"])
    keys = [key_of(loaded)]
    for count in (20, 21, 20):
        np.savez(file, x=np.zeros((count, 2)), y=np.arange(count) % 2)
        keys.append(key_of(loaded))
    absent, first, other, again = keys
    assert len({absent, first, other}) == 3
    assert first == again


def test_a_mistake_of_an_axis_is_told_as_the_sweeps(tiny):
    wrong = Sweep((Grid({"radio.bandwith_hz": (1e6, 2e6)}),))
    with pytest.raises(ScenarioError, match=r"sweep, radio.bandwith_hz=1000000.0: .*bandwidth_hz"):
        plan_of(tiny, wrong)
    own = Sweep((Grid({"rounds": (1, 2)}),))
    with pytest.raises(ScenarioError, match=r"--set radio.bandwith_hz=1"):
        planned(lambda more, one: parse(tiny, "t", ("radio.bandwith_hz=1", *more), one), own, 3)
