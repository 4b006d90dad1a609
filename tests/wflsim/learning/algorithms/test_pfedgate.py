"""pFedGate: blocks that fit a budget, gates that choose and weigh them, and what travels."""

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wflsim.contracts import Turn
from wflsim.errors import UserError
from wflsim.learning.algorithms.fedavg import FedAvg
from wflsim.learning.algorithms.pfedgate import PFedGate
from wflsim.learning.anatomy import step_macs
from wflsim.learning.models import Conv4, ResNet, SensorLstm, Vit
from wflsim.learning.payload import KEPT
from wflsim.learning.submodels.blocks import Blocks, packed_blocks, valued
from wflsim.learning.submodels.gating import (
    BIAS,
    BLOCKS,
    FACTOR,
    WEIGHT,
    Gatekeeper,
    packed_steps,
    scaled,
    unpacked_steps,
)
from wflsim.learning.testing import (
    STREAMS,
    check_algorithm,
    check_ways,
    cohort_of,
    fitting_shape,
    small_task,
)
from wflsim.learning.views import Glance

TASK, WHO = small_task(hidden=(7, 6)), np.arange(5)
CUT = Blocks(TASK.anatomy)
P = 7 * 65 + 6 * 8 + 10 * 7
LIVELY = PFedGate(gate_rate=1.0)


def brought(method, who=WHO, rounds=1):
    """Return the state before the last of some rounds, and what it brings."""
    state = method.init(TASK)
    for round_ in range(rounds):
        before, updates = (
            state,
            method.train(state, cohort_of(TASK, who, round_), np.ones(len(who))),
        )
        state = method.fuse(before, updates)
    return before, updates, state


@pytest.mark.parametrize(
    "method",
    [LIVELY, PFedGate(rescales=False, epochs=1, momentum=0.9, decay=0.01)],
)
def test_it_keeps_its_promises(method):
    check_algorithm(method, views=True)


@settings(max_examples=60)
@given(data=st.data())
def test_chosen_blocks_fit_and_are_worth_nearly_the_most(data):
    """Against every choice that holds the first blocks: within less than the value of one block."""
    counts = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    each = [data.draw(st.integers(1, 60)) for _ in counts]
    sizes = np.repeat(each, counts)
    strip = np.repeat(np.arange(len(counts)), counts)
    unit = st.floats(0, 1, width=32)
    importance = np.array([data.draw(st.lists(unit, min_size=len(sizes), max_size=len(sizes)))])
    budget = data.draw(st.integers(sum(each), int(sizes.sum())))
    (chosen,) = packed_blocks(importance, sizes, strip, budget)
    values = valued(importance)[0]
    assert sizes[chosen].sum() <= budget
    first = [
        np.flatnonzero(strip == s)[importance[0, strip == s].argmax()] for s in range(len(counts))
    ]
    assert chosen[first].all(), "every layer has its best block"
    every = np.array(list(product([False, True], repeat=len(sizes))))
    every = every[every[:, first].all(1) & (every @ sizes <= budget)]
    best = (every @ values).max()
    assert values[chosen].sum() > best - values.max()
    left = budget - sizes[chosen].sum()
    assert not (sizes[~chosen] <= left).any(), "what still fits is taken"


def test_values_are_tenths_and_no_block_is_worthless():
    assert valued(np.array([0.0, 0.04, 0.06, 0.54, 0.56, 1.0])).tolist() == [1, 1, 1, 5, 6, 10]


def test_of_equals_the_more_important_is_chosen_and_rows_are_apart():
    importance = np.array([[0.50, 0.51, 0.52, 0.53], [0.9, 0.1, 0.8, 0.1]])
    found = packed_blocks(importance, np.full(4, 3), np.zeros(4, int), 6)
    assert found.tolist() == [[False, False, True, True], [True, False, True, False]]


@pytest.mark.parametrize("model", [Conv4(), ResNet(), SensorLstm(), Vit()])
def test_blocks_are_all_of_a_model_but_what_normalises(model):
    anatomy = model.blueprint(fitting_shape(model), 10).anatomy
    blocks = Blocks(anatomy)
    others = sum(tensor.size for tensor in blocks.others)
    assert blocks.sizes.sum() + others == anatomy.weights + anatomy.others
    assert np.isclose(blocks.macs.sum() + blocks.other_macs, step_macs(anatomy, anatomy)[0])
    assert not any(tensor.role == "weight" for tensor in blocks.others)


def test_too_small_a_budget_is_told():
    assert CUT.budget(0.15) >= 65 + 8 + 7
    with pytest.raises(
        UserError, match=r"algorithm\.share: one block of each layer has 80 entries"
    ):
        PFedGate(share=0.1).plan(TASK.anatomy, TASK.holdings.samples, Turn(0, 0, STREAMS), None)


@pytest.mark.parametrize("how", ["loop", "batched", "native"])
@pytest.mark.parametrize("switch", [{}, {"epochs": 1, "batch_size": 50, "momentum": 0.9}])
def test_whole_models_with_gates_at_one_are_fedavg(how, switch):
    one, other = PFedGate(share=1.0, gate_rate=0.0, **switch), FedAvg(**switch)
    ours, theirs = one.init(TASK), other.init(TASK)
    for round_, who in enumerate([WHO, np.array([0, 3])]):
        cohort = cohort_of(TASK, who, round_, how=how)
        ours = one.fuse(ours, one.train(ours, cohort, np.ones(len(who))))
        theirs = other.fuse(theirs, other.train(theirs, cohort, np.ones(len(who))))
    for device in (None, 0, 1):
        found, expected = one.model_for(ours, device), other.model_for(theirs, device)
        assert all(float((found[n] - each).abs().max()) < 5e-6 for n, each in expected.items())


def test_the_gate_stays_and_what_travels_is_counted():
    _, updates, _ = brought(LIVELY, rounds=3)
    assert set(updates.private) == {WEIGHT, BIAS, FACTOR}
    assert float(updates.private[WEIGHT].abs().max()) > 0
    for message in updates.messages:
        assert set(message.tensors) == {KEPT, BLOCKS}
        bits = np.unpackbits(message.tensors[BLOCKS].numpy(), count=CUT.count).astype(bool)
        assert message.tensors[KEPT].numel() == CUT.sizes[bits].sum()
        assert message.bits == 32 * CUT.sizes[bits].sum() + 24


def test_one_step_uses_no_more_than_the_plan_says_and_its_operations_are_the_chosen_blocks():
    method = PFedGate(steps=1, gate_rate=1.0)
    _, updates, _ = brought(method, rounds=3)
    plan = method.plan(TASK.anatomy, TASK.holdings.samples, Turn(2, 0, STREAMS), None)
    gate = (2 * 32 + TASK.holdings.samples) * 64 * CUT.count
    for k, message in enumerate(updates.messages):
        assert message.bits <= plan.sent_bits(np.ones(5))[k] == 32 * int(0.5 * P) + 24
        bits = np.unpackbits(message.tensors[BLOCKS].numpy(), count=CUT.count).astype(bool)
        assert np.isclose(updates.macs[k], 32 * CUT.macs[bits].sum() + gate[k])
    dense = 32 * step_macs(TASK.anatomy, TASK.anatomy)[0]
    assert np.allclose(plan.macs.at(1.0), dense / 2 + gate)
    assert (plan.down_bits.at(1.0) == 32 * P).all()


@pytest.mark.parametrize(("features", "width"), [(100, 64), (16, 16)])
def test_a_gate_costs_no_more_than_the_values_that_a_sample_has(features, width):
    method, samples = PFedGate(steps=1, share=1.0, features=features), TASK.holdings.samples
    state, updates, _ = brought(method)
    assert updates.private[WEIGHT].shape[2] == width
    dense = step_macs(TASK.anatomy, TASK.anatomy)[0]
    gate = (2 * 32 + samples) * width * CUT.count
    plan = method.plan(TASK.anatomy, samples, Turn(0, 0, STREAMS), state)
    assert np.allclose(plan.macs.at(1.0), 32 * dense + gate)
    assert np.allclose(updates.macs, 32 * dense + gate)
    told = method.reckoned(TASK.anatomy, samples, WHO, state)
    assert told.macs == 5 * 3 * TASK.anatomy.macs * 32 + gate.sum()


def test_a_device_whose_epochs_are_over_computes_nothing_more():
    method = PFedGate(epochs=2, batch_size=16, share=1.0)
    _, updates, _ = brought(method)
    samples = TASK.holdings.samples
    gate = (2 * 2 + 1) * samples * 64 * CUT.count
    dense = step_macs(TASK.anatomy, TASK.anatomy)[0]
    assert len(set(samples.tolist())) > 1
    assert np.allclose(updates.macs, 2 * samples * dense + gate)


def test_steps_are_read_as_they_were_packed():
    draw = torch.Generator().manual_seed(3)
    shapes = {tensor.name: tensor.shape for tensor in TASK.anatomy.every()}
    steps = {name: torch.randn(2, *shape, generator=draw) for name, shape in shapes.items()}
    touched = torch.rand(2, CUT.count, generator=draw) < 0.5
    sent = packed_steps(steps, touched, CUT)
    expected = scaled(steps, touched.float(), CUT)
    cohort = cohort_of(TASK, WHO[:2])
    for k, message in enumerate(cohort.updates(sent).messages):
        found = unpacked_steps(message, CUT, TASK.initial)
        assert all(torch.equal(found[name], expected[name][k]) for name in shapes)


def test_the_server_adds_what_was_learnt_and_leaves_blocks_that_nobody_trained():
    before, updates, after = brought(PFedGate(steps=2), np.array([0, 2]))
    weight = TASK.holdings.samples[[0, 2]] / TASK.holdings.samples[[0, 2]].sum()
    read = [unpacked_steps(message, CUT, before.shared) for message in updates.messages]
    for name, old in before.shared.items():
        mean = old + sum(w * each[name] for w, each in zip(weight.tolist(), read, strict=True))
        assert torch.allclose(after.shared[name], mean, atol=1e-6)
    trained = torch.zeros(CUT.count, dtype=torch.bool)
    for message in updates.messages:
        bits = np.unpackbits(message.tensors[BLOCKS].numpy(), count=CUT.count)
        trained |= torch.from_numpy(bits.astype(bool))
    assert not trained.all()
    still = scaled({n: (after.shared[n] - t)[None] for n, t in before.shared.items()},
                   (~trained).float()[None], CUT)  # fmt: skip
    assert all(not each.any() for each in still.values())


def keeper(rescales, budget=None):
    return Gatekeeper(TASK, CUT, budget or CUT.budget(0.5), rescales, 1)


def test_choices_pass_slopes_straight_through_and_gates_theirs():
    gates = torch.tensor([[0.25, 0.75]], requires_grad=True)
    chosen = torch.tensor([[False, True]])
    for rescales, values, slopes in ((True, [0.0, 1.5], [0.5, 3.5]), (False, [0, 1], [1, 1])):
        factors = keeper(rescales).factors(gates, chosen)
        assert factors.tolist() == [values]
        (found,) = torch.autograd.grad(factors.sum(), gates)
        assert found.tolist() == [slopes]


def test_a_gate_takes_the_mean_over_real_samples_of_coarse_normalised_inputs():
    draw = torch.Generator().manual_seed(5)
    gate = {
        WEIGHT: torch.randn(1, CUT.count, 16, generator=draw),
        BIAS: torch.randn(1, CUT.count, generator=draw),
    }
    rows = torch.tensor([[4, 9, 2, 2]])
    coarse = TASK.inputs[rows[0]].reshape(4, 16, 4).mean(2)
    coarse = coarse - coarse.mean(1, keepdim=True)
    coarse = coarse / (coarse.square().mean(1, keepdim=True) + 1e-5).sqrt()
    each = torch.sigmoid(coarse @ gate[WEIGHT][0].T + gate[BIAS][0])
    view = keeper(True)
    assert torch.allclose(view.looked(gate, rows)[0], each.mean(0), atol=1e-6)
    real = torch.tensor([[True, True, True, False]])
    assert torch.allclose(view.looked(gate, rows, real)[0], each[:3].mean(0), atol=1e-6)
    stacked = {name: tensor[None] for name, tensor in TASK.initial.items()}
    params = view({**stacked, **gate}, Glance(0, rows, real))
    gates = view.looked(gate, rows, real)
    expected = scaled(stacked, 2 * gates * view.chosen(gates), CUT)
    assert all(torch.allclose(params[name], each, atol=1e-6) for name, each in expected.items())
    assert set(params) == set(TASK.initial)


def test_own_models_are_what_gates_say_of_own_training_samples():
    _, updates, state = brought(LIVELY, np.array([1, 3]), rounds=2)
    whole = {name: tensor[None] for name, tensor in state.shared.items()}
    view = keeper(True)
    for row, device in enumerate([1, 3]):
        gate = {name: updates.private[name][[row]] for name in (WEIGHT, BIAS)}
        gates = view.looked(gate, torch.from_numpy(TASK.holdings.train[device])[None])
        factor = 2 * gates * view.chosen(gates)
        assert CUT.sizes[factor[0].numpy() > 0].sum() <= CUT.budget(0.5)
        found, expected = LIVELY.model_for(state, device), scaled(whole, factor, CUT)
        assert all(torch.allclose(found[n], expected[n][0], atol=1e-6) for n in found)
    absent = state.gates.row(0)
    assert not absent[WEIGHT].any()
    assert set(absent[FACTOR].tolist()) == {0.0, 1.0}
    assert LIVELY.model_for(state, None) is state.shared


def test_by_the_outlines_account_about_a_share_travels_and_is_computed():
    method = PFedGate(share=0.5)
    found = method.reckoned(TASK.anatomy, TASK.holdings.samples, WHO[:2], method.init(TASK))
    assert found.bits == 2 * 2 * 32 * (P // 2)
    gate = ((2 * 256 + TASK.holdings.samples[:2]) * 64 * CUT.count).sum()
    assert found.macs == 3 * 0.5 * TASK.anatomy.macs * 256 * 2 + gate


@pytest.mark.parametrize("method", [LIVELY, PFedGate(rescales=False, epochs=1, momentum=0.5)])
def test_it_is_the_same_in_every_way_of_training(method):
    def lesson(cohort):
        updates = method.train(method.init(cohort.task), cohort, np.ones(5))
        sent = {str(k): m.tensors[KEPT] for k, m in enumerate(updates.messages)}
        return {**sent, **updates.private}

    check_ways(small_task(hidden=(7, 6)), lesson)
