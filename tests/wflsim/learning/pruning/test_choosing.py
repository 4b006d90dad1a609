"""Laws of scores, and of what is chosen by them."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wflsim.learning.blueprint import Blueprint, Chain, Flatten, Linear
from wflsim.learning.pruning import importance
from wflsim.learning.pruning.choosing import (
    keep_largest,
    keep_units,
    keep_units_within,
    largest,
    limited,
)
from wflsim.learning.pruning.counting import bits_of, free_spaces, makers
from wflsim.learning.pruning.levels import levels
from wflsim.learning.pruning.masks import Masks, both


def sorted_mask(scores, counts):
    """Return what a stable sort keeps."""
    order = torch.argsort(scores, dim=1, descending=True, stable=True)
    leading = torch.arange(scores.shape[1]) < torch.from_numpy(counts)[:, None]
    return torch.zeros_like(scores, dtype=torch.bool).scatter(1, order, leading)


VALUES = st.sampled_from([0.0, -0.0, 1.0, 2.0, -1.0, np.inf, -np.inf, np.nan])


@given(st.lists(st.lists(VALUES, min_size=8, max_size=8), min_size=1, max_size=3), st.data())
def test_a_threshold_keeps_what_a_stable_sort_keeps(rows, data):
    scores = torch.tensor(rows, dtype=torch.float32)
    counts = np.array([data.draw(st.integers(0, 8)) for _ in rows])
    assert torch.equal(largest(scores, counts), sorted_mask(scores, counts))


@pytest.mark.parametrize("scope", ["global", "per_layer"])
def test_chosen_weights_are_those_of_a_sort(scope):
    rng = torch.Generator().manual_seed(1)
    scores = {"a": torch.rand(4, 30, 7, generator=rng).round(decimals=2)}
    scores["b"] = torch.rand(4, 50, generator=rng).round(decimals=2)
    keep = np.array([0.02, 0.3, 0.77, 1.0])
    masks = keep_largest(scores, keep, scope)
    flat = [scores["a"].flatten(1), scores["b"]]
    if scope == "global":
        expected = sorted_mask(torch.cat(flat, 1), np.rint(keep * 260).astype(int))
    else:
        first = np.rint(keep * 210).astype(int)
        rest = np.rint(keep * 260).astype(int) - first
        expected = torch.cat([sorted_mask(flat[0], first), sorted_mask(flat[1], rest)], 1)
    assert torch.equal(torch.cat([masks["a"].flatten(1), masks["b"]], 1), expected)


def test_scores_of_weights_are_what_they_are_called():
    before, after = {"w": torch.tensor([[3.0, -1.0]])}, {"w": torch.tensor([[2.0, 1.0]])}
    assert importance.magnitude(before)["w"].tolist() == [[3.0, 1.0]]
    assert importance.delta(before, after)["w"].tolist() == [[1.0, 2.0]]
    assert importance.taylor(before, {"w": torch.tensor([[2.0, 4.0]])})["w"].tolist() == [
        [6.0, 4.0]
    ]


def test_drawn_scores_belong_to_a_device_and_not_to_its_place():
    like = {"a": torch.zeros(3, 4, 2), "b": torch.zeros(3, 5)}
    found = importance.uniform(like, [np.random.default_rng(seed) for seed in (1, 2, 3)])
    other = {name: tensor[:2] for name, tensor in like.items()}
    again = importance.uniform(other, [np.random.default_rng(seed) for seed in (3, 1)])
    for name, tensor in found.items():
        assert tensor.shape == like[name].shape
        assert torch.equal(tensor[[2, 0]], again[name])
        assert not torch.equal(tensor[0], tensor[1])


@pytest.mark.parametrize("how", ["l1", "l2", "mean", "max"])
def test_scores_that_all_devices_share_are_everybodys(network, small, how):
    params = small.params(network.anatomy)
    shared = {name: tensor[:1].expand(3, *tensor.shape[1:]) for name, tensor in params.items()}
    own = {name: tensor.contiguous() for name, tensor in shared.items()}
    found, expected = (importance.unit_scores(network.anatomy, each, how) for each in (shared, own))
    for name, tensor in expected.items():
        assert tensor.shape[0] == 3
        assert tensor.any()
        assert torch.equal(found[name], tensor)


@pytest.mark.parametrize("how", ["l1", "l2", "mean", "max"])
def test_a_units_score_is_that_of_the_rows_that_make_it(network, small, how):
    params = {name: tensor.numpy() for name, tensor in small.params(network.anatomy).items()}
    weights = {t.name: t for t in network.anatomy.every() if t.role == "weight"}
    scores = {name: torch.from_numpy(params[name]) for name in weights}
    found = importance.unit_scores(network.anatomy, scores, how)
    assert found.keys() == {space.name for space in free_spaces(network.anatomy)}
    for space in free_spaces(network.anatomy):
        for device in range(3):
            for unit in range(space.units):
                every = []
                for name, tensor in weights.items():
                    axis = tensor.axes[0]
                    if axis is None or axis.space != space.name:
                        continue
                    rows = np.arange(tensor.shape[0]) // axis.after % space.units == unit
                    every.append(np.abs(params[name][device][rows]).ravel())
                values = np.concatenate(every)
                expected = {
                    "l1": values.sum(),
                    "l2": np.sqrt((values**2).sum()),
                    "mean": values.mean(),
                    "max": values.max(),
                }[how]
                assert float(found[space.name][device, unit]) == pytest.approx(expected)


def test_units_of_a_residual_sum_are_made_by_all_its_ways(small):
    anatomy = small.blueprint("batch_norm").anatomy
    names = {
        space.name: [m.name for m in makers(anatomy, space.name)] for space in free_spaces(anatomy)
    }
    assert names == {
        "stem": ["stem", "one.body.conv1"],
        "one.body.conv0": ["one.body.conv0"],
        "two.body.conv0": ["two.body.conv0"],
        "two.shortcut.conv": ["two.body.conv1", "two.shortcut.conv"],
    }


def test_slimming_scores_units_by_the_scale_behind_them(small):
    anatomy = small.blueprint("series").anatomy
    params = small.params(anatomy)
    (found,) = [importance.norm_scales(anatomy.split("b,c")[0], params)["a"]]
    first, second = params["n.weight"].abs(), params["m.weight"].abs().view(3, 6, 5)
    assert torch.allclose(found, torch.cat([first[:, :, None], second], 2).mean(2))
    with pytest.raises(ValueError, match="nothing normalises the units of b"):
        importance.norm_scales(anatomy, params)


def test_normalised_scores_have_norm_one_and_the_same_order():
    scores = {
        "a": torch.tensor([[3.0, 4.0], [0.0, 0.0]]),
        "b": torch.tensor([[5.0, -torch.inf]] * 2),
    }
    found = importance.normalised(scores)
    assert torch.allclose(found["a"], torch.tensor([[0.6, 0.8], [0.0, 0.0]]))
    assert found["b"].tolist() == [[1.0, -np.inf]] * 2


def drawn(anatomy, devices, seed):
    """Return scores of units, many of them equal."""
    rng = torch.Generator().manual_seed(seed)
    return {
        space.name: torch.rand(devices, space.units, generator=rng).round(decimals=1)
        for space in free_spaces(anatomy)
    }


def test_so_many_units_are_kept_the_best_groups_and_the_earlier_of_equals(network, small):
    anatomy = network.anatomy
    scores, widths = drawn(anatomy, 5, 1), small.widths(anatomy, 5, 2)
    kept = keep_units(anatomy.spaces, scores, widths)
    for space in free_spaces(anatomy):
        groups = kept[space.name].view(5, -1, space.group)
        assert (groups.all(2) == groups.any(2)).all(), "groups stay whole"
        assert (kept[space.name].sum(1).numpy() == widths[space.name]).all()
        mean = scores[space.name].view(5, -1, space.group).mean(2)
        assert torch.equal(groups.all(2), sorted_mask(mean, widths[space.name] // space.group))


def test_more_units_contain_the_fewer(network, small):
    anatomy = network.anatomy
    table, scores = levels(anatomy, anatomy, 6), drawn(anatomy, 1, 3)
    count = len(table.share)
    wide = {name: score.expand(count, -1) for name, score in scores.items()}
    masks = Masks.structured(anatomy, keep_units(anatomy.spaces, wide, table.widths))
    for level in range(count - 1):
        less, more = masks.only(np.array([level])), masks.only(np.array([level + 1]))
        assert less.within(more).all()
        assert not more.within(less).any()


@given(st.integers(0, 1000), st.lists(st.floats(0.0, 1.0), min_size=1, max_size=4))
@settings(max_examples=25, deadline=None)
@pytest.mark.parametrize("name", ["lenet", "group_norm", "lstm", "vit"])
def test_units_of_all_layers_never_cost_more_bits_than_there_are(name, seed, shares):
    blueprint = _BLUEPRINTS[name]
    shared, _ = blueprint.anatomy.split("output")
    table, devices = levels(shared, blueprint.anatomy, 16), len(shares)
    bits = table.bits[0] + np.array(shares) * (table.bits[-1] - table.bits[0])
    kept = keep_units_within(shared, drawn(shared, devices, seed), bits)
    masks = Masks.structured(shared, kept)
    spent = bits_of(shared, masks.widths)
    assert (spent <= bits).all()
    assert all((width > 0).all() for width in masks.widths.values())
    assert (spent[bits >= table.bits[-1]] == table.bits[-1]).all()
    for space in free_spaces(shared):
        groups = kept[space.name].view(devices, -1, space.group)
        assert torch.equal(groups.all(2), groups.any(2))


_BLUEPRINTS = {}


@pytest.fixture(autouse=True)
def _blueprints(small):
    """Networks for tests of many examples, which take no fixtures that are made anew."""
    _BLUEPRINTS.update({name: small.blueprint(name) for name in small.names})


def test_the_next_unit_would_cost_too_much_and_no_dropped_unit_scores_more(small):
    shared, _ = small.blueprint("lenet").anatomy.split("output")
    rng = torch.Generator().manual_seed(4)
    scores = {s.name: torch.rand(1, s.units, generator=rng) for s in free_spaces(shared)}
    whole = bits_of(shared, {s.name: s.units for s in free_spaces(shared)})
    nested = []
    for share in np.linspace(0.1, 1.0, 10):
        bits = share * float(whole)
        kept = keep_units_within(shared, scores, np.array([bits]))
        widths = {name: int(mask.sum()) for name, mask in kept.items()}
        dropped = [
            (float(scores[n][0, u]), n)
            for n, mask in kept.items()
            for u in np.flatnonzero(~mask[0])
        ]
        for name, mask in kept.items():
            chosen = scores[name][0][mask[0]].sort().values
            lesser = chosen[:-1]  # the best of a space stays whatever it scores
            assert not dropped or not len(lesser) or float(lesser[0]) > max(dropped)[0]
        if dropped:
            _, following = max(dropped)
            widths[following] += 1
            assert bits_of(shared, widths) > bits
        nested.append(Masks.structured(shared, kept))
    assert all(less.within(more).all() for less, more in pairwise(nested))


def test_a_group_of_every_layer_is_kept_even_for_nothing(network, small):
    kept = keep_units_within(network.anatomy, drawn(network.anatomy, 2, 6), np.zeros(2))
    for space in free_spaces(network.anatomy):
        assert kept[space.name].sum(1).tolist() == [space.group] * 2


def test_a_model_without_free_units_keeps_everything():
    anatomy = Blueprint(Chain((Flatten(), Linear("a", 3))), (4,)).anatomy
    assert keep_units_within(anatomy, {}, np.array([1.0])) == {}
    assert keep_units(anatomy.spaces, {}, {}) == {}
    assert keep_largest({}, np.array([0.5])) == {}


@given(st.integers(0, 200), st.floats(0.05, 1.0), st.floats(0.05, 1.0))
def test_masks_can_be_made_within_earlier_ones(seed, first, second):
    rng = torch.Generator().manual_seed(seed)
    one, other = (
        {"a": torch.rand(2, 6, 5, generator=rng), "b": torch.rand(2, 9, generator=rng)}
        for _ in "12"
    )
    earlier = keep_largest(one, np.array([first, 0.7]), "per_layer")
    found = keep_largest(limited(other, earlier), np.array([second, 0.3]))
    nested = Masks.unstructured(both(found, earlier))
    assert nested.within(Masks.unstructured(earlier)).all()
    asked = [round(second * 39), round(0.3 * 39)]
    there = sum(mask.flatten(1).sum(1) for mask in earlier.values()).tolist()
    kept = sum(mask.flatten(1).sum(1) for mask in nested.entries.values()).tolist()
    assert kept == [min(pair) for pair in zip(asked, there, strict=True)]
