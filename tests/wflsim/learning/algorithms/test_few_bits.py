"""Methods that send few bits or lose many weights: their laws, what their messages carry, and where they are FedAvg."""

import numpy as np
import pytest
import torch

from wflsim.contracts import Late, Turn
from wflsim.learning.algorithms.fedavg import FedAvg
from wflsim.learning.algorithms.fedpm import FedPm
from wflsim.learning.algorithms.qsgd import Qsgd
from wflsim.learning.algorithms.random_pruning import RandomPruning, quotas
from wflsim.learning.algorithms.topk import MEMORY, Topk
from wflsim.learning.data.digits import Digits
from wflsim.learning.few_bits.compression import placed, signed
from wflsim.learning.models import Conv4
from wflsim.learning.partitions.labels import Classes
from wflsim.learning.task import hold, make_task
from wflsim.learning.testing import STREAMS, check_algorithm, cohort_of, small_task
from wflsim.learning.views import Glance
from wflsim.scenario.schema import TaskSection

TASK, EVERYBODY = small_task(), np.arange(5)
P = 64 * 7 + 7 + 7 * 10 + 10
THERE = [np.arange(5), np.array([0, 2]), np.array([1, 2, 4])]


def normed():
    """Return a task whose model has batch norms."""
    model = Conv4(channels=(2, 2, 2, 2), pools=2, hidden=(), norm="batch")
    section = TaskSection(data=Digits(), partition=Classes(per_device=3), model=model)
    return make_task(section, hold(section, np.zeros((5, 2)), STREAMS), STREAMS)


NORMED = normed()


def up_bits(algorithm, anatomy=TASK.anatomy):
    exchange = algorithm.plan(anatomy, TASK.holdings.samples, Turn(0, 0, STREAMS), None)
    (bits,) = set(exchange.up_bits.at(1.0).tolist())
    return bits


def played(algorithm, task=TASK, rounds=THERE):
    state = algorithm.init(task)
    for round_, who in enumerate(rounds):
        updates = algorithm.train(state, cohort_of(task, who, round_), np.ones(len(who)))
        state = algorithm.fuse(state, updates)
    return state


def far(algorithm, other, task=TASK):
    rounds = THERE if task is TASK else THERE[1:2]
    one, two = (each.model_for(played(each, task, rounds), None) for each in (algorithm, other))
    return max(float((one[name] - two[name]).abs().max()) for name in two)


@pytest.mark.parametrize(
    "algorithm",
    [
        FedPm(),
        FedPm(epochs=1, momentum=0.5, look="sampled"),
        Qsgd(),
        Qsgd(epochs=1, levels=1, bucket=100),
        Topk(),
        Topk(compress="sign"),
        Topk(share=1e-6),
        RandomPruning(),
        RandomPruning(epochs=1),
    ],
    ids=str,
)
def test_it_keeps_its_promises_with_norms_too(algorithm):
    check_algorithm(algorithm)
    exchange = algorithm.plan(NORMED.anatomy, np.full(5, 10), Turn(0, 0, STREAMS), None)
    state = algorithm.init(NORMED)
    updates = algorithm.train(state, cohort_of(NORMED, EVERYBODY), np.ones(5))
    assert [each.bits for each in updates.messages] == exchange.up_bits.at(1.0).tolist()
    model = algorithm.model_for(algorithm.fuse(state, updates), None)
    for name in NORMED.anatomy.statistics:
        assert not torch.equal(model[name], NORMED.initial[name])
        if name.endswith("var"):
            assert (model[name] > 0).all()


@pytest.mark.parametrize("algorithm", [FedPm(), Qsgd(), Topk()], ids=str)
def test_what_a_device_brings_depends_on_no_other_device(algorithm):
    state = algorithm.init(TASK)
    every, alone = (
        algorithm.train(state, cohort_of(TASK, who, how="loop"), np.ones(len(who)))
        for who in (EVERYBODY, np.array([3]))
    )
    for name, tensor in alone.messages[0].tensors.items():
        assert torch.equal(tensor, every.messages[3].tensors[name])


@pytest.mark.parametrize("algorithm", [FedPm(), Qsgd(), Topk()], ids=str)
def test_nobody_came_and_nothing_changes(algorithm):
    state = algorithm.init(TASK)
    updates = algorithm.train(state, cohort_of(TASK, np.array([1])), np.ones(1)).only(
        np.array([], int)
    )
    after = algorithm.model_for(algorithm.fuse(state, updates), None)
    assert all(torch.equal(each, after[n]) for n, each in algorithm.model_for(state, None).items())


# --- QSGD


@pytest.mark.parametrize(
    ("algorithm", "bits"),
    [
        (Qsgd(levels=1), 8 * 134 + 32 * 4),  # 535 entries of 2 bits
        (Qsgd(levels=7), 8 * 268 + 32 * 4),
        (Qsgd(levels=8), 8 * 335 + 32 * 4),  # 17 values need 5 bits
        (Qsgd(levels=7, bucket=100), 8 * 268 + 32 * (5 + 1 + 1 + 1)),
        (Topk(share=0.01), 32 * 5 + 8 * 7),  # 5 places of 10 bits
        (Topk(share=0.2), 32 * 107 + 8 * 67),  # a bitmap of 535 bits
        (Topk(compress="sign"), 32 + 8 * 67),
        (FedPm(), 8 * 65),  # 518 weights
        (RandomPruning(), 32 * P),
    ],
    ids=str,
)
def test_bits_of_a_message(algorithm, bits):
    assert up_bits(algorithm) == bits


@pytest.mark.parametrize("task", [TASK, NORMED])
@pytest.mark.parametrize(
    ("algorithm", "slack"), [(Qsgd(levels=32767), 2e-4), (Topk(share=1.0), 2e-6)], ids=str
)
def test_without_loss_it_is_fedavg(algorithm, slack, task):
    assert far(algorithm, FedAvg(), task) < slack
    lossy = Qsgd(levels=2) if isinstance(algorithm, Qsgd) else Topk(share=0.1)
    assert far(lossy, FedAvg(), task) > 10 * slack


def test_levels_are_drawn_anew_for_each_device_and_round():
    algorithm, who = Qsgd(levels=1, steps=1), np.array([0, 0])
    state = algorithm.init(TASK)
    first, second = (algorithm.train(state, cohort_of(TASK, who, t), np.ones(2)) for t in (0, 1))
    assert torch.equal(first.messages[0].tensors["levels"], first.messages[1].tensors["levels"])
    assert not torch.equal(
        first.messages[0].tensors["levels"], second.messages[0].tensors["levels"]
    )


# --- error feedback


@pytest.mark.parametrize("compress", ["topk", "sign"])
def test_what_is_sent_and_what_is_remembered_is_what_there_was(compress):
    algorithm, plain = Topk(compress=compress, share=0.05), FedAvg()
    state = played(algorithm)
    cohort = cohort_of(TASK, np.array([0, 3]), 9)
    before, start = state.memory.rows(cohort.devices)[MEMORY], state.model.shared
    trained = plain.trained(state.model.of(cohort), cohort)
    change = torch.cat([(trained[n] - start[n]).flatten(1) for n in TASK.anatomy.trained], dim=1)
    updates = algorithm.train(state, cohort, np.ones(2))
    read = placed if compress == "topk" else signed
    sent = torch.stack([read(message, P) for message in updates.messages])
    left = updates.private[MEMORY]
    if compress == "topk":
        assert torch.equal(sent + left, before + change)
        assert ((sent == 0) | (left == 0)).all()
    assert torch.allclose(sent + left, before + change, rtol=0, atol=1e-7)
    assert before.abs().max() > 0
    assert (left.square().sum(1) < (before + change).square().sum(1)).all()


def test_the_absent_keep_their_memory():
    algorithm = Topk()
    before, after = (played(algorithm, rounds=THERE[:count]) for count in (1, 2))
    same = (before.memory.rows(EVERYBODY)[MEMORY] == after.memory.rows(EVERYBODY)[MEMORY]).all(1)
    assert same.tolist() == [False, True, False, True, True]


def test_what_was_held_back_arrives_later():
    """A device alone whose change is sent in parts: model and memory together are what it has learnt."""
    algorithm, who = Topk(share=0.1, learning_rate=1e-6), np.array([2])
    state = played(algorithm, rounds=[who] * 5)
    dense = FedAvg(learning_rate=1e-6)
    whole = dense.model_for(played(dense, rounds=[who] * 5), None)
    flat = torch.cat([state.model.shared[name].flatten() for name in TASK.anatomy.trained])
    expected = torch.cat([whole[name].flatten() for name in TASK.anatomy.trained])
    together = flat + state.memory.row(2)[MEMORY]
    assert (together - expected).abs().max() < 0.02 * (flat - expected).abs().max() + 1e-7


# --- random pruning


def test_the_realised_share_is_that_of_quotas_from_what_is_left():
    two_cnn = [3 * 32 * 25, 32, 32 * 64 * 25, 64, 7 * 7 * 64 * 512, 512, 5120, 10]
    total = sum(two_cnn)
    assert total == 1_664_970
    realised = sum(quotas(two_cnn, 0.45)) / total
    assert realised == pytest.approx(0.4345, abs=5e-5)
    left = np.prod([1 - size / total for size in two_cnn])
    assert realised == pytest.approx(0.45 * (1 - left), abs=1e-5)
    assert all(lost <= size for lost, size in zip(quotas(two_cnn, 1.0), two_cnn, strict=True))


def lost(round_, step):
    """Return what becomes zero after a step of two devices whose entries are all one."""
    cohort = cohort_of(TASK, np.array([1, 4]), round_)
    one = cohort.phases([1] * 3, 8)[step]
    ones = cohort.stack({name: torch.ones_like(each) for name, each in TASK.initial.items()})
    after = RandomPruning()._pruned(ones, cohort, one)
    return {name: each.flatten(1) == 0 for name, each in after.items()}


def test_a_fresh_set_of_each_tensor_is_lost_after_every_step():
    sizes, sets = TASK.anatomy.trained, [lost(0, 0), lost(0, 1), lost(0, 2), lost(1, 0)]
    for found in sets:
        counts = {name: each.sum(1).tolist() for name, each in found.items()}
        quota = zip(sizes, quotas(sizes.values(), 0.45), strict=True)
        assert counts == {name: [count] * 2 for name, count in quota}
    each = [row for found in sets for row in found["dense0.weight"]]
    assert not any(torch.equal(a, b) for i, a in enumerate(each) for b in each[:i])


def test_what_is_sent_has_lost_its_share_once_and_not_after_every_step():
    algorithm, least = RandomPruning(steps=6), quotas(TASK.anatomy.trained.values(), 0.45)
    updates = algorithm.train(algorithm.init(TASK), cohort_of(TASK, EVERYBODY), np.ones(5))
    for message in updates.messages:
        gone = int((message.tensors["dense1.weight"] == 0).sum())
        assert least[2] <= gone < 3 * least[2]


@pytest.mark.parametrize("epochs", [None, 2])
def test_without_a_share_it_is_fedavg_to_the_last_bit(epochs):
    pruning, plain = RandomPruning(share=0.0, epochs=epochs), FedAvg(epochs=epochs)
    assert far(pruning, plain) == 0.0
    assert far(RandomPruning(epochs=epochs), plain) > 0.01


def test_who_has_finished_its_epochs_loses_no_more():
    algorithm = RandomPruning(epochs=1, batch_size=16)
    alone, every = (
        algorithm.train(algorithm.init(TASK), cohort_of(TASK, who, how="loop"), np.ones(len(who)))
        for who in (np.array([0]), EVERYBODY)
    )
    assert len(set(TASK.holdings.samples.tolist())) > 1
    for name, tensor in alone.messages[0].tensors.items():
        assert torch.equal(tensor, every.messages[0].tensors[name])


# --- FedPM


def masks(updates):
    rows = [np.unpackbits(m.tensors["mask"].numpy(), count=518) for m in updates.messages]
    return torch.from_numpy(np.stack(rows)).float()


def flat(params):
    return torch.cat([params[name].flatten() for name in TASK.anatomy.prunable])


def test_theta_is_the_mean_of_the_masks_and_stays_away_from_its_ends():
    algorithm, state = FedPm(guard=0.05), FedPm().init(TASK)
    updates = algorithm.train(state, cohort_of(TASK, THERE[2]), np.ones(3))
    after = algorithm.fuse(state, updates)
    assert torch.allclose(flat(after.theta), masks(updates).mean(0).clamp(0.05, 0.95))
    assert flat(after.theta).min() == pytest.approx(0.05)
    assert torch.equal(flat(after.shown), masks(updates).mean(0) > 0.5)
    scores = flat({n: each[0] for n, each in after.of(cohort_of(TASK, THERE[2])).items()})
    assert torch.allclose(scores.sigmoid(), flat(after.theta))


def test_weights_that_are_looked_at_may_be_drawn_afresh_after_every_fusion():
    algorithm, state = FedPm(look="sampled"), FedPm().init(TASK)
    updates = algorithm.train(state, cohort_of(TASK, THERE[1]), np.ones(2))
    one = algorithm.fuse(state, updates)
    two = algorithm.fuse(one, updates)
    late = algorithm.fuse_late(one, [Late(one, updates, np.zeros(2))])
    doubtful = flat(one.theta) == 0.5  # the two masks differ
    assert 200 < doubtful.sum() < 320
    for after in (one, two, late):
        assert torch.allclose(flat(after.theta), flat(one.theta))
        shown = flat(after.shown)
        assert shown[doubtful].float().mean() == pytest.approx(0.5, abs=0.1)
        assert shown[flat(one.theta) > 0.9].float().mean() > 0.9
        assert shown[flat(one.theta) < 0.1].float().mean() < 0.1
        assert torch.equal(flat(algorithm.model_for(after, 2)), flat(after.frozen) * shown)
    assert not torch.equal(flat(one.shown), flat(two.shown))
    assert not torch.equal(flat(one.shown), flat(late.shown))
    likely = FedPm().fuse(state, updates)
    assert not flat(likely.shown)[doubtful].any()


def test_weights_are_signed_constants_and_never_change():
    algorithm = FedPm()
    before, after = algorithm.init(TASK), played(algorithm)
    for name, each in before.frozen.items():
        assert torch.equal(each, after.frozen[name])
    assert torch.allclose(before.frozen["dense0.weight"].abs(), torch.tensor(np.e / 8.0).float())
    assert torch.allclose(before.frozen["dense1.weight"].abs(), torch.tensor(np.e / 7**0.5).float())
    assert 0.4 < (before.frozen["dense0.weight"] > 0).float().mean() < 0.6
    assert not before.frozen["dense0.bias"].any()
    model, kept = algorithm.model_for(after, None), flat(after.theta) > 0.5
    assert torch.equal(flat(model), flat(after.frozen) * kept)


def test_masks_are_drawn_by_their_probabilities_afresh_at_every_step_and_device():
    cohort = cohort_of(TASK, np.array([0, 1]))
    state = FedPm().init(TASK)
    view, started = state.view(cohort), state.of(cohort)
    one, two, again = (view(started, Glance(step, torch.zeros(2, 1))) for step in (0, 1, 0))
    seen = [each["dense0.weight"] != 0 for each in (one, two, again)]
    assert torch.equal(seen[0], seen[2])
    assert not torch.equal(seen[0], seen[1])
    assert not torch.equal(seen[0][0], seen[0][1])
    assert seen[0].float().mean() == pytest.approx(0.5, abs=0.08)


def test_the_slope_at_a_score_is_that_at_its_probability():
    cohort = cohort_of(TASK, np.array([0]))
    state = FedPm().init(TASK)
    started = {n: (each + 0.3).requires_grad_() for n, each in state.of(cohort).items()}
    model = state.view(cohort)(started, Glance(0, torch.zeros(1, 1)))
    model["dense1.weight"].sum().backward()
    theta = 1 / (1 + np.exp(-0.3))
    expected = state.frozen["dense1.weight"] * theta * (1 - theta)
    assert torch.allclose(started["dense1.weight"].grad[0], expected)


def test_devices_that_hold_more_count_no_more():
    algorithm = FedPm(guard=1e-6)
    state = played(algorithm)
    updates = algorithm.train(state, cohort_of(TASK, EVERYBODY, 5), np.ones(5))
    samples = TASK.holdings.samples
    assert len(set(samples.tolist())) > 1
    late = algorithm.fuse_late(state, [Late(state, updates, 0.5 * samples / samples.sum())])
    expected = 0.5 * flat(state.theta) + 0.5 * masks(updates).mean(0)
    assert torch.allclose(flat(late.theta), expected, atol=2e-6)


def test_it_learns_without_changing_a_weight():
    task = small_task((30,))
    algorithm = FedPm(steps=12)
    state = played(algorithm, task, [EVERYBODY] * 12)
    rows = torch.from_numpy(task.holdings.common_test)
    scores = torch.func.functional_call(
        task.fresh_module(), algorithm.model_for(state, None), (task.inputs[rows],)
    )
    assert (scores.argmax(1) == task.labels[rows]).float().mean() > 0.4


def test_reckoned_as_another_papers_table():
    """33 bits a parameter over 500 rounds of ten devices: 133.2 Gbit for a model that has no biases."""
    state = FedPm().init(TASK)
    found = FedPm(epochs=5).reckoned(TASK.anatomy, np.full(9, 100), np.arange(3), state)
    assert found.bits == 3 * 33 * P
    assert found.macs == pytest.approx(0.5 * 3 * 5 * 300 * 518)
    model = Conv4((64, 64, 128, 128), 2, 5, 0, (128, 128), "batch")
    anatomy = model.blueprint((3, 32, 32), 10).anatomy
    bits = FedPm().reckoned(anatomy, np.full(9, 100), np.arange(10), state).bits
    assert (500 * bits - 5000 * 33 * 650) / 1e9 == pytest.approx(133.2144)
    dense = RandomPruning(epochs=5).reckoned(TASK.anatomy, np.full(9, 100), np.arange(3), None)
    assert dense == FedAvg(epochs=5).reckoned(TASK.anatomy, np.full(9, 100), np.arange(3), None)
