"""IFCA: devices choose among models, and devices with the same kind of data come to choose the same."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.func import functional_call
from torch.nn import functional

from wflsim.contracts import Turn
from wflsim.learning.algorithms.fedavg import FedAvg
from wflsim.learning.algorithms.ifca import CHOICE_BITS, Ifca
from wflsim.learning.clustering.chosen import CHOICE, choices
from wflsim.learning.cohort import Cohort
from wflsim.learning.data.digits import Digits
from wflsim.learning.models import Mlp
from wflsim.learning.partitions.clusters import Rotated
from wflsim.learning.personal import initial_state
from wflsim.learning.task import Task, hold, make_task
from wflsim.learning.testing import STREAMS, check_algorithm, check_ways, cohort_of, small_task
from wflsim.randomness import Streams
from wflsim.scenario.schema import TaskSection

TASK, EVERYBODY = small_task(), np.arange(5)
WHO = [np.arange(5), np.array([0, 2]), np.array([1, 2, 4])]


def played(algorithm, rounds, task=TASK, streams=STREAMS, *, waves=1, how="batched"):
    state = algorithm.init(task)
    for round_, who in enumerate(rounds):
        for step in range(3):
            turn = Turn(round_, step, streams)
            exchange = algorithm.plan(task.anatomy, task.holdings.samples, turn, state)
            if exchange is None:
                break
            for some in np.array_split(who, waves if exchange.open else 1):
                updates = algorithm.train(state, Cohort(task, some, turn, how), np.ones(len(some)))
                bits = exchange.only(some).sent_bits(np.ones(len(some)))
                assert [message.bits for message in updates.messages] == bits.tolist()
                state = algorithm.fuse(state, updates)
    return state


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("how", ["loop", "batched", "native"])
@pytest.mark.parametrize("weighting", ["uniform", "samples"])
def test_with_one_model_it_is_federated_averaging_to_the_last_bit(how, weighting):
    ours = played(Ifca(models=1, steps=3, weighting=weighting), WHO, how=how)
    plain, state = FedAvg(steps=3), initial_state(TASK, "none")
    for round_, who in enumerate(WHO):
        updates = plain.train(state, cohort_of(TASK, who, round_, how=how), np.ones(len(who)))
        state = state.fused(updates, evenly=weighting == "uniform")
    assert same(ours.groups.model_for(None), state.model_for(None))
    turn, samples = Turn(0, 0, STREAMS), TASK.holdings.samples
    one, other = (a.plan(TASK.anatomy, samples, turn, None) for a in (Ifca(models=1), FedAvg()))
    for load in ("down_bits", "up_bits", "macs"):
        assert np.array_equal(getattr(one, load).at(1.0), getattr(other, load).at(1.0))


def test_models_begin_apart_and_the_same_every_time():
    first = Ifca(models=3, beginnings=2).init(TASK)
    assert same(first.groups.model(0), TASK.initial)
    weights = first.sets["dense0.weight"].flatten(1)
    assert len(torch.unique(weights, dim=0)) == 6
    deviation = weights.std(1)
    assert float(deviation.max() / deviation.min()) < 1.3
    assert same(first.sets, Ifca(models=3, beginnings=2).init(small_task()).sets)
    other = replace(TASK, seed=TASK.seed + 1).beginning(1)
    assert not torch.equal(other["dense0.weight"], TASK.beginning(1)["dense0.weight"])


def test_a_device_takes_the_model_of_the_least_loss_on_its_training_samples():
    state = Ifca(models=4).init(TASK)
    chosen = choices(cohort_of(TASK, EVERYBODY), state.groups.models)
    for device in EVERYBODY:
        rows = torch.from_numpy(TASK.holdings.train[device])
        losses = [
            float(
                functional.cross_entropy(
                    functional_call(TASK.module, state.groups.model(group), (TASK.inputs[rows],)),
                    TASK.labels[rows],
                )
            )
            for group in range(4)
        ]
        assert chosen[device] == int(np.argmin(losses))
    assert len(set(chosen.tolist())) > 1
    alone = choices(cohort_of(TASK, np.array([3])), state.groups.models)
    assert alone.tolist() == [chosen[3]]


def test_no_number_is_no_least_loss():
    models = {name: torch.stack([each, each]) for name, each in TASK.initial.items()}
    models["dense0.weight"][0] = torch.nan
    assert choices(cohort_of(TASK, EVERYBODY), models).tolist() == [1] * 5


def test_a_model_is_the_mean_of_those_who_chose_it_and_stays_if_nobody_did():
    algorithm = Ifca(models=6, steps=3)
    before = algorithm.init(TASK)
    updates = algorithm.train(before, cohort_of(TASK, EVERYBODY), np.ones(5))
    chosen = np.array([int(message.tensors[CHOICE]) for message in updates.messages])
    after = algorithm.fuse(before, updates)
    assert after.groups.label.tolist() == chosen.tolist()
    for group in range(6):  # more models than devices
        (members,) = np.nonzero(chosen == group)
        if not len(members):
            assert same(after.groups.model(group), before.groups.model(group))
            continue
        for name, tensor in after.groups.model(group).items():
            brought = torch.stack([updates.messages[k].tensors[name] for k in members])
            torch.testing.assert_close(tensor, brought.mean(0))
        for device in members:
            assert same(algorithm.model_for(after, int(device)), after.groups.model(group))


def rotated(seed):
    """Return a task of eight devices, half of which see everything upside down, and its streams."""
    section = TaskSection(data=Digits(), partition=Rotated(clusters=2), model=Mlp(hidden=(16,)))
    streams = Streams(seed)
    return make_task(section, hold(section, np.zeros((8, 2)), streams), streams), streams


@pytest.mark.parametrize(("seed", "beginnings"), [(1, 1), (2, 1), (4, 4), (5, 8)])
def test_devices_of_one_rotation_come_to_choose_one_model(seed, beginnings):
    """From these beginnings; not every one is good (docs/papers.md)."""
    task, streams = rotated(seed)
    algorithm = Ifca(steps=10, learning_rate=0.1, beginnings=beginnings)
    state = played(algorithm, [np.arange(8)] * 6, task, streams)
    pairs = set(zip(state.groups.label.tolist(), task.holdings.clusters.tolist(), strict=True))
    assert len(pairs) == 2
    assert {label for label, _ in pairs} == {0, 1}
    assert algorithm.told(state) == {"groups": 2.0}


def test_of_several_beginnings_that_is_taken_over_which_devices_scatter_most():
    algorithm = Ifca(models=2, beginnings=5)
    state, turn = algorithm.init(TASK), Turn(0, 0, STREAMS)
    updates = algorithm.train(state, Cohort(TASK, EVERYBODY, turn), np.ones(5))
    told = np.array([message.tensors[CHOICE].tolist() for message in updates.messages])
    after = algorithm.fuse(state, updates)
    split = np.minimum(told.sum(0), 5 - told.sum(0))
    best = int(np.argmax(split))
    assert split.max() > split.min()
    for name, tensor in after.groups.models.items():
        assert torch.equal(tensor, state.sets[name][2 * best : 2 * best + 2])
    rounds = [EVERYBODY, EVERYBODY]
    once, waves = (played(algorithm, rounds, waves=count) for count in (1, 3))
    assert same(once.groups.models, waves.groups.models)
    assert once.sets == {}


def test_a_good_beginning_trains_as_if_it_had_been_drawn_at_once():
    """What is drawn in training does not depend on the exchange before it."""
    algorithm = Ifca(models=2, beginnings=3, steps=3)
    state = algorithm.init(TASK)
    state = algorithm.fuse(state, algorithm.train(state, cohort_of(TASK, EVERYBODY), np.ones(5)))
    later = Cohort(TASK, EVERYBODY, Turn(0, 1, STREAMS))
    once = Ifca(models=2, steps=3)
    one = algorithm.train(state, later, np.ones(5))
    other = once.train(state, cohort_of(TASK, EVERYBODY), np.ones(5))
    assert all(
        same(a.tensors, b.tensors) for a, b in zip(one.messages, other.messages, strict=True)
    )


def test_what_travels_and_is_computed():
    samples, dense, turn = TASK.holdings.samples, TASK.anatomy.bits, Turn(0, 0, STREAMS)
    plain = FedAvg(steps=3).plan(TASK.anatomy, samples, turn, None)
    found = Ifca(models=3, steps=3).plan(TASK.anatomy, samples, turn, None)
    assert (found.down_bits.at(1.0) == 3 * dense).all()
    assert (found.sent_bits(np.ones(5)) == dense + CHOICE_BITS).all()
    looks = 3 * samples * TASK.anatomy.macs
    assert np.array_equal(found.macs.at(1.0), plain.macs.at(1.0) + looks)
    several = Ifca(models=3, beginnings=4)
    first = several.plan(TASK.anatomy, samples, turn, None)
    assert (first.down_bits.at(1.0) == 12 * dense).all()
    assert (first.sent_bits(np.ones(5)) == 4 * CHOICE_BITS).all()
    assert np.array_equal(first.macs.at(1.0), 4 * looks)
    moments = [Turn(*moment, STREAMS) for moment in ((0, 2), (1, 1))]
    assert [several.plan(TASK.anatomy, samples, moment, None) for moment in moments] == [None] * 2


def test_it_keeps_its_promises_in_every_way():
    algorithm = Ifca(models=3, steps=4)
    check_algorithm(algorithm, views=True)
    double = Task(TASK.holdings, TASK.inputs.double(), TASK.labels, small_task().module.double())
    assert algorithm.init(double).sets["dense0.weight"].dtype == torch.float64

    def lesson(cohort):
        updates = algorithm.train(algorithm.init(cohort.task), cohort, np.ones(5))
        sent = torch.stack([message.tensors["dense0.weight"] for message in updates.messages])
        return {"sent": sent}

    check_ways(small_task(), lesson)
