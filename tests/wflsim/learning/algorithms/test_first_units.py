"""HeteroFL and FjORD: what submodels of first units are, what they send and cost, and what becomes of them."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.nn import functional

from wflsim.contracts import Late, Turn
from wflsim.errors import UserError
from wflsim.learning.algorithms.fedavg import FedAvg
from wflsim.learning.algorithms.fjord import Fjord
from wflsim.learning.algorithms.heterofl import HeteroFl
from wflsim.learning.anatomy import Space
from wflsim.learning.data.digits import Digits
from wflsim.learning.models import Mlp, ResNet
from wflsim.learning.partitions.labels import Classes
from wflsim.learning.practice import Practice, evened
from wflsim.learning.pruning.prefixes import prefix_widths, prefixes
from wflsim.learning.task import hold, make_task
from wflsim.learning.testing import STREAMS, check_algorithm, check_ways, cohort_of, small_task
from wflsim.scenario.schema import TaskSection

TASK, EVERYBODY, SAMPLES = small_task((7, 6)), np.arange(5), small_task((7, 6)).holdings.samples
WAYS = ["loop", "batched", "native"]
PLAIN = HeteroFl(scaler=False)


def fused(algorithm, rounds=2, how="batched", task=TASK):
    """Return the global model after some rounds in which all take part, or three of them."""
    state = algorithm.init(task)
    for round_ in range(rounds):
        who = EVERYBODY if round_ != 1 else EVERYBODY[1:4]
        cohort = cohort_of(task, who, round_, how=how)
        state = algorithm.fuse(state, algorithm.train(state, cohort, np.ones(len(who))))
    return algorithm.model_for(state, None)


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def sent(algorithm, who=EVERYBODY, how="loop", task=TASK):
    """Return what devices send in the first round."""
    cohort = cohort_of(task, np.asarray(who), how=how)
    return algorithm.train(algorithm.init(task), cohort, np.ones(len(who)))


def batch_of(device, size=32):
    (batches,) = cohort_of(TASK, np.array([device])).phases((1,), size)
    rows = batches.rows[0, 0]
    return TASK.inputs[rows].flatten(1), TASK.labels[rows]


def has(device):
    """Return which classes a device has samples of."""
    return np.isin(np.arange(10), TASK.labels.numpy()[TASK.holdings.train[device]])


def leaves(widths=(7, 6)):
    """Return the initial tensors of the first units, as those that slopes are asked by."""
    one, two = widths
    cuts = {"dense0": (one, 64), "dense1": (two, one), "dense2": (10, two)}
    return {
        f"{layer}.{name}": TASK.initial[f"{layer}.{name}"][
            (slice(out), slice(into))[: 1 + (name == "weight")]
        ]
        .clone()
        .requires_grad_()
        for layer, (out, into) in cuts.items()
        for name in ("weight", "bias")
    }


def scores(params, values, scale=1.0):
    for layer in ("dense0", "dense1"):
        values = functional.linear(values, params[f"{layer}.weight"], params[f"{layer}.bias"])
        values = (values / scale).relu()
    return functional.linear(values, params["dense2.weight"], params["dense2.bias"])


def stepped(params, loss, rate=0.05):
    slopes = torch.autograd.grad(loss, list(params.values()))
    return {
        name: (each - rate * slope).detach()
        for (name, each), slope in zip(params.items(), slopes, strict=True)
    }


def near(message, expected, far=1e-6):
    return all(
        message[name].shape == each.shape and float((message[name] - each).abs().max()) < far
        for name, each in expected.items()
    )


@pytest.mark.parametrize(
    "algorithm",
    [
        HeteroFl(),
        HeteroFl(rates=(0.5, 0.25, 0.1), epochs=1, batch_size=100, momentum=0.9, decay=0.01),
        HeteroFl(rates=(0.4,), masked=True, weighting="uniform"),
        Fjord(),
        Fjord(epochs=1, batch_size=100, distillation=0.5, weighting="uniform"),
    ],
    ids=["rates", "epochs", "one rate", "drawn", "distilled"],
)
def test_they_keep_what_algorithms_promise(algorithm):
    check_algorithm(algorithm)


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("more", [{}, {"epochs": 1, "batch_size": 100}], ids=["steps", "epochs"])
def test_with_whole_models_they_are_fedavg_bit_for_bit(how, more):
    rule = {"momentum": 0.9, "decay": 0.01}
    expected = fused(FedAvg(**more, **rule), how=how)
    assert same(fused(replace(PLAIN, rates=(1.0,), **more, **rule), how=how), expected)
    scaled = HeteroFl(rates=(1.0, 1.0), **more, **rule)
    assert same(fused(scaled, how=how), expected), "a scaler of 1 is nothing"
    whole = Fjord(widths=(1.0,), largest=(1.0,), **more)
    assert same(fused(whole, how=how), fused(FedAvg(**more), how=how))


def test_switches_matter():
    kinds = [PLAIN, HeteroFl(), HeteroFl(scaler=False, masked=True), HeteroFl(masked=True), Fjord()]
    kinds += [replace(PLAIN, weighting="uniform"), Fjord(distillation=1.0), Fjord(largest=(0.5,))]
    found = [fused(each, rounds=1) for each in kinds]
    assert not any(same(a, b) for i, a in enumerate(found) for b in found[:i])


@pytest.mark.parametrize("algorithm", [HeteroFl(masked=True), Fjord(), Fjord(distillation=0.5)])
def test_every_way_learns_the_same(algorithm):
    """Submodels that were not trained stay as the server has them, so that all tensors have one shape."""
    double = algorithm.init(TASK)
    double = replace(double, shared={name: each.double() for name, each in double.shared.items()})

    def lesson(cohort):
        updates = algorithm.train(double, cohort, np.ones(len(cohort.devices)))
        return algorithm.fuse(double, updates).shared

    check_ways(TASK, lesson)


@pytest.mark.parametrize("weighting", ["samples", "uniform"])
@pytest.mark.parametrize("masked", [False, True])
def test_a_coordinate_is_the_mean_over_those_who_hold_it(weighting, masked):
    """Whose labels lack a class does not hold the row that gives its score, where absent classes are masked."""
    algorithm = HeteroFl((0.5, 0.25, 0.5, 0.8), masked=masked, weighting=weighting)
    state, updates = algorithm.init(TASK), sent(algorithm)
    model = algorithm.fuse(state, updates).shared
    for name in ("dense0.bias", "dense1.weight", "dense2.weight"):
        old = state.shared[name].double().numpy()
        total, count = np.zeros_like(old), np.zeros_like(old)
        for device, message in enumerate(updates.messages):
            thin = message.tensors[name].double().numpy()
            own = tuple(slice(size) for size in thin.shape)
            counts = SAMPLES[device] if weighting == "samples" else 1
            held = np.full(thin.shape, float(counts))
            if masked and name == "dense2.weight":
                held[~has(device)] = 0.0
            total[own] += held * thin
            count[own] += held
        expected = np.where(count > 0, total / np.maximum(count, 1), old)
        assert np.allclose(model[name].numpy(), expected, atol=1e-6)
    assert same_part(model["dense0.bias"][6:], state.shared["dense0.bias"][6:])


@pytest.mark.parametrize("masked", [False, True])
def test_updates_that_are_all_fresh_fuse_alike_either_way(masked):
    algorithm, who = HeteroFl(masked=masked, weighting="uniform"), np.array([0, 2, 3])
    state, share = algorithm.init(TASK), SAMPLES[who] / SAMPLES[who].sum()
    updates = sent(algorithm, who)
    late = algorithm.fuse_late(state, [Late(state, updates, share)])
    assert near(late.shared, algorithm.fuse(state, updates).shared)
    assert late.part == state.part


def same_part(one, other):
    return one.numel() > 0 and torch.equal(one, other)


def test_submodels_nest_and_are_really_smaller():
    still = replace(PLAIN, rates=(1.0, 0.5, 0.25, 0.1), learning_rate=1e-30)
    messages = [message.tensors for message in sent(still).messages]
    widths = [tuple(each["dense1.weight"].shape) for each in messages]
    assert widths == [(6, 7), (3, 4), (2, 2), (1, 1), (6, 7)], "rounded up"
    for wide, thin in pairwise(messages[:4]):
        for name, each in thin.items():
            if name != "units":
                own = tuple(slice(size) for size in each.shape)
                assert torch.equal(each, wide[name][own]), "the first units of the wider model"


def test_a_round_costs_what_the_submodels_cost():
    exchange = HeteroFl(steps=4).plan(TASK.anatomy, SAMPLES, Turn(0, 0, STREAMS), None)
    first, second = 64 * 7 + 7 * 6 + 6 * 10, 64 * 4 + 4 * 3 + 3 * 10
    values = np.array([first + 23, second + 17])[EVERYBODY % 2]
    assert exchange.down_bits.at(1.0).tolist() == (32 * values).tolist()
    assert exchange.sent_bits(exchange.keep_min).tolist() == (32 * values).tolist()
    steps = [4 * 32 * (2 * 64 * a + 3 * a * b + 3 * b * 10) for a, b in ((7, 6), (4, 3))]
    assert exchange.macs.at(1.0).tolist() == np.array(steps)[EVERYBODY % 2].tolist()
    assert np.allclose(exchange.keep_max, np.array([1.0, second / first])[EVERYBODY % 2])
    state = HeteroFl().init(TASK)
    cost = HeteroFl(steps=4).reckoned(TASK.anatomy, SAMPLES, np.array([0, 1]), state)
    assert (cost.bits, cost.macs) == (64 * (values[0] + values[1]), 3 * 4 * 32 * (first + second))
    cost = HeteroFl(epochs=2).reckoned(TASK.anatomy, SAMPLES, np.array([1, 2]), state)
    assert cost.macs == 3 * 2 * (SAMPLES[1] * second + SAMPLES[2] * first)


def test_operations_and_weights_go_about_with_the_square_of_the_rate():
    anatomy = Mlp(hidden=(800, 800, 800)).blueprint((1, 8, 8), 10).anatomy
    parts = prefixes(anatomy, (1.0, 0.5, 0.25), "rates")
    assert np.allclose(parts.macs / parts.macs[0], [1.0, 0.25, 0.0625], rtol=0.25)
    hidden = [next(each for each in thin.layers if each.name == "dense1") for thin in parts.thin]
    assert [each.macs for each in hidden] == [800**2, 400**2, 200**2]
    assert parts.step_macs[0] == 3 * anatomy.macs - 64 * 800


def test_widths_are_rounded_up_to_whole_groups_and_no_further():
    anatomy = replace(TASK.anatomy, spaces={**TASK.anatomy.spaces, "dense0": Space("dense0", 30)})
    assert prefix_widths(anatomy, 0.1)["dense0"] == 3, "and not 4, which 0.1 · 30 comes to"
    grouped = replace(anatomy, spaces={**anatomy.spaces, "dense0": Space("dense0", 32, 8)})
    assert [prefix_widths(grouped, r)["dense0"] for r in (0.01, 0.25, 0.26, 1.0)] == [8, 8, 16, 32]


@pytest.mark.parametrize("how", WAYS)
def test_a_scaled_and_masked_step_is_that_of_divided_activations_and_silent_classes(how):
    message = sent(HeteroFl(rates=(1.0, 0.5), masked=True, steps=1), [1], how).messages[0].tensors
    params, (values, labels) = leaves((4, 3)), batch_of(1)
    absent = torch.from_numpy(~has(1))
    told = scores(params, values, scale=0.5).masked_fill(absent, 0.0)
    assert absent.sum() == 7
    assert near(message, stepped(params, functional.cross_entropy(told, labels)))
    assert torch.equal(message["dense2.weight"][absent], leaves((4, 3))["dense2.weight"][absent])


@pytest.mark.parametrize("how", WAYS)
def test_a_step_of_ordered_dropout_is_one_of_the_submodel_that_was_drawn(how):
    for round_ in range(3):
        algorithm = Fjord(widths=(0.1, 0.5, 1.0), largest=(1.0,), steps=1)
        cohort = cohort_of(TASK, EVERYBODY, round_, how=how)
        state = algorithm.init(TASK)
        places = algorithm._drawn(cohort.turn, 0, EVERYBODY)
        messages = algorithm.train(state, cohort, np.ones(5)).messages
        for place, message, device in zip(places, messages, EVERYBODY, strict=True):
            alone = replace(PLAIN, rates=((0.1, 0.5, 1.0)[place],), steps=1)
            one = cohort_of(TASK, np.array([device]), round_, how=how)
            drawn = alone.train(state, one, np.ones(1)).messages[0].tensors
            for name, each in state.shared.items():
                own = tuple(slice(size) for size in drawn[name].shape)
                expected = each.clone()
                expected[own] = drawn[name]
                assert float((message.tensors[name] - expected).abs().max()) < 1e-6


def test_a_device_draws_no_more_than_its_largest_share_and_the_plan_knows_it():
    algorithm = Fjord(steps=40, distillation=1.0)
    turn, parts = Turn(0, 0, STREAMS), prefixes(TASK.anatomy, algorithm.widths, "widths")
    draws = np.stack([algorithm._drawn(turn, step, EVERYBODY) for step in range(40)])
    assert set(draws[:, 0].tolist()) == {0, 1, 2, 3}
    assert set(draws[:, 1].tolist()) == {0, 1}
    some = np.stack([algorithm._drawn(turn, step, np.array([3, 1])) for step in range(40)])
    assert np.array_equal(some, draws[:, [3, 1]]), "whoever else is there"
    later = np.stack([algorithm._drawn(Turn(1, 0, STREAMS), s, EVERYBODY) for s in range(40)])
    assert not np.array_equal(later, draws)
    tops = np.array([3, 1])[EVERYBODY % 2]
    exchange = algorithm.plan(TASK.anatomy, SAMPLES, turn, None)
    expected = 32 * (parts.step_macs[draws].sum(0) + 40 * parts.macs[tops])
    assert exchange.macs.at(1.0).tolist() == expected.tolist()
    assert exchange.down_bits.at(1.0).tolist() == parts.bits[tops].tolist()
    cost = algorithm.reckoned(TASK.anatomy, SAMPLES, np.array([1]), None)
    assert (cost.bits, cost.macs) == (2 * parts.bits[1], 3 * 40 * 32 * parts.macs[:2].mean())


def test_what_nobody_has_stays_as_it_was():
    for algorithm in (HeteroFl(rates=(0.5,)), Fjord(largest=(0.5,))):
        before, after = TASK.initial["dense1.weight"], fused(algorithm)["dense1.weight"]
        assert torch.equal(after[3:], before[3:])
        assert torch.equal(after[:, 4:], before[:, 4:])
        assert not torch.equal(after[:3, :4], before[:3, :4])


@pytest.mark.parametrize("how", ["loop", "batched"])
def test_distillation_draws_the_submodel_to_the_whole_one(how):
    algorithm = Fjord(widths=(0.5, 1.0), largest=(1.0,), steps=1, distillation=0.7)
    draws = algorithm._drawn(Turn(0, 0, STREAMS), 0, EVERYBODY)
    device = int(np.flatnonzero(draws == 0)[0])
    message = sent(algorithm, [device], how).messages[0].tensors
    small, (values, labels) = leaves((4, 3)), batch_of(device)
    target = scores(leaves(), values).softmax(-1).detach()
    told = scores(small, values)
    kl = (target * (target.log() - told.log_softmax(-1))).sum(-1).mean()
    expected = stepped(small, functional.cross_entropy(told, labels) + 0.7 * kl)
    own = {n: message[n][tuple(slice(s) for s in each.shape)] for n, each in expected.items()}
    assert near(own, expected)
    assert torch.equal(message["dense0.weight"][4:], TASK.initial["dense0.weight"][4:])


def test_networks_with_channels_and_norms_become_thinner_too():
    section = TaskSection(
        data=Digits(), partition=Classes(per_device=3), model=ResNet(depth=20, width=0.25)
    )
    task = make_task(section, hold(section, np.zeros((2, 2)), STREAMS), STREAMS)
    statistic = task.anatomy.statistics[0]
    for algorithm in (HeteroFl(steps=1), Fjord(steps=1, widths=(0.5, 1.0), largest=(1.0, 0.5))):
        updates = sent(algorithm, [0, 1], "batched", task)
        plan = algorithm.plan(task.anatomy, task.holdings.samples, Turn(0, 0, STREAMS), None)
        assert [m.bits for m in updates.messages] == plan.sent_bits(plan.keep_max).tolist()
        assert all(message.finite for message in updates.messages)
        model = algorithm.fuse(algorithm.init(task), updates).shared
        assert not torch.equal(model[statistic], task.initial[statistic])


def test_rounds_are_counted_in_steps_or_epochs():
    practice, samples = Practice(3, 2, 4), np.array([8, 9, 3])
    steps = practice.steps_of(samples)
    assert steps.tolist() == [4, 6, 2]
    sizes = np.stack([practice.sizes(samples, step) for step in range(7)], axis=1)
    assert sizes.tolist() == [[4, 4, 4, 4, 0, 0, 0], [4, 4, 1, 4, 4, 1, 0], [3, 3, 0, 0, 0, 0, 0]]
    assert sizes.sum(1).tolist() == practice.seen(samples).tolist()
    assert practice.batches(cohort_of(TASK, EVERYBODY)).rows.shape[0] == max(
        practice.steps_of(SAMPLES)
    )


def test_weights_by_samples_are_evened_and_keep_their_age_and_sum():
    samples, who = np.array([10, 30, 60]), [np.array([0, 2]), np.array([1])]
    updates = [replace(sent(PLAIN, each), devices=each) for each in who]
    late = [Late(None, updates[0], np.array([0.1, 0.6])), Late(None, updates[1], np.array([0.15]))]
    assert evened(late, samples, "samples") == late
    found = [group.weight for group in evened(late, samples, "uniform")]
    assert np.allclose(np.concatenate(found), 0.85 * np.array([0.4, 0.4, 0.2]))


def test_what_cannot_be_is_told():
    flat = small_task(()).anatomy
    for algorithm, key in ((HeteroFl(), "rates"), (Fjord(), "widths")):
        with pytest.raises(UserError, match=f"algorithm.{key}: the model has no units"):
            algorithm.plan(flat, SAMPLES, Turn(0, 0, STREAMS), None)
    assert replace(PLAIN, rates=(1.0,)).plan(flat, SAMPLES, Turn(0, 0, STREAMS), None)
    with pytest.raises(ValueError, match="rates: must be one or more"):
        HeteroFl(rates=())
    with pytest.raises(ValueError, match="largest: must be one or more of widths"):
        Fjord(largest=(0.3,))
