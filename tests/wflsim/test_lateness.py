"""Who is trained, from what, and how much it counts: late updates, and messages known only after training."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch

from wflsim.contracts import Late, Message, Turn, Updates
from wflsim.errors import UserError
from wflsim.learning.algorithms.fedalt import FedAlt
from wflsim.learning.algorithms.fedavg import FedAvg
from wflsim.learning.algorithms.japp import Japp
from wflsim.learning.testing import STREAMS, cohort_of, small_task
from wflsim.network.lateness import Aged, Dropped, Kept
from wflsim.scenario.loading import parse
from wflsim.simulation.loop import stage
from wflsim.simulation.setting import settle

TASK = small_task()
LATE = [
    "rounds=8",
    "policy={kind: buffered, size: 1}",
    "deadline=none",
    "fleet.slowness={kind: log_normal, sigma: 1.0}",
]


def close(first, second):
    return all(torch.allclose(first[name], second[name], atol=1e-6) for name in first)


@pytest.mark.parametrize("algorithm", [FedAvg(), FedAlt(), Japp()], ids=lambda a: type(a).__name__)
def test_fresh_updates_fused_one_way_or_the_other_are_the_same(algorithm):
    state, everybody = algorithm.init(TASK), np.arange(5)
    updates = algorithm.train(state, cohort_of(TASK, everybody, 0), np.ones(5))
    weight = TASK.holdings.samples / TASK.holdings.samples.sum()
    fused, late = (
        algorithm.fuse(state, updates),
        algorithm.fuse_late(state, [Late(state, updates, weight)]),
    )
    assert close(fused.shared, late.shared)
    assert close(fused.personal.rows(everybody), late.personal.rows(everybody))


def test_what_was_learnt_since_an_older_model_is_added_to_todays():
    algorithm = FedAvg()
    base = algorithm.init(TASK)
    today = replace(base, shared={name: t + 1.0 for name, t in base.shared.items()})
    sent = [{name: t + 2.0 * (k + 1) for name, t in base.shared.items()} for k in range(2)]
    updates = Updates(Turn(0, 0, STREAMS), np.arange(2), [Message(s) for s in sent], {})
    late = algorithm.fuse_late(today, [Late(base, updates, np.array([0.25, 0.5]))])
    expected = {name: t + 0.25 * 2.0 + 0.5 * 4.0 for name, t in today.shared.items()}
    assert close(late.shared, expected)


def test_a_late_pruned_update_moves_only_what_it_kept():
    algorithm = Japp()
    base = algorithm.init(TASK)
    updates = algorithm.train(base, cohort_of(TASK, np.arange(1), 0), np.array([0.3]))
    today = replace(base, shared={name: t + 1.0 for name, t in base.shared.items()})
    late = algorithm.fuse_late(today, [Late(base, updates, np.ones(1))])
    moved = torch.cat(
        [(late.shared[n] != t).flatten() for n, t in today.shared.items() if t.ndim > 1]
    )
    assert 0.2 < moved.double().mean() < 0.31


def test_age_takes_weight_away():
    age = np.arange(5)
    assert (Aged(0.0).weight(age) == 1.0).all()
    assert (np.diff(Aged(0.7).weight(age)) < 0).all()
    assert (Kept().weight(age) == Dropped().weight(age)).all()


@dataclass
class Watched:
    """FedAvg that remembers what it was asked."""

    inner: FedAvg = field(default_factory=FedAvg)
    trained: list = field(default_factory=list)
    fused: list = field(default_factory=list)
    late: list = field(default_factory=list)
    states: list = field(default_factory=list)

    def plan(self, anatomy, samples, turn, state):
        if turn.step == 0:
            self.states.append(state)
        return self.inner.plan(anatomy, samples, turn, state)

    def init(self, task):
        return self.inner.init(task)

    def train(self, state, cohort, keep):
        self.trained.append((cohort.turn.round_, cohort.devices.tolist(), state))
        return self.inner.train(state, cohort, keep)

    def fuse(self, state, updates):
        self.fused.append(updates.devices.tolist())
        return self.inner.fuse(state, updates)

    def fuse_late(self, state, late):
        self.late += [(group.updates.turn.round_, group.base, group.weight) for group in late]
        return self.inner.fuse_late(state, late)

    def model_for(self, state, device):
        return self.inner.model_for(state, device)


def watched(tiny, *assignments, algorithm=None):
    scenario = parse(tiny, "t", assignments).scenario
    system = replace(scenario.systems["fedavg"], algorithm=algorithm or Watched())
    found = list(stage(settle(scenario.world), system).rounds())
    return system.algorithm, found


def test_devices_train_from_the_model_they_began_with_and_only_those_that_arrive(tiny):
    seen, found = watched(tiny, *LATE)
    taken = [
        (int(begun), int(device))
        for report in found
        for game in report.played
        for begun, device in zip(
            game.timeline.settled.round_[game.timeline.taken],
            game.timeline.device[game.timeline.taken],
            strict=True,
        )
    ]
    assert sorted(taken) == sorted((r, d) for r, devices, _ in seen.trained for d in devices)
    for round_, _, state in seen.trained:
        assert state is seen.states[round_]
    ages = [
        game.age[game.timeline.taken].max()
        for report in found
        for game in report.played
        if game.timeline.taken.any()
    ]
    assert max(ages) >= 2
    for round_, base, weight in seen.late:
        assert base is seen.states[round_]
        assert (weight <= 1).all()
    assert len(found[-1].played) == 2  # what was under way when the run ended is told
    assert not found[-1].played[-1].timeline.taken.any()


def test_a_synchronous_run_fuses_nothing_late(tiny):
    seen, found = watched(tiny, "rounds=2")
    assert seen.late == []
    assert seen.fused == [[0, 1, 2, 3]] * 2
    assert all(len(report.played) == 1 for report in found)


def test_an_asynchronous_run_learns(tiny):
    scenario = parse(tiny, "t", [*LATE, "rounds=60", "evaluate_every=60"]).scenario
    for name in ("fedavg", "fedalt", "pruned"):
        *_, last = stage(settle(scenario.world), scenario.systems[name]).rounds()
        assert last.scores.personal.mean() > 0.5, name


def test_methods_that_cannot_take_old_updates_say_so(tiny):
    @dataclass
    class Impatient(Watched):
        fuse_late = None

    class Hidden:
        def __init__(self):
            self.inner = Impatient()

        def __getattr__(self, name):
            if name == "fuse_late" or name.startswith("__"):
                raise AttributeError(name)
            return getattr(self.inner, name)

    with pytest.raises(UserError, match="cannot fuse updates of older rounds; write late: dropped"):
        watched(tiny, *LATE, algorithm=Hidden())
    watched(tiny, "rounds=2", algorithm=Hidden())


@dataclass
class Surprising(Watched):
    """Sends as many numbers as training happens to find: those that moved by more than a threshold."""

    trains_first: bool = True

    def train(self, state, cohort, keep):
        updates = super().train(state, cohort, keep)
        found = []
        for message in updates.messages:
            moved = torch.cat(
                [(t - state.shared[n]).abs().flatten() for n, t in message.tensors.items()]
            )
            found.append(Message({"moved": moved[moved > 0.01]}))
        return replace(updates, messages=found, private={})

    def fuse(self, state, updates):
        self.fused.append([len(message.tensors["moved"]) for message in updates.messages])
        return state


def test_an_algorithm_may_know_its_message_only_after_training(tiny):
    seen, found = watched(
        tiny, "rounds=2", "policy={kind: first, count: 2}", algorithm=Surprising()
    )
    for report, sent in zip(found, seen.fused, strict=True):
        (game,) = report.played
        taken = game.timeline.taken
        assert taken.sum() == 2
        # Everybody has trained, once; those who arrived are fused; the network carried what was found.
        assert [devices for r, devices, _ in seen.trained if r == report.round_] == [[0, 1, 2, 3]]
        assert (game.timeline.settled.plan.bits[taken] == 32 * np.array(sent)).all()
        assert len(set(game.timeline.settled.plan.bits.tolist())) == 4


def test_who_trains_first_may_be_nobody(tiny):
    hopeless = ["rounds=2", "policy=wait_for_all", "deadline={kind: fixed, limit_s: 1e-5}"]
    scenario = parse(tiny, "t", [*hopeless, "variants.fedavg.allocator=kkt"]).scenario
    system = replace(scenario.systems["fedavg"], algorithm=Surprising())
    for report in stage(settle(scenario.world), system).rounds():
        assert report.played[0].participants == 0


def test_several_exchanges_a_round_leave_no_room_for_late_updates(tiny):
    @dataclass
    class Twice(Watched):
        def plan(self, anatomy, samples, turn, state):
            if turn.step == 2:
                return None
            return self.inner.plan(anatomy, samples, Turn(turn.round_, 0, turn.streams), state)

    with pytest.raises(UserError, match="exchanges several times a round"):
        watched(tiny, *LATE, algorithm=Twice())
    _, found = watched(tiny, "rounds=2", algorithm=Twice())
    assert all(len(report.played) == 2 for report in found)
