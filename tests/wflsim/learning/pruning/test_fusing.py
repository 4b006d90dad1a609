"""Identities of the rules by which the server makes one model of many."""

import numpy as np
import pytest
import torch

from wflsim.contracts import Message
from wflsim.learning.blueprint import Act, Blueprint, Chain, Conv, Flatten, Linear
from wflsim.learning.fusion import (
    common_mean,
    masked_mean,
    masked_mean_step,
    partial_mean,
    weighted_mean,
)
from wflsim.learning.payload import pruned, unpack, with_units
from wflsim.learning.pruning.masks import Masks
from wflsim.learning.pruning.thinning import Thinning

RULES = [weighted_mean, masked_mean, common_mean, partial_mean]


def server(shapes, seed=9):
    rng = torch.Generator().manual_seed(seed)
    return {name: torch.randn(*shape, generator=rng) for name, shape in shapes.items()}


SHAPES = {"a.weight": (4, 3), "a.bias": (4,), "b.weight": (2, 4)}
BEFORE = server(SHAPES)
SENT = [server(SHAPES, seed) for seed in range(5)]
SAMPLES = np.array([30, 7, 12, 5, 46])
SHARE = SAMPLES / SAMPLES.sum()


def masked(masks):
    """Return messages of which some weights are kept."""
    return [Message(pruned(own, mask)) for own, mask in zip(SENT, masks, strict=True)]


def random_masks(seed, share=0.5):
    rng = torch.Generator().manual_seed(seed)
    return [
        {n: torch.rand(*SHAPES[n], generator=rng) < share for n in ("a.weight", "b.weight")}
        for _ in SENT
    ]


def test_dense_messages_fuse_to_what_plain_fedavg_gives_bit_for_bit():
    found = weighted_mean(BEFORE, [Message(own) for own in SENT], SHARE)
    for name, shape in SHAPES.items():
        plain = torch.zeros(shape)
        for own, count in zip(SENT, SAMPLES, strict=True):
            plain = plain + own[name] * (count / SAMPLES.sum())
        assert torch.equal(found[name], plain)


@pytest.mark.parametrize("rule", RULES)
def test_all_rules_agree_when_everybody_keeps_everything(rule):
    dense = weighted_mean(BEFORE, [Message(own) for own in SENT], SHARE)
    whole = [
        {name: torch.ones(SHAPES[name], dtype=torch.bool) for name in ("a.weight", "b.weight")}
    ] * 5
    found = [rule(BEFORE, [Message(own) for own in SENT], SHARE)]
    found += [rule(BEFORE, masked(whole), SHARE)] if rule is not partial_mean else []
    for each in found:
        assert all(torch.allclose(each[n], dense[n], rtol=1e-5, atol=1e-7) for n in SHAPES)


def test_every_rule_is_its_formula_coordinate_by_coordinate():
    masks = random_masks(1)
    messages = masked(masks)
    rules = {rule: rule(BEFORE, messages, SHARE) for rule in RULES[:3]}
    for name in ("a.weight", "b.weight"):
        for place in np.ndindex(*SHAPES[name]):
            held = [k for k in range(5) if masks[k][name][place]]
            total = sum(SHARE[k] * float(SENT[k][name][place]) for k in held)
            old = float(BEFORE[name][place])
            mean = total / SHARE[held].sum() if held else old
            expected = [total, mean, mean if len(held) == 5 else old]
            for rule, value in zip(rules, expected, strict=True):
                assert float(rules[rule][name][place]) == pytest.approx(value, abs=1e-6)
    assert torch.allclose(rules[common_mean]["a.bias"], rules[weighted_mean]["a.bias"])


def test_disjoint_masks_are_taken_over_left_alone_or_shrunk():
    owner = {
        n: torch.from_numpy(np.arange(int(np.prod(SHAPES[n]))) % 5).view(SHAPES[n])
        for n in ("a.weight", "b.weight")
    }
    messages = masked([{name: who == k for name, who in owner.items()} for k in range(5)])
    for name, who in owner.items():
        own = torch.stack([sent[name] for sent in SENT]).gather(0, who[None])[0]
        share = torch.from_numpy(SHARE)[who].float()
        assert torch.allclose(masked_mean(BEFORE, messages, SHARE)[name], own)
        assert torch.equal(common_mean(BEFORE, messages, SHARE)[name], BEFORE[name])
        assert torch.allclose(weighted_mean(BEFORE, messages, SHARE)[name], share * own)


def test_equal_masks_make_three_rules_one_where_something_was_kept():
    mask = random_masks(2)[0]
    messages = masked([mask] * 5)
    counted, common = masked_mean(BEFORE, messages, SHARE), common_mean(BEFORE, messages, SHARE)
    zero = weighted_mean(BEFORE, messages, SHARE)
    for name, kept in mask.items():
        assert torch.equal(counted[name], common[name])
        assert torch.allclose(zero[name][kept], counted[name][kept])
        assert torch.equal(counted[name][~kept], BEFORE[name][~kept])
        assert (zero[name][~kept] == 0).all()


def test_the_common_mean_does_not_depend_on_the_scale_of_weights():
    messages = masked(random_masks(3))
    one, other = common_mean(BEFORE, messages, SHARE), common_mean(BEFORE, messages, 4.0 * SHARE)
    assert all(torch.equal(one[name], other[name]) for name in SHAPES)


@pytest.mark.parametrize("devices", [1, 3, 7, 40])
def test_where_everybody_kept_everything_the_counted_mean_is_the_weighted_one_bit_for_bit(devices):
    rng = np.random.default_rng(devices)
    share = rng.integers(1, 100, devices).astype(float)
    messages = [Message({n: torch.randn(s) for n, s in SHAPES.items()}) for _ in range(devices)]
    before = {name: torch.zeros(shape) for name, shape in SHAPES.items()}
    one, other = (
        rule(before, messages, share / share.sum()) for rule in (masked_mean, weighted_mean)
    )
    assert all(torch.equal(one[name], other[name]) for name in SHAPES)


def test_what_does_not_travel_stays():
    thresholds = [Message({"a.bias": own["a.bias"]}) for own in SENT]
    found = partial_mean(BEFORE, thresholds, SHARE)
    assert found["a.weight"] is BEFORE["a.weight"]
    assert sum(message.bits for message in thresholds) == 5 * 32 * 4
    whole = weighted_mean(BEFORE, [Message(own) for own in SENT], SHARE)
    assert torch.equal(found["a.bias"], whole["a.bias"])


def test_a_step_from_zero_is_the_counted_mean_and_one_from_a_base_the_difference():
    messages = masked(random_masks(4))
    nothing = {name: torch.zeros_like(tensor) for name, tensor in BEFORE.items()}
    mean = masked_mean(nothing, messages, SHARE)
    step = masked_mean_step([(nothing, messages, SHARE)])
    moved = masked_mean_step([(BEFORE, messages, SHARE)])
    for name in SHAPES:
        assert torch.equal(step[name], mean[name])
        expected = masked_mean(BEFORE, messages, SHARE)[name] - BEFORE[name]
        assert torch.allclose(moved[name], expected, atol=1e-6)


@pytest.mark.parametrize("rule", [weighted_mean, masked_mean, common_mean])
def test_messages_of_units_fuse_like_messages_of_the_same_entries(network, small, rule):
    part, _ = network.anatomy.split("output")
    params = small.params(network.anatomy, dtype=torch.float32)
    masks = small.masks(part, seed=5)
    thinning = Thinning.of(part, masks)
    rows = thinning.rows(thinning.thin(params), part.tensors)
    before = {name: torch.randn_like(params[name][0]) for name in part.tensors}
    units, entries = [], []
    for device, row in enumerate(rows):
        own = {name: params[name][device] for name in part.tensors}
        kept = {
            name: masks.entries.get(name, torch.ones_like(params[name], dtype=torch.bool))[device]
            for name in part.tensors
        }
        units.append(Message(with_units(part, row, {n: m[device] for n, m in masks.units.items()})))
        entries.append(Message(pruned(own, kept)))
        assert units[-1].bits < entries[-1].bits
    share = np.array([0.5, 0.2, 0.3])
    expected = rule(before, entries, share)
    for mixed in (units, units[:1] + entries[1:], entries[:2] + units[2:]):
        found = rule(before, mixed, share, part)
        assert all(torch.equal(found[name], expected[name]) for name in before)
    if rule is masked_mean:
        for base in (None, before):
            late = [(base, units[:2], share[:2]), (before, units[2:], share[2:])]
            steps = [masked_mean_step([(before, [], share[:0]), *late], part)]
            late = [(base, entries[:2], share[:2]), (before, entries[2:], share[2:])]
            steps.append(masked_mean_step([(before, [], share[:0]), *late], part))
            assert all(torch.equal(steps[0][name], steps[1][name]) for name in before)


def test_nobodys_messages_leave_the_old_values(network):
    part, _ = network.anatomy.split("output")
    before = {tensor.name: torch.ones(tensor.shape) for tensor in part.every()}
    for rule in (masked_mean, common_mean):
        found = rule(before, [], np.empty(0), part)
        assert all(torch.equal(found[name], before[name]) for name in before)


def test_fusion_in_double_precision_is_exact_to_its_last_digits():
    rng = np.random.default_rng(0)
    before = {"w": torch.zeros(50, dtype=torch.float64)}
    sent = [{"w": torch.from_numpy(rng.standard_normal(50))} for _ in range(30)]
    share = rng.dirichlet(np.ones(30))
    messages = [Message(own) for own in sent]
    mean = sum(part * own["w"] for part, own in zip(share, sent, strict=True))
    assert torch.allclose(masked_mean(before, messages, share)["w"], mean, rtol=1e-14, atol=1e-15)


def test_everything_kept_and_told_unit_by_unit_is_everything(network, small):
    part, _ = network.anatomy.split("output")
    params = small.params(part, dtype=torch.float32)
    sent = [{name: params[name][device] for name in part.tensors} for device in range(3)]
    share = np.array([0.5, 0.2, 0.3])
    before = {name: torch.zeros_like(tensor) for name, tensor in sent[0].items()}
    one = weighted_mean(before, [Message(own) for own in sent], share)
    other = weighted_mean(before, [Message(with_units(part, own, {})) for own in sent], share, part)
    assert all(torch.equal(one[name], other[name]) for name in before)
    assert Masks.structured(part, {}).entries == {}


def test_messages_of_units_are_added_up_as_if_they_were_written_out():
    blueprint = Blueprint(
        Chain((Conv("c", 6, 3), Act(), Flatten(), Linear("d", 8), Act(), Linear("e", 3))), (2, 4, 4)
    )
    part, rng = blueprint.anatomy, np.random.default_rng(0)
    before = {t.name: torch.randn(t.shape) for t in part.every()}
    units = {"c": torch.rand(5, 6) < 0.6, "d": torch.rand(5, 8) < 0.5}
    for kept in units.values():
        kept[:, 0], kept[0] = True, True
    thinning = Thinning.of(part, Masks.structured(part, units))
    dense = {name: torch.randn(5, *tensor.shape) for name, tensor in before.items()}
    rows = thinning.rows(thinning.thin(dense), part.tensors)
    messages = [
        Message(with_units(part, row, {name: kept[k] for name, kept in units.items()}))
        for k, row in enumerate(rows)
    ]
    share = rng.dirichlet(np.ones(5))
    total = {name: torch.zeros_like(tensor) for name, tensor in before.items()}
    weight = {name: torch.zeros_like(tensor) for name, tensor in before.items()}
    shapes = {name: tensor.shape for name, tensor in before.items()}
    for message, one in zip(messages, share.tolist(), strict=True):
        params, masks = unpack(message, shapes, part)
        for name, kept in masks.items():
            total[name] += one * params[name]
            weight[name] += one * kept
    whole = torch.zeros(())
    for one in share.tolist():
        whole += one
    fused = masked_mean(before, messages, share, part)
    for name, old in before.items():
        expected = torch.where(weight[name] > 0, total[name] / (weight[name] / whole), old)
        assert torch.equal(fused[name], expected)
