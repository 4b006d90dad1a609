"""What is left of a model is counted as its thin module has it, and levels cost what they say."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from wflsim.contracts import Message
from wflsim.learning.anatomy import bitmap_bits, step_macs
from wflsim.learning.blueprint import Blueprint, Chain, Flatten, Linear
from wflsim.learning.payload import pruned, unpack, with_units
from wflsim.learning.pruning.counting import bits_of, counts, free_spaces, thinned, weights_of
from wflsim.learning.pruning.levels import levels, majorant
from wflsim.learning.pruning.masks import Masks
from wflsim.learning.pruning.thinning import Thinning

FREE = {
    "mlp": {"a", "b"},
    "lenet": {"a", "b", "c"},
    "batch_norm": {"stem", "one.body.conv0", "two.shortcut.conv", "two.body.conv0"},
    "group_norm": {"stem", "one.body.conv0", "two.shortcut.conv", "two.body.conv0"},
    "series": {"a", "b"},
    "lstm": {"a", "b"},
    "vit": {"think.body.up"},
}


def measured_macs(blueprint):
    """Return the operations of one sample's forward pass as PyTorch counts them; of recurrent layers by their steps."""
    module, inputs = blueprint.build().eval(), torch.randn(1, *blueprint.input_shape)
    stepwise = []

    def told(layer, given, _):
        stepwise.append(
            given[0].shape[1] * (layer.weight_ih_l0.numel() + layer.weight_hh_l0.numel())
        )

    for layer in module.modules():
        if isinstance(layer, nn.LSTM):
            layer.register_forward_hook(told)
    math = sdpa_kernel(SDPBackend.MATH)  # of which the counter sees the products
    with FlopCounterMode(display=False) as counter, torch.no_grad(), math:
        module(inputs)
    counted = counter.get_flop_counts()
    seen = sum(counted["Global"].values()) // 2
    return seen + sum(stepwise)


def measured_sizes(blueprint):
    """Return the numbers of weights and of other entries of a built module, by the roles of the dense one."""
    roles = {tensor.name: tensor.role for tensor in blueprint.anatomy.every()}
    weights = others = 0
    for name, tensor in blueprint.build().state_dict().items():
        if not name.endswith("num_batches_tracked"):
            weights += tensor.numel() if roles[name] == "weight" else 0
            others += tensor.numel() if roles[name] != "weight" else 0
    return weights, others


def test_units_are_free_where_nothing_else_hangs_on_them(small):
    for name in small.names:
        anatomy = small.blueprint(name).anatomy
        assert {space.name for space in free_spaces(anatomy)} == FREE[name]


def test_a_part_prunes_the_units_that_its_own_layers_make(small):
    shared, own = small.blueprint("mlp").anatomy.split("input")
    assert [space.name for space in free_spaces(shared)] == ["b"]
    assert [space.name for space in free_spaces(own)] == ["a"]


def test_what_is_left_is_told_as_the_narrowed_blueprint_tells_it(network, small):
    for seed in range(4):
        widths = {n: int(w[0]) for n, w in small.widths(network.anatomy, 1, seed).items()}
        left = thinned(network.anatomy, widths)
        assert left == network.narrowed(widths).anatomy
        assert bits_of(network.anatomy, widths) == left.bits + bitmap_bits(
            sum(space.units for space in free_spaces(network.anatomy))
        )
        assert weights_of(network.anatomy, widths) == left.weights


def test_counts_are_those_of_the_thin_module(network, small):
    masks = small.masks(network.anatomy, devices=4, seed=7)
    found = counts(network.anatomy, masks)
    assert (found.bits == bits_of(network.anatomy, masks.widths)).all()
    for device in range(4):
        thin = network.narrowed({n: int(w[device]) for n, w in masks.widths.items()})
        assert (found.weights[device], found.others[device]) == measured_sizes(thin)
        assert found.macs[device] == thin.anatomy.macs == measured_macs(thin)


def test_counts_of_single_weights_are_kept_weights_at_every_position(small):
    anatomy = small.blueprint("lenet").anatomy
    rng = torch.Generator().manual_seed(3)
    masks = Masks.unstructured(
        {
            n: torch.rand(2, *t.shape, generator=rng) < 0.4
            for t in anatomy.every()
            for n in [t.name]
            if t.role == "weight"
        }
    )
    found = counts(anatomy, masks)
    kept = {name: mask.flatten(1).sum(1).numpy() for name, mask in masks.entries.items()}
    places = {"a.weight": 64, "b.weight": 16, "c.weight": 1, "d.weight": 1}
    assert (found.macs == sum(kept[name] * places[name] for name in kept)).all()
    assert (found.weights == sum(kept.values())).all()
    assert (found.others == anatomy.others).all()
    params = small.params(anatomy, 2, dtype=torch.float32)
    for device in range(2):
        own = {name: tensor[device] for name, tensor in params.items()}
        sent = Message(pruned(own, {name: mask[device] for name, mask in masks.entries.items()}))
        assert found.bits[device] == sent.bits


@pytest.mark.parametrize("personal", ["none", "output", "input"])
@pytest.mark.parametrize("count", [1, 5, 16])
def test_levels_rise_to_the_whole_and_cost_what_they_say(network, small, personal, count):
    whole = network.anatomy
    shared, own = whole.split(personal)
    table = levels(shared, whole, count)
    assert 1 <= len(table.share) <= count
    assert (np.diff(table.share) > 0).all()
    assert (np.diff(table.bits) > 0).all()
    assert (np.diff(table.entries) > 0).all()
    assert table.share[-1] == 1.0
    assert table.whole[-1] == whole
    assert table.entries[-1] == shared.weights + shared.others
    macs = np.array([[layer.macs for layer in thin.layers] for thin in table.whole])
    assert (np.diff(macs, axis=0) >= 0).all()
    bitmap = bitmap_bits(sum(space.units for space in free_spaces(shared)))
    assert (table.bits == 32 * table.entries + bitmap).all()
    for level, thin in enumerate(table.whole):
        widths = {name: int(width[level]) for name, width in table.widths.items()}
        assert thin == network.narrowed(widths).anatomy
        assert thin.split(personal)[0] == table.shared[level]
        assert table.shared[level].weights == pytest.approx(table.share[level] * shared.weights)
        assert step_macs(thin, thin.split(personal)[1])[0] <= step_macs(whole, own)[0]


@given(st.floats(0.0, 1.0))
def test_a_level_keeps_no_more_than_is_asked_and_the_next_would(keep):
    anatomy = Blueprint(Chain((Flatten(), Linear("a", 40), Linear("b", 5))), (20,)).anatomy
    table = levels(anatomy, anatomy, 16)
    (level,) = table.at(np.array([keep]))
    assert level == 0 or table.share[level] <= keep * (1 + 1e-12)
    assert level == len(table.share) - 1 or table.share[level + 1] > keep
    assert (table.at(table.share) == np.arange(len(table.share))).all()
    assert table.widths_at(np.array([keep]))["a"][0] == table.widths["a"][level]


def test_a_message_of_units_has_the_bits_of_its_level_and_tells_the_masked_model(network, small):
    whole = network.anatomy
    shared, _ = whole.split("output")
    table = levels(shared, whole, 4)
    params = small.params(whole, len(table.share), dtype=torch.float32)
    units = small.units(shared, table.widths)
    masks = Masks.structured(whole, units)
    thinning = Thinning.of(whole, masks)
    rows = thinning.rows(thinning.thin(params), shared.tensors)
    shapes = {tensor.name: torch.Size(tensor.shape) for tensor in shared.every()}
    for device, row in enumerate(rows):
        own = {name: kept[device] for name, kept in units.items()}
        message = Message(with_units(shared, row, own))
        assert message.bits == table.bits[device]
        arrived, kept = unpack(message, shapes, shared)
        for name, shape in shapes.items():
            assert torch.equal(arrived[name], masks.applied(params)[name][device])
            expected = masks.entries.get(name, torch.ones(len(rows), *shape).bool())
            assert torch.equal(kept[name], expected[device])


def test_a_model_without_free_units_has_one_level_and_sends_itself(small):
    anatomy = Blueprint(Chain((Flatten(), Linear("a", 3))), (4,)).anatomy
    table = levels(anatomy, anatomy, 16)
    assert table.share.tolist() == [1.0]
    assert table.bits.tolist() == [anatomy.bits]
    params = {name: tensor[0] for name, tensor in small.params(anatomy, 1).items()}
    assert with_units(anatomy, params, {}).keys() == params.keys()


def test_units_of_which_the_server_knows_nothing_are_refused(small):
    anatomy = small.blueprint("mlp").anatomy
    params = {name: tensor[0] for name, tensor in small.params(anatomy, 1).items()}
    message = Message(with_units(anatomy, params, {}))
    with pytest.raises(ValueError, match="needs the layers"):
        unpack(message, {name: tensor.shape for name, tensor in params.items()})


@given(st.lists(st.tuples(st.floats(0.01, 1.0), st.floats(0.01, 9.0)), min_size=1, max_size=9))
def test_a_majorant_lies_above_every_level_and_meets_the_last(steps):
    share = np.cumsum([step for step, _ in steps])
    share /= share[-1]
    cost = np.cumsum([rise for _, rise in steps])
    fixed, slope = majorant(share, cost)
    line = fixed + slope * share
    assert (line >= cost * (1 - 1e-9)).all()
    assert line[-1] == pytest.approx(cost[-1])
    assert slope >= 0
    assert fixed >= 0
    if len(share) > 1:
        assert fixed == 0 or np.isclose(line, cost)[:-1].any(), "no lower line does"
