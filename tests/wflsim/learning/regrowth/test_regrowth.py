"""Pruning with regrowth: the digest's trajectories, importance, what goes and what comes, targets, seasons, and the released tracker."""

from math import log

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wflsim.contracts import Turn
from wflsim.learning.clustering.tracker import Tracker
from wflsim.learning.models import SensorCnn
from wflsim.learning.regrowth.counts import Pace, expected
from wflsim.learning.regrowth.importance import Importance, coherence, consistency, magnitude
from wflsim.learning.regrowth.mask_update import Pruner, exchanged
from wflsim.learning.regrowth.schedule import Schedule
from wflsim.learning.regrowth.targets import classes_of, entropy_size
from wflsim.learning.testing import STREAMS

UCI = SensorCnn().blueprint((9, 128), 6).anatomy
WISDM = SensorCnn().blueprint((3, 200), 6).anatomy
MEGABYTE = 8 * 2**20


def draw(seed=3):
    return torch.Generator().manual_seed(seed)


# How many go and come.


@pytest.mark.parametrize(
    ("start", "path"),
    [
        (0.7, [0.7, 0.7, 0.7, 0.7]),
        (0.5, [0.5, 0.567, 0.633, 0.7]),
        (0.3, [0.3, 0.433, 0.567, 0.7]),
        (0.0, [0.225, 0.383, 0.542, 0.7]),
    ],
)
def test_the_digests_trajectories(start, path):
    size = 1_000_000
    left = [Pace(start, 0.05).after(size, 0.7, step, 4) for step in range(1, 5)]
    assert [round(1 - active / size, 3) for active in left] == path


@pytest.mark.parametrize(
    ("anatomy", "zeros", "size"), [(UCI, 62_361, 89_088), (WISDM, 86_822, 124_032)]
)
@pytest.mark.parametrize("start", [0.0, 0.3, 0.5, 0.7])
def test_every_layer_ends_at_the_target_to_the_weight(anatomy, zeros, size, start):
    kept = expected(anatomy, Pace(start, 0.05), 0.7, (4, 4))
    sizes = {t.name: t.size for t in anatomy.every() if t.role == "weight"}
    assert kept == {name: n - round(0.7 * n) for name, n in sizes.items()}
    assert size - sum(kept.values()) == zeros
    assert round(zeros / size, 6) in {0.699993, 0.699997}


@settings(max_examples=200, deadline=None)
@given(
    st.integers(1, 3000), st.floats(0, 0.95), st.floats(0, 0.95), st.floats(0, 1), st.integers(1, 9)
)
def test_moves_are_possible_and_steps_end_at_the_target(size, start, target, churn, steps):
    pace, active = Pace(start, churn), size
    for step in range(steps):
        gone, come = pace.moves(size, active, target, steps - step)
        assert 0 <= gone <= active
        assert 0 <= come <= size - active
        cut = min(start, target) - (1 - active / size) > 0.01
        assert step == 0 or not cut or size < 50, "a layer is cut at once or never"
        active += come - gone
        assert active == pace.after(size, target, step + 1, steps)
    if not cut and churn == 0.0:
        assert abs((size - active) - target * size) <= 1


def test_what_is_whole_takes_nothing_in():
    assert Pace(0.0, 0.05).moves(1000, 1000, 0.7, 4) == (225, 0)
    assert Pace(0.0, 0.05).moves(1000, 1000, 0.0, 4) == (50, 0)
    assert Pace(0.7, 0.05).moves(1000, 100, 0.7, 1) == (5, 205), "too sparse: more comes"


# What matters.


def test_members_that_are_alike_are_coherent():
    one = torch.randn(4, 3, generator=draw())
    every = torch.ones(4, 3, dtype=torch.bool)
    for how in ("normalised", "raw"):
        assert torch.equal(
            coherence(one.expand(7, 4, 3), every, how), torch.ones(4, 3, dtype=torch.float64)
        )


def test_coherence_is_relative_to_the_mean_variance_of_what_is_there():
    members = torch.tensor([[0.0, 1.0, 5.0], [0.0, 3.0, 9.0], [0.0, 2.0, 7.0]])
    there = torch.tensor([True, True, False])
    variance = torch.tensor([0.0, 2 / 3], dtype=torch.float64)
    found = coherence(members, there)
    assert torch.allclose(found[:2], 1 / (1 + variance / (1 / 3)))
    assert found[2] == 0.0, "what is not there is no largest"
    assert torch.allclose(coherence(members, there, "raw")[:2], 1 / (1 + variance))


def test_raw_coherence_hardly_tells_weights_apart():
    members = torch.randn(10, 500, generator=draw()) * 0.03
    every = torch.ones(500, dtype=torch.bool)
    assert coherence(members, every, "raw").min() > 0.99
    assert coherence(members, every).min() < 0.8


def test_signs_decide_consistency():
    pull = torch.tensor([[1.0, 2.0, -1.0, 0.0], [3.0, -1.0, -2.0, 0.0]])
    assert consistency(pull).tolist() == [1.0, 0.0, 1.0, 0.0]


@settings(max_examples=30, deadline=None)
@given(st.floats(0.01, 100.0), st.integers(0, 1000))
def test_importance_is_between_nothing_and_the_sum_of_its_weights(scale, seed):
    g = draw(seed)
    weights, members, slopes = (
        torch.randn(*s, generator=g) for s in ((6, 5), (4, 6, 5), (4, 6, 5))
    )
    assert torch.allclose(magnitude(weights * scale), magnitude(weights), atol=1e-6)
    every = torch.ones(6, 5, dtype=torch.bool)
    found = Importance(0.5, 0.25, 0.25).of(weights, members, slopes, every)
    assert found.min() > 0
    assert found.max() <= 1 + 1e-12
    alone = Importance(1.0, 0.0, 0.0).of(weights, members, slopes, every)
    assert torch.equal(alone, magnitude(weights))


def test_a_layer_of_zeros_has_no_magnitude():
    assert magnitude(torch.zeros(3)).tolist() == [0.0, 0.0, 0.0]


# What goes and what comes.


def test_the_least_important_go_and_the_steepest_come():
    mask = torch.tensor([True, True, True, True, False, False])
    matters = torch.tensor([0.9, 0.1, 0.5, 0.2, 0.0, 9.0])
    slope = torch.tensor([9.0, 0.5, 9.0, 0.2, 0.1, 0.3])
    stays, kept = exchanged(mask, matters, slope, (2, 1))
    assert stays.int().tolist() == [1, 0, 1, 0, 0, 0]
    assert kept.int().tolist() == [1, 1, 1, 0, 0, 0], "what has just gone may come back"
    assert exchanged(mask, matters, slope, (1, 2))[1].int().tolist() == [1, 1, 1, 1, 0, 1]


def test_of_equals_the_later_go_and_the_earlier_come():
    mask, same = torch.tensor([True, True, True, False, False]), torch.ones(5)
    stays, kept = exchanged(mask, same, torch.tensor([0.0, 0.0, 0.0, 2.0, 2.0]), (2, 1))
    assert stays.int().tolist() == [1, 0, 0, 0, 0]
    assert kept.int().tolist() == [1, 0, 0, 1, 0]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 60), st.data())
def test_the_number_of_weights_changes_by_what_comes_less_what_goes(seed, size, data):
    g = draw(seed)
    mask = torch.rand(size, generator=g) < 0.5
    active = int(mask.sum())
    gone, come = data.draw(st.integers(0, active)), data.draw(st.integers(0, size - active))
    stays, kept = exchanged(
        mask, torch.rand(size, generator=g), torch.rand(size, generator=g), (gone, come)
    )
    assert int(stays.sum()) == active - gone
    assert int(kept.sum()) == active - gone + come
    assert not (stays & ~mask).any()
    assert not (stays & ~kept).any()


def layer(size=200, members=4, seed=1):
    """Return a layer's weights, masks, and what members bring of it."""
    g = draw(seed)
    weights = torch.randn(size, generator=g)
    mask = torch.rand(size, generator=g) < 0.3
    near = weights + 0.1 * torch.randn(members, size, generator=g)
    slopes = torch.randn(members, size, generator=g)
    return {"w": weights * mask}, {"w": mask}, ({"w": near * mask}, {"w": slopes})


def pruner(churn=0.05, start=0.7, weights=(0.5, 0.25, 0.25)):
    return Pruner(Importance(*weights), Pace(start, churn))


def test_a_planted_weight_comes_and_begins_at_zero():
    model, masks, (near, slopes) = layer()
    place = int((~masks["w"]).nonzero()[7])
    slopes["w"][:, place] = 50.0
    sparsity = 1 - int(masks["w"].sum()) / 200
    weights, kept = pruner(start=sparsity).step(model, masks, (near, slopes), (sparsity, 3))
    assert kept["w"][place]
    assert weights["w"][place] == 0.0
    assert not weights["w"][~kept["w"]].any()
    came = kept["w"] & ~masks["w"]
    assert not weights["w"][came].any()
    stayed = weights["w"] != 0
    assert torch.equal(weights["w"][stayed], model["w"][stayed])


@pytest.mark.parametrize(("churn", "heals"), [(0.05, True), (0.0, False)])
def test_what_was_pruned_by_mistake_returns_where_weights_are_exchanged(churn, heals):
    model, masks, (near, slopes) = layer()
    essential = int(model["w"].abs().argmax())
    stand_in = int((~masks["w"]).nonzero()[0])
    masks["w"][essential], masks["w"][stand_in] = False, True  # as many weights as before
    model["w"][essential] = 0.0
    slopes["w"][:, essential] = 5.0
    sparsity = 1 - int(masks["w"].sum()) / 200
    for left in (3, 2, 1):
        model, masks = pruner(churn, sparsity).step(model, masks, (near, slopes), (sparsity, left))
    assert bool(masks["w"][essential]) == heals


# Targets, seasons, costs.


def test_the_digests_adaptive_targets():
    assert entropy_size(0.7, np.full(10, log(6)), 6) == 0.5
    assert entropy_size(0.7, np.full(12, log(6)), 6) == 0.5
    assert round(entropy_size(0.7, np.full(10, log(2)), 6), 4) == 0.5226
    assert round(entropy_size(0.7, np.zeros(1), 6), 2) == 0.69
    assert classes_of(UCI) == 6


def test_every_turn_has_one_purpose_and_the_last_step_is_the_last():
    plan = Schedule(15, 15, 20, 5, tunes=True)
    steps = [r for r in range(60) if "prune" in plan.phases(r)]
    assert steps == [30, 35, 40, 45]
    assert [plan.left(r) for r in steps] == [4, 3, 2, 1]
    assert [plan.steps(r) for r in (29, 30, 34, 35, 49, 70)] == [0, 1, 1, 2, 4, 4]
    assert [r for r in range(60) if "cluster" in plan.phases(r)] == [15]
    assert [r for r in range(60) if "tune" in plan.phases(r)] == list(range(50, 60))
    assert plan.phase(Turn(15, 0, STREAMS)) == "cluster"
    assert plan.phase(Turn(15, 1, STREAMS)) == "train"
    assert plan.phase(Turn(15, 2, STREAMS)) is None
    assert Schedule(1, 0, 0, 5, tunes=False).phases(9) == ("train",)
    assert Schedule(1, 0, 0, 5, tunes=False).steps(9) == 0


@pytest.mark.parametrize(
    ("anatomy", "devices", "dense", "pruned"),
    [(UCI, 30, 340.48, 102.14), (WISDM, 36, 473.78, 142.13)],
)
def test_the_tracker_of_the_release(anatomy, devices, dense, pruned):
    tracker, who = Tracker(anatomy, np.full(devices, 100), 32), np.arange(10)
    for density, expected_mb in ((1.0, dense), (0.3, pruned)):
        found = [tracker.of(who, density, 3).bits for _ in range(50)]
        assert round(sum(found) / MEGABYTE, 2) == expected_mb
    cost = tracker.of(who, 0.3, 3)
    assert cost.macs == pytest.approx(1.05 * 3 * 10 * 3 * 128 * 0.3 * anatomy.macs)
    assert tracker.alone(who, 0.3, 3).bits == 0.0
