"""FedCHAR: what it is without groups, what a group changes, and what its rounds cost."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from wflsim.contracts import Turn
from wflsim.errors import UserError
from wflsim.learning.algorithms.ditto import Ditto
from wflsim.learning.algorithms.fedavg import FedAvg
from wflsim.learning.algorithms.fedchar import FedChar
from wflsim.learning.algorithms.fedprox import FedProx
from wflsim.learning.clustering.came import Came
from wflsim.learning.clustering.rules import Agglomerative
from wflsim.learning.cohort import Cohort
from wflsim.learning.data.uci_har import CHANNELS, LENGTH
from wflsim.learning.models import SensorCnn
from wflsim.learning.personal import initial_state
from wflsim.learning.testing import STREAMS, check_algorithm, check_ways, cohort_of, small_task

TASK, EVERYBODY = small_task(), np.arange(5)
SOME = [np.array([0, 1, 3]), EVERYBODY, np.array([2, 4]), np.array([0, 2, 3])]
ONE = Agglomerative("average", None, 1)
TWO = Agglomerative("complete", None, 2)
MIB = 2**20


def played(algorithm, rounds=SOME, how="batched", waves=1):
    """Return the state after rounds; whoever is asked in a burst or for last touches comes."""
    state = algorithm.init(TASK)
    for round_, who in enumerate(rounds):
        for step in range(3):
            turn = Turn(round_, step, STREAMS)
            exchange = algorithm.plan(TASK.anatomy, TASK.holdings.samples, turn, state)
            if exchange is None:
                break
            come = EVERYBODY if exchange.open else who
            for some in np.array_split(come, waves if exchange.open else 1):
                updates = algorithm.train(state, Cohort(TASK, some, turn, how), np.ones(len(some)))
                bits = exchange.only(some).sent_bits(np.ones(len(some)))
                assert [message.bits for message in updates.messages] == bits.tolist()
                state = algorithm.fuse(state, updates)
    return state


def models(algorithm, state):
    return [algorithm.model_for(state, device) for device in (None, *range(5))]


def same(one, other):
    return all(torch.equal(a[name], b[name]) for a, b in zip(one, other, strict=True) for name in a)


PLAIN = {"steps": 3, "gathers": None}
PAIRS = {
    "ditto": (FedChar(**PLAIN, strength=0.7), Ditto(steps=3, personal_steps=3, strength=0.7)),
    "fedavg": (FedChar(**PLAIN, personal=False), FedAvg(steps=3)),
    "one group": (FedChar(steps=3, gathers=1, clustering=ONE), Ditto(steps=3, personal_steps=3)),
    "one group, no penalty": (
        FedChar(steps=3, gathers=1, clustering=ONE, personal=False, strength=0.0),
        FedAvg(steps=3),
    ),
}


@pytest.mark.parametrize("how", ["loop", "batched", "native"])
@pytest.mark.parametrize("pair", PAIRS)
def test_with_one_group_it_is_what_it_is_made_of_to_the_last_bit(pair, how):
    ours, theirs = PAIRS[pair]
    assert same(models(ours, played(ours, how=how)), models(theirs, played(theirs, how=how)))


def test_the_port_is_fedavg_before_groups_and_fedprox_after():
    port = FedChar(steps=3, gathers=2, clustering=ONE, personal=False, strength=0.5)
    before, averaged = played(port, SOME[:2]), played(FedAvg(steps=3), SOME[:2])
    assert same(models(port, before), models(FedAvg(), averaged))
    held, who = FedProx(steps=3, mu=0.5), SOME[2]
    updates = held.train(averaged, cohort_of(TASK, who, 2), np.ones(len(who)))
    assert same(models(port, played(port, SOME[:3])), models(held, held.fuse(averaged, updates)))


def test_groups_begin_with_the_shared_model_and_learn_from_their_own_alone():
    algorithm = FedChar(steps=3, gathers=2, clustering=TWO)
    before = played(algorithm, SOME[:2])
    turn = Turn(2, 0, STREAMS)
    burst = algorithm.train(before, Cohort(TASK, EVERYBODY, turn), np.ones(5))
    grouped = algorithm.fuse(before, burst)
    assert grouped.groups.count == 2
    assert all(same([grouped.groups.model(group)], [before.groups.model(0)]) for group in range(2))
    assert same([grouped.own.row(d) for d in EVERYBODY], [before.own.row(d) for d in EVERYBODY])
    (members,) = np.nonzero(grouped.groups.label == 0)
    then = Cohort(TASK, members, replace(turn, step=1))
    after = algorithm.fuse(grouped, algorithm.train(grouped, then, np.ones(len(members))))
    assert same([after.groups.model(1)], [grouped.groups.model(1)])
    alone = FedAvg(steps=3)
    plain = replace(initial_state(TASK, "none"), shared=grouped.groups.model(0))
    fused = alone.fuse(plain, alone.train(plain, cohort_of(TASK, members, 2), np.ones(5)))
    assert same([after.groups.model(0)], [alone.model_for(fused, None)])


@pytest.mark.parametrize("personal", [True, False])
def test_who_comes_in_waves_is_grouped_as_if_all_came_at_once(personal):
    algorithm = FedChar(steps=2, gathers=2, clustering=TWO, personal=personal)
    once, waves = played(algorithm), played(algorithm, waves=3)
    assert waves.groups.label.tolist() == once.groups.label.tolist()
    assert np.array_equal(waves.groups.cosine, once.groups.cosine)
    assert same(models(algorithm, waves), models(algorithm, once))
    assert waves.groups.passes == 1


def test_last_touches_send_nothing_and_everybody_has_a_model_of_its_own():
    port = FedChar(steps=3, gathers=1, clustering=TWO, personal=False, tunes=3, tune_epochs=2)
    before, after = played(port, SOME[:3]), played(port)
    assert same([after.groups.models], [before.groups.models])
    assert sorted(after.own.held) == EVERYBODY.tolist()
    tuned = FedAvg(epochs=2)
    for device in EVERYBODY:
        plain = replace(initial_state(TASK, "none"), shared=port.model_for(before, int(device)))
        cohort = cohort_of(TASK, np.array([device]), 3)
        (message,) = tuned.train(plain, cohort, np.ones(1)).messages
        assert all(
            torch.allclose(port.model_for(after, int(device))[name], tensor, atol=1e-6)
            for name, tensor in message.tensors.items()
        )


def test_what_travels_and_is_computed():
    algorithm = FedChar(steps=3, batch_size=10, gathers=2, gather_epochs=4, tunes=4, tune_epochs=5)
    samples = TASK.holdings.samples

    def planned(*moment):
        return algorithm.plan(TASK.anatomy, samples, Turn(*moment, STREAMS), None)

    (each,) = {
        float(e) for e in FedAvg(steps=1, batch_size=1).plan(
            TASK.anatomy, samples, Turn(0, 0, STREAMS), None
        ).macs.fixed
    }  # fmt: skip
    assert (planned(0, 0).macs.fixed == 2 * 30 * each).all()
    assert (planned(2, 0).macs.fixed == 4 * samples * each).all()
    assert (planned(2, 1).macs.fixed == 2 * 30 * each).all()
    assert (planned(4, 0).macs.fixed == 5 * samples * each).all()
    assert [planned(*moment) for moment in ((0, 1), (2, 2), (4, 1))] == [None] * 3
    assert planned(2, 0).purpose == "cluster"
    assert planned(4, 0).silent
    with pytest.raises(UserError, match="tunes"):
        FedChar(gathers=3, tunes=3).plan(TASK.anatomy, samples, Turn(0, 0, STREAMS), None)


def test_the_authors_tracker_charges_ten_devices_for_the_burst_of_all():
    """On UCI HAR, 30 devices of which ten a round for 50 rounds: 340.48 and 347.29 MB as they count."""
    anatomy = SensorCnn().blueprint((len(CHANNELS), LENGTH), 6).anatomy
    assert anatomy.bits == 32 * 89_254
    algorithm, samples, ten = FedChar(personal=False), np.full(30, 100), np.arange(10)
    state = algorithm.init(TASK)
    usual = replace(state, came=Came(0, trained=ten))
    grouping = replace(state, came=Came(0, trained=ten, grouped=np.arange(30)))
    each = algorithm.reckoned(anatomy, samples, ten, usual).bits / 8
    burst = algorithm.reckoned(anatomy, samples, np.arange(30), grouping).bits / 8 - each
    assert round(50 * each / MIB, 2) == 340.48
    assert round((50 * each + 10 / 30 * burst) / MIB, 2) == 347.29
    assert round((50 * each + burst) / MIB, 2) == 360.91
    tuned = replace(state, came=Came(0, tuned=np.arange(30)))
    told = algorithm.reckoned(anatomy, samples, np.arange(30), tuned)
    assert told.bits == 0
    assert told.macs == 1.05 * 3 * 30 * 3 * 128 * anatomy.macs


def test_a_played_round_is_reckoned_over_those_who_came():
    algorithm = FedChar(steps=2, batch_size=4, gathers=1, gather_epochs=3)
    samples, dense = TASK.holdings.samples, TASK.anatomy.bits
    state = played(algorithm, SOME[:1])
    found = algorithm.reckoned(TASK.anatomy, samples, SOME[0], state)
    assert found.bits == 2 * 3 * dense
    each = 1.05 * 3 * TASK.anatomy.macs  # a sample, by the tracker
    assert found.macs == pytest.approx(each * 3 * 2 * 8)
    rounds = [SOME[0], np.array([1, 2])]
    found = algorithm.reckoned(TASK.anatomy, samples, EVERYBODY, played(algorithm, rounds))
    assert found.bits == 2 * (5 + 2) * dense
    batches = (-(-samples // 4)).sum()
    assert found.macs == pytest.approx(each * (3 * 4 * batches + 2 * 2 * 8))
    state = played(replace(algorithm, tunes=2), [*rounds, EVERYBODY])
    assert algorithm.reckoned(TASK.anatomy, samples, EVERYBODY, state).bits == 0


@pytest.mark.parametrize("personal", [True, False])
def test_it_keeps_its_promises_in_every_way(personal):
    algorithm = FedChar(steps=4, personal=personal, strength=0.3, gathers=None)
    check_algorithm(algorithm)

    def lesson(cohort):
        updates = algorithm.train(algorithm.init(cohort.task), cohort, np.ones(5))
        sent = torch.stack([message.tensors["dense0.weight"] for message in updates.messages])
        return {"sent": sent, **updates.private}

    check_ways(small_task(), lesson)
