"""A sweep: the same bits by every engine, nothing played twice, failures written down, killed and gone on."""

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from click.testing import CliRunner

from wflsim import results
from wflsim.cli.main import main
from wflsim.records.opening import alone
from wflsim.scenario.loading import parse
from wflsim.scenario.sweep import Sweep
from wflsim.sweep import playing
from wflsim.sweep.axes import Grid
from wflsim.sweep.engines.processes import Processes
from wflsim.sweep.engines.serial import Serial
from wflsim.sweep.plan import planned
from wflsim.sweep.playing import Outcome, play
from wflsim.sweep.runner import sweep

SWEEP = Sweep((Grid({"radio.bandwidth_hz": (1e6, 2e6)}),), (1, 2))
SILENT = ("learning=none",)
FATAL = '{"variants": {}}'


@pytest.fixture(scope="module")
def plan(tiny):
    return planned(lambda more, seed: parse(tiny, "t", (*SILENT, *more), seed), SWEEP, 3)


def no_watch(key, rounds):
    """Hear nothing."""


def tally_of(plan, folder, engine):
    *_, last = sweep(plan, folder, engine, no_watch)
    return last


def content(folder):
    """Return name → digest of everything that runs left behind, but for where they were cut short."""
    found = {}
    for path in sorted(Path(folder, "runs").rglob("*")):
        if path.is_file():
            data = path.read_bytes()
            if path.name == "manifest.json":
                told = json.loads(data)
                data = json.dumps({k: v for k, v in told.items() if k != "resumed"}).encode()
            found[str(path.relative_to(folder))] = sha256(data).hexdigest()
    return found


@pytest.fixture(scope="module")
def undisturbed(plan, tmp_path_factory):
    """The sweep as one process plays it."""
    folder = tmp_path_factory.mktemp("undisturbed")
    tally_of(plan, folder, Serial())
    return folder


def test_runs_lie_by_their_keys_and_load_with_their_values(plan, undisturbed):
    assert {path.name for path in (undisturbed / "runs").iterdir()} == {
        item.key for item in plan.items
    }
    found = results.load(undisturbed)
    assert found.axes == ["radio.bandwidth_hz"]
    assert len(found.runs) == 4
    assert found.finals.groupby("radio.bandwidth_hz").size().tolist() == [6, 6]


def test_processes_leave_the_same_bits(plan, undisturbed, tmp_path):
    heard = []
    for tally in sweep(
        plan, tmp_path, Processes(2), lambda key, rounds: heard.append((key, rounds))
    ):
        last = tally
    assert last.done == {item.key for item in plan.items}
    assert not last.failed
    assert content(tmp_path) == content(undisturbed)
    assert {key for key, _ in heard} <= last.done


def test_what_is_there_is_not_played_again(plan, undisturbed, monkeypatch):
    monkeypatch.setattr(playing, "Run", None)  # whoever plays fails
    before = content(undisturbed)
    assert tally_of(plan, undisturbed, Serial()).done == {item.key for item in plan.items}
    assert content(undisturbed) == before


def test_what_is_said_of_a_scenario_plays_nothing_again(tiny, plan, undisturbed, monkeypatch):
    monkeypatch.setattr(playing, "Run", None)  # whoever plays fails
    told = planned(
        lambda more, one: parse(f"about: x\n{tiny}", "t", (*SILENT, *more), one), SWEEP, 3
    )
    assert [play(item, undisturbed / "runs", no_watch).error for item in told.items] == [""] * 4
    assert {item.key for item in told.items} == {item.key for item in plan.items}


def test_a_run_that_fails_is_written_down_and_the_rest_goes_on(tiny, tmp_path):
    failing = Sweep((Grid({"task.partition.per_device": (2, 11)}),))  # there are ten classes
    plan = planned(
        lambda more, seed: parse(
            tiny, "t", (*SILENT, "task.partition={kind: classes}", *more), seed
        ),
        failing,
        3,
    )
    tally = tally_of(plan, tmp_path, Serial())
    good, bad = plan.items
    assert tally.done == {good.key}
    told = json.loads((tmp_path / "sweep.json").read_text())
    assert list(told["failed"]) == [bad.key]
    assert "per_device" in told["failed"][bad.key]["error"]
    assert len(results.load(tmp_path).runs) == 1


def test_what_nobody_expected_is_an_outcome_with_its_trace(plan, tmp_path, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("out of paper")

    monkeypatch.setattr(playing, "settle", broken)
    outcome = play(plan.items[0], tmp_path, no_watch)
    assert outcome.error == "RuntimeError('out of paper')"
    assert "in broken" in outcome.trace


def test_a_run_that_failed_before_its_first_checkpoint_is_played_anew(plan, undisturbed, tmp_path):
    item = plan.items[0]

    def broken(key, rounds):
        if rounds == 2:
            raise RuntimeError("out of paper")

    assert play(item, tmp_path / "runs", broken).error
    assert play(item, tmp_path / "runs", no_watch) == Outcome(
        item.key, took_s=pytest.approx(0, abs=600)
    )
    expected = {k: v for k, v in content(undisturbed).items() if item.key in k}
    assert content(tmp_path) == expected


def test_a_run_of_other_versions_is_not_played_under_this_key(plan, tmp_path):
    other = replace(plan.items[0], key="0" * 16)
    assert "comes to another run here" in play(other, tmp_path, no_watch).error


def killed_at(seconds, arguments):
    """Begin a sweep and kill it, the whole process at once."""
    process = subprocess.Popen(
        [sys.executable, "-m", "wflsim", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["serial", "processes"])
def test_a_sweep_that_is_killed_goes_on_to_the_same_bits(tiny, tmp_path, engine):
    (tmp_path / "tiny.yaml").write_text(tiny.replace("rounds: 3", "rounds: 12"))
    arguments = [
        "sweep",
        str(tmp_path / "tiny.yaml"),
        "--vary",
        "radio.bandwidth_hz=1e6,2e6",
        "--seeds",
        "2",
        "--quiet",
    ]
    whole = CliRunner().invoke(
        main, [*arguments, "--engine", "serial", "--out", str(tmp_path / "whole")]
    )
    assert whole.exit_code == 0, whole.output
    cut = [*arguments, "--engine", engine, "--workers", "2", "--out", str(tmp_path / "cut")]
    for seconds in (3.0, 5.0, 7.0):
        killed_at(seconds, cut)
    result = subprocess.run(
        [sys.executable, "-m", "wflsim", *cut], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert content(tmp_path / "cut") == content(tmp_path / "whole")


def invoke(tmp_path, tiny, *arguments):
    path = tmp_path / "tiny.yaml"
    path.write_text(tiny)
    common = [
        "sweep",
        str(path),
        "--set",
        "learning=none",
        "--out",
        str(tmp_path / "out"),
        "--engine",
        "serial",
    ]
    return CliRunner().invoke(main, [*common, *arguments])


def test_the_command_says_how_it_ended(tmp_path, tiny):
    result = invoke(tmp_path, tiny, "--vary", "rounds=1,2")
    assert result.exit_code == 0, result.output
    assert result.output == f"2 done: {tmp_path / 'out'}\n"
    told = json.loads(invoke(tmp_path, tiny, "--vary", "rounds=1,2", "--format", "json").stdout)
    assert told == {"out": str(tmp_path / "out"), "runs": 2, "done": 2, "failed": {}}


def test_a_failure_is_no_success(tmp_path, tiny):
    result = invoke(tmp_path, tiny, "--vary", "task.partition.per_device=2,11")
    assert result.exit_code == 1
    assert "1 done  1 failed" in result.output
    assert "failed: per_device 11, seed 3" in result.output


def test_a_dry_run_plays_nothing_into_the_folder(tmp_path, tiny):
    result = invoke(tmp_path, tiny, "--vary", "rounds=1,2", "--seeds", "2", "--dry-run")
    assert result.exit_code == 0, result.output
    assert "4 runs, 0 done" in result.output
    assert "a run" in result.output
    assert not (tmp_path / "out").exists()
    invoke(tmp_path, tiny, "--vary", "rounds=1,2", "--seeds", "2")
    told = json.loads(
        invoke(
            tmp_path,
            tiny,
            "--vary",
            "rounds=1,2,3",
            "--seeds",
            "2",
            "--dry-run",
            "--format",
            "json",
        ).stdout
    )
    assert [point["done"] for point in told["points"]] == [True] * 4 + [False] * 2
    assert told["run_s"] > 0


@pytest.mark.filterwarnings("default:.*cannot be read")
def test_a_record_that_cannot_be_read_is_written_anew(tmp_path, tiny):
    assert invoke(tmp_path, tiny).exit_code == 0
    (tmp_path / "out" / "sweep.json").write_text("{")
    result = invoke(tmp_path, tiny)
    assert result.exit_code == 0, result.output
    assert "cannot be read" in result.output
    assert len(json.loads((tmp_path / "out" / "sweep.json").read_text())["points"]) == 1


def test_a_run_that_somebody_else_plays_is_put_off_and_waited_for(plan, undisturbed, tmp_path):
    """The others come first; whoever holds the run lets go of it when they are there."""
    busy, *others = plan.items
    folder = tmp_path / "runs" / busy.key
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps({"status": "interrupted"}))
    holder = alone(folder)
    holder.__enter__()
    order = []
    for tally in sweep(plan, tmp_path, Serial(), no_watch):
        order += [key for key in tally.done if key not in order]
        if len(order) == len(others) and holder:
            shutil.rmtree(folder)
            holder.__exit__(None, None, None)
            holder = None
    assert set(order[:-1]) == {item.key for item in others}
    assert order[-1] == busy.key
    assert content(tmp_path) == content(undisturbed)


def test_a_run_whose_manifest_was_lost_is_played_anew(plan, undisturbed, tmp_path):
    shutil.copytree(undisturbed, tmp_path / "out")
    item = plan.items[0]
    (tmp_path / "out" / "runs" / item.key / "manifest.json").write_text("")
    assert not play(item, tmp_path / "out" / "runs", no_watch).error
    assert content(tmp_path / "out") == content(undisturbed)


@pytest.mark.slow
def test_a_process_that_dies_takes_nobody_with_it(plan, undisturbed, tmp_path):
    """One run ends its process, before it has said anything and later; it has failed after three, the others are there."""
    fatal = replace(plan.items[1], text=FATAL)
    broken = replace(plan, items=(plan.items[0], fatal, *plan.items[2:]))
    tally = tally_of(broken, tmp_path, Processes(2, begin=suicidal))
    assert list(tally.failed) == [fatal.key], tally.failed
    assert "died 3 times" in tally.failed[fatal.key].error
    assert tally.done == {item.key for item in plan.items} - {fatal.key}
    assert json.loads((tmp_path / "sweep.json").read_text())["failed"].keys() == {fatal.key}


def suicidal(item, runs, watch):
    """Play a run, or end the process."""
    if item.text == FATAL:
        os._exit(9)
    return play(item, runs, watch)


def test_a_run_that_comes_back_replaces_what_was_cut_short_and_nothing_else(
    undisturbed, plan, tmp_path
):
    from wflsim.sweep.engines.ray_cluster import _packed, _received

    item = plan.items[0]
    packed = _packed(undisturbed / "runs" / item.key)
    place = tmp_path / "runs" / item.key
    place.mkdir(parents=True)
    (place / "manifest.json").write_text(json.dumps({"status": "interrupted"}))
    outcome = _received(item, tmp_path / "runs", lambda: (Outcome(item.key), packed))
    assert not outcome.error
    assert content(tmp_path) == {k: v for k, v in content(undisturbed).items() if item.key in k}
    (place / "mine").write_text("over, and not to be touched")
    _received(item, tmp_path / "runs", lambda: (Outcome(item.key), packed))
    assert (place / "mine").exists()
    assert [path.name for path in (tmp_path / "runs").iterdir()] == [item.key]


def test_ray_that_is_not_installed_is_told(tmp_path, tiny, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    result = invoke(tmp_path, tiny, "--engine", "ray")
    assert result.exit_code == 2
    assert "pip install 'wflsim[ray]'" in result.output


@pytest.mark.slow
def test_a_ray_cluster_that_loses_a_node_leaves_the_same_bits(plan, undisturbed, tmp_path):
    """Two nodes of this host; one goes as soon as the first run is there."""
    ray = pytest.importorskip("ray", reason="the extra `ray` is not installed")
    from ray.cluster_utils import Cluster

    from wflsim.sweep.engines.ray_cluster import RayCluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    second = cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, log_to_driver=False)
    try:
        lost = False
        for tally in sweep(plan, tmp_path, RayCluster(cluster.address), no_watch):
            if tally.done and not lost:
                cluster.remove_node(second)
                lost = True
    finally:
        ray.shutdown()
        cluster.shutdown()
    assert lost
    assert tally.done == {item.key for item in plan.items}
    assert content(tmp_path) == content(undisturbed)
