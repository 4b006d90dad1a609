"""FedSpa: masks of one density that change without growing, masked updates, and what they cost."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from wflsim.contracts import Late, Turn
from wflsim.learning.algorithms.fedavg import FedAvg
from wflsim.learning.algorithms.fedspa import FedSpa
from wflsim.learning.models import LeNet5, Mlp
from wflsim.learning.payload import unpack
from wflsim.learning.pruning.sparse import dense_slope_macs, erk, sparse
from wflsim.learning.submodels.sparse_masks import NEXT, evolved
from wflsim.learning.testing import STREAMS, check_algorithm, check_ways, cohort_of, small_task

TASK, EVERYBODY, SAMPLES = small_task((7, 6)), np.arange(5), small_task((7, 6)).holdings.samples
WAYS = ["loop", "batched", "native"]
NAMES = ("dense0.weight", "dense1.weight", "dense2.weight")
SIZES = {"dense0.weight": 448, "dense1.weight": 42, "dense2.weight": 60}


def went(algorithm, rounds, who=EVERYBODY, how="batched"):
    """Yield the state before every round, what it brings, and the state after it."""
    state = algorithm.init(TASK)
    for round_ in range(rounds):
        updates = algorithm.train(state, cohort_of(TASK, who, round_, how=how), np.ones(len(who)))
        after = algorithm.fuse(state, updates)
        yield state, updates, after
        state = after


def moves(state, updates):
    """Return what devices send, put where it belongs."""
    shapes = {name: each.shape for name, each in state.model.shared.items()}
    return [unpack(message, shapes) for message in updates.messages]


@pytest.mark.parametrize(
    "switches",
    [
        {},
        {"density": 0.1, "epochs": 2, "batch_size": 100, "momentum": 0.9},
        {"density": 1.0},
        {"exchanged": 0.0},
    ],
    ids=["half", "a tenth", "all", "still"],
)
def test_it_keeps_what_algorithms_promise(switches):
    check_algorithm(FedSpa(**switches), views=True)


@pytest.mark.parametrize("density", [0.01, 0.05, 0.3, 0.5, 0.77, 1.0])
def test_layers_share_the_density_by_their_dimensions(density):
    for model, shape in ((Mlp(hidden=(7, 6)), (1, 8, 8)), (LeNet5(), (1, 28, 28))):
        anatomy = model.blueprint(shape, 10).anatomy
        kept = erk(anatomy, density)
        told = {tensor.name: tensor for tensor in anatomy.every() if tensor.role == "weight"}
        assert kept.keys() == told.keys()
        assert sum(kept.values()) == round(density * anatomy.weights)
        assert all(1 <= count <= told[name].size for name, count in kept.items())
        loose = [n for n, count in kept.items() if 1 < count < told[n].size]
        per_sum = [kept[n] / sum(told[n].shape) for n in loose]
        assert all(abs(per_sum[0] - each) < 1 for each in per_sum), "but for rounding"
        if per_sum:
            full = [n for n, count in kept.items() if count == told[n].size]
            assert all(told[n].size / sum(told[n].shape) <= per_sum[0] + 1 for n in full)
    assert set(erk(anatomy, 1e-9).values()) == {1}


def test_every_layer_keeps_as_many_as_ever_and_drops_as_many_as_it_takes_in():
    algorithm = FedSpa(density=0.4, exchanged=0.3, annealing=4)
    counts = erk(TASK.anatomy, 0.4)
    for round_, (before, updates, after) in enumerate(went(algorithm, 5)):
        old, new = before.kept(EVERYBODY), after.kept(EVERYBODY)
        changes = algorithm._changes(TASK.anatomy, updates.turn)
        share = 0.15 * (1 + np.cos(np.pi * round_ / 4))
        for name in NAMES:
            assert (new[name].flatten(1).sum(1) == counts[name]).all()
            dropped, grown = (old[name] & ~new[name]), (new[name] & ~old[name])
            expected = min(int(share * counts[name] + 1e-12), SIZES[name] - counts[name])
            assert changes[name] == expected
            assert (dropped.flatten(1).sum(1) == expected).all()
            assert (grown.flatten(1).sum(1) == expected).all()
        assert (NEXT in updates.messages[0].tensors) == (round_ < 4), "nothing changes, or is told"
    assert not all(torch.equal(new[n][0], new[n][1]) for n in NAMES), "everybody has its own"


def test_the_smallest_go_and_the_steepest_come():
    kept = {"w": torch.tensor([[True, True, True, False, False, False]])}
    params = {"w": torch.tensor([[-0.5, 0.1, -0.2, 0.0, 0.0, 0.0]])}
    slopes = {"w": torch.tensor([[9.0, 9.0, 9.0, 0.3, -0.4, 0.1]])}
    assert evolved(kept, params, slopes, {"w": 1})["w"].int().tolist() == [[1, 0, 1, 0, 1, 0]]
    assert evolved(kept, params, slopes, {"w": 2})["w"].int().tolist() == [[1, 0, 0, 1, 1, 0]]
    assert torch.equal(evolved(kept, params, slopes, {"w": 0})["w"], kept["w"])


def test_slopes_are_those_of_the_masked_model_at_the_next_batch():
    algorithm = FedSpa(density=0.4, steps=2)
    ((before, updates, after),) = went(algorithm, 1, np.array([3]), "loop")
    kept = before.kept(np.array([3]))
    trained = {
        name: (before.model.shared[name] - each) * (kept[name][0] if name in kept else 1)
        for name, each in moves(before, updates)[0][0].items()
    }
    one = cohort_of(TASK, np.array([3])).phases((2, 1), 32)[1].rows[0, 0]
    module = TASK.fresh_module()
    module.load_state_dict(trained)
    loss = torch.nn.functional.cross_entropy(module(TASK.inputs[one]), TASK.labels[one])
    slopes = torch.autograd.grad(loss, list(module.parameters()))
    named = dict(zip([name for name, _ in module.named_parameters()], slopes, strict=True))
    changes = algorithm._changes(TASK.anatomy, updates.turn)
    params, steep = ({n: each[n][None] for n in NAMES} for each in (trained, named))
    expected = evolved(kept, params, steep, changes)
    assert all(torch.equal(after.kept(np.array([3]))[n], expected[n]) for n in NAMES)


def test_the_server_takes_the_mean_of_all_updates_with_zeros():
    who = np.array([0, 2, 3])
    for before, updates, after in went(FedSpa(density=0.3), 3, who):
        brought = moves(before, updates)
        for name, old in before.model.shared.items():
            mean = torch.stack([params[name] for params, _ in brought]).mean(0)
            assert float((after.model.shared[name] - (old - mean)).abs().max()) < 1e-7
        kept = before.kept(who)
        for name in NAMES:
            nobody = ~kept[name].any(0)
            assert nobody.any()
            assert torch.equal(after.model.shared[name][nobody], before.model.shared[name][nobody])
            own = [masks[name] for _, masks in brought]
            assert torch.equal(torch.stack(own), kept[name]), "what is sent is what was kept"
        absent = np.array([1, 4])
        assert all(torch.equal(before.kept(absent)[n], after.kept(absent)[n]) for n in NAMES)


def test_a_device_uses_what_it_keeps():
    algorithm = FedSpa(density=0.3)
    *_, (_, _, state) = went(algorithm, 2)
    model, own = algorithm.model_for(state, None), algorithm.model_for(state, 2)
    kept = state.kept(np.array([2]))
    for name, each in model.items():
        expected = each * kept[name][0] if name in kept else each
        assert torch.equal(own[name], expected)


@pytest.mark.parametrize("how", WAYS)
def test_with_all_weights_it_is_fedavg_with_a_uniform_mean(how):
    rule = {"steps": 3, "momentum": 0.5, "decay": 0.01}
    fedavg = FedAvg(**rule)
    expected = fedavg.init(TASK)
    for _, updates, found in went(FedSpa(density=1.0, **rule), 3, how=how):
        cohort = cohort_of(TASK, EVERYBODY, updates.turn.round_, how=how)
        expected = expected.fused(fedavg.train(expected, cohort, np.ones(5)), evenly=True)
        for name, each in found.model.shared.items():
            assert float((each - expected.shared[name]).abs().max()) < 1e-6


def test_every_way_learns_the_same():
    algorithm = FedSpa(density=0.4)
    state = algorithm.init(TASK)
    model = {name: each.double() for name, each in state.model.shared.items()}
    state = replace(state, model=replace(state.model, shared=model))

    def lesson(cohort):
        after = algorithm.fuse(state, algorithm.train(state, cohort, np.ones(len(cohort.devices))))
        return {**after.model.shared, **{n: m.double() for n, m in after.kept(EVERYBODY).items()}}

    check_ways(TASK, lesson)


def test_a_round_costs_what_is_kept():
    algorithm, kept = FedSpa(density=0.3, steps=4), erk(TASK.anatomy, 0.3)
    exchange = algorithm.plan(TASK.anatomy, SAMPLES, Turn(0, 0, STREAMS), None)
    values = 32 * (165 + 23)
    assert (exchange.down_bits.at(1.0) == values).all()
    assert (exchange.sent_bits(exchange.keep_min) == values + 552).all(), "and 69 bytes of bitmap"
    ((_, updates, _),) = went(algorithm, 1)
    assert {message.bits for message in updates.messages} == {values + 552}
    first, second, third = (kept[name] for name in NAMES)
    step = 2 * first + 3 * (second + third)
    looked = step + 550 - 165
    assert (exchange.macs.at(1.0) == 32 * (4 * step + looked)).all()
    thin = sparse(TASK.anatomy, kept)
    assert (thin.macs, dense_slope_macs(TASK.anatomy, thin)) == (165, looked)
    cost = algorithm.reckoned(TASK.anatomy, SAMPLES, np.array([0, 1]), None)
    assert (cost.bits, cost.macs) == (2 * (2 * values + 552), 3 * 2 * 4 * 32 * 165)
    late = algorithm.plan(TASK.anatomy, SAMPLES, Turn(500, 0, STREAMS), None)
    assert (late.sent_bits(late.keep_min) == values).all(), "masks that stay do not travel"
    assert (late.macs.at(1.0) == 32 * 4 * step).all()
    assert algorithm.plan(TASK.anatomy, SAMPLES, Turn(0, 1, STREAMS), None) is None


def test_old_updates_are_added_as_they_are_and_count_alike():
    algorithm = FedSpa(density=0.3)
    (one, first, _), (two, second, state) = went(algorithm, 2)
    weights = [SAMPLES / SAMPLES.sum() * share for share in (0.2, 0.5)]
    groups = [Late(one, first, weights[0]), Late(two, second, weights[1])]
    found = algorithm.fuse_late(state, groups)
    for name, old in state.model.shared.items():
        sums = [
            torch.stack([params[name] for params, _ in moves(*pair)]).mean(0)
            for pair in ((one, first), (two, second))
        ]
        expected = old - 0.2 * sums[0] - 0.5 * sums[1]
        assert float((found.model.shared[name] - expected).abs().max()) < 1e-6
