"""A server with momentum: the digest's golden numbers, what a mask holds still, and averaging where there is no momentum."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from wflsim.contracts import Late
from wflsim.learning.algorithms.fedavg import FedAvg
from wflsim.learning.algorithms.fedavgm import FedAvgM
from wflsim.learning.blueprint import BatchNorm, Blueprint, Chain, Linear
from wflsim.learning.damping import DampedState, damped
from wflsim.learning.personal import SplitState
from wflsim.learning.shelf import Shelf
from wflsim.learning.testing import check_algorithm, cohort_of, small_task

TASK = small_task(hidden=(7, 6))
WAYS = ["loop", "batched", "native"]
THERE = [np.arange(5), np.array([0, 2]), np.array([1, 2, 4])]


def run(algorithm, how="batched", late=False):
    """Return the global model after every round."""
    state, found = algorithm.init(TASK), []
    for round_, who in enumerate(THERE):
        updates = algorithm.train(state, cohort_of(TASK, who, round_, how=how), np.ones(len(who)))
        if late:
            share = TASK.holdings.samples[who] / TASK.holdings.samples[who].sum()
            state = algorithm.fuse_late(state, [Late(state, updates, share)])
        else:
            state = algorithm.fuse(state, updates)
        found.append(algorithm.model_for(state, None))
    return found


def same(one, other):
    return all(torch.equal(a[n], b[n]) for a, b in zip(one, other, strict=True) for n in a)


def test_g10_two_rounds_of_the_server():
    weights, velocity = {"w": torch.tensor([1.0, 2.0])}, {"w": torch.zeros(2)}
    share = [(0.25, torch.tensor([0.0, 2.0])), (0.75, torch.tensor([2.0, 0.0]))]
    for expected in ([1.05, 1.85], [1.14, 1.58]):
        delta = {"w": sum(s * (weights["w"] - sent) for s, sent in share)}
        if expected == [1.05, 1.85]:
            torch.testing.assert_close(delta["w"], torch.tensor([-0.5, 1.5]))
        weights, velocity = damped(weights, velocity, delta, 0.9)
        torch.testing.assert_close(weights["w"], torch.tensor(expected))


def test_what_is_masked_keeps_its_weight_and_its_momentum():
    weights, velocity = {"w": torch.tensor([1.0, 2.0])}, {"w": torch.tensor([0.3, 0.4])}
    mask = {"w": torch.tensor([True, False])}
    after, mean = damped(weights, velocity, {"w": torch.tensor([1.0, 1.0])}, 0.5, mask)
    assert after["w"].tolist() == pytest.approx([0.35, 2.0])
    assert mean["w"].tolist() == pytest.approx([0.65, 0.4])


def test_statistics_of_norms_are_taken_as_they_come():
    part = Blueprint(Chain((Linear("d", 3), BatchNorm("n"))), (4,)).anatomy
    shared = {t.name: torch.ones(t.shape) for t in part.every()}
    model = SplitState(shared, Shelf.of_default({}, 2), np.ones(2), part)
    there = replace(model, shared={name: 3.0 * tensor for name, tensor in shared.items()})
    state = DampedState.of_model(model)
    assert set(state.velocity) == {"d.weight", "d.bias", "n.weight", "n.bias"}
    for name, tensor in state.towards(there, 0.9).model.shared.items():
        assert tensor.unique().item() == pytest.approx(3.0 if "running" in name else 1.2)


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("late", [False, True])
def test_without_momentum_it_is_averaging_bit_for_bit(how, late):
    one = run(FedAvgM(steps=4, server_beta=0.0), how, late)
    assert same(one, run(FedAvg(steps=4), how, late))
    given = {"epochs": 2, "batch_size": 50, "momentum": 0.9, "decay": 0.01}
    assert same(run(FedAvgM(**given, server_beta=0.0), how), run(FedAvg(**given), how))


def test_the_first_round_moves_by_a_tenth_of_the_step():
    one, plain = run(FedAvgM(steps=4)), run(FedAvg(steps=4))
    for name, first in TASK.initial.items():
        expected = first + 0.1 * (plain[0][name] - first)
        torch.testing.assert_close(one[0][name], expected, rtol=0, atol=1e-6)
    assert not same(one[1:], plain[1:])


def test_the_step_size_decays_with_every_round():
    one, slow = run(FedAvgM(steps=2, rate_decay=0.5)), run(FedAvgM(steps=2))
    assert same(one[:1], slow[:1])
    algorithm, who = FedAvgM(steps=2, rate_decay=0.5), np.arange(5)
    state = algorithm.init(TASK)
    found = algorithm.train(state, cohort_of(TASK, who, 2), np.ones(5))
    slower = FedAvgM(steps=2, learning_rate=0.05 * 0.25)
    expected = slower.train(state, cohort_of(TASK, who, 2), np.ones(5))
    assert same([m.tensors for m in found.messages], [m.tensors for m in expected.messages])


def test_promises_are_kept_and_costs_are_those_of_averaging():
    check_algorithm(FedAvgM(steps=2))
    algorithm, samples, who = FedAvgM(epochs=2), TASK.holdings.samples, np.array([0, 3])
    found = algorithm.reckoned(TASK.anatomy, samples, who, algorithm.init(TASK))
    assert found.bits == 2 * 2 * TASK.anatomy.bits
    assert found.macs == 3 * 2 * int(samples[who].sum()) * TASK.anatomy.macs
