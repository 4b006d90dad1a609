"""What runs have in common is played once, and the records are those of runs that were played alone."""

import json
import shutil
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from wflsim.records.folder import RunFolder
from wflsim.scenario.loading import parse
from wflsim.scenario.sweep import Sweep
from wflsim.simulation import run
from wflsim.sweep import playing
from wflsim.sweep.axes import Grid
from wflsim.sweep.engines.serial import Serial
from wflsim.sweep.plan import planned
from wflsim.sweep.runner import sweep
from wflsim.sweep.sharing import left_behind, own_rounds, shared

SHARES = Sweep((Grid({"variants.pruned.deadline.share": (0.4, 0.5, 0.6)}),), (1, 2))


@pytest.fixture(scope="module")
def plan(tiny):
    return planned(lambda more, seed: parse(tiny, "t", more, seed), SHARES, 3)


@pytest.fixture(scope="module")
def alone(plan, tmp_path_factory):
    """Every run as it is played by itself."""
    folder = tmp_path_factory.mktemp("alone")
    for item in plan.items:
        assert not playing.play(item, folder, lambda *_: None).error
    return folder


def content(runs):
    return {
        str(path.relative_to(runs)): sha256(path.read_bytes()).hexdigest()
        for path in Path(runs).rglob("*")
        if path.is_file()
    }


@pytest.fixture
def played(monkeypatch):
    """The systems that are really played from now on."""
    found = []
    stage = run.stage

    def noted(setting, system):
        found.append(type(system.algorithm).__name__)
        return stage(setting, system)

    monkeypatch.setattr(run, "stage", noted)
    return found


def test_baselines_that_no_point_changes_are_played_once_a_seed(plan, alone, played, tmp_path):
    heard = {}

    def watch(key, rounds):
        heard[key] = rounds

    *_, tally = sweep(plan, tmp_path, Serial(), watch)
    assert not tally.failed
    assert sorted(played) == ["FedAlt"] * 2 + ["FedAvg"] * 2 + ["Japp"] * 6
    assert content(tmp_path / "runs") == content(alone)
    assert heard == {item.key: item.rounds for item in plan.items}


def test_what_is_taken_over_is_no_round_of_ones_own(plan):
    assert [own_rounds(item) for item in shared(plan.items, ())] == [9, 9, 3, 3, 3, 3]


def test_a_world_of_its_own_shares_nothing(tiny):
    worlds = Sweep((Grid({"radio.bandwidth_hz": (1e6, 2e6)}),), (1, 2))
    plan = planned(lambda more, seed: parse(tiny, "t", more, seed), worlds, 3)
    assert all(not item.donors for item in shared(plan.items, ()))


def test_what_is_there_is_asked_before_what_is_to_come(plan):
    last = plan.items[4]  # the third point with the first seed
    donors = {item.key: item.donors for item in shared(plan.items, {last.key})}
    assert donors[last.key] == {}
    for item in (plan.items[0], plan.items[2]):
        assert donors[item.key] == {"fedalt": last.key, "fedavg": last.key}
    assert [item.key for item in shared(plan.items, {last.key})] == [i.key for i in plan.items]


@pytest.mark.parametrize(
    "file", ["rounds.parquet", "clients.parquet", "weights/fedavg.safetensors"]
)
def test_what_a_manifest_does_not_vouch_for_is_played_again(plan, alone, played, tmp_path, file):
    first, second = plan.items[0], plan.items[2]
    shutil.copytree(alone / first.key, tmp_path / first.key)
    (tmp_path / first.key / file).write_bytes(b"something else")
    item = replace(second, donors={"fedalt": first.key, "fedavg": first.key})
    assert not playing.play(item, tmp_path, lambda *_: None).error
    assert "FedAvg" in played
    assert content(tmp_path / second.key) == content(alone / second.key)


def test_a_run_that_is_not_over_gives_nothing(plan, alone, played, tmp_path):
    first, second = plan.items[0], plan.items[2]
    shutil.copytree(alone / first.key, tmp_path / first.key)
    told = json.loads((tmp_path / first.key / "manifest.json").read_text())
    (tmp_path / first.key / "manifest.json").write_text(
        json.dumps(told | {"status": "interrupted"})
    )
    item = replace(second, donors={"fedalt": first.key})
    assert not playing.play(item, tmp_path, lambda *_: None).error
    assert played == ["Japp", "FedAlt", "FedAvg"]


def test_a_run_that_dies_after_it_took_something_over_is_played_anew(tiny, tmp_path, monkeypatch):
    """Baselines come first here: weights lie in the folder before there is a checkpoint."""
    head, _, variants = tiny.partition("variants:\n")
    pruned, *others = variants.splitlines(keepends=True)
    text = head + "variants:\n" + "".join([*others, pruned])
    plan = planned(lambda more, seed: parse(text, "t", more, seed), SHARES, 3)
    first, _, second, *_ = shared(plan.items, ())
    assert not playing.play(first, tmp_path, lambda *_: None).error
    stage = run.stage

    class KilledError(BaseException):
        pass

    def killed(setting, system):
        raise KilledError

    monkeypatch.setattr(run, "stage", killed)
    monkeypatch.setattr(run.Run, "_save", lambda *_: None)  # nothing is said of a kill
    with pytest.raises(KilledError):
        playing.play(second, tmp_path, lambda *_: None)
    assert (tmp_path / second.key / "weights" / "fedavg.safetensors").exists()
    monkeypatch.undo()
    assert run.stage is stage
    assert not playing.play(second, tmp_path, lambda *_: None).error
    whole = tmp_path / "whole"
    assert not playing.play(replace(second, donors={}), whole, lambda *_: None).error
    assert content(tmp_path / second.key) == content(whole / second.key)


def test_groups_are_taken_over_too(play, tiny, tmp_path):
    """The fixture plays a run that ends with groups, beside a system that has none."""
    grouped = "{algorithm: {kind: fedchar, gathers: 1}, rounds: 2}"
    (tmp_path / "t.yaml").write_text(f"{tiny}  grouped: {grouped}\n")
    folder = RunFolder(Path(play(tmp_path / "run", tmp_path / "t.yaml")))
    found = {name: left_behind(folder, name)[0] for name in folder.told()["variants"]}
    assert list(found["grouped"].recorder.endings) == ["groups"]
    assert found["fedavg"].recorder.endings == {}
    for name, told in folder.told()["variants"].items():
        assert found[name].recorder.digest() == told["records_sha256"]
        assert found[name].status == told["status"]
