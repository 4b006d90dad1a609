"""SAFL: grouping, structures, thin rounds with norms of their own, what travels, and what it is without each of them."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from wflsim.contracts import Late, Turn
from wflsim.errors import UserError
from wflsim.learning.algorithms.fedavg import FedAvg
from wflsim.learning.algorithms.fedsim import FedSim
from wflsim.learning.algorithms.safl import Safl
from wflsim.learning.blueprint import Act, BatchNorm, Blueprint, Chain, Flatten, Linear
from wflsim.learning.clustering.rules import Agglomerative
from wflsim.learning.cohort import Cohort
from wflsim.learning.data.digits import Digits
from wflsim.learning.data.synthetic import Gaussian
from wflsim.learning.models import MiniVgg
from wflsim.learning.partitions.clusters import Rotated
from wflsim.learning.partitions.label_groups import LabelGroups
from wflsim.learning.payload import UNITS
from wflsim.learning.personal import SplitState
from wflsim.learning.shelf import Shelf
from wflsim.learning.slimming.channels import channels
from wflsim.learning.task import hold, make_task
from wflsim.learning.testing import STREAMS, check_algorithm, check_ways, small_task
from wflsim.scenario.schema import TaskSection

MODEL, EVERYBODY = MiniVgg((4, 3, 5), 6), np.arange(6)
ONE = Agglomerative(distance=None, count=1)
TWO = Agglomerative(distance=None, count=2)
QUICK = Safl(structure_rounds=1, passes=2, steps=2, clustering=TWO)


def task_of(partition, data=None, model=MODEL, devices=6, streams=STREAMS):
    section = TaskSection(data=data or Digits(), partition=partition, model=model)
    return make_task(section, hold(section, np.zeros((devices, 2)), streams), streams)


TASK = task_of(LabelGroups(devices=3, labels=5))
FOUND, SAMPLES = channels(TASK.anatomy), TASK.holdings.samples
NORMS, SHARED = FOUND.norms.tensors, FOUND.shared.tensors


def step_of(algorithm, state, turn, who=EVERYBODY, *, how="batched", task=TASK):
    """Return the state after an exchange, and what was brought, of which the bits are those planned."""
    exchange = algorithm.plan(task.anatomy, task.holdings.samples, turn, state)
    keep = exchange.whole_units(exchange.keep_min)
    updates = algorithm.train(state, Cohort(task, np.asarray(who), turn, how), keep[who])
    assert [m.bits for m in updates.messages] == exchange.sent_bits(keep)[who].tolist()
    return algorithm.fuse(state, updates), updates


def played(algorithm, rounds, *, who=EVERYBODY, how="batched"):
    """Yield each exchange: its turn, what was planned, the state before, what was brought, and the state after."""
    state = algorithm.init(TASK)
    for round_ in range(rounds):
        for step in range(9):
            turn = Turn(round_, step, STREAMS)
            exchange = algorithm.plan(TASK.anatomy, SAMPLES, turn, state)
            if exchange is None:
                break
            there = EVERYBODY if exchange.open else who
            after, updates = step_of(algorithm, state, turn, there, how=how)
            yield turn, exchange, state, updates, after
            state = after


def last(algorithm, rounds, **others):
    return list(played(algorithm, rounds, **others))[-1][-1]


def same(one, other):
    assert one.keys() == other.keys()
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(
    "switches",
    [
        {},
        {"structure_rounds": 0},
        {"epochs": 1, "batch_size": 64, "momentum": 0.9, "decay": 1e-4, "weighting": "uniform"},
        {"structure_rounds": 0, "passes": 1, "own_share": 0.5},
    ],
    ids=repr,
)
def test_it_keeps_what_algorithms_promise(switches):
    check_algorithm(Safl(steps=2, **switches), views=True, task=small_task(model=MODEL))


def test_a_model_without_batch_norms_is_refused_without_torch_too():
    plain = small_task()
    for ask in (
        lambda: Safl().init(plain),
        lambda: Safl().plan(plain.anatomy, plain.holdings.samples, Turn(0, 0, STREAMS), None),
    ):
        with pytest.raises(UserError, match="take minivgg, conv4 or resnet"):
            ask()


# Grouping.


@dataclass(frozen=True)
class Clouds:
    """Clouds of points in 64 dimensions as images: to turn one by 180° is to reverse its values."""

    seed: int
    input_shape: tuple[int, ...] = (1, 8, 8)
    classes: int = 10

    def load(self):
        flat = Gaussian(2000, 64, 10, 10.0, self.seed).load()
        return replace(flat, inputs=flat.inputs.reshape(-1, 1, 8, 8).copy())


@dataclass(frozen=True)
class Hidden:
    """A network with one hidden layer and a batch norm."""

    def blueprint(self, shape, classes):
        hidden = (Linear("dense0", 32), BatchNorm("norm0"), Act())
        return Blueprint(Chain((Flatten(), *hidden, Linear("dense1", classes))), shape)


@pytest.mark.parametrize("seed", range(3))
def test_devices_with_the_same_labels_and_with_the_same_turns_are_found(seed):
    """Twenty devices, pairs of labels, those with even numbers turned: five groups of four, or ten of two."""
    task = task_of(Rotated(2, LabelGroups(), first=1), Clouds(seed), Hidden(), devices=20)
    who, truth = np.arange(20), task.holdings.clusters
    for distance, wanted in ((1.0, truth // 2), (0.3, truth)):
        algorithm = Safl(
            structure_rounds=0, passes=1, epochs=2, batch_size=16,
            clustering=Agglomerative(distance=distance),
        )  # fmt: skip
        turn = Turn(0, 0, STREAMS)
        state, _ = step_of(algorithm, algorithm.init(task), turn, who, task=task)
        pairs = np.equal.outer(state.groups.label, state.groups.label)
        assert np.array_equal(pairs, np.equal.outer(wanted, wanted))


def test_a_round_of_grouping_has_passes_until_nothing_changes_and_then_a_thin_round():
    found = [(t.round_, t.step, e.purpose) for t, e, *_ in played(replace(QUICK, passes=5), 3)]
    assert found == [
        (0, 0, "structure"), (1, 0, "cluster"), (1, 1, "cluster"), (1, 2, "train"), (2, 0, "train"),
    ]  # fmt: skip
    once = [e.purpose for _, e, *_ in played(replace(QUICK, passes=1), 2)]
    assert once == ["structure", "cluster", "train"]
    dense = TASK.anatomy.bits
    for _, exchange, *_ in played(QUICK, 2):
        burst = exchange.sent_bits(exchange.keep_min) == dense
        assert burst.all() == (exchange.purpose != "train")
        assert exchange.open == (exchange.purpose == "cluster")


def test_what_is_planned_without_a_state_has_the_same_exchanges():
    algorithm = replace(QUICK, passes=2)
    expected = [
        algorithm.plan(TASK.anatomy, SAMPLES, Turn(r, s, STREAMS), None)
        for r in range(3)
        for s in range(4)
    ]
    purposes = [each and each.purpose for each in expected]
    none = [None]
    assert purposes == [
        *("structure", *none * 3), *("cluster", "cluster", "train", None), *("train", *none * 3),
    ]  # fmt: skip


def test_a_pass_that_comes_in_waves_is_as_one_that_comes_at_once():
    algorithm = Safl(structure_rounds=0, passes=2, steps=2, clustering=TWO)
    once = waves = algorithm.init(TASK)
    for step in range(2):
        turn = Turn(0, step, STREAMS)
        once, _ = step_of(algorithm, once, turn, how="loop")
        for who in ([0, 4, 5], [1, 2], [3]):
            waves, _ = step_of_wave(algorithm, waves, turn, np.array(who))
    assert sorted(waves.gathered.devices.tolist()) == EVERYBODY.tolist()
    assert np.equal.outer(once.groups.label, once.groups.label).tolist() == (
        np.equal.outer(waves.groups.label, waves.groups.label).tolist()
    )
    assert np.array_equal(once.kept, waves.kept)
    for device in EVERYBODY:
        one, other = (algorithm.model_for(state, device) for state in (once, waves))
        assert all(torch.allclose(one[name], other[name], atol=1e-6) for name in one)


@pytest.mark.parametrize("there", [[0, 1, 2, 3, 4], [4], [0, 3]])
def test_who_is_lost_in_a_later_pass_is_grouped_by_what_it_brought_before(there):
    algorithm = Safl(structure_rounds=0, passes=2, steps=2, clustering=TWO)
    first, _ = step_of(algorithm, algorithm.init(TASK), Turn(0, 0, STREAMS), how="loop")
    assert first.groups.count == 2
    found, _ = step_of_wave(algorithm, first, Turn(0, 1, STREAMS), np.array(there))
    assert (found.groups.label >= 0).all()
    assert found.groups.count == 2
    assert found.kept is not None
    away = np.setdiff1d(EVERYBODY, there)
    alone = [
        g for g in range(2) if not np.isin(np.flatnonzero(found.groups.label == g), there).any()
    ]
    for group in alone:  # a group of which nobody came goes on from what its members had
        (had,) = np.unique(first.groups.label[found.groups.label == group])
        for name, tensor in found.groups.model(group).items():
            assert torch.equal(tensor, first.groups.model(int(had))[name])
    assert len(away) + len(there) == len(EVERYBODY)


def step_of_wave(algorithm, state, turn, who):
    updates = algorithm.train(state, Cohort(TASK, who, turn, "loop"), np.ones(len(who)))
    return algorithm.fuse(state, updates), updates


def test_when_nobody_comes_the_next_round_asks_again():
    algorithm = replace(QUICK, structure_rounds=0)
    state = algorithm.init(TASK)
    plans = [algorithm.plan(TASK.anatomy, SAMPLES, Turn(4, s, STREAMS), state) for s in range(4)]
    assert [each and each.purpose for each in plans] == ["cluster", "cluster", None, None]


def test_who_did_not_come_has_the_structure_and_the_model_of_the_largest_group():
    algorithm = Safl(structure_rounds=0, passes=1, steps=3, clustering=TWO)
    turn = Turn(0, 0, STREAMS)
    updates = algorithm.train(
        algorithm.init(TASK), Cohort(TASK, np.array([0, 3, 4]), turn), np.ones(3)
    )
    state = algorithm.fuse(algorithm.init(TASK), updates)
    assert state.groups.label.tolist() == [0, -1, -1, 1, 1, -1]
    for device in (1, 2, 5):
        assert np.array_equal(state.kept[device], state.kept[3])
        assert same(algorithm.model_for(state, device), algorithm.model_for(state, 3))
    assert not np.array_equal(state.kept[0], state.kept[3])


def test_changes_since_a_pass_began_are_others_than_those_since_the_first():
    first = last(replace(QUICK, structure_rounds=0), 1).groups.cosine
    since = last(replace(QUICK, structure_rounds=0, changes_since="pass"), 1).groups.cosine
    assert (first[np.ix_([0, 1, 2], [0, 1, 2])] > since[np.ix_([0, 1, 2], [0, 1, 2])] - 1e-9).all()
    assert not np.allclose(first, since)


# What it is without each of its parts.


def test_without_the_penalty_the_first_rounds_are_federated_averaging_to_the_last_bit():
    algorithm, plain = replace(QUICK, structure_rounds=3, sparsity=0.0), FedAvg(steps=2)
    state = plain.init(TASK)
    for turn, _, _, _, after in played(algorithm, 3, who=[0, 2, 5]):
        who = np.array([0, 2, 5])
        state = plain.fuse(state, plain.train(state, Cohort(TASK, who, turn), np.ones(3)))
        assert same(algorithm.model_for(after, 1), plain.model_for(state, None))


@pytest.mark.parametrize("how", ["loop", "batched"])
def test_one_group_that_keeps_everything_shares_all_but_norms_to_the_last_bit(how):
    algorithm = Safl(structure_rounds=0, passes=1, steps=3, prune_rate=0.0, clustering=ONE)
    plain, state = FedSim(personal="norms", steps=3), None
    for turn, _, before, updates, after in played(algorithm, 4, who=[0, 2, 5], how=how):
        if turn.step == 0 and turn.round_ == 0:
            model = after.groups.model(0)
            own = Shelf.of_default({name: model[name] for name in NORMS}, 6)
            state = SplitState({n: model[n] for n in SHARED}, own, SAMPLES, FOUND.shared)
            continue
        there = replace(turn, step=0)
        cohort = Cohort(TASK, updates.devices, there, how)
        state = plain.fuse(state, plain.train(state, cohort, np.ones(3)))
        for device in EVERYBODY:
            assert same(algorithm.model_for(after, device), plain.model_for(state, device))
        assert before.kept.all()


def test_the_penalty_adds_its_sign_to_the_slopes_of_scales():
    """One step of descent from the same place differs by η s sign(γ), and nothing else does."""
    for sparsity in (0.01, 0.2):
        found = []
        for strength in (0.0, sparsity):
            algorithm = Safl(structure_rounds=1, steps=1, sparsity=strength)
            state = algorithm.init(TASK)
            models = {n: t.clone() for n, t in state.groups.models.items()}
            models["norm1.weight"] = torch.tensor([[0.5, -0.5, 1.0, -2.0]])
            state = replace(state, groups=replace(state.groups, models=models))
            cohort = Cohort(TASK, EVERYBODY, Turn(0, 0, STREAMS))
            found.append(algorithm.train(state, cohort, np.ones(6)).messages[2].tensors)
        for name in TASK.initial:
            step = torch.zeros_like(TASK.initial[name])
            if name in FOUND.scales:
                step = 0.05 * sparsity * models[name][0].sign()
            assert torch.allclose(found[0][name] - found[1][name], step, atol=1e-6), name


@pytest.mark.parametrize("how", ["dense", "thin"])
def test_devices_learn_the_same_in_every_way(how):
    algorithm = replace(QUICK, sparsity=0.01)
    state = last(algorithm, 2)
    turn = Turn(5, 0, STREAMS)

    def lesson(cohort):
        double = {n: t.double() for n, t in state.groups.models.items()}
        there = replace(state, groups=replace(state.groups, models=double))
        own = {n: t.double() for n, t in state.own.rows(EVERYBODY).items()}
        shelf = Shelf.of_default({n: t[0] for n, t in own.items()}, 6).replaced(EVERYBODY, own)
        there = replace(there, own=shelf)
        now = turn
        if how == "dense":
            there, now = replace(there, kept=None, gathered=None), Turn(0, 0, STREAMS)
        updates = algorithm.train(there, replace(cohort, turn=now), np.ones(6))
        sent = {
            f"{k}.{name}": tensor
            for k, message in enumerate(updates.messages)
            for name, tensor in message.tensors.items()
            if name != UNITS
        }
        return {**sent, **(updates.private or {})}

    double = task_of(LabelGroups(devices=3, labels=5))
    check_ways(double, lesson)


@pytest.mark.parametrize("mix", [0.0, 1.0])
def test_what_a_device_brings_depends_on_no_other(mix):
    algorithm = replace(QUICK, scsi_mix=mix, prune_rate=0.5, tune_epochs=1)
    state = list(played(algorithm, 2))[-2][-1]
    turn = Turn(1, 2, STREAMS)
    every = algorithm.train(state, Cohort(TASK, EVERYBODY, turn, "loop"), np.ones(6))
    some = np.array([1, 4])
    few = algorithm.train(state.only(some), Cohort(TASK, some, turn, "loop"), np.ones(2))
    for row, device in enumerate(some.tolist()):
        assert same(few.messages[row].tensors, every.messages[device].tensors)
        for name in NORMS:
            assert torch.equal(few.private[name][row], every.private[name][device])


# Thin rounds.


def test_norms_never_travel_in_thin_rounds_and_differ_between_devices():
    for _, exchange, _, updates, after in played(QUICK, 4):
        state = after
        if exchange.purpose == "train":
            for message in updates.messages:
                assert set(message.tensors) == {*SHARED, UNITS}
                assert message.unpaid == (UNITS,)
    models = [QUICK.model_for(state, device) for device in EVERYBODY]
    for name in NORMS:
        rows = torch.stack([model[name] for model in models]).unique(dim=0)
        assert len(rows) == 6, f"{name} is each device's own"


def test_devices_agree_where_they_both_keep_something_and_are_zero_elsewhere():
    after = last(replace(QUICK, prune_rate=0.4), 3)
    masks, models = after.masks(EVERYBODY), [QUICK.model_for(after, k) for k in EVERYBODY]
    assert len(np.unique(after.kept, axis=0)) == 2
    for name in SHARED:
        kept = masks.entries.get(name, torch.ones(6, *models[0][name].shape).bool())
        for k in EVERYBODY:
            assert not models[k][name][~kept[k]].any()
            both = kept[0] & kept[k]
            assert torch.equal(models[0][name][both], models[k][name][both])


def test_a_thin_device_is_evaluated_as_it_trains():
    """What a device sends, with its norms, is what its model has before others are fused with it."""
    state = last(QUICK, 2)
    who = np.array([4])
    alone = replace(QUICK, fusion="global", weighting="uniform")
    after, updates = step_of(alone, state, Turn(2, 0, STREAMS), who)
    model, masks = alone.model_for(after, 4), state.masks(who)
    for name, tensor in updates.private.items():
        assert torch.equal(model[name], masks.applied({name: tensor})[name][0])
    for name in SHARED:
        assert updates.messages[0].tensors[name].sum() == pytest.approx(
            float(model[name].sum()), abs=1e-5
        )


def test_bytes_are_those_of_kept_weights_both_ways_and_masks_go_down_once():
    algorithm = replace(QUICK, prune_rate=0.3)
    dense, told = sum(t.numel() for n, t in TASK.initial.items() if n in SHARED), set()
    for turn, exchange, before, updates, after in played(algorithm, 4, who=[0, 1, 4]):
        # Of a round with passes all have come, but not all have trained a thin model.
        came = EVERYBODY if turn.round_ == 1 else updates.devices
        cost = algorithm.reckoned(TASK.anatomy, SAMPLES, came, after)
        assert np.isnan(cost.macs)
        if exchange.purpose != "train":
            dense_round = exchange.purpose == "structure"
            assert cost.bits == (64 * dense * len(updates.devices) if dense_round else 0)
            continue
        kept = [sum(m.tensors[n].numel() for n in SHARED) for m in updates.messages]
        assert cost.bits == 64 * sum(kept)
        assert cost.bits / (64 * dense * len(kept)) == sum(kept) / (dense * len(kept)) < 0.7
        widths = FOUND.widths(before.kept)
        for device in EVERYBODY:
            norms = 4 * sum(int(each[device]) for each in widths.values())
            first = 24 + 32 * norms  # 18 channels in whole bytes
            values = 32 * int(FOUND.values(widths)[device])
            new = 0 if device in told else first
            assert exchange.down_bits.at(1.0)[device] == values + new, (turn, device)
        told |= set(updates.devices.tolist())
        assert algorithm.told(after)["density"] == pytest.approx(
            FOUND.density(before.kept[updates.devices])
        )


def test_who_is_new_to_a_thin_model_touches_it_up_once():
    plain = replace(QUICK, batch_size=16)
    tuned = replace(plain, tune_epochs=1, tune_rate=0.01)
    macs = {}
    for algorithm in (plain, tuned):
        found = [e.macs.fixed for _, e, *_ in played(algorithm, 4, who=[0, 4])]
        macs[algorithm.tune_epochs] = found
    assert all(np.array_equal(a, b) for a, b in zip(macs[0][:3], macs[1][:3], strict=True))
    np.testing.assert_allclose(macs[1][3] / macs[0][3], (32 + SAMPLES) / 32)
    ratio = macs[1][4] / macs[0][4]
    assert ratio[[0, 4]].tolist() == [1.0, 1.0]
    assert (ratio[[1, 2, 3, 5]] > 1).all()
    before = list(played(tuned, 2, who=[0, 4]))[-2][-1]
    informed = replace(before, knows=np.ones(6, bool))
    cohort = Cohort(TASK, np.array([0, 4]), Turn(1, 2, STREAMS))
    untouched = plain.train(before, cohort, np.ones(2)).messages
    skipped = tuned.train(informed, cohort, np.ones(2)).messages
    touched = tuned.train(before, cohort, np.ones(2)).messages
    for k in range(2):
        assert same(untouched[k].tensors, skipped[k].tensors)
        assert not same(untouched[k].tensors, touched[k].tensors)
    pair = replace(cohort, devices=np.array([0, 1]))  # of one structure, of which one has been told
    for who in (0, 1):
        some = tuned.train(replace(before, knows=who == EVERYBODY), pair, np.ones(2)).messages
        expected = [tuned, plain] if who else [plain, tuned]
        for k, algorithm in enumerate(expected):
            alone = algorithm.train(before, replace(pair, devices=np.array([k])), np.ones(1))
            assert all(
                torch.allclose(some[k].tensors[name], alone.messages[0].tensors[name], atol=1e-6)
                for name in SHARED
            )


def test_a_share_of_its_own_model_stays_with_a_device():
    all_own = replace(QUICK, own_share=1.0)
    *_, (_, _, before, updates, after) = played(all_own, 3, who=[0, 4])
    for row, device in enumerate([0, 4]):
        kept = after.masks(np.array([device]))
        mine = {name: tensor[row : row + 1] for name, tensor in updates.private.items()}
        mine = {name: tensor[0] for name, tensor in kept.applied(mine).items()}
        model = all_own.model_for(after, device)
        assert all(torch.allclose(model[name], mine[name], atol=1e-6) for name in model)
    assert same(all_own.model_for(after, 2), all_own.model_for(before, 2)), "it heard of nothing"
    half = replace(QUICK, own_share=0.5)
    after = last(half, 3, who=[0, 4])
    model, own = half.model_for(after, 4), after.own.row(4)
    fused, kept = after.groups.model(int(after.groups.belongs[4])), after.masks(np.array([4]))
    for name in SHARED:
        mean = kept.applied({name: ((own[name] + fused[name]) / 2)[None]})[name][0]
        assert torch.allclose(model[name], mean, atol=1e-6)


def test_alone_each_device_prunes_by_its_own_scales():
    state = last(replace(QUICK, structure_rounds=0, passes=1, scsi_mix=1.0, prune_rate=0.5), 1)
    pooled = last(replace(QUICK, structure_rounds=0, passes=1, prune_rate=0.5), 1)
    assert len(np.unique(state.kept, axis=0)) > len(np.unique(pooled.kept, axis=0)) == 2


# Updates of older rounds.


@pytest.mark.parametrize("fusion", ["global", "cluster", "classifier"])
@pytest.mark.parametrize("normalisation", ["count", "zero_fill"])
@pytest.mark.parametrize("weighting", ["samples", "uniform"])
def test_thin_updates_that_are_all_fresh_fuse_alike_either_way(fusion, normalisation, weighting):
    algorithm = replace(QUICK, fusion=fusion, normalisation=normalisation, weighting=weighting)
    before = list(played(algorithm, 2))[-2][-1]
    who = np.array([0, 1, 2, 4])
    for state, turn in ((before, Turn(1, 2, STREAMS)), (last(algorithm, 2), Turn(2, 0, STREAMS))):
        updates = algorithm.train(state, Cohort(TASK, who, turn), np.ones(4))
        share = SAMPLES[who] / SAMPLES[who].sum()
        late = algorithm.fuse_late(state, [Late(state, updates, share)])
        plain = algorithm.fuse(state, updates)
        assert np.array_equal(late.knows, plain.knows)
        for name in TASK.initial:
            far = (late.groups.models[name] - plain.groups.models[name]).abs().max()
            assert float(far) < 1e-5, name
        for device in (None, 0, 5):
            one, other = (algorithm.model_for(each, device) for each in (late, plain))
            assert all(torch.allclose(one[n], other[n], atol=1e-5) for n in one)


def test_what_is_old_moves_the_model_less_and_dense_updates_come_too_late_for_thin_models():
    algorithm = QUICK
    first = algorithm.init(TASK)
    dense = algorithm.train(first, Cohort(TASK, EVERYBODY, Turn(0, 0, STREAMS)), np.ones(6))
    state = last(algorithm, 2)
    assert algorithm.fuse_late(state, [Late(first, dense, np.full(6, 1 / 6))]) is state
    updates = algorithm.train(state, Cohort(TASK, EVERYBODY, Turn(2, 0, STREAMS)), np.ones(6))
    share = SAMPLES / SAMPLES.sum()
    half = algorithm.fuse_late(state, [Late(state, updates, share / 2)]).groups.models
    whole = algorithm.fuse(state, updates).groups.models
    for name in SHARED:
        mean = (whole[name] + state.groups.models[name]) / 2
        assert torch.allclose(half[name], mean, atol=1e-5)
