"""Sub-FedAvg: when masks are taken, what goes with them, the mean over holders, and channels with what they feed."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from wflsim.contracts import Turn
from wflsim.errors import UserError
from wflsim.learning.algorithms.fedavg import FedAvg
from wflsim.learning.algorithms.sub_fedavg import SubFedAvg
from wflsim.learning.anatomy import bitmap_bits
from wflsim.learning.blueprint import Act, BatchNorm, Blueprint, Conv, Flatten, Linear, MaxPool
from wflsim.learning.lessons import Descent
from wflsim.learning.models.fitting import fitted
from wflsim.learning.own_masks.acceptance import Limits, Trial
from wflsim.learning.own_masks.accuracy import own_accuracy
from wflsim.learning.own_masks.form import channels_and_weights, single_weights
from wflsim.learning.own_masks.tickets import opened, without_lowest
from wflsim.learning.payload import unpack
from wflsim.learning.testing import STREAMS, check_algorithm, check_ways, cohort_of, small_task


@dataclass(frozen=True)
class Mixed:
    """Two convolutions with batch norms, and two linear layers without."""

    def blueprint(self, input_shape: tuple[int, ...], classes: int) -> Blueprint:
        parts = [Conv("conv1", 6, 3, padding=1), BatchNorm("norm1"), Act(), MaxPool()]
        parts += [Conv("conv2", 4, 3, padding=1), BatchNorm("norm2"), Act(), MaxPool(), Flatten()]
        parts += [Linear("dense1", 9), Act(), Linear("dense2", classes)]
        return fitted(parts, input_shape, dims=3)


TASK, EVERYBODY = small_task((7, 6)), np.arange(5)
MIXED = small_task(model=Mixed())
NAMES = TASK.anatomy.prunable
ALWAYS = {"epochs": 2, "accuracy_above": 0.0, "learning_rate": 0.1, "distance": 0.0}
HYBRID = {**ALWAYS, "pruning": "hybrid", "channel_distance": 0.0, "learning_rate": 0.02}


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


def gone(state, names=NAMES):
    """Return the share of weights that every device has pruned."""
    kept = state.kept(EVERYBODY).weights
    left = sum(kept[name].flatten(1).sum(1) for name in names)
    return 1.0 - left.numpy() / sum(kept[name][0].numel() for name in names)


@pytest.mark.parametrize(
    ("task", "switches"),
    [
        (TASK, {"epochs": 2}),
        (TASK, {**ALWAYS, "momentum": 0.5, "decay": 0.01, "weighting": "samples"}),
        (MIXED, ALWAYS),
        (MIXED, {**HYBRID, "scale_penalty": 1e-3, "momentum": 0.5}),
    ],
    ids=["default", "always", "conv", "hybrid"],
)
def test_it_keeps_what_algorithms_promise(task, switches):
    check_algorithm(SubFedAvg(**switches), views=True, task=task)


@pytest.mark.parametrize("how", ["loop", "batched", "native"])
def test_with_all_weights_it_is_fedavg(how):
    """To the last bit: masks of ones, messages with bitmaps, and the mean over holders, who are all."""
    mine = SubFedAvg(prune_target=0.0, weighting="samples", epochs=2, momentum=0.5)
    *_, (_, _, found) = went(mine, 2, how=how)
    *_, (_, _, expected) = went(FedAvg(epochs=2, momentum=0.5), 2, how=how)
    assert all(torch.equal(found.model.shared[n], each) for n, each in expected.shared.items())


def test_a_round_is_one_lesson_within_the_mask_whatever_is_tried_meanwhile():
    """The first epoch, taken apart, leaves no trace in it: momentum goes on from epoch to epoch."""
    algorithm = SubFedAvg(**{**ALWAYS, "momentum": 0.9, "learning_rate": 0.01})
    for before, updates, after in went(algorithm, 3):
        cohort = cohort_of(TASK, EVERYBODY, updates.turn.round_)
        masks = before.kept(EVERYBODY).masks(before.form)
        begun = masks.applied(before.model.of(cohort))
        expected = cohort.train(
            begun, TASK.anatomy.tensors, cohort.epochs(2, 32), Descent(0.01, 0.9), masks.entries
        )
        left = after.kept(EVERYBODY).masks(after.form).applied(expected)
        for row, (params, _) in enumerate(read(before, updates)):
            assert all(torch.equal(params[name], left[name][row]) for name in left)
    assert (after.cuts > 0).any()


def test_masks_are_taken_where_they_differ_enough_and_the_pruned_model_is_accurate():
    algorithm = SubFedAvg(epochs=3, distance=0.002, accuracy_above=0.3, learning_rate=0.15)
    taken = []
    for before, updates, after in went(algorithm, 6):
        cohort = cohort_of(TASK, EVERYBODY, updates.turn.round_)
        old = before.kept(EVERYBODY)
        begun = old.masks(before.form).applied(before.model.of(cohort))
        masks = old.masks(before.form).entries
        first, last = (
            cohort.train(begun, TASK.anatomy.tensors, cohort.epochs(count, 32), 0.15, masks)
            for count in (1, 3)
        )
        step = np.where(
            0.3 - gone(before) < 0.1,
            np.minimum((0.3 - gone(before)) / (1 - gone(before)), 0.05),
            0.1,
        )
        one, two = (without_lowest(each, old.weights, step) for each in (first, last))
        apart = [(one[n] != two[n]).flatten(1).double().mean(1) for n in NAMES]
        far = torch.stack(apart).mean(0).numpy() > 0.002
        thin = {n: each * two[n] if n in two else each for n, each in last.items()}
        good = own_accuracy(cohort, thin) > 0.3
        expected = far & good & (gone(before) < 0.3 - 1e-12)
        assert ((after.cuts > before.cuts) == expected).all()
        new = after.kept(EVERYBODY).weights
        for device, cut in enumerate(expected):
            wanted = two if cut else old.weights
            assert all(torch.equal(new[n][device], wanted[n][device]) for n in NAMES)
        taken += expected.tolist()
    assert 0 < sum(taken) < len(taken)


def test_the_share_that_is_gone_rises_to_the_target_and_never_beyond():
    algorithm = SubFedAvg(**{**ALWAYS, "prune_step": 0.2, "prune_target": 0.5})
    for before, _, after in went(algorithm, 10):
        assert (gone(after) >= gone(before)).all()
        assert (gone(after) <= 0.5 + 1e-12).all()
        assert np.allclose(gone(after), algorithm._limits.gone(after.form, after.counts))
    assert (gone(after) > 0.45).any()


def test_a_last_step_takes_what_is_missing_but_no_more_than_a_twentieth():
    limits = Limits(step=0.1, target=0.3, distance=0.0, accuracy=0.0)
    found = limits.shares(np.array([0.0, 0.19, 0.2, 0.25, 0.271, 0.3]))
    assert found[:2].tolist() == [0.1, 0.1]
    assert found[3] == pytest.approx(0.05)
    assert found[4] == pytest.approx(0.029 / 0.729)
    assert found[5] == 0.0
    steep = Limits(step=0.1, target=0.9, distance=0.0, accuracy=0.0)
    assert steep.shares(np.array([0.85])).tolist() == [0.05]


def test_the_mean_counts_holders_and_biases_are_plain_means():
    who, apart = np.array([0, 2, 3]), 0
    algorithm = SubFedAvg(**{**ALWAYS, "prune_step": 0.4, "prune_target": 0.8})
    for before, updates, after in went(algorithm, 3, who=who):
        brought = read(before, updates)
        for name, old in before.model.shared.items():
            values = torch.stack([params[name] for params, _ in brought]).double()
            held = torch.stack([masks[name] for _, masks in brought]).double()
            assert name in NAMES or held.all()
            apart += int(((held.sum(0) > 0) & (held.sum(0) < 3)).sum())
            mean = (values * held).sum(0) / held.sum(0).clamp(min=1)
            expected = torch.where(held.sum(0) > 0, mean, old.double())
            assert float((after.model.shared[name] - expected).abs().max()) < 1e-6
    assert apart > 0, "masks differ"


def test_hybrid_channels_go_by_their_scales_with_all_that_belongs_to_them():
    algorithm = SubFedAvg(**HYBRID, channels=0.45, prune_target=0.3)
    pruned = 0
    for before, updates, after in went(algorithm, 4, MIXED):
        old, kept = before.kept(EVERYBODY), after.kept(EVERYBODY)
        entries = kept.masks(after.form).entries
        for name, width in (("conv1", 4), ("conv2", 3)):
            units = kept.units[name]
            assert set(units.sum(1).tolist()) <= {width, units.shape[1]}
            assert not (units & ~old.units[name]).any()
            pruned += int((units.sum(1) == width).sum())
            norm = name.replace("conv", "norm")
            for each in (f"{norm}.weight", f"{norm}.bias", f"{norm}.running_var", f"{name}.bias"):
                assert torch.equal(entries[each], units)
            assert torch.equal(entries[f"{name}.weight"].flatten(2).any(2), units)
        fed = kept.units["conv2"].repeat_interleave(4, 1)  # pixels that are left of each channel
        assert not (entries["dense1.weight"] & ~fed[:, None, :]).any()
        columns = kept.units["conv1"][:, None, :, None, None]
        assert not (entries["conv2.weight"] & ~columns).any()
        for row, (params, masks) in enumerate(read(before, updates)):
            assert all(torch.equal(masks[name], each[row]) for name, each in entries.items())
            assert not any(params[name][~mask].any() for name, mask in masks.items())
    assert pruned > 0


def test_the_channels_of_the_smallest_scales_go():
    task = small_task(model=Mixed())
    form, params = (
        channels_and_weights(task.anatomy),
        cohort_of(task, EVERYBODY).stack(task.initial),
    )
    params = {name: each.clone() for name, each in params.items()}
    params["norm1.weight"][:] = torch.tensor([0.5, -0.9, 0.1, -0.2, 0.7, 0.3])
    limits = Limits(0.1, 0.3, 0.0, 0.0, channels=0.5, least=1)
    kept = SubFedAvg(**HYBRID).init(task).kept(EVERYBODY)
    found = Trial(limits, 2, 32, Descent(0.1))._candidate(form, kept, np.zeros(5), params)
    assert found.units["conv1"].int().tolist() == [[1, 1, 0, 0, 1, 0]] * 5
    assert [replace(limits, least=n).width(form, "conv1") for n in (1, 3, 5, 9)] == [3, 3, 5, 6]


def test_what_hybrid_sends_is_what_is_kept_and_a_bit_a_channel_and_linear_weight():
    algorithm, anatomy = SubFedAvg(**HYBRID), MIXED.anatomy
    linear = sum(t.size for t in anatomy.every() if t.name in {"dense1.weight", "dense2.weight"})
    for round_, (before, updates, after) in enumerate(went(algorithm, 3, MIXED)):
        exchange = algorithm.plan(anatomy, MIXED.holdings.samples, Turn(round_, 0, STREAMS), before)
        bitmaps = bitmap_bits(linear) + bitmap_bits(10)
        for row, (_, masks) in enumerate(read(before, updates)):
            values = sum(int(mask.sum()) for mask in masks.values())
            assert updates.messages[row].bits == 32 * values + bitmaps
            assert exchange.up_bits.at(1.0)[row] >= updates.messages[row].bits
        down = exchange.down_bits.at(1.0)
        assert (exchange.up_bits.at(1.0) - down == bitmaps).all()
        assert (exchange.macs.at(1.0) >= updates.macs - 1e-6).all()
        assert after.form.sizes.sum() < anatomy.weights + anatomy.others
    assert (down < anatomy.bits).any(), "who has pruned is sent less"


def test_a_penalty_makes_scales_smaller():
    sums = []
    for strength in (0.0, 0.05):
        algorithm = SubFedAvg(**{**HYBRID, "accuracy_above": 1.0, "scale_penalty": strength})
        *_, (_, _, state) = went(algorithm, 1, MIXED)
        sums.append(float(state.model.shared["norm1.weight"].abs().sum()))
    assert sums[1] < sums[0]


def test_test_samples_decide_nothing():
    blind = TASK.inputs.clone()
    blind[np.concatenate(TASK.holdings.test)] = torch.nan
    algorithm = SubFedAvg(**ALWAYS)
    *_, (_, _, one) = went(algorithm, 2)
    *_, (_, _, other) = went(algorithm, 2, replace(TASK, inputs=blind))
    assert all(torch.equal(each, other.model.shared[n]) for n, each in one.model.shared.items())


def test_what_a_device_brings_depends_on_no_other():
    algorithm = SubFedAvg(**ALWAYS)
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
    for algorithm, task in ((SubFedAvg(**ALWAYS), TASK), (SubFedAvg(**HYBRID), MIXED)):

        def lesson(cohort, algorithm=algorithm):
            state = algorithm.init(cohort.task)
            every = read(state, algorithm.train(state, cohort, np.ones(5)))
            return {name: torch.stack([p[name] for p, _ in every]) for name in cohort.task.initial}

        check_ways(task, lesson)


def test_hybrid_needs_channels_that_batch_norms_scale():
    with pytest.raises(UserError, match=r"algorithm.pruning: .* write pruning: unstructured"):
        SubFedAvg(pruning="hybrid").init(TASK)
    form = channels_and_weights(MIXED.anatomy)
    assert form.spaces == ("conv1", "conv2")
    assert form.weights == ("dense1.weight", "dense2.weight")
    assert single_weights(MIXED.anatomy).weights == MIXED.anatomy.prunable
