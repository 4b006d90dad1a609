"""Hermes: units that go a share at a time, what all keep is averaged and all else stays, and what that costs."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wflsim.contracts import Late, Turn
from wflsim.errors import UserError
from wflsim.learning.algorithms.fedavg import FedAvg
from wflsim.learning.algorithms.hermes import Hermes
from wflsim.learning.models import Conv4, Logistic, Mlp
from wflsim.learning.own_masks.accuracy import looked_at, own_accuracy
from wflsim.learning.own_masks.cuts import Cuts
from wflsim.learning.payload import unpack
from wflsim.learning.pruning.counting import counts, free_spaces, unit_bits
from wflsim.learning.pruning.masks import Masks
from wflsim.learning.testing import STREAMS, check_algorithm, check_ways, cohort_of, small_task

TASK, EVERYBODY = small_task((9, 6)), np.arange(5)
NORMED = small_task(model=Conv4(channels=(4, 5, 4, 6), pools=2))
ALWAYS = {"accuracy_least": 0.0, "prune_step": 0.2, "prune_target": 0.5}
RULE = {"steps": 2, "batch_size": 16}


def went(algorithm, rounds, task=TASK, who=EVERYBODY, how="batched"):
    """Yield the state before every round, what it brings, and the state after it."""
    state = algorithm.init(task)
    for round_ in range(rounds):
        updates = algorithm.train(state, cohort_of(task, who, round_, how=how), np.ones(len(who)))
        after = algorithm.fuse(state, updates)
        yield state, updates, after
        state = after


def units_at(state, task, who=EVERYBODY):
    return Masks.from_tensors(task.anatomy, state.units.rows(who)).units


def entries_at(state, task, who=EVERYBODY):
    """Return what devices keep of every tensor, shapes (K, …)."""
    found = Masks.structured(task.anatomy, units_at(state, task, who)).entries
    return {
        name: found.get(name, torch.ones((len(who), *each.shape), dtype=torch.bool))
        for name, each in task.initial.items()
    }


@pytest.mark.parametrize("task", [TASK, NORMED], ids=["mlp", "conv4"])
@pytest.mark.parametrize(
    "switches",
    [
        {},
        ALWAYS,
        {**ALWAYS, "norms": "shared", "epochs": 1, "batch_size": 60, "momentum": 0.5},
        {**ALWAYS, "prune_step": 0.5, "prune_target": 0.7, "decay": 0.01},
    ],
    ids=["default", "always", "shared", "much"],
)
def test_it_keeps_what_algorithms_promise(switches, task):
    check_algorithm(Hermes(**{**RULE, **switches}), task=task)


@pytest.mark.parametrize("how", ["loop", "batched", "native"])
def test_with_all_units_it_is_fedavg(how):
    mine, plain = Hermes(prune_target=0.0, norms="shared", **RULE), FedAvg(**RULE)
    *_, (_, _, found) = went(mine, 3, how=how)
    *_, (_, _, expected) = went(plain, 3, how=how)
    for device in range(5):
        own, common = mine.model_for(found, device), plain.model_for(expected, device)
        assert all(torch.equal(own[name], each) for name, each in common.items())


def test_without_norms_that_travel_weights_move_as_those_of_fedavg_in_the_first_round():
    mine, plain = Hermes(prune_target=0.0, **RULE), FedAvg(**RULE)
    ((_, _, found),), ((_, _, expected),) = went(mine, 1, NORMED), went(plain, 1, NORMED)
    for tensor in NORMED.anatomy.every():
        own = [mine.model_for(found, device)[tensor.name] for device in range(5)]
        if tensor.role == "weight":
            assert all(torch.equal(each, expected.shared[tensor.name]) for each in own)
        elif tensor.role in {"scale", "statistic"}:
            assert not any(torch.equal(own[0], each) for each in own[1:])


@pytest.mark.parametrize("task", [TASK, NORMED], ids=["mlp", "conv4"])
def test_what_one_does_not_keep_stays_personal_on_all(task):
    algorithm, who = Hermes(**ALWAYS, **RULE), np.array([0, 2, 3])
    *_, (before, updates, after) = went(algorithm, 2, task, who)
    shapes = {name: task.initial[name].shape for name in before.part.tensors}
    kept, shares = entries_at(after, task, who), task.holdings.samples[who]
    brought = [unpack(message, shapes, before.part)[0] for message in updates.messages]
    some = 0
    for name, first in task.initial.items():
        own = after.own.rows(who)[name]
        if name not in shapes:
            assert torch.equal(own, updates.private[name])
            continue
        common = kept[name].all(0)
        some += int((~common).sum())
        assert torch.equal(own[:, ~common], updates.private[name][:, ~common])
        each = torch.stack([row[name].double() for row in brought])
        mean = torch.tensordot(torch.from_numpy(shares / shares.sum()), each, 1)
        assert torch.allclose(
            own[:, common].double(), mean[common].expand(3, -1), atol=1e-7, rtol=0
        )
        assert not torch.equal(own, first.expand(3, *first.shape))
    assert some > 0, "they keep different units"
    absent = np.array([1, 4])
    for name, each in after.own.rows(absent).items():
        assert torch.equal(each, before.own.rows(absent)[name])


@pytest.mark.parametrize("task", [TASK, NORMED], ids=["mlp", "conv4"])
def test_masks_shrink_until_the_target_is_less_than_one_unit_away(task):
    algorithm = Hermes(**ALWAYS, **RULE)
    for round_, (before, _, after) in enumerate(went(algorithm, 5, task)):
        old, new = units_at(before, task), units_at(after, task)
        for space in free_spaces(task.anatomy):
            assert not (new[space.name] & ~old[space.name]).any(), "nothing comes back"
            gone = (~new[space.name]).sum(1) / space.units
            aim = min(0.5, 0.2 * (round_ + 1))
            assert ((gone <= aim + 1e-9) & (gone > aim - 1 / space.units)).all()
    assert (after.cuts == 3).all()
    kept = entries_at(after, task)
    for name, each in after.own.rows(EVERYBODY).items():
        assert not each[~kept[name]].any(), "what is gone is zero"
    assert after.density == pytest.approx(
        np.mean([(new[s.name].sum(1) / s.units).mean() for s in free_spaces(task.anatomy)])
    )


def test_the_units_of_the_smallest_norms_go():
    algorithm = Hermes(**ALWAYS, **RULE)
    for before, _, after in went(algorithm, 3):
        own = before.own.rows(EVERYBODY)
        for space, weight in (("dense0", "dense0.weight"), ("dense1", "dense1.weight")):
            norms, new = own[weight].abs().sum(2), units_at(after, TASK)[space]
            old = units_at(before, TASK)[space]
            for device in range(5):
                lost = norms[device][old[device] & ~new[device]]
                assert not len(lost) or lost.max() <= norms[device][new[device]].min()


def test_only_who_is_good_enough_on_its_own_samples_prunes():
    task = small_task((9, 6))
    algorithm = Hermes(accuracy_least=0.5, steps=6, batch_size=16, learning_rate=0.1)
    pruned = 0
    for before, _, after in went(algorithm, 4, task):
        params = before.own.rows(EVERYBODY)
        good = own_accuracy(cohort_of(task, EVERYBODY), params) >= 0.5
        cut = after.cuts - before.cuts
        assert (cut == (good & (before.cuts < 3))).all()
        pruned += int(cut.sum())
    assert 0 < pruned < 20, "some do, and not at once"


def test_devices_judge_on_samples_to_choose_on_and_never_on_test_samples():
    task = small_task((9, 6))
    assert all(looked_at(task.holdings, k) is task.holdings.train[k] for k in range(5))
    aside = replace(task.holdings, validation=[part[:3] for part in task.holdings.train])
    assert all(len(looked_at(aside, k)) == 3 for k in range(5))
    told = replace(task, holdings=aside)
    found = own_accuracy(cohort_of(told, EVERYBODY), cohort_of(task, EVERYBODY).stack(task.initial))
    for device in range(5):
        rows = aside.validation[device]
        scores = task.module.eval()(task.inputs[rows])
        assert found[device] == float((scores.argmax(1) == task.labels[rows]).double().mean())
    blind = task.inputs.clone()
    blind[np.concatenate(task.holdings.test)] = torch.nan
    algorithm, unseen = Hermes(**ALWAYS, **RULE), replace(task, inputs=blind)
    *_, (_, _, one) = went(algorithm, 2, task)
    *_, (_, _, other) = went(algorithm, 2, unseen)
    for name, each in one.own.rows(EVERYBODY).items():
        assert torch.equal(each, other.own.rows(EVERYBODY)[name])


@pytest.mark.parametrize("norms", ["local", "shared"])
@pytest.mark.parametrize("task", [TASK, NORMED], ids=["mlp", "conv4"])
def test_what_is_sent_and_computed_is_what_is_kept(task, norms):
    algorithm, samples = Hermes(**ALWAYS, **RULE, norms=norms), task.holdings.samples
    for round_, (before, updates, after) in enumerate(went(algorithm, 3, task)):
        masks = [Masks.from_tensors(task.anatomy, s.units.rows(EVERYBODY)) for s in (before, after)]
        masks = [Masks.structured(task.anatomy, each.units) for each in masks]
        roles = (
            {"weight"} if norms == "local" else {"weight", "bias", "scale", "shift", "statistic"}
        )
        down, up = (
            sum(each.kept(t) for t in task.anatomy.every() if t.role in roles) for each in masks
        )
        exchange = algorithm.plan(task.anatomy, samples, Turn(round_, 0, STREAMS), before)
        bitmap = unit_bits(task.anatomy)
        assert exchange.down_bits.at(1.0).tolist() == (32 * down).tolist()
        sent = [message.bits for message in updates.messages]
        assert sent == (32 * up + bitmap).tolist()
        assert (exchange.up_bits.at(1.0) >= sent).all()
        told = algorithm.reckoned(task.anatomy, samples, np.array([1, 3]), after)
        assert told.bits == int((64 * up + bitmap)[[1, 3]].sum())
        forward = [counts(task.anatomy, each).macs for each in masks]
        assert told.macs == 3 * 32 * int(forward[1][[1, 3]].sum())
        looked = samples * forward[0]
        trained = updates.macs - looked
        assert (trained > 2 * 32 * forward[1]).all()
        assert (trained <= 3 * 32 * forward[1]).all()
        assert (updates.macs <= exchange.macs.at(1.0)).all()


def test_a_thin_lesson_is_the_masked_lesson_of_the_dense_model():
    algorithm = Hermes(**ALWAYS, **RULE, learning_rate=0.1)
    task = small_task((9, 6))
    double = replace(task, inputs=task.inputs.double(), module=task.module.double())
    *_, (before, updates, after) = went(algorithm, 2, double)
    masks = Masks.structured(double.anatomy, units_at(after, double))
    cohort = cohort_of(double, EVERYBODY, 1)
    begun = masks.applied(before.own.rows(EVERYBODY))
    batches = algorithm._practice.batches(cohort)
    names = double.anatomy.tensors
    dense = cohort.train(begun, names, batches, 0.1, masks.entries)
    for name, each in dense.items():
        assert float((updates.private[name] - each).abs().max()) < 1e-12


def test_what_a_device_brings_depends_on_no_other():
    algorithm = Hermes(**{**RULE, **ALWAYS})
    *_, (_, _, state) = went(algorithm, 1, who=np.array([1, 2]))
    every = algorithm.train(state, cohort_of(TASK, EVERYBODY, 1, how="loop"), np.ones(5))
    for device in range(5):
        alone = algorithm.train(
            state.only(np.array([device])),
            cohort_of(TASK, np.array([device]), 1, how="loop"),
            np.ones(1),
        )
        one, other = every.messages[device].tensors, alone.messages[0].tensors
        assert one.keys() == other.keys()
        assert all(torch.equal(each, other[name]) for name, each in one.items())
        assert all(
            torch.equal(each[device], alone.private[n][0]) for n, each in every.private.items()
        )
        assert every.macs[device] == alone.macs[0]


def test_all_ways_agree():
    algorithm = Hermes(**ALWAYS, **RULE)

    def lesson(cohort):
        updates = algorithm.train(algorithm.init(cohort.task), cohort, np.ones(5))
        return {name: updates.private[name] for name in cohort.task.initial}

    check_ways(small_task((9, 6)), lesson)
    check_ways(small_task(model=Conv4(channels=(4, 5, 4, 6), pools=2)), lesson)


def test_what_began_earlier_joins_the_mean_of_what_all_keep():
    algorithm = Hermes(**ALWAYS, **RULE)
    base = algorithm.init(TASK)
    *_, (_, _, now) = went(algorithm, 1, who=np.array([0, 1]))
    old = algorithm.train(base, cohort_of(TASK, np.array([3])), np.ones(1))
    new = algorithm.train(now, cohort_of(TASK, np.array([0]), 1), np.ones(1))
    late = [Late(base, old, np.array([0.1])), Late(now, new, np.array([0.3]))]
    after, who = algorithm.fuse_late(now, late), np.array([3, 0])
    kept = entries_at(after, TASK, who)
    for name in now.part.tensors:
        one, other = old.private[name][0], new.private[name][0]
        mean, common = 0.25 * one + 0.75 * other, kept[name].all(0)
        for row, own in zip(after.own.rows(who)[name], (one, other), strict=True):
            assert float((row - torch.where(common, mean, own)).abs().max()) < 1e-6


@settings(max_examples=60, deadline=None)
@given(st.floats(0.01, 1.0), st.floats(0.0, 0.99), st.integers(1, 40), st.integers(1, 30))
def test_widths_fall_to_the_target_and_leave_a_unit(step, target, first, second):
    anatomy = Mlp(hidden=(first, second)).blueprint((1, 8, 8), 10).anatomy
    rule = Cuts(step, target)
    every = [rule.widths(anatomy, count) for count in range(rule.most + 1)]
    for name, units in (("dense0", first), ("dense1", second)):
        widths = [each[name] for each in every]
        assert widths[0] == units
        assert all(one >= other >= 1 for one, other in pairwise(widths))
        assert target - 1 / units < 1 - widths[-1] / units + 1e-9 <= target + 2e-9
    assert rule.most == 0 or rule.share(rule.most - 1) < target


def test_groups_of_a_norm_go_as_a_whole():
    model = replace(Conv4(channels=(4, 4, 4, 4), pools=2), norm="group", group=2)
    task = small_task(model=model)
    *_, (_, _, state) = went(Hermes(**ALWAYS, **RULE), 4, task)
    for each in units_at(state, task).values():
        pairs = each.view(5, -1, 2)
        assert torch.equal(pairs[..., 0], pairs[..., 1])
        assert (pairs[..., 0].sum(1) == 1).all()


def test_a_model_without_hidden_units_is_refused():
    with pytest.raises(UserError, match=r"algorithm: hermes .* take one with hidden layers"):
        Hermes().init(small_task(model=Logistic()))
