"""FedBN: what travels, what stays, and what it is with one device or with norms that nobody keeps."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from wflsim.contracts import Late, Turn
from wflsim.errors import UserError
from wflsim.learning.algorithms.fedavg import FedAvg
from wflsim.learning.algorithms.fedbn import FedBn
from wflsim.learning.algorithms.local_only import LocalOnly
from wflsim.learning.models import Conv4, MiniVgg
from wflsim.learning.testing import STREAMS, check_algorithm, check_ways, cohort_of, small_task

CONV4 = Conv4(channels=(3, 3, 4, 4), pools=2)
TASK, EVERYBODY = small_task(model=CONV4), np.arange(5)
NORMS = tuple(t.name for layer in TASK.anatomy.layers if layer.norm for t in layer.tensors)
RULE = {"steps": 2, "batch_size": 16}


def after(algorithm, task=TASK, rounds=2, who=EVERYBODY, how="batched"):
    """Return the state after some rounds in which the same devices take part."""
    state = algorithm.init(task)
    for round_ in range(rounds):
        cohort = cohort_of(task, who, round_, how=how)
        state = algorithm.fuse(state, algorithm.train(state, cohort, np.ones(len(who))))
    return state


@pytest.mark.parametrize(
    "switches",
    [
        RULE,
        {"epochs": 1, "batch_size": 60, "momentum": 0.5, "decay": 0.01},
        {**RULE, "weighting": "uniform"},
    ],
    ids=["steps", "epochs", "uniform"],
)
def test_it_keeps_what_algorithms_promise(switches):
    check_algorithm(FedBn(**switches), task=TASK)


def test_norms_differ_from_device_to_device_and_all_else_is_common():
    who = np.array([0, 2, 3])
    algorithm = FedBn(**RULE)
    models = [algorithm.model_for(after(algorithm, who=who), device) for device in range(5)]
    assert len(NORMS) == 16
    for name, first in TASK.initial.items():
        if name not in NORMS:
            assert all(torch.equal(model[name], models[0][name]) for model in models)
            moves = not torch.equal(models[0][name], first)
            assert moves or name.endswith("bias"), "a bias before a norm has no slope"
        else:
            assert not torch.equal(models[0][name], models[2][name])
            assert torch.equal(models[1][name], first), "the absent keep the initial norms"


def test_no_norm_is_in_a_message_or_in_what_is_paid_for():
    algorithm = FedBn(**RULE)
    state = algorithm.init(TASK)
    updates = algorithm.train(state, cohort_of(TASK, EVERYBODY), np.ones(5))
    assert all(not set(NORMS) & message.tensors.keys() for message in updates.messages)
    assert set(updates.private) == set(NORMS)
    left = sum(each.numel() for name, each in TASK.initial.items() if name not in NORMS)
    exchange = algorithm.plan(TASK.anatomy, TASK.holdings.samples, Turn(0, 0, STREAMS), None)
    assert exchange.down_bits.at(1.0).tolist() == [32 * left] * 5
    told = algorithm.reckoned(TASK.anatomy, TASK.holdings.samples, np.array([1, 2]), state)
    assert told.bits == 2 * 2 * 32 * left
    plain = FedAvg(**RULE).plan(TASK.anatomy, TASK.holdings.samples, Turn(0, 0, STREAMS), None)
    assert np.array_equal(exchange.macs.at(1.0), plain.macs.at(1.0)), "norms are trained, too"


def test_the_mean_is_by_samples_or_of_all_alike():
    for weighting in ("samples", "uniform"):
        algorithm = FedBn(**RULE, weighting=weighting)
        state = algorithm.init(TASK)
        updates = algorithm.train(state, cohort_of(TASK, EVERYBODY), np.ones(5))
        fused = algorithm.fuse(state, updates)
        n = TASK.holdings.samples if weighting == "samples" else np.ones(5)
        for name in fused.shared:
            each = torch.stack([m.tensors[name].double() for m in updates.messages])
            mean = torch.tensordot(torch.from_numpy(n / n.sum()), each, 1)
            assert float((fused.shared[name] - mean).abs().max()) < 1e-7


def test_with_one_device_it_is_training_alone():
    task = small_task(devices=1, model=CONV4)
    rounds, who = 3, np.array([0])
    rule = {**RULE, "learning_rate": 0.05}
    mine, alone = FedBn(**rule), LocalOnly(**rule)
    found = mine.model_for(after(mine, task, rounds, who), 0)
    expected = alone.model_for(after(alone, task, rounds, who), 0)
    assert all(torch.equal(found[name], each) for name, each in expected.items())


def test_the_first_round_moves_all_but_norms_as_fedavg_does():
    mine, plain = FedBn(**RULE), FedAvg(**RULE)
    found = mine.model_for(after(mine, rounds=1), None)
    expected = plain.model_for(after(plain, rounds=1), None)
    assert all(torch.equal(found[n], each) for n, each in expected.items() if n not in NORMS)
    then, others = after(mine).shared, after(plain).shared
    assert not torch.equal(then["conv1.weight"], others["conv1.weight"])


def test_all_ways_agree():
    algorithm = FedBn(**RULE)

    def lesson(cohort):
        state = algorithm.init(cohort.task)
        updates = algorithm.train(state, cohort, np.ones(5))
        sent = [message.tensors for message in updates.messages]
        return {**updates.private, **{n: torch.stack([row[n] for row in sent]) for n in sent[0]}}

    check_ways(TASK, lesson)


def test_what_is_late_adds_what_it_has_learnt_and_brings_its_norms():
    algorithm = FedBn(**RULE, weighting="uniform")
    base = algorithm.init(TASK)
    now = after(algorithm, rounds=1, who=np.array([0, 1]))
    updates = algorithm.train(base, cohort_of(TASK, np.array([3])), np.ones(1))
    later = algorithm.fuse_late(now, [Late(base, updates, np.array([0.25]))])
    for name, tensor in now.shared.items():
        moved = tensor + 0.25 * (updates.messages[0].tensors[name] - base.shared[name])
        assert float((later.shared[name] - moved).abs().max()) < 1e-7
    model = algorithm.model_for(later, 3)
    assert all(torch.equal(model[name], updates.private[name][0]) for name in NORMS)


def test_a_model_without_norms_is_refused():
    plain = small_task()
    for told in (
        lambda: FedBn().init(plain),
        lambda: FedBn().plan(plain.anatomy, plain.holdings.samples, Turn(0, 0, STREAMS), None),
    ):
        with pytest.raises(UserError, match=r"algorithm: fedbn .* take a model with norms"):
            told()


def test_group_norms_stay_too_whatever_their_names():
    task = small_task(model=replace(MiniVgg(channels=(4, 4, 4), hidden=4), norm="group", group=2))
    state = FedBn().init(task)
    assert set(state.personal.names) == {
        tensor.name for tensor in task.anatomy.every() if tensor.role in {"scale", "shift"}
    }
