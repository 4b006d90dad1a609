"""Slimming: which channels go, pooled scores, thin models and their fusion."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wflsim.contracts import Message, Turn, Updates
from wflsim.errors import UserError
from wflsim.learning.anatomy import BITS_PER_VALUE
from wflsim.learning.clustering.rules import Agglomerative
from wflsim.learning.clustering.state import Groups
from wflsim.learning.evaluation import at_rest
from wflsim.learning.fusion import weighted_mean
from wflsim.learning.models import Conv4, LeNet5, MiniVgg, Mlp, ResNet
from wflsim.learning.payload import with_units
from wflsim.learning.pruning.masks import Masks
from wflsim.learning.pruning.thinning import Thinning
from wflsim.learning.slimming.channels import channels
from wflsim.learning.slimming.fusing import Fusing
from wflsim.learning.slimming.structure import Structuring
from wflsim.learning.testing import STREAMS, small_task

TASK = small_task(model=MiniVgg((4, 3, 5), 6))
FOUND = channels(TASK.anatomy)
PART = FOUND.shared
SIZES = (4, 3, 5, 6)
BIG = channels(MiniVgg().blueprint((3, 32, 32), 10).anatomy)


def structuring(**changes):
    plain = Structuring(
        clustering=Agglomerative(), passes=3, rate=0.3, mix=0.0, pool="partition", distance=1.0,
        since="first_pass", weighting="samples",
    )  # fmt: skip
    return replace(plain, **changes)


# Which channels there are.


def test_the_channels_are_those_behind_which_a_batch_norm_stands():
    assert BIG.count == 352
    assert [space.name for space, _ in BIG.spaces] == ["conv1", "conv2", "conv3", "conv4"]
    assert BIG.scales == tuple(f"norm{index}.weight" for index in range(1, 5))
    assert not {name for name in BIG.shared.tensors if "norm" in name}
    dense = BIG.values(BIG.widths(np.ones((1, 352), bool)))
    assert dense.tolist() == [1_142_880 + 362]


@pytest.mark.parametrize("model", [Conv4(hidden=(9,)), ResNet(), MiniVgg((2, 2, 2), 2)], ids=repr)
def test_models_with_batch_norms_are_taken(model):
    anatomy = model.blueprint((3, 16, 16), 10).anatomy
    found = channels(anatomy)
    norms = [t for layer in anatomy.layers if layer.norm for t in layer.tensors]
    assert set(found.scales) <= {t.name for t in norms if t.role == "scale"}
    tensors = {t.name: np.full(t.shape, -2.0) for t in anatomy.every()}
    assert found.scores(tensors).tolist() == [2.0] * found.count


@pytest.mark.parametrize("model", [Mlp(), LeNet5(), MiniVgg(norm="group"), Conv4(norm="none")])
def test_models_without_are_refused(model):
    shape = (3, 32, 32) if isinstance(model, MiniVgg | Conv4) else (1, 28, 28)
    with pytest.raises(UserError, match=r"batch norms behind convolutions.*take minivgg"):
        channels(model.blueprint(shape, 10).anatomy)


# Which of them are kept.


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31 - 1), st.floats(0.0, 0.99))
def test_as_many_channels_go_as_the_rate_says_and_no_layer_vanishes(seed, rate):
    draw = np.random.default_rng(seed)
    scores = draw.permuted(np.tile(np.arange(1.0, 19.0), (3, 1)), axis=1)
    scores[1, :4] *= 1e-3  # a layer of which nothing would be left
    kept = FOUND.kept(scores, rate)
    gone = int(np.floor(rate * 18 * (1 + 1e-12)))
    for row, score in zip(kept, scores, strict=True):
        least = np.sort(score)[:gone]
        saved = [s for s in score[row] if s in least]
        bounds = np.split(np.arange(18), np.cumsum(SIZES)[:-1])
        assert all(row[b].any() for b in bounds)
        vanished = [b for b in bounds if np.isin(score[b], least).all()]
        assert sorted(saved) == sorted(score[b].max() for b in vanished)
        assert (~row).sum() == gone - len(vanished)


def test_rates_that_are_whole_numbers_of_channels_are_met():
    scores = np.random.default_rng(1).random((1, 352)) + 1.0
    for gone in range(0, 300, 7):
        assert (~BIG.kept(scores, gone / 352)).sum() == gone
    assert (~BIG.kept(scores, 0.3)).sum() == 105, "where padded scores remove 98"


def test_signs_do_not_count_and_of_equals_the_earlier_is_kept():
    tensors = {n: torch.linspace(-1, 1, s) for n, s in zip(FOUND.scales, SIZES, strict=True)}
    flipped = {name: -each for name, each in tensors.items()}
    assert FOUND.scores(tensors).tolist() == FOUND.scores(flipped).tolist()
    kept = FOUND.kept(np.ones((1, 18)), 0.5)[0]
    assert kept.tolist() == [True] * 9 + [False] * 3 + [True] + [False] * 5


# Whose scores are pooled.


def test_pooling_finds_more_of_what_matters_than_any_member_does():
    """Scales of a group are common ones and noise; overlap is with the channels that the common ones would keep."""
    alone, together = [], []
    for seed in range(20):
        draw = np.random.default_rng(seed)
        common = draw.random(352)
        own = np.abs(common + 0.2 * draw.normal(size=(4, 352)))
        labels, ones = np.zeros(4, int), np.ones((4, 4))
        truth = BIG.kept(common[None], 0.3)
        pooled = structuring().scores(own, np.array([30, 20, 40, 10]), labels, ones)
        together.append((BIG.kept(pooled[:1], 0.3) & truth).sum())
        alone.append((BIG.kept(own, 0.3) & truth).sum(1))
    assert np.mean(together) > np.mean(alone, axis=0).max()


def test_a_pool_is_the_mean_of_a_group_or_of_a_neighbourhood_or_nobody_elses():
    draw = np.random.default_rng(2)
    own, samples = draw.random((5, 18)), np.array([3, 1, 4, 1, 5])
    labels = np.array([0, 1, 0, 1, 1])
    cosine = np.full((5, 5), -0.2)
    np.fill_diagonal(cosine, 1.0)
    cosine[0, 1] = cosine[1, 0] = 0.5
    mean = structuring().scores(own, samples, labels, cosine)
    np.testing.assert_allclose(mean[0], np.average(own[[0, 2]], axis=0, weights=[3, 4]))
    assert np.array_equal(mean[1], mean[4])
    evenly = structuring(weighting="uniform").scores(own, samples, labels, cosine)
    np.testing.assert_allclose(evenly[0], own[[0, 2]].mean(0))
    alone = structuring(mix=1.0).scores(own, samples, labels, cosine)
    assert np.array_equal(alone, own)
    half = structuring(mix=0.5).scores(own, samples, labels, cosine)
    np.testing.assert_allclose(half, (own + mean) / 2)
    near = structuring(pool="neighbourhood", distance=0.6)
    found = near.scores(own, samples, labels, cosine)
    np.testing.assert_allclose(found[1], np.average(own[:2], axis=0, weights=[3, 1]))
    np.testing.assert_allclose(found[2], own[2])
    wide = replace(near, distance=2.0).scores(own, samples, labels, cosine)
    one = structuring().scores(own, samples, np.zeros(5, int), cosine)
    assert np.array_equal(wide, one), "a neighbourhood of all is one group"


def test_grouping_ends_when_nothing_changes_or_after_so_many_passes():
    how = structuring(passes=3)
    nobody, labels = np.full(4, -1), np.array([0, 0, 1, 1])
    assert not how.settled(nobody, labels, 1)
    assert how.settled(labels, labels, 2)
    assert how.settled(np.array([0, 1, 0, -1]), np.array([1, 0, 1, 1]), 2), (
        "up to names, of those who came"
    )
    assert not how.settled(labels, np.array([0, 1, 1, 1]), 2)
    assert how.settled(labels, np.array([0, 1, 1, 1]), 3)


# Thin models.


def drawn(seed=0, count=3):
    """Return stacked models with positive variances."""
    draw = torch.Generator().manual_seed(seed)
    return {
        name: torch.rand((count, *each.shape), generator=draw, dtype=torch.float64) + 0.1
        for name, each in TASK.initial.items()
    }


def units_of(kept):
    return FOUND.by_space(torch.from_numpy(np.atleast_2d(kept)))


def random_kept(seed, count=3, rate=0.4):
    return FOUND.kept(np.random.default_rng(seed).random((count, 18)), rate)


@pytest.mark.parametrize("pruned", [True, False])
def test_a_thin_model_says_what_the_masked_dense_one_says(pruned):
    """Where nothing is pruned to the last bit; a pruned channel has no scale and no shift, and stays silent."""
    params, who = drawn(), np.array([1])
    one = {name: each[:1] for name, each in params.items()}
    kept = random_kept(3, 1) if pruned else np.ones((1, 18), bool)
    masks = Masks.structured(TASK.anatomy, units_of(kept))
    thinning = Thinning.of(TASK.anatomy, masks)
    inputs = TASK.inputs[TASK.holdings.train[who[0]]].double()
    dense_module, thin_module = TASK.fresh_module().double(), TASK.fresh_module(thinning.widths)
    with at_rest(dense_module), at_rest(thin_module.double()), torch.no_grad():
        masked = {n: t[0] for n, t in masks.applied(one).items()}
        thin = {n: t[0] for n, t in thinning.thin(one).items()}
        expected = torch.func.functional_call(dense_module, masked, (inputs,))
        found = torch.func.functional_call(thin_module, thin, (inputs,))
        whole = torch.func.functional_call(
            dense_module, {n: t[0] for n, t in one.items()}, (inputs,)
        )
    if pruned:
        assert float((found - expected).abs().max()) < 1e-12
        assert float((found - whole).abs().max()) > 1e-3
    else:
        assert torch.equal(found, whole)


@pytest.mark.parametrize("share", [1.0, 0.7, 0.633, 0.4])
def test_what_is_left_shrinks_with_the_square_of_the_share(share):
    row = [np.arange(space.units) < round(share * space.units) for space, _ in BIG.spaces]
    widths = BIG.widths(np.concatenate(row)[None])
    a, b, c, d = (int(each[0]) for each in widths.values())
    expected = 27 * a + 9 * a * b + 9 * b * c + 64 * c * d + 10 * d + a + b + c + d + 10
    assert BIG.values(widths).tolist() == [expected]
    assert expected / 1_143_242 == pytest.approx(share**2, abs=0.01)
    if share == 0.633:
        assert expected / 1_143_242 == pytest.approx(0.4006, abs=0.004), "the traffic reported"


def test_masks_and_first_norms_are_told_once():
    kept, samples = np.ones((2, 352), bool), np.array([10, 20])
    found = BIG.exchange(samples, kept, np.array([True, False]), samples)
    values = 32 * (1_142_880 + 362)
    assert found.down_bits.at(1.0).tolist() == [values, values + 352 + 32 * 4 * 352]
    assert found.sent_bits(np.ones(2)).tolist() == [values, values]
    assert found.macs.fixed[1] == 2 * found.macs.fixed[0]
    some = BIG.exchange(samples, BIG.expected(2, 0.5), np.ones(2, bool), samples)
    assert (some.sent_bits(some.keep_min) < 0.3 * values).all()
    assert np.array_equal(some.keep_min, some.keep_max)


# Fusion.


def grouped(labels=(0, 0, 1, 1, 0)):
    """Return groups with different models."""
    groups = Groups.one(TASK)
    updates = Updates(
        Turn(0, 0, STREAMS),
        np.arange(5),
        [Message({n: t[k].float() for n, t in drawn(4, 5).items()}) for k in range(5)],
    )
    return groups.parted_as(updates, np.array(labels), np.eye(5)).fused(updates)


def thin_updates(kept, who, seed=7):
    """Return thin updates of some devices with the channels that they keep, and their dense tensors."""
    params = {name: each.float() for name, each in drawn(seed, len(who)).items()}
    masks = Masks.structured(TASK.anatomy, units_of(kept))
    thinning = Thinning.of(TASK.anatomy, masks)
    rows = thinning.rows(thinning.thin(params), PART.tensors)
    messages = [
        Message(with_units(PART, row, {n: u[k] for n, u in masks.units.items()}), ("units",))
        for k, row in enumerate(rows)
    ]
    return Updates(Turn(3, 0, STREAMS), np.array(who), messages), params, masks


RULES = [
    Fusing(scope, normalisation, weighting)
    for scope in ("global", "cluster", "classifier")
    for normalisation in ("count", "zero_fill")
    for weighting in ("samples", "uniform")
]


@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_of_one_structure_and_one_group_it_is_the_weighted_mean(rule):
    groups, who = grouped((0, 0, 0, 0, 0)), [0, 1, 3]
    whole, params, _ = thin_updates(np.ones((3, 18), bool), who)
    counts = groups.samples[who] if rule.weighting == "samples" else np.ones(3)
    before = {name: groups.model(0)[name] for name in PART.tensors}
    dense = [Message({n: params[n][k] for n in PART.tensors}) for k in range(3)]
    expected = weighted_mean(before, dense, counts / counts.sum())
    found = rule.fused(groups, whole, PART).model(0)
    assert all(torch.equal(found[name], expected[name]) for name in PART.tensors)
    kept = np.tile(random_kept(5, 1), (3, 1))
    thin, params, masks = thin_updates(kept, who)
    found = rule.fused(groups, thin, PART).model(0)
    for name in PART.tensors:
        there = masks.entries[name][0] if name in masks.entries else torch.ones(()).bool()
        mean = sum(
            c * t for c, t in zip((counts / counts.sum()).tolist(), params[name], strict=True)
        )
        wanted = torch.where(there, mean, groups.model(0)[name])
        assert torch.allclose(found[name], wanted, atol=1e-6), name


@pytest.mark.parametrize("normalisation", ["count", "zero_fill"])
def test_disjoint_structures_keep_what_their_only_holders_have(normalisation):
    """And what nobody holds stays as it was."""
    groups, who = grouped((0, 0, 0, 0, 0)), [0, 1]
    kept = np.zeros((2, 18), bool)
    kept[0, [0, 4, 7, 12]] = kept[1, [1, 5, 8, 13]] = True
    updates, params, masks = thin_updates(kept, who)
    rule = Fusing("global", normalisation, "uniform")
    found = rule.fused(groups, updates, PART).model(0)
    scale = 1.0 if normalisation == "count" else 0.5
    for name in PART.tensors:
        if name not in masks.entries:
            continue
        own = [masks.entries[name][k] for k in range(2)]
        assert not (own[0] & own[1]).any(), name
        for k in range(2):
            assert torch.allclose(found[name][own[k]], scale * params[name][k][own[k]], atol=1e-6)
        nobody = ~(own[0] | own[1])
        assert torch.equal(found[name][nobody], groups.model(0)[name][nobody])


def test_groups_that_fuse_for_themselves_do_not_hear_of_others():
    groups = grouped()
    updates, params, _ = thin_updates(np.ones((2, 18), bool), [2, 3])
    apart = Fusing("cluster", "count", "samples").fused(groups, updates, PART)
    last = Fusing("classifier", "count", "samples").fused(groups, updates, PART)
    every = Fusing("global", "count", "samples").fused(groups, updates, PART)
    for name in PART.tensors:
        assert torch.equal(apart.model(0)[name], groups.model(0)[name])
        assert torch.equal(every.model(0)[name], every.model(1)[name])
        assert torch.equal(apart.model(1)[name], every.model(1)[name])
        own = name.startswith("dense1")
        assert torch.equal(last.model(0)[name], (apart if own else every).model(0)[name])
    norms = [name for name in TASK.initial if name not in PART.tensors]
    assert all(torch.equal(every.models[name], groups.models[name]) for name in norms)
    assert BITS_PER_VALUE * sum(params[n][0].numel() for n in PART.tensors) == (
        updates.messages[0].bits
    ), "which channels are kept is known and costs nothing"
