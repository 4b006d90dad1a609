"""LotteryFL: tickets that are drawn, rewound and trained, the mean over holders, and what travels."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wflsim.contracts import Late, Turn
from wflsim.learning.algorithms.fedavg import FedAvg
from wflsim.learning.algorithms.lottery_fl import LotteryFl
from wflsim.learning.anatomy import bitmap_bits, step_macs
from wflsim.learning.models import Conv4
from wflsim.learning.own_masks.accuracy import own_accuracy
from wflsim.learning.own_masks.form import single_weights
from wflsim.learning.own_masks.tickets import Kept, opened, without_lowest
from wflsim.learning.payload import unpack
from wflsim.learning.testing import STREAMS, check_algorithm, check_ways, cohort_of, small_task

TASK, EVERYBODY = small_task((7, 6)), np.arange(5)
NORMED = small_task(model=Conv4(channels=(3, 3, 4, 4), pools=2))
NAMES = TASK.anatomy.prunable
RULE = {"steps": 2, "batch_size": 16}
ALWAYS = {**RULE, "accuracy_above": 0.0, "prune_share": 0.3, "keep_target": 0.3}


def went(algorithm, rounds, task=TASK, who=EVERYBODY, how="batched"):
    """Yield the state before every round, what it brings, and the state after it."""
    state = algorithm.init(task)
    for round_ in range(rounds):
        updates = algorithm.train(state, cohort_of(task, who, round_, how=how), np.ones(len(who)))
        after = algorithm.fuse(state, updates)
        yield state, updates, after
        state = after


def read(state, updates):
    """Return parameters and masks of every message."""
    shapes = {name: each.shape for name, each in state.model.shared.items()}
    return [unpack(message, shapes) for message in opened(updates, state.form).messages]


@pytest.mark.parametrize("task", [TASK, NORMED], ids=["mlp", "conv4"])
@pytest.mark.parametrize(
    "switches",
    [
        RULE,
        ALWAYS,
        {**ALWAYS, "epochs": 1, "batch_size": 60, "momentum": 0.5, "decay": 0.01},
        {**ALWAYS, "weighting": "samples"},
    ],
    ids=["default", "always", "epochs", "samples"],
)
def test_it_keeps_what_algorithms_promise(switches, task):
    check_algorithm(LotteryFl(**switches), views=True, task=task)


@pytest.mark.parametrize("how", ["loop", "batched", "native"])
def test_with_all_weights_it_is_fedavg(how):
    """To the last bit: masks of ones, messages with bitmaps, and the mean over holders, who are all."""
    mine, plain = LotteryFl(keep_target=1.0, weighting="samples", **RULE), FedAvg(**RULE)
    *_, (_, _, found) = went(mine, 3, how=how)
    *_, (_, _, expected) = went(plain, 3, how=how)
    assert all(torch.equal(found.model.shared[n], each) for n, each in expected.shared.items())
    assert found.density == 1.0


@pytest.mark.parametrize("task", [TASK, NORMED], ids=["mlp", "conv4"])
def test_a_device_that_prunes_begins_anew_from_the_first_weights(task):
    algorithm = LotteryFl(**ALWAYS, learning_rate=0.05)
    seen = set()
    for before, updates, after in went(algorithm, 3, task):
        cohort = cohort_of(task, EVERYBODY, updates.turn.round_)
        masks = after.kept(EVERYBODY).masks(after.form)
        cut = after.cuts > before.cuts
        seen |= set(cut.tolist())
        first = masks.applied(cohort.stack(task.initial))
        here = masks.applied(before.model.of(cohort))
        begun = {
            name: torch.stack([(first if c else here)[name][k] for k, c in enumerate(cut)])
            for name in first
        }
        batches = algorithm._practice.batches(cohort)
        names = task.anatomy.tensors
        expected = cohort.train(begun, names, batches, 0.05, masks.entries)
        for row, (params, _) in enumerate(read(before, updates)):
            assert all(torch.equal(params[name], expected[name][row]) for name in names)
    assert True in seen


def test_each_tensor_loses_its_lowest_share_and_nothing_comes_back():
    algorithm = LotteryFl(**ALWAYS)
    for before, updates, after in went(algorithm, 4):
        cohort = cohort_of(TASK, EVERYBODY, updates.turn.round_)
        old, new = before.kept(EVERYBODY).weights, after.kept(EVERYBODY).weights
        begun = before.kept(EVERYBODY).masks(before.form).applied(before.model.of(cohort))
        for name in NAMES:
            assert not (new[name] & ~old[name]).any()
            for device, pruned in enumerate(after.cuts > before.cuts):
                alive, left = int(old[name][device].sum()), int(new[name][device].sum())
                assert left == (alive - int(0.3 * alive + 1e-9) if pruned else alive)
                size, gone = begun[name][device].abs(), old[name][device] & ~new[name][device]
                assert not gone.any() or size[gone].max() <= size[new[name][device]].min()
        counts = after.counts.sum(1)
        assert (counts == sum(new[name].flatten(1).sum(1) for name in NAMES).numpy()).all()
    assert (after.cuts <= 4).all()
    assert (after.cuts > 1).any()
    expected = np.mean([new[name].double().mean() for name in NAMES])
    assert after.density == pytest.approx(float(expected))


def test_who_is_not_above_the_threshold_or_has_reached_the_target_does_not_prune():
    algorithm = LotteryFl(accuracy_above=0.25, prune_share=0.3, keep_target=0.5, learning_rate=0.3)
    cut = []
    for before, _, after in went(algorithm, 5):
        cohort = cohort_of(TASK, EVERYBODY)
        begun = before.kept(EVERYBODY).masks(before.form).applied(before.model.of(cohort))
        good = own_accuracy(cohort, begun) > 0.25
        due = 0.7**before.cuts > 0.5
        assert ((after.cuts > before.cuts) == (good & due)).all()
        cut += (after.cuts - before.cuts).tolist()
    assert 0 < sum(cut) < len(cut)
    assert after.cuts.max() <= 2, "0.7² is below the target, by one step at most"


def test_the_mean_counts_holders_and_what_nobody_holds_stays():
    who, nobody = np.array([0, 2, 3]), 0
    algorithm = LotteryFl(
        prune_share=0.6, keep_target=0.1, accuracy_above=0.0, learning_rate=0.3, batch_size=16
    )
    for before, updates, after in went(algorithm, 4, who=who):
        brought = read(before, updates)
        for name, old in before.model.shared.items():
            values = torch.stack([params[name] for params, _ in brought]).double()
            held = torch.stack([masks[name] for _, masks in brought]).double()
            mean = (values * held).sum(0) / held.sum(0).clamp(min=1)
            expected = torch.where(held.sum(0) > 0, mean, old.double())
            assert float((after.model.shared[name] - expected).abs().max()) < 1e-6
            alone = held.sum(0) == 0
            nobody += int(alone.sum())
            assert torch.equal(after.model.shared[name][alone], old[alone])
        absent = np.array([1, 4])
        one, other = before.kept(absent).weights, after.kept(absent).weights
        assert all(torch.equal(one[name], other[name]) for name in NAMES)
    assert nobody > 0


def test_what_travels_and_is_computed_follows_the_masks():
    algorithm, samples, anatomy = LotteryFl(**ALWAYS), TASK.holdings.samples, TASK.anatomy
    fixed, scaled = step_macs(anatomy, anatomy, anatomy.layers)
    assert fixed == 0
    form = single_weights(anatomy)
    whole = np.array([[t.size for t in anatomy.every() if t.role == "weight"]])
    assert form.step_macs(whole).tolist() == [scaled]
    assert form.macs(whole).tolist() == [anatomy.macs]
    assert form.macs(0 * whole).tolist() == [0.0]
    for round_, (before, updates, after) in enumerate(went(algorithm, 3)):
        old, new = (
            sum(s.kept(EVERYBODY).weights[n].flatten(1).sum(1).numpy() for n in NAMES)
            for s in (before, after)
        )
        exchange = algorithm.plan(anatomy, samples, Turn(round_, 0, STREAMS), before)
        assert exchange.down_bits.at(1.0).tolist() == (32 * (old + anatomy.others)).tolist()
        sent = [message.bits for message in updates.messages]
        assert sent == (32 * (new + anatomy.others) + bitmap_bits(anatomy.weights)).tolist()
        assert (exchange.up_bits.at(1.0) >= sent).all()
        assert (exchange.macs.at(1.0) >= updates.macs - 1e-6).all()
        told = algorithm.reckoned(anatomy, samples, np.array([1, 3]), after)
        share = (0.7 ** after.cuts[[1, 3]]).sum()
        assert told.bits == pytest.approx(64 * (anatomy.weights + anatomy.others) * share)


def test_what_is_late_is_added_where_it_was_kept():
    algorithm = LotteryFl(**ALWAYS)
    base = algorithm.init(TASK)
    *_, (_, _, now) = went(algorithm, 2, who=np.array([0, 1]))
    old = algorithm.train(base, cohort_of(TASK, np.array([3])), np.ones(1))
    after = algorithm.fuse_late(now, [Late(base, old, np.array([0.25]))])
    ((params, masks),) = read(base, old)
    for name, tensor in now.model.shared.items():
        step = masks[name] * (params[name] - base.model.shared[name])
        assert float((after.model.shared[name] - (tensor + 0.25 * step)).abs().max()) < 1e-6
    assert torch.equal(after.kept([3]).weights[NAMES[0]][0], masks[NAMES[0]])


def test_a_device_uses_what_it_keeps_and_test_samples_decide_nothing():
    blind = TASK.inputs.clone()
    blind[np.concatenate(TASK.holdings.test)] = torch.nan
    algorithm = LotteryFl(**ALWAYS)
    *_, (_, _, state) = went(algorithm, 2)
    *_, (_, _, other) = went(algorithm, 2, replace(TASK, inputs=blind))
    kept, model = state.kept([2]).weights, algorithm.model_for(state, None)
    for name, each in algorithm.model_for(state, 2).items():
        assert torch.equal(each, model[name] * kept[name][0] if name in kept else model[name])
        assert torch.equal(model[name], other.model.shared[name])


def test_what_a_device_brings_depends_on_no_other():
    algorithm = LotteryFl(**ALWAYS)
    *_, (_, _, state) = went(algorithm, 1, who=np.array([1, 2]))
    every = algorithm.train(state, cohort_of(TASK, EVERYBODY, 1, how="loop"), np.ones(5))
    for device in range(5):
        who = np.array([device])
        alone = algorithm.train(state.only(who), cohort_of(TASK, who, 1, how="loop"), np.ones(1))
        one, other = every.messages[device].tensors, alone.messages[0].tensors
        assert one.keys() == other.keys()
        assert all(torch.equal(each, other[name]) for name, each in one.items())
        assert all(
            torch.equal(each[device], alone.private[n][0]) for n, each in every.private.items()
        )
        assert every.macs[device] == alone.macs[0]


def test_all_ways_agree():
    algorithm = LotteryFl(**ALWAYS)

    def lesson(cohort):
        state = algorithm.init(cohort.task)
        brought = read(state, algorithm.train(state, cohort, np.ones(5)))
        return {name: torch.stack([p[name] for p, _ in brought]) for name in cohort.task.initial}

    check_ways(small_task((7, 6)), lesson)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**31),
    st.integers(1, 30),
    st.lists(st.floats(0.0, 0.99), min_size=3, max_size=3),
)
def test_the_lowest_of_what_is_kept_go(seed, size, share):
    rng = np.random.default_rng(seed)
    values = torch.from_numpy(rng.integers(-3, 4, (3, size)).astype(np.float32))  # with ties
    mask = torch.from_numpy(rng.random((3, size)) < 0.7)
    kept = without_lowest({"w": values}, {"w": mask}, np.array(share))["w"]
    for row in range(3):
        alive, left = int(mask[row].sum()), int(kept[row].sum())
        assert left == alive - int(share[row] * alive + 1e-9)
        assert not (kept[row] & ~mask[row]).any()
        gone = (mask & ~kept)[row]
        if gone.any() and left:
            assert values[row][gone].abs().max() <= values[row][kept[row]].abs().min()


def test_masks_come_back_from_their_bytes():
    *_, (_, updates, state) = went(LotteryFl(**ALWAYS), 2)
    kept = state.kept(EVERYBODY)
    again = Kept(kept.weights, {}).packed()
    assert all(torch.equal(updates.private[name], rows) for name, rows in again.items())
