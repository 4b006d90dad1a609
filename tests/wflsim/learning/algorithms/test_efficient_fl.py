"""EfficientFL: the strongest units of a complete model, trained as a small model, written back in place; what is counted."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from wflsim.contracts import Late, Turn
from wflsim.errors import UserError
from wflsim.learning.algorithms.efficient_fl import EfficientFl
from wflsim.learning.algorithms.fedavg import FedAvg
from wflsim.learning.anatomy import step_macs
from wflsim.learning.cohort import Cohort
from wflsim.learning.data.digits import Digits
from wflsim.learning.models import Mlp, ResNet, SensorCnn
from wflsim.learning.models.stacks import Conv4
from wflsim.learning.partitions.labels import Classes
from wflsim.learning.payload import units_of
from wflsim.learning.pruning.counting import thinned
from wflsim.learning.pruning.masks import Masks
from wflsim.learning.submodels.reconstruction import ReconstructedState
from wflsim.learning.task import hold, make_task
from wflsim.learning.testing import STREAMS, check_algorithm, check_ways, small_task
from wflsim.scenario.schema import TaskSection

TASK = small_task((7, 6))
EVERYBODY, SAMPLES = np.arange(5), TASK.holdings.samples
QUICK = EfficientFl(0.5, "units", epochs=1)


def images(model):
    """Return a task of images for a model with convolutions."""
    section = TaskSection(data=Digits(), partition=Classes(per_device=3), model=model)
    return make_task(section, hold(section, np.zeros((3, 2)), STREAMS), STREAMS)


CONVOLUTIONS = images(Conv4((2, 3, 2, 3), pools=2, hidden=(4,)))


def went(method, count, who=EVERYBODY, task=TASK):
    """Yield the state before every round, what it brings, and the state after it."""
    state = method.init(task)
    for round_ in range(count):
        cohort = Cohort(task, who, Turn(round_, 0, STREAMS))
        updates = method.train(state, cohort, np.ones(len(who)))
        after = method.fuse(state, updates)
        yield state, updates, after
        state = after


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in other)


@pytest.mark.parametrize(
    "method", [QUICK, EfficientFl(0.01, "units", momentum=0.9), EfficientFl(1.0, "units")]
)
def test_it_keeps_what_algorithms_promise(method):
    check_algorithm(method)


@pytest.mark.parametrize(
    ("shape", "weights", "kept", "share"),
    [((9, 128), 89_088, 22_308, 25.0), ((3, 200), 124_032, 32_682, 26.3)],
)
def test_the_digests_counts_of_the_port(shape, weights, kept, share):
    anatomy = SensorCnn().blueprint(shape, 6).anatomy
    widths = EfficientFl().widths(anatomy)
    assert set(widths.values()) == {19}
    thin = thinned(anatomy, widths)
    assert (anatomy.weights, thin.weights) == (weights, kept)
    assert round(100 * kept / weights, 1) == share
    second = [layer.weights for layer in (anatomy.layers[1], thin.layers[1])]
    assert round(100 * second[1] / second[0], 1) == 8.8
    assert thin.layers[2].tensors[0].shape[0] == 32, "dense outputs stay"


@pytest.mark.parametrize(
    ("task", "ranked"),
    [
        (TASK, "units"),
        (CONVOLUTIONS, "units"),
        (CONVOLUTIONS, "filters"),
        (images(ResNet(20, 0.25, "group", 2)), "filters"),
    ],
)
def test_messages_have_the_bits_that_were_planned(task, ranked):
    method = replace(QUICK, ranked=ranked, tune_after=2, tune_epochs=1)
    who = np.arange(task.devices)
    for state, updates, _ in went(method, 3, who, task):
        for told in (state, None):
            plan = method.plan(task.anatomy, task.holdings.samples, updates.turn, told)
            assert [m.bits for m in updates.messages] == plan.sent_bits(plan.keep_max).tolist()
            assert method.plan(task.anatomy, who, replace(updates.turn, step=1), told) is None
        assert plan.silent == (updates.turn.round_ == 2)
    thin = thinned(task.anatomy, method.widths(task.anatomy))
    plan = method.plan(task.anatomy, task.holdings.samples, Turn(0, 0, STREAMS), None)
    assert (plan.macs.fixed == task.holdings.samples * step_macs(thin, thin)[0]).all()


def test_the_strongest_units_of_the_complete_model_are_chosen_anew_in_each_round():
    chosen = []
    for before, updates, _ in went(replace(QUICK, learning_rate=0.5), 6):
        found = units_of(updates.messages, TASK.anatomy)
        for name, widths in (("dense0", 3), ("dense1", 3)):
            norms = before.model.shared[f"{name}.weight"].abs().sum(1)
            best = torch.zeros_like(norms, dtype=torch.bool)
            best[norms.argsort(descending=True)[:widths]] = True
            assert all(torch.equal(row, best) for row in found[name])
        chosen.append(tuple(found["dense0"][0].tolist() + found["dense1"][0].tolist()))
    assert all(sum(each) == 6 for each in chosen)


def test_what_was_not_chosen_comes_back_when_others_fade():
    state = QUICK.init(TASK)
    (first,) = {name for name in QUICK.widths(TASK.anatomy) if name == "dense0"}
    one = state.strongest({first: 3})[first][0]
    faded = {**state.model.shared}
    faded["dense0.weight"] = torch.where(one[:, None], 0.01, 1.0) * faded["dense0.weight"]
    other = replace(state, model=replace(state.model, shared=faded)).strongest({first: 3})[first][0]
    assert not (one & other).any()


def test_means_are_written_in_place_and_the_rest_stays():
    for before, updates, after in went(QUICK, 3, np.array([0, 2, 4])):
        units = {n: each[:1] for n, each in units_of(updates.messages, TASK.anatomy).items()}
        masks = Masks.structured(TASK.anatomy, units).entries
        for name, old in before.model.shared.items():
            kept = masks[name][0] if name in masks else torch.ones_like(old, dtype=torch.bool)
            mean = torch.stack([m.tensors[name] for m in updates.messages]).mean(0)
            new = after.model.shared[name]
            assert torch.equal(new[~kept], old[~kept])
            assert torch.allclose(new[kept], mean.flatten(), atol=1e-6)
            assert not torch.equal(new[kept], old[kept])


def test_with_everything_kept_it_is_federated_averaging():
    method, plain = EfficientFl(1.0, "units", epochs=2, weighting="samples"), FedAvg(epochs=2)
    *_, (_, _, one) = went(method, 3)
    *_, (_, _, other) = went(plain, 3)
    assert same(method.model_for(one, None), plain.model_for(other, None))


@pytest.mark.parametrize("task", [TASK, CONVOLUTIONS])
def test_all_ways_of_training_agree(task):
    method = replace(QUICK, momentum=0.5)

    def lesson(cohort):
        updates = method.train(method.init(cohort.task), cohort, np.ones(len(cohort.devices)))
        return {
            name: torch.stack([m.tensors[name] for m in updates.messages])
            for name in updates.messages[0].tensors
            if name != "units"
        }

    check_ways(task, lesson)


def test_late_updates_move_the_units_that_they_trained():
    states = list(went(replace(QUICK, learning_rate=0.5), 3))
    (base, updates, _), (*_, now) = states[0], states[-1]
    found = QUICK.fuse_late(now, [Late(base, updates, 0.4 * SAMPLES / SAMPLES.sum())])
    units = {n: each[:1] for n, each in units_of(updates.messages, TASK.anatomy).items()}
    masks = Masks.structured(TASK.anatomy, units).entries
    moved = {n: found.model.shared[n] != now.model.shared[n] for n in now.model.shared}
    assert all(not moved[name][~mask[0]].any() for name, mask in masks.items())
    assert any(each.any() for each in moved.values())


def test_tuned_models_are_complete_and_ones_own():
    method = replace(QUICK, tune_after=1, tune_epochs=1)
    *_, (before, updates, after) = went(method, 2, np.array([1, 3]))
    assert [dict(m.tensors) for m in updates.messages] == [{}, {}]
    models = [method.model_for(after, device) for device in EVERYBODY]
    assert same(models[0], method.model_for(before, None))
    assert not same(models[1], models[3])
    assert (models[1]["dense0.weight"] != models[0]["dense0.weight"]).any(1).sum() > 3


def test_a_model_without_filters_is_refused():
    with pytest.raises(
        UserError, match=r"algorithm\.ranked: the model has no filters .* take units"
    ):
        EfficientFl().init(TASK)
    with pytest.raises(UserError, match="no units"):
        replace(QUICK).widths(Mlp(hidden=()).blueprint((1, 8, 8), 10).anatomy)


@pytest.mark.parametrize(("shape", "expected"), [((9, 128), 102.14), ((3, 200), 142.13)])
def test_it_costs_what_the_released_tracker_says(shape, expected):
    anatomy, method = SensorCnn().blueprint(shape, 6).anatomy, EfficientFl()
    state, total = ReconstructedState.first(TASK), 0.0
    for round_ in range(50):
        state = replace(state, came=replace(state.came.at(round_), trained=np.arange(10)))
        total += method.reckoned(anatomy, np.full(36, 50), np.arange(36), state).bits
    assert round(total / 8 / 2**20, 2) == expected
