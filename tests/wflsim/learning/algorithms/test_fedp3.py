"""FedP3: who owns what, what is pruned for whom, what travels, and each layer's mean over its owners."""

from contextlib import suppress
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wflsim.contracts import Turn
from wflsim.errors import UserError
from wflsim.learning.algorithms.fedavg import FedAvg
from wflsim.learning.algorithms.fedp3 import FedP3
from wflsim.learning.models import Mlp, ResNet
from wflsim.learning.pruning.counting import thinned
from wflsim.learning.pruning.prefixes import prefix_widths
from wflsim.learning.submodels import owned_layers
from wflsim.learning.submodels.owned_layers import sent_to, thinner
from wflsim.learning.submodels.ownership import Deal, Ownership, first_units, pieces_of
from wflsim.learning.testing import STREAMS, check_algorithm, check_ways, cohort_of, small_task
from wflsim.randomness import Streams

TASK, WHO = small_task(hidden=(7, 6)), np.arange(5)
NAMES = [("dense0.weight", "dense0.bias"), ("dense1.weight", "dense1.bias")]
LAST = ("dense2.weight", "dense2.bias")
WEIGHTS, BIASES = np.array([64 * 7, 7 * 6, 6 * 10]), np.array([7, 6, 10])
METHODS = [
    FedP3(kept=0.3, kept_most=0.9, owned_most=3),
    FedP3(local="uniform", weighting="by_layers", owned=1, owned_most=2, momentum=0.9),
    FedP3(local="ordered", output="dealt", epochs=1, batch_size=50, weighting="by_samples"),
    FedP3(kept=0.0),
]


def ownership(method, devices=5):
    return method._deal.dealt(TASK.anatomy, devices, STREAMS)


def brought(method, who=WHO, round_=0, state=None):
    state = method.init(TASK) if state is None else state
    return state, method.train(state, cohort_of(TASK, who, round_), np.ones(len(who)))


@pytest.mark.parametrize("method", METHODS)
def test_it_keeps_its_promises(method):
    check_algorithm(replace(method, owned=2, owned_most=None))


@settings(max_examples=50)
@given(
    number=st.tuples(st.integers(1, 4), st.integers(0, 3)),
    free=st.integers(0, 5),
    devices=st.integers(1, 20),
    everybody=st.booleans(),
    seed=st.integers(0, 99),
)
def test_every_layer_has_an_owner_or_it_is_told(number, free, devices, everybody, seed):
    least, more = number
    pieces, streams = max(least + more, free), Streams(seed)
    deal = Deal(least, least + more, everybody)
    step = max(1, least - everybody)
    few = devices < -(-(pieces - everybody) // step) or least == everybody
    if few:
        with suppress(UserError):
            deal.cards(pieces, devices, streams)
        return
    cards = deal.cards(pieces, devices, streams)
    assert cards.any(0).all()
    assert ((cards.sum(1) >= least) & (cards.sum(1) <= least + more)).all()
    assert cards[:, -1].all() or not everybody
    more_devices = deal.cards(pieces, devices + 7, streams)
    assert np.array_equal(more_devices[:devices], cards), "more devices change nobody's cards"


def test_all_sets_are_drawn_alike():
    cards = Deal(2, everybody=False).cards(4, 1500, STREAMS)
    assert np.allclose(cards.mean(0), 0.5, atol=0.01)
    pairs = np.unique(cards, axis=0, return_counts=True)[1]
    assert len(pairs) == 6
    assert np.allclose(pairs / 1500, 1 / 6, atol=0.03)


@pytest.mark.parametrize(
    ("deal", "pieces", "devices", "key"),
    [
        (Deal(4), 3, 9, "owned: the model has 3"),
        (Deal(1, 4), 3, 9, "owned_most: the model has 3"),
        (Deal(3, 2), 3, 9, "owned_most: must be at least owned"),
        (Deal(2), 4, 2, "owned: 2 devices with 2 layers each leave 1 of 4"),
    ],
)
def test_what_cannot_be_dealt_is_told_at_its_key(deal, pieces, devices, key):
    with pytest.raises(UserError, match=key):
        deal.cards(pieces, devices, STREAMS)


@pytest.mark.parametrize("how", ["loop", "batched", "native"])
@pytest.mark.parametrize("switch", [{}, {"epochs": 1, "momentum": 0.9, "decay": 0.01}])
def test_with_all_layers_for_everybody_it_is_fedavg_to_the_last_bit(how, switch):
    one, other = FedP3(owned=3, weighting="by_samples", **switch), FedAvg(**switch)
    ours, theirs = one.init(TASK), other.init(TASK)
    for round_, who in enumerate([WHO, np.array([0, 3])]):
        cohort = cohort_of(TASK, who, round_, how=how)
        ours = one.fuse(ours, one.train(ours, cohort, np.ones(len(who))))
        theirs = other.fuse(theirs, other.train(theirs, cohort, np.ones(len(who))))
    for device in (None, 1):
        found, expected = one.model_for(ours, device), other.model_for(theirs, device)
        assert all(torch.equal(found[name], each) for name, each in expected.items())


@pytest.mark.parametrize("output", ["everybody", "dealt"])
def test_with_whole_copies_only_own_layers_move(output):
    method = FedP3(owned=2, kept=1.0, output=output)
    state, updates = brought(method)
    own = ownership(method)
    for device, message in zip(WHO, updates.messages, strict=True):
        pieces = np.flatnonzero(own.owned[device])
        names = [name for piece in pieces for name in own.names(int(piece))]
        assert list(message.tensors) == names
        cohort = cohort_of(TASK, np.array([device]))
        (batches,) = cohort.phases((8,), 32)
        alone = cohort.train(state.model.of(cohort), names, batches, 0.05)
        assert all(torch.allclose(alone[n][0], message.tensors[n], atol=1e-6) for n in names)


@pytest.mark.parametrize("weighting", ["simple", "by_layers", "by_samples"])
def test_a_layers_mean_is_over_its_owners_by_hand(weighting):
    method = FedP3(owned=1, owned_most=3, weighting=weighting)
    who = np.array([0, 2, 3])
    state, updates = brought(method, who)
    fused, own = method.fuse(state, updates), ownership(method).owned
    counts = {
        "simple": np.ones(5),
        "by_layers": own.sum(1),
        "by_samples": TASK.holdings.samples,
    }[weighting].astype(float)
    for piece, names in enumerate([*NAMES, LAST]):
        owners = [k for k in range(3) if own[who[k], piece]]
        for name in names:
            if not owners:
                assert torch.equal(fused.model.shared[name], state.model.shared[name])
                continue
            whole = sum(counts[who[k]] for k in owners)
            mean = sum(counts[who[k]] / whole * updates.messages[k].tensors[name] for k in owners)
            assert torch.allclose(fused.model.shared[name], mean, atol=1e-6)


def test_a_layer_that_nobody_brought_stays():
    method = FedP3()
    own = ownership(method).owned
    who = np.flatnonzero(~own[:, 0])[:1]
    state, updates = brought(method, who)
    fused = method.fuse(state, updates).model.shared
    assert all(torch.equal(fused[name], state.model.shared[name]) for name in NAMES[0])
    assert all(not torch.equal(fused[name], state.model.shared[name]) for name in NAMES[1])


@pytest.mark.parametrize("method", METHODS)
def test_bits_are_those_of_what_travels(method):
    state, updates = brought(method)
    exchange = method.plan(TASK.anatomy, TASK.holdings.samples, Turn(0, 0, STREAMS), state)
    own = ownership(method)
    entries = WEIGHTS + BIASES
    assert [m.bits for m in updates.messages] == (32 * own.owned @ entries).tolist()
    assert exchange.sent_bits(np.ones(5)).tolist() == [m.bits for m in updates.messages]
    _, masks = sent_to(state.model.of(cohort_of(TASK, WHO)), own)
    for k in range(5):
        others = ~own.owned[k]
        kept = sum(
            int(masks[names[0]][k].sum())
            for names, other in zip([*NAMES, LAST], others, strict=True)
            if other
        )
        bitmap = 8 * -(-int(WEIGHTS[others].sum()) // 8) if 0 < own.kept[k] < 1 else 0
        dense = own.owned[k] @ entries + others @ BIASES
        assert exchange.down_bits.at(1.0)[k] == 32 * (dense + kept) + bitmap
        assert abs(kept - own.kept[k] * WEIGHTS[others].sum()) <= 1.5


def test_pruned_are_the_smallest_weights_of_each_layer_of_others():
    own = Ownership(TASK.anatomy, np.array([[True, False, False]]), np.array([0.5]))
    stacked = {name: each[None] for name, each in TASK.initial.items()}
    found, _ = sent_to(stacked, own)
    assert torch.equal(found["dense0.weight"], stacked["dense0.weight"])
    for name in ("dense1.weight", "dense2.weight"):
        old, new = stacked[name], found[name]
        assert int((new != 0).sum()) == old.numel() // 2
        assert old[new == 0].abs().max() <= new[new != 0].abs().min()
        assert torch.equal(new[new != 0], old[new != 0])
    assert all(torch.equal(found[n], stacked[n]) for n in stacked if n.endswith("bias"))


def test_further_pruning_is_within_what_was_sent_and_leaves_own_layers_whole():
    own = Ownership(TASK.anatomy, np.array([[True, False, False]] * 2), np.array([0.5, 1.0]))
    stacked = {name: each.expand(2, *each.shape) for name, each in TASK.initial.items()}
    sent, masks = sent_to(stacked, own)
    share = np.array([0.5, 0.4])
    draws = [np.random.default_rng(k) for k in range(2)]
    some = thinner(sent, masks, own, share, draws=draws)
    first = thinner(sent, masks, own, share, draws=None)
    for found in (some, first):
        assert torch.equal(found["dense0.weight"], stacked["dense0.weight"])
        used = {name: each != 0 for name, each in found.items()}
        assert all((used[n] <= masks[n]).all() for n in ("dense1.weight", "dense2.weight"))
    for name in ("dense1.weight", "dense2.weight"):
        counts = (some[name] != 0).flatten(1).sum(1).numpy()
        assert counts.tolist() == np.rint(share * masks[name].flatten(1).sum(1).numpy()).tolist()
    # Seven units feed six, which feed ten classes: of 7 and 6 the first 3 where 0.4 is used.
    middle, top = first["dense1.weight"][1] != 0, first["dense2.weight"][1] != 0
    assert middle[:3, :3].all()
    assert int(middle.sum()) == 9
    assert top[:, :3].all()
    assert int(top.sum()) == 30
    shares = first_units(TASK.anatomy, np.array([0.4]))[0]
    assert np.allclose(shares, [3 / 7, 9 / 42, 30 / 60])


@pytest.mark.parametrize(
    ("model", "shape", "share"),
    [(Mlp(hidden=(100, 20)), (1, 8, 8), 0.07), (ResNet(norm="group"), (3, 32, 32), 0.55)],
)
def test_the_first_units_are_those_of_nested_submodels(model, shape, share):
    """Of 100 units 0.07 are 7 and not 8, and what is normalised together stays together."""
    blueprint, each = model.blueprint(shape, 10), np.array([share, 1.0])
    anatomy = blueprint.anatomy
    layers = thinned(anatomy, prefix_widths(anatomy, share)).layers
    weights = np.array([layer.weights for layer in layers])
    whole = np.array([layer.weights for layer in anatomy.layers])
    shares = first_units(anatomy, each)
    assert np.allclose(shares[0] * whole, weights, rtol=1e-9)
    assert (shares[1] == 1.0).all()
    nobody = Ownership(anatomy, np.zeros((2, len(pieces_of(anatomy))), dtype=bool), np.ones(2))
    ones = {t.name: torch.ones(2, *t.shape) for t in anatomy.every()}
    masks = {name: ones[name] > 0 for name in anatomy.prunable}
    found = thinner(ones, masks, nobody, each, draws=None)
    for place, layer in enumerate(anatomy.layers):
        names = [t.name for t in layer.tensors if t.role == "weight"]
        assert sum(int(found[name][0].sum()) for name in names) == weights[place]
        assert all(bool(found[name][1].all()) for name in names)


def test_what_a_device_uses_is_drawn_anew_in_every_round_and_on_every_device(monkeypatch):
    method, seen = FedP3(local="uniform", kept=1.0, local_kept=0.25), []

    def noted(params, masks, own, share, *, draws):
        # The same share for all, so that only the places can differ.
        seen.append((share, thinner(params, masks, own, np.full(len(share), 0.5), draws=draws)))
        return params

    monkeypatch.setattr(owned_layers, "thinner", noted)
    others = np.flatnonzero(~ownership(method).owned[:, 0])
    assert len(others) > 1
    for round_ in (0, 1, 1):
        brought(method, others, round_)
    first, second, again = (share for share, _ in seen)
    drawn = np.concatenate([first, second])
    assert len(set(drawn.tolist())) == len(drawn)
    assert ((drawn >= 0.25) & (drawn < 1.0)).all()
    assert np.array_equal(second, again)
    used = [found["dense0.weight"][k] != 0 for _, found in seen[:2] for k in range(len(others))]
    assert all(not torch.equal(a, b) for a, b in combinations(used, 2))
    assert torch.equal(seen[1][1]["dense0.weight"], seen[2][1]["dense0.weight"])
    for round_, share in enumerate((first, second)):
        plan = method.plan(TASK.anatomy, TASK.holdings.samples, Turn(round_, 0, STREAMS), None)
        macs = ownership(method).only(others).macs(np.tile(share[:, None], 3))
        assert np.allclose(plan.macs.at(1.0)[others], 8 * 32 * macs)


def test_operations_train_own_layers_and_carry_through_what_is_left_of_the_others():
    owned = np.array([[True, True, True], [False, True, True], [True, False, True]])
    own = Ownership(TASK.anatomy, owned, np.array([0.5, 0.5, 0.0]))
    a, b, c = WEIGHTS
    found = own.macs(np.ones((3, 3)))
    assert found.tolist() == [2 * a + 3 * b + 3 * c, a / 2 + 2 * b + 3 * c, 2 * a + 3 * c]
    assert own.macs(np.full((3, 3), 0.5))[1] == a / 4 + 2 * b + 3 * c


def test_by_the_others_accounts_only_bits_are_saved():
    method = FedP3(kept=0.5)
    state, updates = brought(method)
    state, who = method.fuse(state, updates), np.array([1, 4])
    found = method.reckoned(TASK.anatomy, TASK.holdings.samples, who, state)
    owned, entries = state.owned[who], WEIGHTS + BIASES
    other = np.rint(0.5 * (~owned @ entries))
    assert found.bits == 32 * (2 * (owned @ entries) + other).sum()
    assert found.macs == 3 * 2 * 8 * 32 * WEIGHTS.sum()
    assert method.reckoned(TASK.anatomy, TASK.holdings.samples, who, method.init(TASK)).bits == 0


def test_devices_are_examined_on_what_they_would_be_sent():
    method = FedP3(kept=0.5)
    state, updates = brought(method)
    state = method.fuse(state, updates)
    assert method.model_for(state, None) is state.model.shared
    cohort = cohort_of(TASK, WHO)
    sent, _ = sent_to(state.model.of(cohort), ownership(method))
    for device in WHO:
        found = method.model_for(state, device)
        assert all(torch.equal(found[name], sent[name][device]) for name in sent)


@pytest.mark.parametrize("method", METHODS[:3])
def test_what_a_device_brings_depends_on_no_other(method):
    state, together = brought(method)
    _, alone = brought(method, WHO[2:3])
    both = zip(alone.messages[0].tensors.items(), together.messages[2].tensors.items(), strict=True)
    assert all(a == b and torch.allclose(x, y, atol=1e-6) for (a, x), (b, y) in both)
    assert state.owned is None


@pytest.mark.parametrize("method", METHODS[:3])
def test_it_is_the_same_in_every_way_of_training(method):
    def lesson(cohort):
        updates = method.train(method.init(cohort.task), cohort, np.ones(5))
        return {
            f"{k}.{name}": tensor
            for k, message in enumerate(updates.messages)
            for name, tensor in message.tensors.items()
        }

    check_ways(small_task(hidden=(7, 6)), lesson)


def test_norms_go_with_the_layer_that_they_follow():
    anatomy = ResNet().blueprint((3, 32, 32), 10).anatomy
    pieces = pieces_of(anatomy)
    assert [layer for piece in pieces for layer in piece] == list(anatomy.layers)
    assert all(piece[0].weights and not any(x.weights for x in piece[1:]) for piece in pieces)
