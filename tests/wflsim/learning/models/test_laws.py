"""What every architecture keeps to: names, shapes, units that can be taken out, and a description that can be read back."""

from dataclasses import replace

import pytest
import torch

from wflsim.errors import UserError
from wflsim.learning import blueprint as bp
from wflsim.learning.blueprint.flow import INPUT
from wflsim.learning.models import (
    Conv4,
    FedAvgCnn,
    LeNet5,
    Logistic,
    MiniVgg,
    Mlp,
    ResNet,
    SensorCnn,
    SensorLstm,
    SmallCnn,
    Vit,
)
from wflsim.learning.reading import read
from wflsim.learning.testing import check_model

CASES = {
    "logistic": (Logistic(), (1, 8, 8)),
    "mlp": (Mlp((7, 6)), (1, 8, 8)),
    "lenet5": (LeNet5(), (1, 28, 28)),
    "lenet5 tanh": (LeNet5(padding=0, activation="tanh"), (3, 32, 32)),
    "fedavg_cnn": (FedAvgCnn(channels=(6, 8), hidden=10), (1, 8, 8)),
    "small_cnn": (SmallCnn(dropout=0.5), (1, 28, 28)),
    "conv4": (Conv4(channels=(8, 8, 12, 12)), (3, 16, 16)),
    "conv4 group": (Conv4(channels=(8, 8, 12, 12), norm="group", group=4), (3, 16, 16)),
    "conv4 lottery": (Conv4((8, 8, 12, 12), 2, hidden=(14, 16), norm="none"), (3, 16, 16)),
    "conv4 spafl": (Conv4((8, 8, 12, 12), 2, 5, 0, hidden=(14, 16)), (3, 32, 32)),
    "minivgg": (MiniVgg((4, 6, 8), 10), (3, 16, 16)),
    "minivgg group": (MiniVgg((4, 8, 8), 12, norm="group", group=2), (1, 28, 28)),
    "resnet20": (ResNet(20), (3, 8, 8)),
    "resnet18 thin": (ResNet(18, width=0.125), (1, 8, 8)),
    "resnet20 group": (ResNet(20, norm="group", group=4), (3, 8, 8)),
    "resnet20 adapters": (ResNet(20, width=0.5, adapters=3), (3, 8, 8)),
    "resnet20 wide": (ResNet(20, width=1.5), (3, 8, 8)),
    "sensor_cnn": (SensorCnn(), (9, 128)),
    "sensor_lstm": (SensorLstm(units=12, dropout=0.2), (9, 20)),
    "vit": (Vit(dim=16, depth=2), (3, 16, 16)),
    "vit adapters": (Vit(dim=16, depth=2, adapters=3, dropout=0.1), (1, 8, 8)),
}
each = pytest.mark.parametrize(("model", "shape"), CASES.values(), ids=CASES.keys())


@each
def test_it_conforms(model, shape):
    check_model(model, shape, 10)


def expected(tensor, spaces, widths):
    """Return a tensor's shape when some units of some spaces remain."""

    def size(old, axis):
        if axis is None:
            return old
        assert old == axis.before * spaces[axis.space].units * axis.after
        return axis.before * widths.get(axis.space, spaces[axis.space].units) * axis.after

    return tuple(size(old, axis) for old, axis in zip(tensor.shape, tensor.axes, strict=True))


def check_narrowed(blueprint, widths):
    dense, shape = blueprint.anatomy, blueprint.input_shape
    thin = blueprint.narrowed(widths)
    wanted = {tensor.name: expected(tensor, dense.spaces, widths) for tensor in dense.every()}
    assert {tensor.name: tensor.shape for tensor in thin.anatomy.every()} == wanted
    module = thin.build()
    assert {name: tuple(t.shape) for name, t in module.named_parameters()}.items() <= wanted.items()
    assert module.eval()(torch.randn(2, *shape)).shape == (2, 10)
    assert thin.anatomy.macs < dense.macs


def halves(blueprint):
    """Return for every space that is free half of its units, in whole groups; none of a single group."""
    return {
        name: space.group * (space.units // space.group // 2)
        for name, space in blueprint.anatomy.spaces.items()
        if space.free and space.units >= 2 * space.group
    }


@each
def test_a_half_of_any_units_or_of_all_can_be_taken_out(model, shape):
    blueprint = model.blueprint(shape, 10)
    found = halves(blueprint)
    for name, width in list(found.items())[:6] + list(found.items())[-2:]:
        check_narrowed(blueprint, {name: width})
    if found:
        check_narrowed(blueprint, found)


@each
def test_inputs_and_classes_are_never_free(model, shape):
    blueprint = model.blueprint(shape, 10)
    spaces = blueprint.anatomy.spaces
    (last,) = {axis.space for t in blueprint.anatomy.layers[-1].tensors for axis in t.axes[:1]}
    assert not spaces[INPUT].free
    assert spaces[last].units == 10
    assert not spaces[last].free


@each
def test_every_unit_of_a_tensor_is_of_a_space_of_that_size(model, shape):
    anatomy = model.blueprint(shape, 10).anatomy
    for tensor in anatomy.every():
        assert expected(tensor, anatomy.spaces, {}) == tensor.shape


def lively(tensors):
    """Give tensors values under which nothing cancels."""
    for name, tensor in tensors.items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 2.0)
        elif tensor.is_floating_point():
            tensor.normal_(std=0.3)
    return tensors


def staying(blueprint, tensor, widths):
    """Yield the dimensions of a tensor that run over units of which some go, and which entries stay."""
    for dim, axis in enumerate(tensor.axes):
        if axis and axis.space in widths:
            units = blueprint.anatomy.spaces[axis.space].units
            entry = torch.arange(tensor.shape[dim])
            yield dim, entry // axis.after % units < widths[axis.space]


@each
def test_units_that_feed_nobody_can_be_left_out(model, shape):
    torch.manual_seed(3)
    blueprint = model.blueprint(shape, 10)
    widths = halves(blueprint)
    dense, thin = blueprint.build().double().eval(), blueprint.narrowed(widths).build().double()
    state = lively(dense.state_dict())
    kept = {n: t for n, t in state.items() if n.endswith("num_batches_tracked")}
    for tensor in blueprint.anatomy.every():
        values = state[tensor.name]
        found = list(staying(blueprint, tensor, widths))
        for dim, stays in found:
            if dim == 1:  # what the units that go would feed
                values[:, ~stays] = 0.0
        for dim, stays in found:
            values = values.index_select(dim, stays.nonzero()[:, 0])
        kept[tensor.name] = values
    thin.load_state_dict(kept)
    samples = torch.randn(3, *shape, dtype=torch.float64)
    assert torch.allclose(dense(samples), thin.eval()(samples), atol=1e-10)


@each
def test_it_is_read_back_from_its_module(model, shape):
    blueprint = model.blueprint(shape, 10)
    module = blueprint.build().eval()
    again = read(module, shape)
    assert again.anatomy == blueprint.anatomy
    twin = again.build().eval()
    twin.load_state_dict(module.state_dict())
    samples = torch.randn(4, *shape)
    assert torch.equal(twin(samples), module(samples))
    widths = halves(blueprint)
    assert again.narrowed(widths).anatomy == blueprint.narrowed(widths).anatomy


def test_a_residual_sum_makes_the_units_of_both_ways_one():
    anatomy = ResNet(20).blueprint((3, 8, 8), 10).anatomy
    by_name = {tensor.name: tensor for tensor in anatomy.every()}
    first = {
        by_name[name].axes[0].space
        for name in ("conv1.weight", "block1.body.conv2.weight", "block3.body.norm2.bias")
    }
    assert len(first) == 1
    assert by_name["block4.body.conv1.weight"].axes[1].space in first
    (second,) = {
        by_name[name].axes[0].space
        for name in ("block4.body.conv2.weight", "block4.shortcut.conv.weight")
    }
    assert second not in first
    assert len(anatomy.spaces) == 1 + 9 + 3 + 1  # inputs, inside blocks, stages, classes


@pytest.mark.parametrize("group", [2, 8])
def test_group_norms_give_their_groups_to_the_units(group):
    spaces = ResNet(20, norm="group", group=group).blueprint((3, 8, 8), 10).anatomy.spaces
    assert {space.group for space in spaces.values() if space.free} == {group}


def test_tokens_are_whole_and_hidden_features_free():
    spaces = Vit(dim=16, depth=2).blueprint((3, 16, 16), 10).anatomy.spaces
    assert {name for name, space in spaces.items() if space.free} == {
        "mlp1.body.up",
        "mlp2.body.up",
    }


FLATTENED = (bp.Conv("conv1", 6, 3, padding=1), bp.MaxPool(), bp.Flatten())
TOKENS = (bp.Conv("conv1", 6, 4, 4), bp.Tokens(), bp.Act("gelu"), bp.Flatten())


@pytest.mark.parametrize(
    ("parts", "units", "group", "free"),
    [
        ((*FLATTENED, bp.BatchNorm("norm")), 6, 1, True),
        ((*FLATTENED, bp.LayerNorm("norm")), 6, 1, False),
        ((*FLATTENED, bp.GroupNorm("norm", 8)), 6, 1, True),  # a unit has two groups of entries
        ((*FLATTENED, bp.GroupNorm("norm", 24)), 6, 3, True),  # three units have two groups
        ((*TOKENS, bp.BatchNorm("norm")), 6, 1, True),
        ((*TOKENS, bp.GroupNorm("norm", 3)), 6, 3, False),  # a group has entries of several tokens
        ((*TOKENS[:2], bp.LayerNorm("norm"), bp.MeanTokens()), 6, 1, False),
        ((*TOKENS[:2], bp.Attention("attention", 2), bp.MeanTokens()), 6, 1, False),
    ],
)
def test_what_norms_and_attention_ask_of_units(parts, units, group, free):
    blueprint = bp.Blueprint(bp.Chain((*parts, bp.Linear("dense1", 10))), (1, 8, 8))
    space = blueprint.anatomy.spaces["conv1"]
    assert (space.units, space.group, space.free) == (units, group, free)
    assert read(blueprint.build(), (1, 8, 8)).anatomy == blueprint.anatomy
    if free:
        check_narrowed(blueprint, {"conv1": 3})


def test_a_norm_of_inputs_knows_how_many_there_are():
    parts = (bp.Flatten(), bp.LayerNorm("norm"), bp.Linear("dense1", 10))
    spaces = bp.Blueprint(bp.Chain(parts), (2, 8, 8)).anatomy.spaces
    assert (spaces[INPUT].units, spaces[INPUT].free) == (2, False)


@pytest.mark.parametrize("model", [ResNet(20, adapters=4), Vit(dim=16, adapters=4)])
def test_adapters_add_nothing_at_first_and_are_found_by_name(model):
    with_adapters = model.blueprint((3, 16, 16), 10)
    without = replace(model, adapters=0).blueprint((3, 16, 16), 10).build().eval()
    module = with_adapters.build().eval()
    assert set(without.state_dict()) < set(module.state_dict())
    without.load_state_dict({name: module.state_dict()[name] for name in without.state_dict()})
    samples = torch.randn(2, 3, 16, 16)
    assert torch.equal(module(samples), without(samples))
    shared, personal = with_adapters.anatomy.split("adapters")
    assert len(personal.layers) == 2 * (9 if isinstance(model, ResNet) else 8)
    assert {layer.name for layer in shared.layers} == {
        layer.name for layer in replace(model, adapters=0).blueprint((3, 16, 16), 10).anatomy.layers
    }


def test_initial_weights_of_the_first_model_are_those_that_they_were():
    torch.manual_seed(5)
    module = Mlp((3,)).blueprint((1, 2, 2), 2).build()
    torch.manual_seed(5)
    one, two = torch.nn.Linear(4, 3), torch.nn.Linear(3, 2)
    state = {"dense0.weight": one.weight, "dense0.bias": one.bias}
    state |= {"dense1.weight": two.weight, "dense1.bias": two.bias}
    assert all(torch.equal(module.state_dict()[name], each) for name, each in state.items())
    assert list(module.state_dict()) == list(state)


@pytest.mark.parametrize(
    ("model", "shape", "said"),
    [
        (LeNet5(), (1, 8, 8), "conv2: a kernel of 5 does not fit"),
        (Conv4(), (1, 8, 8), "windows of 2 do not fit"),
        (MiniVgg(), (3, 2, 2), "windows of 2 do not fit"),
        (SensorCnn(), (1, 28, 28), "takes series"),
        (ResNet(), (9, 128), "takes images"),
        (ResNet(20, width=0.5, norm="group"), (3, 32, 32), "groups of 16"),
        (Vit(patch=9), (1, 8, 8), "a kernel of 9 does not fit"),
    ],
)
def test_inputs_that_do_not_fit_are_told_with_the_key(model, shape, said):
    with pytest.raises(UserError, match=f"^task.model: .*{said}"):
        model.blueprint(shape, 10)


def test_heads_must_share_features():
    with pytest.raises(ValueError, match=r"^heads must divide dim"):
        Vit(dim=10, heads=4)


def test_values_flow_through_rows_within_rows():
    inner = bp.Chain((bp.Conv("conv1", 4, 3), bp.Act(), bp.MaxPool()), "features")
    chain = bp.Chain((inner, bp.Flatten(), bp.Linear("dense1", 10)))
    blueprint = bp.Blueprint(chain, (1, 8, 8))
    assert blueprint.anatomy.tensors[0] == "features.conv1.weight"
    assert list(blueprint.build().state_dict()) == list(blueprint.anatomy.tensors)
    check_narrowed(blueprint, {"features.conv1": 2})
