"""A run that was cut short and resumed is the run that was not: digest by digest, wherever it was cut."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from wflsim.cli.main import main
from wflsim.contracts import Message
from wflsim.errors import UserError
from wflsim.learning.algorithms.fedavg import FedAvg
from wflsim.learning.data import npz
from wflsim.records import checkpoint
from wflsim.records.encoding import Coder
from wflsim.records.folder import RunFolder
from wflsim.records.opening import opened
from wflsim.records.recorder import Recorder
from wflsim.scenario.loading import parse
from wflsim.simulation import loop
from wflsim.simulation.keeping import Keeper
from wflsim.simulation.loop import stage
from wflsim.simulation.run import Run
from wflsim.simulation.setting import settle

NETWORK = """\
name: network
seed: 5
fleet:
  devices: 6
  cpu_hz: [100e6, 400e6]
  slowness: {kind: log_normal, sigma: 0.4}
  electronics: handset
  battery: {kind: battery, capacity_j: 6, charge: [0.2, 1.0], least_share: 0.1, harvest_w: 0.3}
  availability: {kind: markov, mean_on_s: 3, mean_off_s: 1}
channel:
  path_loss: {kind: uma, line_of_sight: correlated}
  shadowing: {kind: map, map_half_width_m: 500}
  fading: {kind: rayleigh, doppler: {kind: jakes, speed_m_s: 3}}
  mobility: {kind: random_waypoint}
radio: {bandwidth_hz: 4e6, link: gap}
task: {data: {kind: blank, samples: 800}, partition: iid, model: {kind: mlp, hidden: [64]}}
rounds: 5
learning: none
algorithm: {kind: japp, keep_min: 0.1}
allocator: equal_share
procedures:
  paging: {kind: cycle, period_s: 0.08}
  access: {kind: random, inactivity_s: 0.0, procedure: {preambles: 6, attempts: 4}}
  grant: request
  background: {kind: poisson, load: 0.3}
  uplink: {kind: nr, pattern: DSUU}
"""
POLICIES = {
    "all": "policy=wait_for_all",
    "kept": "policy={kind: deadline, late: kept}",
    "first": "policy={kind: first, count: 2, late: {kind: aged, exponent: 0.5}}",
    "buffered": "policy={kind: buffered, size: 2}",
    "period": "policy={kind: period, period_s: 0.2}",
    "tiers": "policy={kind: tiers, period_s: 0.15}",
    "hierarchical": "policy={kind: hierarchical, backhaul: wireless}",
}
WORLDS = {
    "markov": "fleet.availability.mean_on_s=3",
    "churn": "fleet.availability={kind: churn, join_s: 2, life_s: 30}",
    "diurnal": "fleet.availability={kind: diurnal, period_s: 5, on_share: 0.7}",
    "static": "channel={kind: none}",
    "track": "channel.shadowing=track",
    "gauss_markov": "channel.mobility=gauss_markov",
    "autoregressive": "channel.fading={kind: rician, doppler: ar1}",
    "cells": "channel={layout: hexagonal, interference: coupled, fading: rayleigh}",
}


def some(cases, *quick):
    """Return cases, of which all but some are slow tests."""
    return [each if each in quick else pytest.param(each, marks=pytest.mark.slow) for each in cases]


def written(stage_, scene):
    """Return the digest of the final weights; nothing where nothing is trained."""
    if not stage_.system.learning.trains:
        return ""
    with TemporaryDirectory() as folder:
        return stage_.learner.write(scene.state, Path(folder) / "weights")


def scene_by_scene(text, assignments, change=lambda system: system):
    """Return digests of a run, and of one whose every scene is packed, and unpacked into a setting made anew."""

    def set_up():
        scenario = parse(text, "t", assignments).scenario
        (system,) = scenario.systems.values()
        system = change(system)
        scenario = replace(scenario, systems={"x": system})
        setting = settle(scenario.world)
        return stage(setting, system), Keeper(scenario, setting, RunFolder(Path()), 1)._coder

    whole, (stage_, coder) = Recorder("x"), set_up()
    for report, after in stage_.onward(stage_.begin()):
        whole.add(report)
        scene = after
    weights = [written(stage_, scene)]
    resumed, packed = Recorder("x"), coder.pack(set_up()[0].begin())
    for round_ in range(stage_.system.rounds):
        stage_, coder = set_up()
        packed = replace(packed, tree=json.loads(json.dumps(packed.tree)))
        report, scene = next(stage_.onward(coder.unpack(packed), round_))
        resumed.add(report)
        resumed, packed = resumed.until(round_ + 1), coder.pack(scene)
    weights.append(written(stage_, scene))
    found = [(recorder.events, recorder.digest()) for recorder in (whole, resumed)]
    return list(zip(found, weights, strict=True)), whole


@pytest.mark.parametrize("policy", some(POLICIES, "kept", "buffered", "tiers"))
def test_every_policy_goes_on_with_its_flights(policy):
    deadline = "deadline={kind: fixed, limit_s: 0.15}"
    (whole, resumed), recorder = scene_by_scene(NETWORK, [POLICIES[policy], deadline])
    assert whole == resumed
    if policy not in ("all", "hierarchical"):
        assert recorder.table("rounds")["under_way"].max() > 0


def named_world(name):
    if name == "static":
        return re.sub(r"channel:\n(  .*\n)+", "", NETWORK), []
    if name == "cells":
        text = re.sub(
            r"channel:\n(  .*\n)+",
            "channel: {layout: hexagonal, interference: coupled, mobility: random_waypoint}\n",
            NETWORK,
        )
        return text, []
    return NETWORK, [WORLDS[name]]


@pytest.mark.parametrize("world", some(WORLDS, "track", "cells"))
def test_every_part_of_the_world_goes_on(world):
    text, assignments = named_world(world)
    (whole, resumed), _ = scene_by_scene(text, [*assignments, POLICIES["buffered"]])
    assert whole == resumed


LEARNING = ["rounds=5", "fleet.slowness={kind: log_normal, sigma: 1.0}"]
LATE = {
    "kept": ["policy={kind: deadline, late: kept}", "deadline={kind: relative, share: 1}"],
    "first": [POLICIES["first"], "deadline=none"],
    "buffered": [POLICIES["buffered"], "deadline=none"],
    "period": ["policy={kind: period, period_s: 0.006}", "deadline=none"],
}


@pytest.mark.parametrize(
    "case",
    some(
        [
            f"{algorithm}-{policy}"
            for algorithm in ("pruned", "fedalt", "fedavg")
            for policy in LATE
        ],
        "pruned-first",
        "fedalt-buffered",
        "fedavg-kept",
    ),
)
def test_every_algorithm_goes_on_with_what_began_before(tiny, case):
    algorithm, policy = case.split("-")
    only = re.sub(rf"\n  (?!{algorithm})\w+: {{algorithm.*", "", tiny)
    (whole, resumed), recorder = scene_by_scene(only, [*LEARNING, *LATE[policy]])
    assert whole == resumed
    assert whole[1]
    assert recorder.table("rounds")["under_way"].max() > 0


@dataclass(frozen=True)
class Surprising:
    """Sends what moved by more than a threshold: known after training alone, and under way with its messages."""

    inner: FedAvg = field(default_factory=FedAvg)
    trains_first: bool = True

    def plan(self, anatomy, samples, turn, state):
        return self.inner.plan(anatomy, samples, turn, state)

    def init(self, task):
        return self.inner.init(task)

    def train(self, state, cohort, keep):
        updates = self.inner.train(state, cohort, keep)
        found = []
        for message in updates.messages:
            moved = {n: t - state.shared[n] for n, t in message.tensors.items()}
            flat = torch.cat([m.flatten() for m in moved.values()])
            found.append(Message({"moved": flat[flat.abs() > 0.01]}))
        return replace(updates, messages=found, private={})

    def fuse(self, state, updates):
        return self.fuse_late(state, [])

    def fuse_late(self, state, late):
        means = [m.tensors["moved"].mean() for group in late for m in group.updates.messages]
        shift = sum(means) if means else 0.0
        return replace(state, shared={n: t + shift for n, t in state.shared.items()})

    def model_for(self, state, device):
        return self.inner.model_for(state, device)


def test_messages_that_are_under_way_are_kept(tiny):
    only = re.sub(r"\n  (?!fedavg)\w+: {algorithm.*", "", tiny)
    (whole, resumed), recorder = scene_by_scene(
        only,
        [*LEARNING, "policy={kind: buffered, size: 1}"],
        lambda system: replace(system, algorithm=Surprising()),
    )
    assert whole == resumed
    assert recorder.table("rounds")["under_way"].max() > 0


class KilledError(BaseException):
    """Stands for a signal that nobody can catch: nothing is written when it comes."""


def run_in(path, text, every=10):
    path.mkdir(exist_ok=True)
    loaded = parse(text, "t")
    return Run(loaded, settle(loaded.scenario.world), RunFolder(path), every=every)


def nothing(*_):
    pass


@pytest.fixture(scope="module")
def whole(tiny, tmp_path_factory):
    run = run_in(tmp_path_factory.mktemp("whole"), tiny)
    run.play(nothing)
    return run.account()["variants"]


def test_a_run_interrupted_after_every_round_ends_as_one_that_was_not(tiny, tmp_path, whole):
    seen = []

    def cut(name, rounds, report):
        seen.append((name, report.round_))
        raise KeyboardInterrupt

    for _ in range(60):
        run = run_in(tmp_path / "run", tiny)
        assert run.resume() == bool(seen)
        try:
            run.play(cut)
        except KeyboardInterrupt:
            continue
        break
    assert seen == [(name, round_) for name in whole for round_ in range(3)]
    assert run.account()["variants"] == whole
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["status"] == "succeeded"
    resumed = [(at["variant"], at["round"] - 1) for at in manifest["resumed"]]
    assert resumed == seen
    assert not (tmp_path / "run" / checkpoint.FOLDER).exists()


@pytest.mark.parametrize("every", [1, 2])
def test_a_killed_run_goes_on_from_its_last_checkpoint(tiny, tmp_path, whole, every):
    played = Counter()
    for _ in range(60):
        run = run_in(tmp_path / "run", tiny, every)
        run.resume()
        news = []

        def cut(name, rounds, report, news=news):
            played[name, report.round_] += 1
            news.append(name)
            if len(news) == 3:
                raise KilledError

        try:
            run.play(cut)
        except KilledError:
            continue
        break
    assert run.account()["variants"] == whole
    assert max(played.values()) == every


@pytest.mark.parametrize("where", [(loop, "arrivals"), (Recorder, "add")])
def test_an_interrupt_in_the_middle_keeps_the_rounds_before(
    tiny, tmp_path, monkeypatch, whole, where
):
    """In a round, and between the records of a round and the mark that it was played."""
    real, calls = getattr(*where), []

    def breaking(*arguments, **named):
        calls.append(1)
        found = real(*arguments, **named)
        if len(calls) % 4 == 0:
            raise KeyboardInterrupt
        return found

    monkeypatch.setattr(*where, breaking)
    for _ in range(60):
        run = run_in(tmp_path / "run", tiny)
        run.resume()
        try:
            run.play(nothing)
        except KeyboardInterrupt:
            continue
        break
    assert run.account()["variants"] == whole
    assert len(calls) > 9


@pytest.mark.slow
def test_a_run_that_ended_early_stays_so(tmp_path):
    text = NETWORK.replace("harvest_w: 0.3", "harvest_w: 0").replace("rounds: 5", "rounds: 1000")
    text += "variants: {one: {}, two: {rounds: 900}}\n"
    done = run_in(tmp_path / "whole", text)
    done.play(nothing)
    assert {v.status for v in done.variants.values()} == {"halted"}

    def cut(name, rounds, report):
        if name == "two":
            raise KeyboardInterrupt

    run = run_in(tmp_path / "run", text)
    with pytest.raises(KeyboardInterrupt):
        run.play(cut)
    run = run_in(tmp_path / "run", text)
    assert run.resume()
    assert run.variants["one"].status == "halted"
    run.play(nothing)
    assert repr(run.account()["variants"]) == repr(done.account()["variants"])


def test_a_state_that_cannot_be_stored_is_refused_after_the_first_round(tiny, tmp_path):
    class Hidden(FedAvg):
        def init(self, task):
            return {"rng": np.random.default_rng(1), "inner": super().init(task)}

        def plan(self, anatomy, samples, turn, state):
            return super().plan(anatomy, samples, turn, None)

        def train(self, state, cohort, keep):
            return super().train(state["inner"], cohort, keep)

        def fuse(self, state, updates):
            return {**state, "inner": state["inner"].fused(updates)}

        def model_for(self, state, device):
            return super().model_for(state["inner"], device)

    def play(path, every):
        run = run_in(path, tiny, every)
        run._settle = nothing
        scenario = run.loaded.scenario
        system = replace(scenario.systems["fedavg"], algorithm=Hidden())
        run.loaded = replace(run.loaded, scenario=replace(scenario, systems={"x": system}))
        run.play(nothing)
        return run

    with pytest.raises(UserError, match=r"x\.reached\.scene\.state\.rng is a numpy\.random"):
        play(tmp_path / "one", 10)
    assert play(tmp_path / "two", 0).variants["x"].status == "succeeded"


# The command


def wflsim(*arguments):
    return CliRunner().invoke(
        main, [str(argument) for argument in arguments], catch_exceptions=False
    )


SMALL = NETWORK.replace("rounds: 5", "rounds: 4")


@pytest.fixture
def undrawn(monkeypatch):
    monkeypatch.setattr("wflsim.cli.run._draw", lambda trace, run: {})


@pytest.fixture
def cut_short(tmp_path):
    """A scenario's file, and the folder of a run of it that was interrupted."""
    path, out = tmp_path / "small.yaml", tmp_path / "out"
    path.write_text(SMALL)

    def cut(name, rounds, report):
        if report.round_ == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_in(out, SMALL).play(cut)
    return path, out


def test_the_same_command_again_resumes_and_says_so(cut_short, undrawn):
    path, out = cut_short
    done = wflsim("run", path, "--out", out)
    assert done.exit_code == 0
    assert "resumed after round 2 of japp" in done.stderr
    manifest = json.loads((out / "manifest.json").read_text())
    assert (manifest["status"], manifest["resumed"]) == (
        "succeeded",
        [{"variant": "japp", "round": 2}],
    )
    again = wflsim("run", path, "--out", out)
    assert again.exit_code == 2
    assert "holds a run that is over; name another folder" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--seed", 6], "seed is 5 there and 6 here; name another folder"),
        (["--set", "rounds=9"], "variants.japp.rounds is 4 there and 9 here"),
        (
            ["--set", "policy=wait_for_all"],
            "policy.kind is 'deadline' there and 'wait_for_all' here",
        ),
        (["--fresh"], "holds a checkpoint"),
        (["--fresh", "--resume"], "--resume and --fresh contradict each other"),
    ],
)
def test_nothing_is_resumed_that_is_not_the_same(cut_short, arguments, said):
    path, out = cut_short
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    done = wflsim("run", path, "--out", out, *arguments)
    assert done.exit_code == 2
    assert said in done.stderr
    assert {p: p.read_bytes() for p in out.rglob("*") if p.is_file()} == before


def test_other_versions_are_refused_by_name(cut_short):
    path, out = cut_short
    manifest = json.loads((out / "manifest.json").read_text())
    manifest["versions"]["torch"] = "1.0"
    (out / "manifest.json").write_text(json.dumps(manifest))
    done = wflsim("run", path, "--out", out)
    assert done.exit_code == 2
    assert "versions.torch is '1.0' there and" in done.stderr


def test_a_damaged_checkpoint_and_changed_files_are_refused(cut_short, tmp_path):
    path, out = cut_short
    (arrays,) = (out / checkpoint.FOLDER).glob("*.safetensors")
    arrays.write_bytes(arrays.read_bytes()[:-1])
    done = wflsim("run", path, "--out", out)
    assert done.exit_code == 2
    assert "cannot be resumed from" in done.stderr
    checkpoint.clear(out)
    done = wflsim("run", path, "--out", out)
    assert done.exit_code == 2
    assert "left no checkpoint" in done.stderr


def test_a_trace_that_has_changed_is_noticed(tmp_path):
    trace, out = tmp_path / "phones.csv", tmp_path / "out"
    trace.write_text("device,from_s,to_s\n0,0,50\n1,0,40\n")
    text = SMALL.replace("kind: markov, mean_on_s: 3, mean_off_s: 1", f"kind: trace, file: {trace}")

    def cut(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_in(out, text).play(cut)
    assert run_in(out, text).resume()
    trace.write_text("device,from_s,to_s\n0,0,50\n1,0,41\n")
    with pytest.raises(UserError, match="has changed since"):
        run_in(out, text).resume()


def test_resuming_can_be_insisted_on(tmp_path, undrawn):
    path, out = tmp_path / "small.yaml", tmp_path / "out"
    path.write_text(SMALL)
    for arguments, said in (
        (["--resume"], "--resume: there is nothing to resume"),
        (["--resume", "--out", out], "there is nothing to resume"),
    ):
        done = wflsim("run", path, *arguments)
        assert done.exit_code == 2
        assert said in done.stderr
    assert not out.exists()
    assert wflsim("run", path, "--out", out, "--fresh", "--quiet").exit_code == 0


@pytest.mark.parametrize("left", [".manifest.part.json", "manifest.json"])
def test_a_run_killed_before_it_played_anything_begins_anew(tmp_path, undrawn, left):
    path, out = tmp_path / "small.yaml", tmp_path / "out"
    path.write_text(SMALL)
    run = run_in(out, SMALL)
    run._settle("interrupted")
    (out / "manifest.json").replace(out / left)
    done = wflsim("run", path, "--out", out, "--quiet")
    assert done.exit_code == 0
    assert json.loads((out / "manifest.json").read_text())["resumed"] == []


def test_final_weights_that_are_gone_are_missed(tiny, tmp_path):
    def cut(name, rounds, report):
        if name == "fedalt":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_in(tmp_path / "run", tiny).play(cut)
    (tmp_path / "run" / "weights" / "pruned.safetensors").unlink()
    with pytest.raises(UserError, match="is not the file that the run has written"):
        run_in(tmp_path / "run", tiny).resume()


@pytest.mark.skipif(sys.platform == "win32", reason="folders cannot be held there")
def test_two_processes_do_not_play_the_same_run(tmp_path):
    with opened(str(tmp_path / "out"), "x", {}), pytest.raises(UserError, match="another process"):  # noqa: SIM117
        with opened(str(tmp_path / "out"), "x", {}):
            pass


RUN = [sys.executable, "-m", "wflsim", "run"]
DIGESTS = ("weights_sha256", "records_sha256", "events_sha256")


def start(path, out, *arguments):
    return subprocess.Popen(
        [*RUN, str(path), "--out", str(out), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def digests(out):
    found = json.loads((out / "manifest.json").read_text())
    assert found["status"] == "succeeded"
    return {name: [v[key] for key in DIGESTS] for name, v in found["variants"].items()}


def wait_for_new(out, process, patience_s=60.0):
    """Wait until a process has written a checkpoint of its own, or is over."""
    index = out / checkpoint.FOLDER / checkpoint.INDEX

    def written():
        try:
            return index.stat().st_mtime_ns
        except OSError:
            return 0

    before, end = written(), time.monotonic() + patience_s
    while written() == before and process.poll() is None and time.monotonic() < end:
        time.sleep(0.002)


LONG = ["rounds: 3", "rounds: 60"]


def test_a_run_that_trains_nothing_keeps_checkpoints_without_torch(tmp_path):
    path, out = tmp_path / "small.yaml", tmp_path / "out"
    path.write_text(SMALL)
    code = (
        "import sys, contextlib\nfrom wflsim.cli.main import main\n"
        "import wflsim.cli.run\nwflsim.cli.run._draw = lambda *a: {}\n"
        "from wflsim.records import checkpoint\nreal, calls = checkpoint.write, []\n"
        "checkpoint.write = lambda *a: (calls.append(1), real(*a))\n"
        "with contextlib.suppress(SystemExit):\n"
        f"    main(['run', {str(path)!r}, '--out', {str(out)!r}, '--checkpoint', '1', '--quiet'])\n"
        "print(len(calls), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["5", "False"]  # one a round, and one when the variant is over


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals differ there")
def test_ctrl_c_keeps_the_last_whole_round(tiny, tmp_path):
    path, out = tmp_path / "tiny.yaml", tmp_path / "out"
    path.write_text(tiny.replace(*LONG))
    process = start(path, out, "--checkpoint", "20")
    wait_for_new(out, process)
    time.sleep(0.3)
    os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert f"play the same with --out {out} to go on" in errors.decode()
    assert b"Traceback" not in errors
    rounds = [
        v["rounds"] for v in json.loads((out / "manifest.json").read_text())["variants"].values()
    ]
    process = start(path, out, "--resume")
    _, errors = process.communicate(timeout=300)
    assert f"resumed after round {rounds[-1]} of".encode() in errors
    whole = start(path, tmp_path / "whole")
    whole.communicate(timeout=300)
    assert digests(out) == digests(tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals differ there")
def test_a_run_killed_twenty_times_ends_as_one_that_was_not(tiny, tmp_path):
    """Four times anywhere from the start on, the other times while it plays and writes checkpoints all the time."""
    path, out, rng = tmp_path / "tiny.yaml", tmp_path / "out", np.random.default_rng(20)
    path.write_text(tiny.replace(*LONG))
    whole = start(path, tmp_path / "whole")
    whole.communicate(timeout=300)
    for kill in range(20):
        process = start(path, out, "--checkpoint", "1", "--quiet")
        if kill % 5 == 0:
            time.sleep(rng.uniform(0.0, 4.0))
        else:
            wait_for_new(out, process)
            time.sleep(rng.uniform(0.0, 0.12))
        assert process.poll() is None, process.communicate()
        process.kill()
        process.communicate(timeout=60)
        if (out / checkpoint.FOLDER).exists():
            assert len(list((out / checkpoint.FOLDER).glob("*.safetensors"))) <= 2
    process = start(path, out, "--checkpoint", "1", "--quiet")
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert digests(out) == digests(tmp_path / "whole")
    assert len(json.loads((out / "manifest.json").read_text())["resumed"]) >= 10


MINE = """\
name: mine
seed: 1
fleet: {devices: 3}
radio: {bandwidth_hz: 1e6}
task:
  data: {kind: npz, file: %(data)s}
  partition: iid
  model: {kind: own, path: "%(net)s:Net"}
rounds: 3
algorithm: {kind: fedavg, steps: 1, batch_size: 4}
allocator: dense
"""
NET = """\
from torch import nn

class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Flatten(), nn.Linear(4, 6), nn.%s(), nn.Linear(6, 2))
"""


@pytest.mark.parametrize("what", ["samples", "network"])
def test_samples_and_networks_that_have_changed_are_noticed(tmp_path, what):
    data, net, out = tmp_path / "mine.npz", tmp_path / "nets.py", tmp_path / "out"
    x, y = np.random.default_rng(0).standard_normal((30, 4)), np.arange(30) % 2
    np.savez(data, x=x, y=y)
    net.write_text(NET % "ReLU")
    text = MINE % {"data": data, "net": net}

    def cut(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_in(out, text).play(cut)
    assert run_in(out, text).resume()
    if what == "samples":
        np.savez(data, x=x[::-1], y=y)
    else:
        net.write_text(NET % "Tanh")
    npz._load.cache_clear()
    with pytest.raises(UserError, match="has changed since"):
        run_in(out, text).resume()


def test_a_disk_that_is_full_is_told_as_it_is_and_loses_no_checkpoint(tmp_path, monkeypatch):
    place = tmp_path / "run"
    place.mkdir()
    checkpoint.write(place, Coder().pack({"a": 1}))

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "_durable", full)
    with pytest.raises(UserError, match=r"cannot be written: .*No space left.*; make room"):
        checkpoint.write(place, Coder().pack({"a": 2}))
    monkeypatch.undo()
    assert checkpoint.read(place, Coder()) == {"a": 1}
    with pytest.raises(UserError, match="cannot be written"):
        RunFolder(place).write("table", full)
