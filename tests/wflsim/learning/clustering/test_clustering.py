"""Groups of devices that learn alike: rules, likeness, and a model for each group."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wflsim.contracts import Late, Message, Turn, Updates
from wflsim.errors import UserError
from wflsim.learning.clustering.gathering import Seasons, gathering, tuning
from wflsim.learning.clustering.likeness import cosines
from wflsim.learning.clustering.rules import (
    Agglomerative,
    BySilhouette,
    KMeans,
    Spectral,
    by_loss,
    distances,
    renamed,
    silhouette,
)
from wflsim.learning.clustering.state import Groups
from wflsim.learning.cohort import Cohort
from wflsim.learning.personal import initial_state
from wflsim.learning.testing import STREAMS, small_task

TASK = small_task()
COUNTS = [Agglomerative(distance=None, count=3), KMeans(3), Spectral(3), BySilhouette()]


def rng():
    return np.random.default_rng(5)


def blobs(sizes, spread=0.1, seed=1):
    """Return how alike points around orthogonal directions are, and which direction each is around."""
    draw = np.random.default_rng(seed)
    truth = np.repeat(np.arange(len(sizes)), sizes)
    points = np.eye(len(sizes), 20)[truth] + spread * draw.normal(size=(len(truth), 20))
    order = draw.permutation(len(truth))
    points, truth = points[order], truth[order]
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    return points @ points.T, renamed(truth)


@pytest.mark.parametrize("rule", [*COUNTS, Agglomerative(distance=0.6)], ids=repr)
@pytest.mark.parametrize("sizes", [(4, 4, 4), (2, 9, 5)])
def test_every_rule_finds_groups_that_lie_apart(rule, sizes):
    cosine, truth = blobs(sizes)
    found = rule.labels(cosine, rng())
    assert found.tolist() == truth.tolist()
    assert silhouette(cosine, found) > 0.7


@pytest.mark.parametrize("rule", [*COUNTS, Agglomerative()], ids=repr)
@pytest.mark.parametrize("count", [1, 2])
def test_few_devices_can_be_grouped_too(rule, count):
    found = rule.labels(np.eye(count), rng())
    assert found.tolist() in ([0], [0, 1], [0, 0])


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 12), st.integers(0, 2**31 - 1), st.floats(0.05, 1.9))
def test_a_larger_distance_merges_groups_and_splits_none(count, seed, distance):
    points = np.random.default_rng(seed).normal(size=(count, 6))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    fine = Agglomerative(distance=distance / 2).labels(points @ points.T, rng())
    coarse = Agglomerative(distance=distance).labels(points @ points.T, rng())
    for group in np.unique(fine):
        assert len(np.unique(coarse[fine == group])) == 1


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=12))
def test_groups_are_numbered_by_their_first_members(labels):
    found = renamed(np.array(labels))
    firsts = [found.tolist().index(group) for group in range(found.max() + 1)]
    assert firsts == sorted(firsts)
    same = np.equal.outer(np.array(labels), np.array(labels))
    assert np.array_equal(same, np.equal.outer(found, found))


def test_silhouettes_choose_the_number_of_groups():
    cosine, truth = blobs((3, 5, 4, 6), spread=0.05)
    assert BySilhouette(most=8).labels(cosine, rng()).tolist() == truth.tolist()
    assert np.isnan(silhouette(cosine, np.zeros(18, dtype=int)))


def test_a_distance_and_a_count_exclude_each_other():
    for wrong in (Agglomerative(count=2), Agglomerative(distance=None)):
        with pytest.raises(UserError, match="a distance or a count"):
            wrong.labels(np.eye(3), rng())


def test_devices_choose_the_model_with_the_least_loss():
    losses = np.array([[0.2, 0.1, 0.3], [0.1, 0.1, 0.4], [3.0, 2.0, 1.0]])
    assert by_loss(losses).tolist() == [1, 0, 2]


# How alike devices are.


def test_cosines_are_those_of_all_changes_in_a_row():
    draw = torch.Generator().manual_seed(3)
    base = {"a": torch.randn(3, 2, generator=draw), "b": torch.randn(4, generator=draw)}
    models = [
        {name: each + torch.randn(each.shape, generator=draw) for name, each in base.items()}
        for _ in range(5)
    ]
    rows = torch.stack(
        [torch.cat([(m[n].double() - base[n].double()).flatten() for n in base]) for m in models]
    )
    unit = (rows / rows.norm(dim=1, keepdim=True)).numpy()
    found = cosines(models, base, list(base))
    np.testing.assert_allclose(found, unit @ unit.T, atol=1e-12)
    assert np.array_equal(np.diag(found), np.ones(5))
    assert np.array_equal(found, cosines(models, [base] * 5, list(base)))
    first = cosines(models, base, ["a"])
    assert not np.allclose(first, found)


def test_who_has_not_moved_is_like_nobody():
    base = {"a": torch.zeros(3)}
    moved = {"a": torch.tensor([1.0, 0.0, 0.0])}
    found = cosines([base, moved, base], base, ["a"])
    assert found.tolist() == np.eye(3).tolist()
    assert distances(found)[0].tolist() == [0.0, 1.0, 1.0]


# A model for each group.


def brought(devices, seed=0, step=0):
    """Return updates of whole models, a random way from the first."""
    draw = torch.Generator().manual_seed(seed)
    messages = [
        Message({n: t + torch.randn(t.shape, generator=draw) for n, t in TASK.initial.items()})
        for _ in devices
    ]
    return Updates(Turn(0, step, STREAMS), np.array(devices), messages)


def grouped(labels=(0, 1, 0, 1, 1)):
    """Return a state of two groups with different models."""
    updates = brought(range(5))
    state = Groups.one(TASK).parted_as(updates, np.array(labels), np.eye(5))
    return state.fused(brought(range(5), seed=2))


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


def test_one_group_is_federated_averaging_to_the_last_bit():
    updates = brought([0, 2, 3])
    plain = initial_state(TASK, "none")
    for weighting, evenly in (("samples", False), ("uniform", True)):
        found = Groups.one(TASK).fused(updates, weighting).model_for(1)
        assert same(found, plain.fused(updates, evenly=evenly).model_for(None))


def test_a_group_learns_from_its_members_alone():
    state = grouped()
    after = state.fused(brought([0, 2], seed=7))
    assert same(after.model(1), state.model(1))
    assert not same(after.model(0), state.model(0))
    assert same(after.model_for(0), after.model(0))
    assert same(after.model_for(4), after.model(1))
    alone = initial_state(TASK, "none").fused(brought([0, 2], seed=7))
    assert same(after.model(0), alone.model_for(None))


def test_groups_begin_with_the_mean_of_what_their_members_had():
    state = grouped()
    again = state.parted_as(brought(range(5)), np.array([0, 0, 1, 2, 2]), np.eye(5))
    assert again.passes == 2
    assert same(again.model(1), state.model(0))
    assert same(again.model(2), state.model(1))
    half = {n: (state.model(0)[n] + state.model(1)[n]) / 2 for n in TASK.initial}
    for name, tensor in again.model(0).items():
        assert torch.allclose(tensor, half[name], atol=1e-7)


def test_devices_that_moved_alike_belong_together():
    draw = torch.Generator().manual_seed(3)
    ways = [
        {n: torch.randn(t.shape, generator=draw) for n, t in TASK.initial.items()} for _ in "ab"
    ]
    mine = [0, 1, 1, 0, 1]
    messages = [
        Message(
            {
                n: t + ways[group][n] + 0.2 * torch.randn(t.shape, generator=draw)
                for n, t in TASK.initial.items()
            }
        )
        for group in mine
    ]
    updates = Updates(Turn(0, 0, STREAMS), np.arange(5), messages)
    state = Groups.one(TASK).regrouped(updates, Agglomerative(distance=0.5))
    assert state.label.tolist() == mine
    assert state.told["groups"] == 2
    assert state.told["silhouette"] > 0.5
    assert np.isfinite(state.cosine).all()
    assert state.only(np.array([1])).cosine.size == 0


def test_who_comes_in_another_wave_is_grouped_with_those_before():
    state, every, rule = grouped(), brought(range(5), seed=4), Agglomerative("average", None, 2)
    once = state.regrouped(every, rule)
    waves = state.regrouped(every.only(np.array([0, 3])), rule)
    assert waves.label.tolist() == [0, -1, -1, 1, -1]
    cohort = Cohort(TASK, np.arange(5), every.turn)
    for name, tensor in waves.only(np.arange(5)).of(cohort).items():
        assert torch.equal(tensor, state.of(cohort)[name])  # all begin with what they had
    waves = waves.regrouped(every.only(np.array([1, 2, 4])), rule)
    assert waves.label.tolist() == once.label.tolist()
    assert np.array_equal(waves.cosine, once.cosine)
    assert same(waves.models, once.models)
    assert waves.passes == once.passes == state.passes + 1
    later = Cohort(TASK, np.arange(5), replace(every.turn, step=1))
    assert torch.equal(waves.of(later)["dense0.bias"], waves.models["dense0.bias"][waves.label])
    assert waves.fused(brought([0], step=1)).call is None
    again = waves.regrouped(brought([2, 3], step=1), rule)
    assert (again.label >= 0).tolist() == [False, False, True, True, False]


def test_groups_without_cosines_have_no_silhouette():
    label = np.array([0, 1, 0, 1, 1])
    assert replace(grouped(), label=label, cosine=np.full((5, 5), np.nan)).told == {"groups": 2.0}


def test_who_did_not_come_has_the_model_of_the_largest_group():
    updates = brought([0, 1, 3])
    state = Groups.one(TASK).parted_as(updates, np.array([0, 1, 1]), np.eye(3))
    assert state.label.tolist() == [0, 1, -1, 1, -1]
    assert state.belongs.tolist() == [0, 1, 1, 1, 1]
    assert np.isnan(state.cosine[2]).all()
    share = {n: 0.2 * state.model(0)[n] + 0.8 * state.model(1)[n] for n in TASK.initial}
    assert all(torch.allclose(state.model_for(None)[n], share[n], atol=1e-6) for n in share)


def test_nobody_who_came_leaves_everything_as_it_was():
    state = grouped()
    nobody = replace(brought([]), devices=np.empty(0, dtype=np.int64))
    assert state.regrouped(nobody, Agglomerative()) is state
    assert same(state.fused(nobody).models, state.models)


@pytest.mark.parametrize("weighting", ["samples", "uniform"])
def test_with_everybody_fresh_the_late_rule_is_the_mean_of_each_group(weighting):
    state, updates = grouped(), brought([0, 1, 2, 4], seed=9)
    samples = TASK.holdings.samples[updates.devices]
    late = [Late(state, updates, samples / samples.sum())]
    found, plain = state.fused_late(late, weighting), state.fused(updates, weighting)
    for name in TASK.initial:
        assert torch.allclose(found.models[name], plain.models[name], atol=1e-5)


def test_what_is_old_counts_less_in_its_group_alone():
    state, updates = grouped(), brought([0, 1, 2, 4], seed=9)
    samples = TASK.holdings.samples[updates.devices]
    weight = samples / samples.sum()
    aged = np.where(np.isin(updates.devices, [0, 2]), 0.5, 1.0) * weight
    found, plain = state.fused_late([Late(state, updates, aged)]), state.fused(updates)
    for name in TASK.initial:
        half = (state.model(0)[name] + plain.model(0)[name]) / 2
        assert torch.allclose(found.model(0)[name], half, atol=1e-5)
        assert torch.allclose(found.model(1)[name], plain.model(1)[name], atol=1e-5)


# Seasons.


def test_every_turn_has_one_purpose():
    seasons = Seasons(gathers=2, tunes=5)
    found = {
        (round_, step): [seasons.gathering(turn), seasons.tuning(turn), seasons.training(turn)]
        for round_ in range(6)
        for step in range(3)
        for turn in [Turn(round_, step, STREAMS)]
    }
    assert all(sum(each) <= 1 for each in found.values())
    assert found[2, 0] == [True, False, False]
    assert found[2, 1] == found[0, 0] == [False, False, True]
    assert found[5, 0] == [False, True, False]
    assert not any(found[5, 1] + found[2, 2] + found[0, 1])
    plain = Seasons()
    assert plain.training(Turn(0, 0, STREAMS))
    assert not plain.gathering(Turn(0, 0, STREAMS))


def test_the_burst_is_dense_and_asks_everybody_and_tuning_sends_nothing():
    samples, anatomy = TASK.holdings.samples, TASK.anatomy
    burst = gathering(anatomy, samples, 10 * samples)
    assert burst.open
    assert (burst.sent_bits(np.ones(5)) == anatomy.bits).all()
    last = tuning(anatomy, samples, 10 * samples)
    assert last.open
    assert last.silent
    assert np.array_equal(last.computed_macs(np.ones(5)), 10 * samples)
