"""Every algorithm that trains, under every policy, in every way of training: played, and resumed to the same bits."""

import json
from dataclasses import MISSING, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from wflsim.catalog import component, fields_of, kinds
from wflsim.contracts import Grouped, Late, Patient
from wflsim.errors import UserError
from wflsim.learning.models import MiniVgg
from wflsim.learning.testing import cohort_of, small_task
from wflsim.records.folder import RunFolder
from wflsim.records.recorder import Recorder
from wflsim.scenario.loading import parse
from wflsim.simulation.keeping import Keeper
from wflsim.simulation.loop import stage
from wflsim.simulation.setting import settle

TASK = small_task()
ROUNDS, CUT = 3, 2
SOME = {"period_s": 0.006}  # what a field without a default is given; 2 for all others
QUICK = {  # fields that would take seconds, with which so few rounds would prune nothing, or more rounds than there are
    "autoflip": {"explore_epochs": 4, "patience": 2},
    "ca_afp": {"warmup_rounds": 1, "settling_rounds": 0, "pruning_rounds": 1, "epochs": 1},
    "clusterfl": {"every": 2},
    "efficient_fl": {"ranked": "units", "tune_after": 2, "epochs": 1},
    "fedchar": {"gathers": 1, "tunes": 2, "tune_epochs": 1},
    "fedsnip": {"tune_after": 2, "epochs": 1},
    "hermes": {"accuracy_least": 0.0},
    "ifca": {"models": 3},
    "lottery_fl": {"accuracy_above": 0.0},
    "safl": {"structure_rounds": 1, "passes": 2, "steps": 2},
    "sub_fedavg": {"accuracy_above": 0.0, "epochs": 2},
}
NORMED = ["fedbn", "safl"]  # what needs a network with batch norms
TASKS = dict.fromkeys(NORMED, small_task(model=MiniVgg((4, 3, 4), 5)))
MODELS = dict.fromkeys(NORMED, "{kind: minivgg, channels: [4, 3, 4], hidden: 5}")
ENGINES = {"loop": "loop", "batched": "{kind: batched, chunk: 2}", "native": "native"}
WORLD = """\
name: crossed
seed: 3
fleet: {{devices: 4, slowness: {{kind: log_normal, sigma: 1.0}}}}
radio: {{bandwidth_hz: 1e6}}
task:
  data: digits
  partition: {{kind: classes, per_device: 2}}
  model: {model}
rounds: {rounds}
evaluate_every: {rounds}
deadline: {{kind: relative, share: 1.5}}
engine: {engine}
policy: {policy}
algorithm: {algorithm}
"""


def filled(family, kind):
    """Return a kind as it stands in a scenario, with a value for each field that needs one."""
    needed = [f.name for f in fields_of(component(family, kind)) if f.default is MISSING]
    return {"kind": kind, **{name: SOME.get(name, 2) for name in needed}, **QUICK.get(kind, {})}


def made(kind):
    given = filled("algorithm", kind)
    return component("algorithm", given.pop("kind"))(**given)


def trains(kind):
    try:
        return made(kind).init(TASKS.get(kind, TASK)) is not None
    except UserError:
        return False


ALGORITHMS = [kind for kind in kinds("algorithm") if trains(kind)]
POLICIES = list(kinds("policy"))


def crossed():
    """Yield all cases; at once an algorithm meets half of the policies, in all ways of training, the rest among the slow tests."""
    for i, algorithm in enumerate(ALGORITHMS):
        for j, policy in enumerate(POLICIES):
            for k, engine in enumerate(ENGINES):
                quick = (i + j) % len(ENGINES) == k and (i + j // len(ENGINES)) % 2 == 0
                marks = () if quick else pytest.mark.slow
                yield pytest.param(algorithm, policy, engine, marks=marks)


def test_all_that_is_known_is_met():
    assert {"japp", "fedalt", "fedavg", "ditto", "local_only", *MODELS} <= set(ALGORITHMS)
    assert "workload" not in ALGORITHMS
    every = [case.values for case in crossed()]
    assert set(every) == {(a, p, e) for a in ALGORITHMS for p in POLICIES for e in ENGINES}
    quick = [case.values for case in crossed() if not case.marks]
    assert {(a, e) for a, _, e in quick} == {(a, e) for a in ALGORITHMS for e in ENGINES}
    assert {(p, e) for _, p, e in quick} == {(p, e) for p in POLICIES for e in ENGINES}


def set_up(text):
    """Return a stage in a setting made anew, and the coder of its checkpoints."""
    scenario = parse(text, "crossed").scenario
    setting = settle(scenario.world)
    (system,) = scenario.systems.values()
    return stage(setting, system), Keeper(scenario, setting, RunFolder(Path()), 1)._coder


def written(stage_, state):
    """Return the digest of a state's weights."""
    with TemporaryDirectory() as folder:
        return stage_.learner.write(state, Path(folder) / "weights")


def went_on(stage_, scene, first, records):
    """Return the digests of a run from a scene on, and its scenes."""
    scenes = []
    for report, after in stage_.onward(scene, first):
        records.add(report)
        scenes.append(after)
    return (records.events, records.digest(), written(stage_, scenes[-1].state)), scenes


def whole_and_resumed(text):
    """Return the digests of a run and of one that was cut short, the digest of its beginning, and its rounds."""
    (stage_, coder), records = set_up(text), Recorder("x")
    begin = stage_.begin()
    first = written(stage_, begin.state)
    whole, scenes = went_on(stage_, begin, 0, records)
    packed = coder.pack(scenes[CUT - 1])
    packed = replace(packed, tree=json.loads(json.dumps(packed.tree)))
    stage_, coder = set_up(text)
    resumed, _ = went_on(stage_, coder.unpack(packed), CUT, records.until(CUT))
    return whole, resumed, first, records.table("rounds")


@pytest.mark.parametrize(("algorithm", "policy", "engine"), list(crossed()))
def test_it_plays_and_goes_on_to_the_same_bits(algorithm, policy, engine):
    """The simulation itself holds the bits of every message to what was planned."""
    if engine == "native" and algorithm in MODELS:
        engine = "auto"  # there is no compiled code for norms
    text = WORLD.format(
        rounds=ROUNDS,
        engine=ENGINES.get(engine, engine),
        model=MODELS.get(algorithm, "{kind: mlp, hidden: [7, 6]}"),
        policy=json.dumps(filled("policy", policy)),
        algorithm=json.dumps(filled("algorithm", algorithm)),
    )
    try:
        whole, resumed, first, rounds = whole_and_resumed(text)
    except UserError as refusal:
        if not str(refusal).startswith("policy"):
            raise
        pytest.skip(str(refusal))
    assert whole == resumed
    assert whole[2] != first
    assert np.isfinite(rounds["accuracy_personal"]).sum() == 1


def test_whoever_groups_devices_tells_the_groups():
    grouping = {kind for kind in ALGORITHMS if isinstance(made(kind), Grouped)}
    assert grouping == {"ca_afp", "clusterfl", "fedchar", "ifca", "safl"}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_updates_that_are_all_fresh_fuse_alike_either_way(algorithm):
    method, who, task = made(algorithm), np.array([0, 2, 3]), TASKS.get(algorithm, TASK)
    if not isinstance(method, Patient):
        pytest.skip("it takes in no update of an older round")
    state, share = method.init(task), task.holdings.samples[who]
    for round_ in range(2):
        updates = method.train(state, cohort_of(task, who, round_), np.ones(len(who)))
        late = method.fuse_late(state, [Late(state, updates, share / share.sum())])
        state = method.fuse(state, updates)
        for device in (None, 0, 1):
            found, expected = method.model_for(late, device), method.model_for(state, device)
            assert all(
                float((found[name] - tensor).abs().max()) < 1e-6
                for name, tensor in expected.items()
            )
