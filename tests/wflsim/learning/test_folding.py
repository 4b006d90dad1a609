"""Units that go as a whole: the network computes what it did, what they said stands in the next layer's bias."""

import numpy as np
import pytest
import torch
from torch.func import functional_call

from wflsim.learning import blueprint as bp
from wflsim.learning.anatomy import step_macs
from wflsim.learning.blueprint import Blueprint, Chain
from wflsim.learning.exploration.folding import Cut, Joint, cut, joints, within
from wflsim.learning.models import Mlp
from wflsim.learning.models.convolutional import FedAvgCnn, SmallCnn
from wflsim.learning.models.residual import ResNet


def network(*parts, shape=(2, 6, 6)):
    return Blueprint(Chain(tuple(parts)), shape)


CONVOLVED = network(
    bp.Conv("c1", 5, 3), bp.Act("tanh"), bp.MaxPool(2), bp.Conv("c2", 9, 2), bp.Act("gelu"),
    bp.Flatten(), bp.Linear("d1", 6), bp.Act(), bp.Linear("d2", 3),
)  # fmt: skip
NETWORKS = {
    "mlp": Mlp(hidden=(7, 6, 5)).blueprint((1, 4, 4), 3),
    "convolved": CONVOLVED,
    "small_cnn": SmallCnn(channels=(3, 4), hidden=5).blueprint((1, 28, 28), 3),
    "fedavg_cnn": FedAvgCnn(channels=(3, 4), hidden=5).blueprint((1, 8, 8), 3),
}


def masks_without(anatomy, units, seed=0):
    """Return masks that keep two thirds of the weights, and nothing of what comes into some units."""
    rng, found = np.random.default_rng(seed), {}
    for tensor in anatomy.every():
        if tensor.role == "weight":
            mask = torch.from_numpy(rng.random(tensor.shape) < 0.67)
            mask[units.get(tensor.name.removesuffix(".weight"), [])] = False
            found[tensor.name] = mask
    return found


def scores(blueprint, params):
    inputs = torch.randn(9, *blueprint.input_shape, generator=torch.Generator().manual_seed(1))
    module = blueprint.build().double().eval()
    return functional_call(module, dict(params), (inputs.double(),))


def params_of(blueprint, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {
        t.name: torch.randn(t.shape, generator=generator, dtype=torch.float64)
        for t in blueprint.anatomy.every()
    }


@pytest.mark.parametrize("kind", NETWORKS)
def test_without_loss_the_network_computes_what_it_did(kind):
    blueprint = NETWORKS[kind]
    anatomy, ways, params = blueprint.anatomy, joints(blueprint), params_of(blueprint)
    units = {way.space: [0, 2] for way in ways}
    masks = masks_without(anatomy, units)
    left = cut(anatomy, ways, masks, 0.0)
    assert {space: gone.nonzero()[:, 0].tolist() for space, gone in left.gone.items()} == units
    plain = {n: torch.where(masks[n], p, 0) if n in masks else p for n, p in params.items()}
    small = within(anatomy, ways, params, left)
    torch.testing.assert_close(
        scores(blueprint, small), scores(blueprint, plain), rtol=0, atol=1e-9
    )
    for name, mask in left.entries.items():
        assert not small[name][~mask].any()
    widths = {space: int((~gone).sum()) for space, gone in left.gone.items()}
    assert left.shrunk(anatomy).macs < anatomy.macs
    assert step_macs(left.shrunk(anatomy), left.shrunk(anatomy))[0] > 0
    assert {t.name: t.shape for t in left.shrunk(anatomy).every()} == {
        t.name: t.shape for t in blueprint.narrowed(widths).anatomy.every()
    }


def test_units_that_hear_only_units_that_go_follow_them():
    blueprint = NETWORKS["mlp"]
    anatomy, ways, params = blueprint.anatomy, joints(blueprint), params_of(blueprint)
    masks = masks_without(anatomy, {"dense0": [0, 2]})
    masks["dense1.weight"][1] = False
    masks["dense1.weight"][1, 0] = True  # it hears but one unit, which says the same to all
    left = cut(anatomy, ways, masks, 0.0)
    assert left.gone["dense1"].nonzero()[:, 0].tolist() == [1]
    plain = {n: torch.where(masks[n], p, 0) if n in masks else p for n, p in params.items()}
    small = within(anatomy, ways, params, left)
    torch.testing.assert_close(
        scores(blueprint, small), scores(blueprint, plain), rtol=0, atol=1e-9
    )
    assert left.removed == 3


def test_a_share_takes_units_that_still_hear_something_and_leaves_one_of_each_layer():
    blueprint = NETWORKS["mlp"]
    ways, anatomy = joints(blueprint), blueprint.anatomy
    masks = masks_without(anatomy, {})
    masks["dense0.weight"][:] = False
    masks["dense0.weight"][:, :4] = True  # a quarter of what comes into every unit
    assert "dense0" not in cut(anatomy, ways, masks, 0.2).gone
    assert cut(anatomy, ways, masks, 0.25).gone["dense0"].sum() == 6


def test_where_a_constant_has_nowhere_to_go_units_stay():
    padded = network(
        bp.Conv("c1", 5, 3),
        bp.Act(),
        bp.Conv("c2", 4, 3, padding=1),
        bp.Flatten(),
        bp.Linear("d", 3),
    )
    assert joints(padded) == (Joint("c2", (), "d"),)
    silent = network(
        bp.Conv("c1", 5, 3, bias=False), bp.Act(), bp.Conv("c2", 4, 3, padding=1), bp.Flatten(),
        bp.Dropout(0.5), bp.Linear("d", 3),
    )  # fmt: skip
    assert joints(silent) == (Joint("c1", ("relu",), "c2"),)
    normed = network(
        bp.Conv("c1", 5, 3), bp.BatchNorm("n"), bp.Act(), bp.Flatten(), bp.Linear("d", 3)
    )
    assert joints(normed) == ()
    assert joints(object()) == ()
    assert joints(ResNet().blueprint((3, 32, 32), 10)) == ()


def test_what_has_no_bias_says_zero_and_padding_does_not_matter():
    blueprint = network(
        bp.Conv("c1", 5, 3, bias=False), bp.Act(), bp.Conv("c2", 4, 3, padding=1), bp.Flatten(),
        bp.Linear("d", 3),
    )  # fmt: skip
    anatomy, ways, params = blueprint.anatomy, joints(blueprint), params_of(blueprint)
    masks = masks_without(anatomy, {"c1": [1, 4]})
    left = cut(anatomy, ways, masks, 0.0)
    assert left.gone["c1"].nonzero()[:, 0].tolist() == [1, 4]
    plain = {n: torch.where(masks[n], p, 0) if n in masks else p for n, p in params.items()}
    small = within(anatomy, ways, params, left)
    torch.testing.assert_close(
        scores(blueprint, small), scores(blueprint, plain), rtol=0, atol=1e-9
    )
    assert torch.equal(small["c2.bias"], params["c2.bias"])


def test_where_biases_are_pruned_only_units_without_one_go():
    blueprint = NETWORKS["mlp"]
    anatomy, ways, params = blueprint.anatomy, joints(blueprint), params_of(blueprint)
    masks = masks_without(anatomy, {"dense0": [0, 2]})
    masks["dense0.bias"] = torch.tensor([False, *[True] * 6])
    masks["dense1.bias"] = torch.tensor([False, *[True] * 5])
    left = cut(anatomy, ways, masks, 0.0)
    assert left.gone["dense0"].nonzero()[:, 0].tolist() == [0]
    plain = {n: torch.where(masks[n], p, 0) if n in masks else p for n, p in params.items()}
    small = within(anatomy, ways, params, left)
    torch.testing.assert_close(
        scores(blueprint, small), scores(blueprint, plain), rtol=0, atol=1e-9
    )


def test_sizes_are_told_of_what_is_left():
    anatomy = NETWORKS["mlp"].anatomy
    masks = masks_without(anatomy, {"dense0": [0, 2]})
    left = cut(anatomy, joints(NETWORKS["mlp"]), masks, 0.0)
    gone = sum(int((~mask).sum()) for mask in left.entries.values())
    assert left.dropped == gone > sum(int((~mask).sum()) for mask in masks.values())
    assert left.bits(anatomy) == anatomy.bits - 32 * gone
    assert Cut().bits(anatomy) == anatomy.bits
    assert left.same(cut(anatomy, joints(NETWORKS["mlp"]), masks, 0.0))
    assert not left.same(Cut())
