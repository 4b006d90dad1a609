"""CA-AFP over its seasons: who belongs together, what is sent and kept, identities with simpler methods, and what authors count."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch

from wflsim.contracts import Late, Samples, Turn
from wflsim.learning.algorithms.ca_afp import CaAfp
from wflsim.learning.algorithms.fedavg import FedAvg
from wflsim.learning.algorithms.fedprox import FedProx
from wflsim.learning.anatomy import bitmap_bits
from wflsim.learning.clustering.came import Came
from wflsim.learning.clustering.rules import Agglomerative, renamed
from wflsim.learning.cohort import Cohort
from wflsim.learning.data.digits import Digits
from wflsim.learning.models import SensorCnn
from wflsim.learning.models.stacks import Conv4
from wflsim.learning.partitions.labels import Classes
from wflsim.learning.pruning.choosing import keep_largest
from wflsim.learning.pruning.importance import magnitude
from wflsim.learning.regrowth.state import SLOPE, RegrowthState
from wflsim.learning.task import Holdings, hold, make_task
from wflsim.learning.testing import STREAMS, check_algorithm, check_ways, small_task, ways_of
from wflsim.records.encoding import Coder
from wflsim.scenario.schema import TaskSection

TASK = small_task((7, 6))
EVERYBODY, SAMPLES = np.arange(5), TASK.holdings.samples
ONE = Agglomerative(distance=None, count=1)
QUICK = CaAfp(
    warmup_rounds=1, settling_rounds=1, pruning_rounds=4, prune_every=2, epochs=1, tune_epochs=1
)
NAMES = TASK.anatomy.prunable
NORMED = Conv4((2, 3, 2, 3), pools=2, hidden=(4,), norm="batch")


def rounds(method, count, who=EVERYBODY, task=TASK, waves=1):
    """Yield round, exchange, updates, and the states before and after each exchange of some rounds."""
    state = method.init(task)
    for round_ in range(count):
        for step in range(9):
            turn = Turn(round_, step, STREAMS)
            plan = method.plan(task.anatomy, task.holdings.samples, turn, state)
            if plan is None:
                break
            come = plan.participants if plan.open else who
            for some in np.array_split(come, waves if plan.open else 1):
                updates = method.train(state, Cohort(task, some, turn), np.ones(len(some)))
                after = method.fuse(state, updates)
                yield plan.only(np.isin(plan.participants, some)), updates, state, after
                state = after


def last(*args, **options):
    *_, (*_, state) = rounds(*args, **options)
    return state


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in other)


def of(algorithm, state, device=None):
    return algorithm.model_for(state, device)


@pytest.mark.parametrize(
    "switches",
    [{}, {"momentum": 0.9, "decay": 0.01, "weighting": "samples"}],
    ids=["plain", "heavy"],
)
def test_it_keeps_what_algorithms_promise(switches):
    check_algorithm(CaAfp(epochs=1, **switches))


@pytest.mark.parametrize("switches", [{}, {"target": "entropy_size"}, {"selected_only": True}])
def test_every_exchange_has_the_bits_that_were_planned(switches):
    method, seen = replace(QUICK, **switches), []
    for plan, updates, _, after in rounds(method, 8):
        assert [m.bits for m in updates.messages] == plan.sent_bits(plan.keep_max).tolist()
        assert plan.open == (
            plan.purpose in ("cluster", "tune", "prune")
            and not (plan.purpose == "prune" and method.selected_only)
        )
        seen.append((updates.turn.round_, plan.purpose))
        expected = method.plan(TASK.anatomy, SAMPLES, updates.turn, None)
        if method.target == "fixed":
            assert (
                expected.sent_bits(expected.keep_max).tolist()
                == plan.sent_bits(plan.keep_max).tolist()
            )
        for name, mask in after.masks.items():
            assert not after.groups.models[name][~mask].any(), "masks hold"
    assert seen == [
        (0, "train"), (1, "cluster"), (1, "train"), (2, "prune"), (2, "train"), (3, "train"),
        (4, "prune"), (4, "train"), (5, "train"), (6, "tune"), (7, "tune"),
    ]  # fmt: skip


def test_statistics_of_norms_travel_with_their_group():
    section = TaskSection(data=Digits(), partition=Classes(per_device=3), model=NORMED)
    task = make_task(section, hold(section, np.zeros((4, 2)), STREAMS), STREAMS)
    method = replace(QUICK, clustering=Agglomerative(distance=None, count=2))
    for plan, updates, _, after in rounds(method, 7, who=np.arange(4), task=task):
        assert [m.bits for m in updates.messages] == plan.sent_bits(plan.keep_max).tolist()
        assert all(m.finite for m in updates.messages)
        assert all(bool(t.isfinite().all()) for t in after.groups.models.values())
        if updates.turn.round_ == 5:
            means = [name for name in task.anatomy.statistics if name.endswith("running_mean")]
            assert means
            assert not any(torch.equal(*after.groups.models[name]) for name in means)


def test_biases_are_never_masked_and_every_layer_ends_at_the_target():
    state = last(QUICK, 6)
    assert tuple(state.masks) == NAMES
    for mask in state.masks.values():
        size = mask[0].numel()
        assert (mask.flatten(1).sum(1) == size - round(0.7 * size)).all()
    for name in set(TASK.anatomy.tensors) - set(NAMES):
        assert (state.groups.models[name] != 0).all()


def test_groups_come_to_targets_of_their_own():
    state = last(replace(QUICK, target="entropy_size"), 6)
    assert len(set(state.goal.tolist())) == 3
    for mask in state.masks.values():
        size = mask[0].numel()
        zeros = size - mask.flatten(1).sum(1).numpy()
        assert (np.abs(zeros - state.goal * size) <= 0.5 + 1e-9).all()


def test_a_bitmap_goes_down_once_to_each_who_was_not_told():
    size, bitmap = TASK.anatomy.weights, bitmap_bits(TASK.anatomy.weights)
    few, owed = np.array([0, 1]), []
    for _, updates, before, _ in rounds(QUICK, 6, who=few):
        plan = QUICK.plan(TASK.anatomy, SAMPLES, updates.turn, before)
        kept = before.left(TASK.anatomy).kept
        bits = 32 * (kept[plan.participants] + TASK.anatomy.others)
        more = plan.down_bits.fixed - bits
        assert set(more.tolist()) <= {0.0, bitmap}
        owed.append((plan.purpose, (more > 0).astype(int).tolist()))
        assert (kept <= size).all()
    assert owed == [
        ("train", [0] * 5), ("cluster", [0] * 5), ("train", [0] * 5), ("prune", [0] * 5), ("train", [1] * 5),
        ("train", [0, 0, 1, 1, 1]), ("prune", [0, 0, 1, 1, 1]), ("train", [1] * 5), ("train", [0, 0, 1, 1, 1]),
    ]  # fmt: skip


# What it is without its parts.


def test_the_warm_up_is_federated_averaging():
    method = CaAfp(warmup_rounds=9, epochs=2, weighting="samples")
    plain = FedAvg(epochs=2)
    assert same(of(method, last(method, 3)), of(plain, last(plain, 3)))


def test_one_group_without_pruning_is_fedprox():
    method = CaAfp(
        1, 0, 0, clustering=ONE, epochs=1, tune_epochs=0, weighting="samples", strength=0.5
    )
    prox, avg = FedProx(epochs=1, mu=0.5), FedAvg(epochs=1)
    state = last(avg, 1)
    for round_ in (1, 2):
        updates = prox.train(state, Cohort(TASK, EVERYBODY, Turn(round_, 0, STREAMS)), np.ones(5))
        state = prox.fuse(state, updates)
    assert same(of(method, last(method, 3)), of(prox, state))


def test_nothing_to_prune_is_clustered_averaging():
    pruning = replace(QUICK, sparsity=0.0, start=0.0, churn=0.0, tune_epochs=0)
    plain = replace(pruning, pruning_rounds=0)
    one, other = last(pruning, 5), last(plain, 5)
    assert one.masks
    assert not other.masks
    for device in EVERYBODY:
        assert same(of(pruning, one, device), of(plain, other, device))


def test_magnitudes_alone_in_one_group_are_global_magnitude_pruning():
    method = replace(
        QUICK, clustering=ONE, alpha=1.0, beta=0.0, gamma=0.0, churn=0.0, start=0.4, sparsity=0.4
    )
    for plan, _, before, after in rounds(method, 4):
        if plan.purpose == "prune":
            weights = {name: before.groups.models[name] for name in NAMES}
            for name, each in weights.items():
                size = each[0].numel()
                share = np.array([(size - round(0.4 * size)) / size])
                mask = keep_largest(magnitude({name: each}), share)[name]
                assert torch.equal(after.masks[name], mask)
                assert torch.equal(after.groups.models[name], each * mask)
            return
    raise AssertionError("nothing was pruned")


# Groups apart.


def test_groups_learn_and_prune_apart():
    *_, (plan, _, _, state) = rounds(QUICK, 5)
    assert plan.purpose == "train"
    inside = np.flatnonzero(state.groups.belongs == 0)
    turn = Turn(5, 0, STREAMS)
    after = QUICK.fuse(state, QUICK.train(state, Cohort(TASK, inside, turn), np.ones(len(inside))))
    for group in range(1, state.groups.count):
        assert same(after.groups.model(group), state.groups.model(group))
    assert not same(after.groups.model(0), state.groups.model(0))
    turn = Turn(4, 0, STREAMS)
    asked = replace(QUICK, selected_only=True)
    stepped = asked.fuse(
        state, asked.train(state, Cohort(TASK, inside, turn), np.ones(len(inside)))
    )
    for name, mask in stepped.masks.items():
        assert torch.equal(mask[1:], state.masks[name][1:]), "who did not come keeps its mask"
    assert (stepped.version - state.version).tolist() == [1, *[0] * (state.groups.count - 1)]


@pytest.mark.parametrize("waves", [2, 5])
def test_who_comes_in_waves_is_grouped_and_pruned_together(waves):
    method = replace(QUICK, target="entropy_size")
    whole, parts = last(method, 6), last(method, 6, waves=waves)
    assert whole.groups.label.tolist() == parts.groups.label.tolist()
    assert whole.goal.tolist() == parts.goal.tolist()
    assert whole.version.tolist() == [2] * whole.groups.count
    for name in NAMES:
        assert torch.equal(whole.masks[name], parts.masks[name])
    for device in EVERYBODY:
        assert same(of(method, parts, device), of(method, whole, device))


def test_a_state_between_waves_can_be_stored_and_sent_to_a_worker():
    few, turn = np.array([0, 3]), Turn(4, 0, STREAMS)
    before = last(QUICK, 4)
    first = QUICK.train(before, Cohort(TASK, few, turn), np.ones(2))
    state, rest = QUICK.fuse(before, first), np.array([1, 2, 4])
    restored = Coder().unpack(Coder().pack(state))
    sent = pickle.loads(pickle.dumps(state.only(rest)))
    cohort = Cohort(TASK, rest, turn)
    plain, there = (QUICK.train(each, cohort, np.ones(3)) for each in (before, sent))
    for one, other in zip(there.messages, plain.messages, strict=True):
        assert same(one.tensors, other.tensors), "each wave begins where the first did"
    whole, again = (QUICK.fuse(each, plain) for each in (state, restored))
    assert same(again.masks, whole.masks)
    assert same(again.groups.models, whole.groups.models)
    assert not same(whole.masks, state.masks)


def test_devices_with_the_same_pair_of_activities_belong_together(paired):
    task, pair = paired
    method = replace(QUICK, epochs=3)
    state = last(method, 2, who=np.arange(9), task=task)
    assert state.groups.label.tolist() == renamed(pair).tolist()
    assert state.goal.tolist() == [0.7] * 3
    told = method.told(state)
    assert told["groups"] == 3
    assert told["silhouette"] > 0.3


# What devices bring.


def test_evidence_is_the_last_training_within_todays_mask_and_slopes_of_all_weights():
    few = np.array([0, 3])
    own = {}
    for plan, updates, before, _ in rounds(QUICK, 5, who=few):
        if plan.purpose == "train" and updates.turn.round_ >= 1:
            own = updates.private
        if updates.turn == Turn(4, 0, STREAMS):
            filled = before.filled(updates).messages
            kept = before.kept(EVERYBODY)
            for row, device in enumerate(few):
                for name in NAMES:
                    expected = own[name][row] * kept[name][device]
                    assert torch.equal(filled[device].tensors[name], expected)
            group = before.groups.of(Cohort(TASK, EVERYBODY, updates.turn))
            assert same(filled[1].tensors, {n: group[n][1] for n in group}), (
                "who never trained has its group's"
            )
            check_slopes(updates, group)
            return
    raise AssertionError("there was no step")


def check_slopes(updates, group):
    """Assert that slopes are those of one batch at the groups' models."""
    batch = Cohort(TASK, EVERYBODY, replace(updates.turn, step=2)).phases((1,), 32)[0].rows[0]
    for device in EVERYBODY:
        module = TASK.fresh_module()
        module.load_state_dict({name: each[device] for name, each in group.items()})
        loss = torch.nn.functional.cross_entropy(
            module(TASK.inputs[batch[device]]), TASK.labels[batch[device]]
        )
        slopes = dict(
            zip(
                NAMES,
                torch.autograd.grad(loss, [module.get_parameter(n) for n in NAMES]),
                strict=True,
            )
        )
        for name in NAMES:
            found = updates.messages[device].tensors[SLOPE + name]
            assert torch.allclose(found, slopes[name], atol=1e-6)
            assert found.isfinite().all()


def test_slopes_are_taken_without_dropout():
    rng = np.random.default_rng(1)
    inputs = rng.normal(size=(8, 9, 16)).astype(np.float32)
    parts = [np.arange(4), np.arange(4, 8)]
    empty = [np.empty(0, dtype=np.int64)] * 2
    models = [
        SensorCnn((2, 2), 3, 4, dropout=d).blueprint((9, 16), 3) for d in ((0.5, 0.5), (0.0, 0.0))
    ]
    found = []
    for blueprint in models:
        task = make_task(
            None,
            Holdings(Samples(inputs, np.arange(8) % 3), parts, empty, parts, blueprint),
            STREAMS,
        )
        state = QUICK.init(task)
        updates = QUICK.train(state, Cohort(task, np.arange(2), Turn(2, 0, STREAMS)), np.ones(2))
        found.append(updates.messages[1].tensors)
    assert same(found[0], found[1])
    trained = [
        QUICK.train(QUICK.init(task), Cohort(task, np.arange(2), Turn(0, 0, STREAMS)), np.ones(2))
    ]
    assert trained[0].messages[0].finite


def test_tuned_models_are_masked_unless_that_is_given_up():
    for masked in (True, False):
        method = replace(QUICK, tune_masked=masked)
        before, after = last(method, 6), last(method, 8)
        assert not len(before.tuned.touched)
        assert same(of(method, after, None), of(method, before, None)), (
            "the groups stay as they are"
        )
        for device in EVERYBODY:
            own, group = of(method, after, device), of(method, before, device)
            pruned = {n: group[n] == 0 for n in NAMES}
            assert masked == all(not own[n][pruned[n]].any() for n in NAMES)
            assert not same(own, group)
        exchange = method.plan(TASK.anatomy, SAMPLES, Turn(6, 0, STREAMS), before)
        assert exchange.silent
        dense = method.plan(TASK.anatomy, SAMPLES, Turn(0, 0, STREAMS), None).macs.fixed
        assert (exchange.macs.fixed < dense).all() == masked


@pytest.mark.parametrize("round_", [0, 2, 6])
def test_all_ways_of_training_agree(round_):
    def lesson(cohort):
        method, task = replace(QUICK, strength=0.0), cohort.task
        state = last(method, round_, task=task) if round_ else method.init(task)
        turn = Turn(round_, 0, STREAMS)
        updates = method.train(state, replace(cohort, turn=turn), np.ones(task.devices))
        sent = {
            n: torch.stack([m.tensors[n] for m in updates.messages])
            for n in updates.messages[0].tensors
        }
        return {**sent, **(updates.private or {})}

    assert len(ways_of(TASK)) == 2
    check_ways(TASK, lesson)


@pytest.mark.parametrize("weighting", ["uniform", "samples"])
def test_with_everybody_fresh_late_updates_are_the_mean_of_each_group(weighting):
    method = replace(QUICK, weighting=weighting)
    *_, (_, updates, before, after) = rounds(method, 4)
    late = method.fuse_late(before, [Late(before, updates, SAMPLES / SAMPLES.sum())])
    for name, expected in after.groups.models.items():
        assert torch.allclose(late.groups.models[name], expected, atol=1e-6)
    assert same(late.own.rows(EVERYBODY), after.own.rows(EVERYBODY))
    assert late.told.tolist() == after.told.tolist()


def test_late_updates_are_added_within_the_mask_of_today():
    states = [
        (plan.purpose, updates, before, after) for plan, updates, before, after in rounds(QUICK, 5)
    ]
    old = next(s for s in states if s[1].turn.round_ == 3)
    now = states[-1][3]
    weight = 0.5 * SAMPLES / SAMPLES.sum()
    found = QUICK.fuse_late(now, [Late(old[2], old[1], weight)])
    assert not same(of(QUICK, found, 0), of(QUICK, now, 0))
    for name, mask in found.masks.items():
        assert not found.groups.models[name][~mask].any()
        revived = found.groups.models[name][(now.groups.models[name] == 0) & mask]
        assert torch.isfinite(revived).all()
    stale = found.told != found.version[found.groups.belongs]
    assert stale.all(), "they were told an older mask"


# What authors count.


def fleet(shape, devices):
    """Return the first state of a fleet with the authors' network, at sparsities as they count them."""
    inputs = np.zeros((devices, *shape), dtype=np.float32)
    parts = [np.array([device]) for device in range(devices)]
    blueprint = SensorCnn().blueprint(shape, 6)
    task = make_task(
        None,
        Holdings(Samples(inputs, np.zeros(devices, int)), parts, parts, parts, blueprint),
        STREAMS,
    )
    dense = RegrowthState.first(task)
    masks = {}
    for name in task.anatomy.prunable:
        size = task.initial[name].numel()
        mask = torch.arange(size) >= round(0.7 * size)
        masks[name] = mask.view(1, *task.initial[name].shape)
    return task, dense, replace(dense, masks=masks)


@pytest.mark.parametrize(
    ("shape", "devices", "table"),
    [
        ((9, 128), 30, {(15, 15, 20): 265.57, (10, 10, 30): 217.91, (15, 10, 25): 241.74, (10, 15, 25): 241.74}),
        ((3, 200), 36, {(15, 15, 20): 375.23, (10, 10, 30): 308.90, (15, 10, 25): 342.07, (10, 15, 25): 342.07}),
    ],
)  # fmt: skip
def test_it_costs_what_the_released_tracker_says(shape, devices, table):
    task, dense, sparse = fleet(shape, devices)
    everybody, samples = np.arange(devices), task.holdings.samples
    for (warm, settled, pruned), expected in table.items():
        method, total = CaAfp(warm, settled, pruned), 0.0
        for round_ in range(warm + settled + pruned + 1):
            phases = method._schedule.phases(round_)
            came = Came(
                round_,
                trained=np.arange(10) if "train" in phases else np.arange(0),
                grouped=everybody if "cluster" in phases else np.arange(0),
                tuned=everybody if "tune" in phases else np.arange(0),
            )
            state = replace(dense if round_ < warm + settled else sparse, came=came)
            total += method.reckoned(task.anatomy, samples, everybody, state).bits
        assert round(total / 8 / 2**20, 2) == expected


def test_only_those_whose_updates_were_taken_are_counted():
    few = np.array([1, 2])
    for plan, updates, _, after in rounds(QUICK, 8, who=few):
        came = EVERYBODY if plan.open else few
        if plan.purpose in ("prune", "cluster"):
            continue
        there = np.union1d(came, EVERYBODY if updates.turn.step else came)
        cost = QUICK.reckoned(TASK.anatomy, SAMPLES, there, after)
        share = 0.0 if plan.silent else 2 * after.density + 5 * (updates.turn.round_ == 1)
        assert cost.bits == pytest.approx(2 * share * TASK.anatomy.bits)
        assert cost.macs > 0
