"""Thresholds of output units: golden values of the official layers, closed forms, laws, and what is counted."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.func import functional_call

from wflsim.errors import UserError
from wflsim.learning import blueprint as bp
from wflsim.learning.anatomy import step_macs
from wflsim.learning.models.convolutional import SmallCnn
from wflsim.learning.models.mlp import Mlp
from wflsim.learning.models.residual import ResNet
from wflsim.learning.models.series import SensorLstm
from wflsim.learning.models.stacks import Conv4
from wflsim.learning.models.transformer import Vit
from wflsim.learning.pruning.counting import thinned
from wflsim.learning.pruning.masks import Masks
from wflsim.learning.pruning.thinning import Thinning
from wflsim.learning.thresholds.gates import (
    Gate,
    drift,
    gated,
    importance_step,
    importances,
    kept_units,
    masked,
    regulariser,
    reopened,
    shifted,
    signed_sums,
    warmed,
)
from wflsim.learning.thresholds.lessons import Watch
from wflsim.learning.thresholds.units import Units, units_of

LENET = SmallCnn((20, 50), 500, bias=False)
CONV4 = Conv4((64, 64, 128, 128), 2, 5, 0, (128, 128), bias=False)
VIT = Vit(patch=4, dim=128, depth=6, heads=8, head_width=64)


def linear_units(out, fed):
    parts = (bp.Flatten(), bp.Linear("a", out, bias=False))
    return Units(bp.Blueprint(bp.Chain(parts), (fed,)).anatomy)


def conv_units(out, channels, kernel=3):
    parts = (bp.Conv("a", out, kernel, bias=False),)
    return Units(bp.Blueprint(bp.Chain(parts), (channels, kernel, kernel)).anatomy)


def stacked(values):
    """Return a device's weights in float64."""
    return {"a.weight": torch.tensor(values, dtype=torch.float64)[None]}


# G1 to G5: what the official layers give.

W, TAU, X = [[0.2, -0.4, 0.6], [0.1, -0.1, 0.1]], [0.3, 0.2], [1.0, 2.0, 3.0]
FULL, STRAIGHT = [[1.4, 1.6, 3.4], [0.13333, -0.13333, 0.13333]], [[1.0, 2.0, 3.0], [0, 0, 0]]


@pytest.mark.parametrize(
    ("gate", "by_threshold", "by_weight"),
    [
        (Gate(mask_grad=True), [-1.2, -0.4], FULL),
        (Gate(), [-1.2, -0.4], STRAIGHT),
        (Gate("clipped", mask_grad=True), [-1.2, -0.4], FULL),
        (Gate("inverted_gate", mask_grad=True), [0.0, 0.0], STRAIGHT),
        (Gate("inverted_gate"), [0.0, 0.0], STRAIGHT),
    ],
)
def test_slopes_of_a_linear_layer_g1(gate, by_threshold, by_weight):
    units, weights = linear_units(2, 3), stacked(W)
    weight = weights["a.weight"].requires_grad_()
    tau = torch.tensor([TAU], dtype=torch.float64, requires_grad=True)
    seen, kept = gated(weights, tau, units, gate)
    out = seen["a.weight"][0] @ torch.tensor(X, dtype=torch.float64)
    assert torch.allclose(out, torch.tensor([1.2, 0.0], dtype=torch.float64))
    assert out[1] == 0
    assert kept.tolist() == [[True, False]]
    found = torch.autograd.grad(out[0] + 2 * out[1], (tau, weight))
    assert found[0].tolist() == [pytest.approx(by_threshold)]
    assert np.allclose(found[1][0].numpy(), by_weight, atol=1e-5)


def test_a_unit_as_small_as_its_threshold_is_pruned_g2():
    units, weights = linear_units(2, 4), stacked([[0.25, -0.25, 0.25, 0.25], [0.5, 0, 0, 0]])
    assert kept_units(weights, torch.tensor([[0.25, 0.125]]), units).tolist() == [[False, False]]
    less = torch.tensor([[0.25, 0.125]]) - 1e-6
    assert kept_units(weights, less, units).tolist() == [[True, True]]


def stepped(units, weights, change, kind):
    step = importance_step(
        signed_sums(weights, units), torch.tensor([change]), torch.from_numpy(units.divisor(kind))
    )
    return shifted(weights, step, units)["a.weight"][0]


@pytest.mark.parametrize("kind", ["fan_in", "kernel_area"])
def test_a_changed_threshold_moves_a_linear_unit_g3(kind):
    weights = stacked([[0.5, -0.1, 0.2, -0.2], [-0.3, -0.3, 0.1, 0.0]])
    found = stepped(linear_units(2, 4), weights, [0.08, -0.04], kind)
    assert np.allclose(found, [[0.48, -0.12, 0.18, -0.22], [-0.31, -0.31, 0.09, -0.01]])


def test_a_changed_threshold_moves_a_filter_g3():
    values = np.stack([np.full((2, 3, 3), 0.1), np.full((2, 3, 3), -0.1)])
    found = stepped(conv_units(2, 2), stacked(values), [0.09, 0.09], "kernel_area")
    assert np.allclose(found[0], 0.09)
    assert np.allclose(found[1], -0.09)
    found = stepped(conv_units(2, 2), stacked(values), [0.09, 0.09], "fan_in")
    assert np.allclose(found[0], 0.095)


def test_a_unit_that_adds_up_to_zero_stays_and_so_does_all_without_a_change_g3():
    units, weights = linear_units(2, 2), stacked([[0.3, -0.3], [0.7, 0.1]])
    found = stepped(units, weights, [0.5, 0.0], "fan_in")
    assert torch.equal(found, weights["a.weight"][0])


def test_a_collapsed_layer_is_opened_at_the_next_pass_g4():
    units, weights = linear_units(3, 4), {"a.weight": torch.rand(1, 3, 4) + 0.1}
    watch, tau, seen = Watch.of(units, 0.01, 1), torch.full((1, 3), 10.0), torch.ones(1)
    found = []
    for _ in range(3):
        watch.saw(kept_units(weights, tau, units), seen, "both")
        found.append(float(watch.ratio))
        tau = watch.guarded(tau)
    assert found == [0.0, 1.0, 1.0]
    assert tau.tolist() == [[0.0, 0.0, 0.0]]
    assert watch.resets.tolist() == [1]


def test_a_device_that_rests_is_not_opened():
    units, tau = linear_units(3, 4), torch.full((2, 3), 10.0)
    watch = Watch.of(units, 0.01, 2)
    watch.saw(torch.zeros(2, 3, dtype=torch.bool), torch.tensor([1, 0]), "both")
    assert watch.guarded(tau).tolist() == [[0.0] * 3, [10.0] * 3]
    assert watch.resets.tolist() == [1, 0]


def test_layers_are_opened_one_by_one():
    units = units_of(Mlp((4,)).blueprint((1, 8, 8), 10).anatomy, "none")
    ratio = torch.tensor([[0.01, 0.02], [1.0, 0.0]])
    found, count = reopened(torch.ones(2, 14), ratio, 0.01, units)
    assert found.tolist() == [[0.0] * 4 + [1.0] * 10, [1.0] * 4 + [0.0] * 10]
    assert count.tolist() == [1, 1]


MODELS = [
    (LENET, (1, 28, 28), 10, "none", (580, 430_500, 2_293_000)),
    (CONV4, (3, 32, 32), 10, "none", (650, 804_800, 82_489_600)),
    (ResNet(width=0.5), (3, 32, 32), 100, "output", (2_400, 2_790_240, 139_296_768)),
    (ResNet(), (3, 32, 32), 100, "output", (4_800, 11_159_232, 555_417_600)),
]


@pytest.mark.parametrize(("model", "shape", "classes", "bare", "counts"), MODELS)
def test_thresholds_weights_and_operations_of_the_paper_g5(model, shape, classes, bare, counts):
    units = units_of(model.blueprint(shape, classes).anatomy, bare)
    macs = sum(layer.macs for layer in units.layers)
    assert (units.count, units.weights, macs) == counts


def test_the_transformer_of_the_paper_g5():
    units = units_of(VIT.blueprint((3, 32, 32), 10).anatomy, "patches, dense1")
    assert (units.count, units.weights) == (12_288, 1_966_080)
    assert {t.shape for t in units.tensors} == {(1536, 128), (128, 512), (256, 128), (128, 256)}


def test_layers_without_thresholds_are_named_as_elsewhere():
    anatomy = Mlp((4,)).blueprint((1, 8, 8), 10).anatomy
    assert units_of(anatomy, "output").count == 4
    with pytest.raises(UserError, match=r"^algorithm.unmasked: the model has no layers 'lost'"):
        units_of(anatomy, "lost")
    with pytest.raises(UserError, match=r"^algorithm.unmasked: '\*' leaves no layer"):
        units_of(anatomy, "*")


# Closed forms, for any numbers.

BARE = SmallCnn((2, 3), 4, bias=False).blueprint((1, 16, 16), 5)
UNITS = units_of(BARE.anatomy, "none")


def some(seed, devices=2):
    """Return weights of some devices, thresholds near the middle of what they keep, and slopes."""
    draw = torch.Generator().manual_seed(seed)

    def of(*shape):
        return torch.randn(devices, *shape, generator=draw, dtype=torch.float64)

    weights = {t.name: of(*t.shape) for t in UNITS.tensors}
    tau = importances(weights, UNITS) + 0.6 * of(UNITS.count)
    return weights, tau, {name: of(*each.shape[1:]) for name, each in weights.items()}


@settings(max_examples=20, deadline=None)
@given(
    st.integers(0, 10**6), st.sampled_from(["identity", "clipped", "inverted_gate"]), st.booleans()
)
def test_slopes_are_the_closed_forms(seed, estimator, mask_grad):
    weights, tau, slopes = some(seed)
    leaves = {name: each.clone().requires_grad_() for name, each in weights.items()}
    lever = tau.clone().requires_grad_()
    seen, kept = gated(leaves, lever, UNITS, Gate(estimator, mask_grad))
    sum((seen[name] * slopes[name]).sum() for name in slopes).backward()
    assert torch.equal(kept, importances(weights, UNITS) > tau)
    products = signed_sums({name: slopes[name] * weights[name] for name in slopes}, UNITS)
    far = (importances(weights, UNITS) - tau).abs() > 1
    here = {"identity": torch.ones_like(far), "clipped": ~far, "inverted_gate": far}[estimator]
    assert torch.allclose(lever.grad, -products * here)
    sums = torch.split(products * here, list(UNITS.sizes), 1)
    parts = torch.split(kept, list(UNITS.sizes), 1)
    for (name, each), total, part in zip(weights.items(), sums, parts, strict=True):
        ones = [1] * (each.dim() - 2)
        direct = part.view(*part.shape, *ones) * slopes[name]
        if mask_grad:
            n = each[0, 0].numel()
            direct = direct + each.sign() / n * total.view(*total.shape, *ones)
        assert torch.allclose(leaves[name].grad, direct)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_masked_units_give_exactly_nothing(seed):
    weights, tau, _ = some(seed)
    kept = kept_units(weights, tau, UNITS)
    found, through = masked(weights, kept, UNITS), gated(weights, tau, UNITS, Gate())[0]
    parts = torch.split(kept, list(UNITS.sizes), 1)
    for (name, each), part in zip(found.items(), parts, strict=True):
        assert torch.equal(through[name], each)
        assert torch.equal(each.flatten(2).abs().sum(2) > 0, part)
        values = torch.randn(each[0, 0].numel(), 3, dtype=torch.float64)
        made = each.flatten(2) @ values
        assert (made[~part] == 0).all()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["fan_in", "kernel_area"]))
def test_sums_go_on_by_themselves_and_missed_rounds_telescope(seed, kind):
    weights, tau, _ = some(seed)
    divisor, fan_in = (torch.from_numpy(each) for each in (UNITS.divisor(kind), UNITS.fan_in))
    changes = [0.01 * tau, -0.02 * tau.flip(1), 0.03 * tau]
    now, sums, signs = weights, signed_sums(weights, UNITS), []
    for change in changes:
        step = importance_step(sums, change, divisor)
        now, sums = shifted(now, step, UNITS), sums + fan_in * step
        assert torch.allclose(sums, signed_sums(now, UNITS))
        signs.append(sums.sign())
    once = importance_step(signed_sums(weights, UNITS), sum(changes), divisor)
    at_once, steady = shifted(weights, once, UNITS), signed_sums(weights, UNITS).sign()
    unflipped = torch.stack([each == steady for each in signs]).all(0)
    parts = torch.split(unflipped, list(UNITS.sizes), 1)
    for (name, each), part in zip(now.items(), parts, strict=True):
        assert torch.allclose(each[part], at_once[name][part])


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_permuted_units_have_permuted_thresholds_and_do_the_same(seed):
    weights, tau, _ = some(seed)
    order = torch.from_numpy(np.random.default_rng(seed).permutation(4))
    at = torch.arange(UNITS.count)
    at[5:9] = at[5:9][order]  # the hidden units of the linear layer
    turned = {**weights, "dense1.weight": weights["dense1.weight"][:, order]}
    turned["dense2.weight"] = weights["dense2.weight"][:, :, order]
    kept, same = kept_units(weights, tau, UNITS), kept_units(turned, tau[:, at], UNITS)
    assert torch.allclose(importances(turned, UNITS), importances(weights, UNITS)[:, at])
    assert torch.equal(same, kept[:, at])
    module, samples = BARE.build().double(), torch.randn(3, 1, 16, 16, dtype=torch.float64)
    one, other = (
        functional_call(module, {k: v[0] for k, v in masked(*each, UNITS).items()}, samples)
        for each in ((weights, kept), (turned, same))
    )
    assert torch.allclose(one, other)


def test_the_regulariser_raises_and_warms_up():
    tau = torch.tensor([[0.0, 0.5, 1.0]], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(regulariser(tau).sum(), tau)
    assert torch.allclose(slope, -torch.exp(-tau))
    assert [round(warmed(t, 1), 4) for t in (0, 1, 2)] == [0.0067, 0.9933, 1.0]
    assert warmed(0, None) == 1.0
    assert warmed(10**6, 1) == 1.0


def test_the_size_of_a_step_is_relative():
    units, weights = linear_units(2, 4), stacked([[1.0] * 4, [1.0] * 4])
    step = torch.tensor([[0.1, 0.1]], dtype=torch.float64)
    assert float(drift(weights, step, units)) == pytest.approx(0.1)


# What is computed, and what is counted.

CASES = {
    "mlp": (Mlp((7, 6)), (1, 8, 8)),
    "bare": (SmallCnn((3, 4), 5, bias=False), (1, 16, 16)),
    "biases": (SmallCnn((3, 4), 5), (1, 16, 16)),
    "norms": (Conv4((2, 3, 4, 5), bias=False), (3, 16, 16)),
    "sums": (ResNet(20), (3, 16, 16)),
    "tokens": (Vit(dim=16, depth=1, head_width=3), (3, 16, 16)),
    "steps": (SensorLstm(), (9, 16)),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("moves", ["weights", "both"])
def test_all_units_cost_what_a_dense_step_costs_and_fewer_less(case, moves):
    model, shape = CASES[case]
    units = units_of(model.blueprint(shape, 10).anatomy, "none")
    kept = np.ones((2, units.count), dtype=bool)
    kept[1, : units.by_layer[0] - 1] = False
    dense, thin = units.operations(kept, moves)
    assert dense == step_macs(units.anatomy, units.anatomy)[0]
    assert thin < dense
    assert units.operations(kept, "thresholds")[0] == dense
    assert units.operations(~kept)[1] < units.operations(kept)[0]


KEPT = {"conv1": [1, 0, 1], "conv2": [0, 1, 1, 0], "dense1": [1, 0, 0, 1, 1]}


def half(units):
    kept = np.ones((1, units.count), dtype=bool)
    kept[0, :12] = np.concatenate(list(KEPT.values()))
    return kept


def test_without_biases_and_norms_a_pruned_unit_is_cut_out_and_nothing_changes():
    model, shape = CASES["bare"]
    blueprint = model.blueprint(shape, 10)
    anatomy, units = blueprint.anatomy, units_of(blueprint.anatomy, "none")
    widths = {name: sum(kept) for name, kept in KEPT.items()}
    thin = thinned(anatomy, widths)
    assert units.operations(half(units))[0] == step_macs(thin, thin)[0]
    weights = {name: each[None] for name, each in blueprint.build().state_dict().items()}
    dense = masked(weights, torch.from_numpy(half(units)), units)
    masks = {name: torch.tensor([kept], dtype=torch.bool) for name, kept in KEPT.items()}
    cut = Thinning.of(anatomy, Masks.structured(anatomy, masks)).thin(dense)
    samples = torch.randn(4, *shape)
    whole = functional_call(blueprint.build(), {k: v[0] for k, v in dense.items()}, samples)
    small = blueprint.narrowed(widths).build()
    found = functional_call(small, {k: v[0] for k, v in cut.items()}, samples)
    assert torch.allclose(found, whole, atol=1e-6)


@pytest.mark.parametrize("case", ["biases", "norms"])
def test_behind_a_bias_or_a_norm_only_a_units_own_products_are_spared(case):
    model, shape = CASES[case]
    units = units_of(model.blueprint(shape, 10).anatomy, "none")
    kept = np.ones((1, units.count), dtype=bool)
    kept[0, 0] = False
    first, size = units.layers[0].macs, units.by_layer[0]
    dense = step_macs(units.anatomy, units.anatomy)[0]
    assert units.operations(kept)[0] == pytest.approx(dense - 2 * first / size)
    assert units.operations(kept, "both")[0] == pytest.approx(dense - first / size)


def test_attention_mixes_all_the_same():
    units = units_of(CASES["tokens"][0].blueprint((3, 16, 16), 10).anatomy, "none")
    none = np.zeros((1, units.count), dtype=bool)
    mixing = sum(layer.mixing for layer in units.anatomy.layers)
    assert mixing == 2 * 16 * 16 * 4 * 3
    assert units.operations(none)[0] == 3 * mixing
    assert units.forward(units.kept_of(none))[0] == mixing


def test_a_rounds_operations_by_the_authors_count_g7():
    units = units_of(CONV4.blueprint((3, 32, 32), 10).anatomy, "none")
    kept = np.array([units.by_layer])
    found = units.reckoned(kept, np.array([64]), 1, 16)[0]
    assert found == 3 * 64 * 82_489_600 + 650 * 4 + 804_800 == 15_838_810_600
    halves = np.array(units.by_layer)[None] // 2
    assert units.forward(halves)[0] == 82_489_600 / 2
