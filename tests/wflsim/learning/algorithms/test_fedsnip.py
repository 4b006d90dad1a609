"""FedSNIP: scores of everybody before the first round, one mask for good, averages within it, and what its authors count."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from wflsim.contracts import Turn
from wflsim.learning.algorithms.fedavg import FedAvg
from wflsim.learning.algorithms.fedsnip import FedSnip
from wflsim.learning.anatomy import bitmap_bits
from wflsim.learning.clustering.came import Came
from wflsim.learning.cohort import Cohort
from wflsim.learning.models import SensorCnn
from wflsim.learning.regrowth.counts import above
from wflsim.learning.testing import STREAMS, check_algorithm, check_ways, small_task

TASK = small_task((7, 6))
EVERYBODY, SAMPLES, NAMES = np.arange(5), TASK.holdings.samples, TASK.anatomy.prunable
QUICK = FedSnip(epochs=1, tune_after=3, tune_epochs=1)


def rounds(method, count, who=EVERYBODY, waves=1):
    """Yield exchange, updates, and the states before and after each exchange of some rounds."""
    state = method.init(TASK)
    for round_ in range(count):
        for step in range(3):
            turn = Turn(round_, step, STREAMS)
            plan = method.plan(TASK.anatomy, SAMPLES, turn, state)
            if plan is None:
                break
            come = plan.participants if plan.open else who
            for some in np.array_split(come, waves if plan.open else 1):
                updates = method.train(state, Cohort(TASK, some, turn), np.ones(len(some)))
                after = method.fuse(state, updates)
                yield plan, updates, state, after
                state = after


def last(*args, **options):
    *_, (*_, state) = rounds(*args, **options)
    return state


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in other)


@pytest.mark.parametrize("sparsity", [0.7, 0.99])
def test_it_keeps_what_algorithms_promise(sparsity):
    check_algorithm(FedSnip(sparsity, epochs=1))


def test_scores_are_sums_of_slopes_times_weights_and_the_largest_stay():
    _, updates, before, after = next(rounds(QUICK, 1))
    batch = Cohort(TASK, EVERYBODY, Turn(0, 1, STREAMS)).phases((1,), 32)[0].rows[0]
    total = dict.fromkeys(NAMES, 0.0)
    for device in EVERYBODY:
        module = TASK.fresh_module()
        rows = batch[device]
        loss = torch.nn.functional.cross_entropy(module(TASK.inputs[rows]), TASK.labels[rows])
        slopes = torch.autograd.grad(loss, [module.get_parameter(name) for name in NAMES])
        for name, slope in zip(NAMES, slopes, strict=True):
            score = (slope * TASK.initial[name]).abs()
            assert torch.allclose(updates.messages[device].tensors[name], score, atol=1e-6)
            total[name] = total[name] + updates.messages[device].tensors[name].double()
    least = np.percentile(np.concatenate([each.flatten().numpy() for each in total.values()]), 70)
    for name in NAMES:
        assert torch.equal(after.masks[name][0], total[name] > least)
        assert torch.equal(after.groups.models[name][0], TASK.initial[name] * after.masks[name][0])
    assert same(before.model_for(None), TASK.initial)


def test_three_tenths_stay_for_good_and_biases_whole():
    masks = None
    for plan, updates, _, after in rounds(QUICK, 5):
        if masks is None:
            masks = after.masks
            kept = sum(int(mask.sum()) for mask in masks.values())
            assert kept == sum(above(TASK.anatomy, 0.7).values())
            assert abs(kept - 0.3 * TASK.anatomy.weights) <= 1
        assert same(after.masks, masks)
        for name, mask in masks.items():
            assert not after.groups.models[name][~mask].any()
        model = after.groups.models
        assert plan.purpose == "score" or all(model[n].all() for n in set(model) - set(NAMES))
        assert [m.bits for m in updates.messages] == plan.sent_bits(plan.keep_max).tolist()


def test_what_equals_the_quantile_goes():
    state = last(FedSnip(0.0, epochs=1), 1)
    assert sum(int((~mask).sum()) for mask in state.masks.values()) >= 1, (
        "the least is not above itself"
    )
    assert state.collected is None, "what was brought is forgotten after training"


def test_what_a_plan_expects_is_what_comes():
    kinds = []
    for plan, updates, _, _ in rounds(QUICK, 4):
        expected = QUICK.plan(TASK.anatomy, SAMPLES, updates.turn, None)
        kinds.append(plan.purpose)
        assert expected.purpose == plan.purpose
        assert np.array_equal(expected.sent_bits(expected.keep_max), plan.sent_bits(plan.keep_max))
    assert kinds == ["score", "train", "train", "train", "tune"]


def test_a_device_is_told_the_mask_once():
    bitmap, few, more = bitmap_bits(TASK.anatomy.weights), np.array([1, 4]), []
    for plan, _, before, _ in rounds(QUICK, 2, who=few):
        bits = 32 * (before.left(TASK.anatomy).kept + TASK.anatomy.others)
        more.append((plan.down_bits.fixed - bits).tolist())
    assert more == [[0.0] * 5, [bitmap] * 5, [bitmap, 0.0, bitmap, bitmap, 0.0]]


def test_who_comes_in_waves_decides_together():
    whole, parts = last(QUICK, 3), last(QUICK, 3, waves=3)
    assert same(parts.masks, whole.masks)
    assert same(parts.model_for(None), whole.model_for(None))


def test_without_scores_it_is_federated_averaging():
    method, plain = FedSnip(epochs=1, weighting="samples"), FedAvg(epochs=1)
    one, other = method.init(TASK), plain.init(TASK)
    for round_ in (1, 2):
        cohort = Cohort(TASK, EVERYBODY, Turn(round_, 0, STREAMS))
        one = method.fuse(one, method.train(one, cohort, np.ones(5)))
        other = plain.fuse(other, plain.train(other, cohort, np.ones(5)))
    assert same(method.model_for(one, None), plain.model_for(other, None))


def test_tuned_models_stay_within_the_mask():
    state = last(QUICK, 5)
    models = [QUICK.model_for(state, device) for device in EVERYBODY]
    for own in models:
        assert not same(own, QUICK.model_for(state, None))
        for name, mask in state.masks.items():
            assert not own[name][~mask[0]].any()
    assert not same(models[0], models[1])


@pytest.mark.parametrize("turn", [(0, 0), (1, 0)])
def test_all_ways_of_training_agree(turn):
    def lesson(cohort):
        state, when = QUICK.init(cohort.task), Turn(*turn, STREAMS)
        if turn[0]:
            first = replace(cohort, turn=Turn(0, 0, STREAMS), how="loop")
            state = QUICK.fuse(state, QUICK.train(state, first, np.ones(5)))
        updates = QUICK.train(state, replace(cohort, turn=when), np.ones(5))
        return {
            name: torch.stack([m.tensors[name] for m in updates.messages])
            for name in updates.messages[0].tensors
        }

    check_ways(TASK, lesson)


@pytest.mark.parametrize(("shape", "expected"), [((9, 128), 102.14), ((3, 200), 142.13)])
def test_it_costs_what_the_released_tracker_says(shape, expected):
    anatomy = SensorCnn().blueprint(shape, 6).anatomy
    kept, method = above(anatomy, 0.7), FedSnip()
    masks = {
        t.name: (torch.arange(t.size) < kept[t.name]).view(1, *t.shape)
        for t in anatomy.every()
        if t.role == "weight"
    }
    state = replace(method.init(TASK), masks=masks)
    total = 0.0
    for round_ in range(50):
        state = replace(state, came=Came(round_, trained=np.arange(10)))
        total += method.reckoned(anatomy, np.full(36, 50), np.arange(36), state).bits
    assert round(total / 8 / 2**20, 2) == expected
