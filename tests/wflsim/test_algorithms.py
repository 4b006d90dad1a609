"""What the methods promise, and what each keeps to itself."""

import numpy as np
import pytest
import torch

from wflsim.contracts import Turn
from wflsim.learning.algorithms.fedalt import FedAlt
from wflsim.learning.algorithms.japp import Japp
from wflsim.learning.testing import STREAMS, check_algorithm, cohort_of, small_task

TASK = small_task()
EVERYBODY = np.arange(5)


def play(algorithm, keep, rounds=3, who=EVERYBODY, task=TASK):
    state = algorithm.init(task)
    for round_ in range(rounds):
        cohort = cohort_of(task, who, round_)
        state = algorithm.fuse(state, algorithm.train(state, cohort, np.full(len(who), keep)))
    return [algorithm.model_for(state, device) for device in (None, *range(5))]


def plan(algorithm):
    return algorithm.plan(TASK.anatomy, TASK.holdings.samples, Turn(0, 0, STREAMS), None)


def same(one, other):
    return all(torch.equal(a[name], b[name]) for a, b in zip(one, other, strict=True) for name in a)


@pytest.mark.parametrize(
    "algorithm",
    [
        Japp(importance="magnitude"),
        Japp(scope="per_layer"),
        Japp(restart=True),
        Japp(personal="input"),
        Japp(personal="none", personal_steps=0),
        Japp(masked_steps=0),
        FedAlt(personal="input"),
    ],
    ids=repr,
)
def test_every_switch_keeps_the_promises(algorithm):
    check_algorithm(algorithm)


def test_switches_change_the_result():
    deep = small_task(hidden=(7, 6))
    outcomes = [
        play(Japp(**switch), 0.3, task=deep)
        for switch in ({}, {"importance": "magnitude"}, {"restart": True}, {"scope": "per_layer"})
    ]
    assert not any(same(outcomes[0], other) for other in outcomes[1:])


def test_the_personal_part_never_travels():
    cohort = cohort_of(TASK, EVERYBODY)
    for algorithm in (Japp(), FedAlt()):
        updates = algorithm.train(algorithm.init(TASK), cohort, np.full(5, 0.5))
        sent = {name for message in updates.messages for name in message.tensors}
        assert "dense1.weight" not in sent
        assert "dense1.bias" not in sent


def test_who_is_absent_keeps_the_personal_part_and_gets_the_shared_one():
    models = play(FedAlt(), 1.0, rounds=1, who=np.array([0, 2]))
    assert torch.equal(models[2]["dense1.weight"], TASK.initial["dense1.weight"])
    assert not torch.equal(models[1]["dense1.weight"], TASK.initial["dense1.weight"])
    assert torch.equal(models[2]["dense0.weight"], models[1]["dense0.weight"])


def test_the_upload_shrinks_with_the_kept_share_and_the_computing_too():
    exchange = plan(Japp())
    plain = plan(FedAlt())
    assert (exchange.up_bits.at(1.0) - exchange.mask_bits == plain.up_bits.at(1.0)).all()
    assert np.allclose(exchange.macs.at(1.0), plain.macs.at(1.0))
    assert (
        exchange.up_bits.at(0.5) - exchange.up_bits.fixed == 0.5 * exchange.up_bits.prunable
    ).all()


def test_kept_shares_are_whole_weights_and_never_more_than_asked():
    exchange = plan(Japp())
    asked = np.array([0.1, 1 / 3, 0.9999, 1.0])
    kept = exchange.whole_units(asked)
    assert np.allclose(kept * 448, np.rint(kept * 448))
    assert (kept <= asked).all()
    assert kept[3] == 1.0
