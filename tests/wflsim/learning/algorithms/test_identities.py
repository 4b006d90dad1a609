"""Methods that are the same where their settings say so, to the last bit, over rounds, and in every way of training."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from wflsim.learning.algorithms.ditto import Ditto
from wflsim.learning.algorithms.fedalt import FedAlt
from wflsim.learning.algorithms.fedavg import FedAvg
from wflsim.learning.algorithms.fedper import FedPer
from wflsim.learning.algorithms.fedprox import FedProx
from wflsim.learning.algorithms.fedrep import FedRep
from wflsim.learning.algorithms.fedsim import FedSim
from wflsim.learning.algorithms.japp import Japp
from wflsim.learning.algorithms.lg_fedavg import LgFedAvg
from wflsim.learning.algorithms.local_only import LocalOnly
from wflsim.learning.testing import cohort_of, small_task

TASK, DEEP = small_task(), small_task(hidden=(7, 6))
WAYS = ["loop", "batched", "native"]
THERE = [np.arange(5), np.array([0, 2]), np.array([1, 2, 4])]  # who takes part, round by round


def told(algorithm, how, task=TASK):
    """Return the global model and everybody's own after every round in which nothing is pruned."""
    state, found = algorithm.init(task), []
    for round_, who in enumerate(THERE):
        cohort = cohort_of(task, who, round_, how=how)
        state = algorithm.fuse(state, algorithm.train(state, cohort, np.ones(len(who))))
        found.append([algorithm.model_for(state, device) for device in (None, *range(5))])
    return found


def same(one, other, whose=slice(None)):
    """Return whether models are the same after every round: all of them, or some."""
    pairs = [
        (a, b)
        for ours, theirs in zip(one, other, strict=True)
        for a, b in zip(ours[whose], theirs[whose], strict=True)
    ]
    return all(a.keys() == b.keys() and all(torch.equal(a[n], b[n]) for n in a) for a, b in pairs)


def moved(rounds):
    """Return whether every round has changed the models."""
    return all(not same([one], [other]) for one, other in pairwise(rounds))


GLOBAL, OWN = slice(0, 1), slice(1, None)
EVERY_PART = ("output", "input", "none", "dense0, dense2", "*")


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("personal", EVERY_PART)
@pytest.mark.parametrize(
    "switches",
    [
        {"scoring_steps": 1, "masked_steps": 2},
        {"scoring_steps": 3, "masked_steps": 0, "scope": "per_layer", "personal_rate": 0.1},
    ],
    ids=["masked", "scored"],
)
def test_system_a_without_pruning_is_fedalt(personal, switches, how):
    japp = Japp(personal=personal, personal_steps=2, **switches)
    rates = (japp.personal_rate, japp.shared_rate)
    fedalt = FedAlt(personal, 2, 3, 32, *rates)
    assert same(found := told(japp, how, DEEP), told(fedalt, how, DEEP))
    assert moved(found)


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("grain", ["weights", "units"])
def test_system_a_without_pruning_and_personal_part_is_fedavg(how, grain):
    japp = Japp(
        personal="none", personal_steps=0, scoring_steps=1, masked_steps=2, grain=grain, levels=3
    )
    assert same(found := told(japp, how, DEEP), told(FedAvg(steps=3), how, DEEP))
    assert moved(found)


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("personal", ["output", "input"])
def test_system_a_that_keeps_all_units_is_fedalt(personal, how):
    japp = Japp(personal=personal, personal_steps=2, scoring_steps=1, masked_steps=2, grain="units")
    fedalt = FedAlt(personal=personal, personal_steps=2, shared_steps=3)
    assert same(told(japp, how, DEEP), told(fedalt, how, DEEP))


PAIRS = {
    "fedper, fedsim": (FedPer(steps=4), FedSim(steps=4)),
    "fedper of two, fedsim": (FedPer(2, steps=4), FedSim("dense1, dense2", steps=4)),
    "fedrep, fedalt": (
        FedRep(head_steps=2, body_steps=3, head_rate=0.1, body_rate=0.02),
        FedAlt(personal_steps=2, shared_steps=3, personal_rate=0.1, shared_rate=0.02),
    ),
    "lg_fedavg, fedsim": (LgFedAvg(steps=4), FedSim("input", steps=4)),
    "lg_fedavg of two, fedsim": (LgFedAvg(2, steps=4), FedSim("dense0, dense1", steps=4)),
    "nothing personal": (FedSim("none", steps=4), FedAvg(steps=4)),
    "everything personal": (FedPer(3, steps=4), LocalOnly(steps=4)),
    "everything local": (LgFedAvg(3, steps=4), LocalOnly(steps=4)),
    "no penalty": (FedProx(steps=4, mu=0.0), FedAvg(steps=4)),
    "no penalty, epochs": (
        FedProx(epochs=2, batch_size=50, momentum=0.9, decay=0.01, mu=0.0),
        FedAvg(epochs=2, batch_size=50, momentum=0.9, decay=0.01),
    ),
}


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("pair", PAIRS)
def test_methods_that_are_one_method_are_one(pair, how):
    one, other = PAIRS[pair]
    assert same(found := told(one, how, DEEP), told(other, how, DEEP))
    assert moved(found)


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize(("steps", "personal_steps"), [(3, 3), (2, 5), (5, 2)])
@pytest.mark.parametrize("strength", [0.0, 1.0])
def test_the_global_path_of_ditto_is_fedavg_and_without_penalty_devices_learn_alone(
    how, steps, personal_steps, strength
):
    ditto = told(Ditto(steps, personal_steps, personal_rate=0.1, strength=strength), how)
    assert same(ditto, told(FedAvg(steps=steps), how), GLOBAL)
    alone = told(LocalOnly(steps=personal_steps, learning_rate=0.1), how)
    assert same(ditto, alone, OWN) == (strength == 0.0)


def test_settings_that_matter_change_the_models():
    found = [
        told(algorithm, "batched", DEEP)
        for algorithm in (
            FedSim(),
            FedSim(personal_rate=0.1),
            FedSim(shared_rate=0.1),
            FedPer(2),
            LgFedAvg(),
            LgFedAvg(2),
            FedRep(),
            FedRep(2),
            FedProx(mu=0.5),
            Ditto(),
            LocalOnly(),
        )
    ]
    assert not any(same(a, b) for i, a in enumerate(found) for b in found[:i])


def test_pruning_is_told_apart():
    fused = []
    for algorithm in (Japp(masked_steps=2), FedAlt(shared_steps=3)):
        state = algorithm.init(TASK)
        updates = algorithm.train(state, cohort_of(TASK, np.arange(5)), np.full(5, 0.5))
        fused.append([[algorithm.model_for(algorithm.fuse(state, updates), None)]])
    assert not same(*fused)
