"""System A in its full form: its switches, what it tells of pruning, and curves that the allocator plans with."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from optimizers.errors import Lorenz, convex_below
from wflsim.contracts import Turn
from wflsim.learning.algorithms.fedalt import FedAlt
from wflsim.learning.algorithms.japp import Japp
from wflsim.learning.pruning.effects import CURVE, curve, effects
from wflsim.learning.pruning.traces import as_pruned
from wflsim.learning.testing import STREAMS, check_algorithm, cohort_of, small_task
from wflsim.records.recorder import Recorder
from wflsim.scenario.loading import parse
from wflsim.simulation.loop import stage
from wflsim.simulation.setting import settle

TASK = small_task()
DEEP = small_task(hidden=(7, 6))
EVERYBODY = np.arange(5)
KEEP = np.array([0.2, 0.4, 0.6, 0.8, 1.0])


def round_of(algorithm, keep=KEEP, task=TASK, state=None, round_=0):
    state = algorithm.init(task) if state is None else state
    updates = algorithm.train(state, cohort_of(task, EVERYBODY, round_), keep)
    return state, updates, algorithm.fuse(state, updates)


def plan(algorithm, state=None, task=TASK):
    return algorithm.plan(task.anatomy, task.holdings.samples, Turn(0, 0, STREAMS), state)


@pytest.mark.parametrize(
    "switch",
    [
        {"importance": "taylor"},
        {"importance": "grad"},
        {"mask": "free"},
        {"mask": "free", "grain": "units", "levels": 4},
        {"fusion": "zeros"},
        {"fusion_weight": "uniform"},
        {"objective_weight": "samples"},
        {"curve_points": 5},
        {"curve_points": 5, "grain": "units", "levels": 4},
        {"remember_masks": True},
    ],
    ids=str,
)
def test_every_switch_keeps_the_promises(switch):
    check_algorithm(Japp(**switch))


def test_the_slope_alone_keeps_what_the_change_keeps():
    sent = [round_of(Japp(importance=how), task=DEEP)[1].messages for how in ("delta", "grad")]
    for one, other in zip(*sent, strict=True):
        assert torch.equal(one.tensors["bitmap"], other.tensors["bitmap"])


@pytest.mark.parametrize("grain", ["weights", "units"])
def test_a_free_mask_travels_and_is_not_paid_for(grain):
    paid, free = Japp(grain=grain, levels=4), Japp(grain=grain, levels=4, mask="free")
    assert (plan(paid).mask_bits > 0).all()
    keep = plan(paid).whole_units(KEEP)
    assert (plan(paid).sent_bits(keep) - plan(paid).mask_bits == plan(free).sent_bits(keep)).all()
    models = [alg.model_for(round_of(alg)[2], 3) for alg in (paid, free)]
    assert all(torch.equal(models[0][name], models[1][name]) for name in models[0])


def test_with_zeros_filled_in_the_mean_is_smaller_where_few_keep_a_weight():
    kept, zeros = (round_of(Japp(fusion=how))[2].shared for how in ("kept", "zeros"))
    assert float(zeros["dense0.weight"].norm()) < float(kept["dense0.weight"].norm())
    dense = [
        round_of(Japp(fusion=how), np.ones(5))[2].shared["dense0.weight"]
        for how in ("kept", "zeros")
    ]
    assert torch.allclose(*dense)


def test_uniform_fusion_counts_devices_and_not_samples():
    dense = np.ones(5)
    _, updates, fused = round_of(Japp(fusion_weight="uniform"), dense)
    # With everything kept the bitmap is full, so the kept weights are the layer itself.
    mean = torch.stack([m.tensors["dense0.bias"] for m in updates.messages]).mean(0)
    assert torch.allclose(fused.shared["dense0.bias"], mean)
    assert not torch.allclose(round_of(Japp(), dense)[2].shared["dense0.bias"], mean)


def test_weights_of_the_objective_follow_the_samples_and_have_the_mean_one():
    samples = TASK.holdings.samples
    weight = plan(Japp(objective_weight="samples")).weight
    assert np.allclose(weight / weight[0], samples / samples[0])
    assert weight.mean() == pytest.approx(1.0)
    assert (plan(Japp()).weight == 1.0).all()


def test_what_pruning_did_is_told_as_it_can_be_counted_by_hand():
    state, updates, fused = round_of(Japp(importance="magnitude", restart=True), task=DEEP)
    told = Japp().told(fused)
    weights = torch.cat([state.shared[name].flatten() for name in state.part.prunable]).double()
    kept = np.array(
        [
            np.unpackbits(message.tensors["bitmap"].numpy(), count=len(weights))
            for message in updates.messages
        ]
    )
    counts = kept.sum(0)
    assert told["coverage"] == counts[counts > 0].min()
    assert told["uncovered"] == pytest.approx((counts == 0).mean())
    pruned = ((1 - kept) * weights.numpy() ** 2).sum(1)
    assert told["pruned_energy"] == pytest.approx(pruned.mean())
    assert told["shared_energy"] == pytest.approx(float(weights.square().sum()))
    # The lemma of docs/bound.md: the smallest hold less than their share.
    assert (pruned <= (1 - kept.mean(1)) * told["shared_energy"] * (1 + 1e-9)).all()


def test_without_pruning_everything_is_covered():
    told = Japp().told(round_of(Japp(), np.ones(5))[2])
    assert (told["coverage"], told["uncovered"], told["pruned_energy"]) == (5.0, 0.0, 0.0)
    state = FedAlt().init(TASK)
    assert effects([(state.shared, [])], state.part) == {}


def test_a_device_reports_what_pruning_would_take_away_and_pays_for_it():
    algorithm = Japp(importance="magnitude", curve_points=15)
    state, updates, fused = round_of(algorithm, task=DEEP)
    extra = plan(algorithm, task=DEEP).up_bits.fixed - plan(Japp(), task=DEEP).up_bits.fixed
    assert (extra == 15 * 32).all()
    curves = plan(algorithm, fused, DEEP).curve
    reported = torch.stack([message.tensors[CURVE] for message in updates.messages])
    assert np.allclose(curves.error[:, 1:-1], reported.numpy())
    # Magnitude ranking gives a Lorenz curve: convex, and below the diagonal.
    assert np.allclose(convex_below(curves.pruning, curves.error).error, curves.error, atol=5e-3)
    assert (curves.error <= curves.pruning + 5e-3).all()
    assert (plan(algorithm, state, DEEP).curve.error == curves.pruning).all()


def test_a_curve_tells_what_a_mask_at_its_ratios_really_takes():
    weights = {"a": torch.tensor([[3.0, -1.0, 0.0, 2.0]])}

    def masks(keep):
        order = weights["a"].abs().argsort(descending=True)
        count = int(np.rint(4 * keep[0]))
        return {"a": torch.zeros(1, 4, dtype=torch.bool).scatter(1, order[:, :count], True)}

    found = curve(weights, masks, points=3, devices=1)
    assert found[0].tolist() == pytest.approx([0.0, 1 / 14, 5 / 14])


@pytest.mark.parametrize("switch", [{"remember_masks": True}, {"fusion": "zeros"}])
def test_what_whole_units_cannot_do_is_refused(switch):
    with pytest.raises(ValueError, match="write grain: weights"):
        Japp(grain="units", **switch)


def test_who_may_prune_nothing_sends_no_mask():
    dense, plain = Japp(keep_min=1.0), FedAlt()
    assert (plan(dense).up_bits.at(1.0) == plan(plain).up_bits.at(1.0)).all()
    assert (plan(dense).mask_bits == 0).all()
    sent = round_of(dense, np.ones(5))[1].messages
    assert all("bitmap" not in message.tensors for message in sent)
    models = [
        algorithm.model_for(round_of(algorithm, np.ones(5))[2], 2) for algorithm in (dense, Japp())
    ]
    assert all(torch.allclose(models[0][name], models[1][name]) for name in models[0])


def test_remembered_masks_are_those_of_the_last_message():
    algorithm = Japp(remember_masks=True, importance="magnitude")
    state, _, fused = round_of(algorithm, task=DEEP)
    assert as_pruned(round_of(Japp())[2], 0) is None
    share = plan(algorithm, task=DEEP).whole_units(KEEP)
    for device in range(5):
        model, pruned = algorithm.model_for(fused, device), as_pruned(fused, device)
        names = state.part.prunable
        whole = sum(model[name].numel() for name in names)
        kept = sum(int((pruned[name] != 0).sum()) for name in names)
        assert kept <= share[device] * whole + 1
        assert all(((pruned[n] == model[n]) | (pruned[n] == 0)).all() for n in names)
    assert all(torch.equal(as_pruned(fused, 4)[n], algorithm.model_for(fused, 4)[n]) for n in model)
    again = replace(fused, traces=replace(fused.traces, masks=None))
    assert as_pruned(again, 0) is None


def played(tiny, *assignments):
    """Return the reports of the pruned variant and what it was played in."""
    scenario = parse(tiny, "tiny.yaml", assignments).scenario
    made = stage(settle(scenario.world), scenario.systems["pruned"])
    return list(made.rounds())


def test_the_allocator_plans_with_the_curves_that_came_in_the_round_before(tiny):
    reports = played(tiny, "variants.pruned.algorithm.curve_points=9", "error_model=lorenz")
    for before, report in pairwise(reports):
        plan = report.played[0].agreement.plan
        curve = report.played[0].agreement.posed.problem.error
        assert isinstance(curve, Lorenz)
        known = before.state.traces.curve[plan.device]
        ends = np.hstack([np.zeros((4, 1)), known, np.ones((4, 1))])
        assert np.allclose(curve.error, convex_below(np.linspace(0, 1, 11), ends).error)
        assert (curve.error <= ends + 1e-12).all()
    first = reports[0].played[0].agreement.posed.problem.error
    assert np.allclose(first.error, first.pruning)  # nobody has reported anything yet


def test_curves_change_who_keeps_how_much_and_not_the_deadline(tiny):
    points = "variants.pruned.algorithm.curve_points=9"
    lorenz, linear = (played(tiny, points, f"error_model={m}") for m in ("lorenz", "linear"))
    for one, other in zip(lorenz, linear, strict=True):
        assert one.played[0].deadline_s == pytest.approx(other.played[0].deadline_s)
    keeps = [r[-1].played[0].agreement.allocation.keep for r in (lorenz, linear)]
    assert not np.allclose(*keeps)
    assert keeps[0].sum() <= keeps[1].sum() + 1e-9  # the linear one prunes least by its own measure


def test_records_tell_what_pruning_did_and_how_good_the_pruned_models_are(tiny):
    recorder = Recorder("pruned")
    for report in played(tiny, "variants.pruned.algorithm.remember_masks=true"):
        recorder.add(report)
    rounds = recorder.table("rounds")
    assert (rounds["coverage"] >= 1).all()
    assert ((rounds["uncovered"] >= 0) & (rounds["uncovered"] < 1)).all()
    assert (rounds["pruned_energy"] > 0).all()
    assert (rounds["pruned_energy"] < rounds["shared_energy"]).all()
    assert ((rounds["accuracy_masked"] > 0) & (rounds["accuracy_masked"] <= 1)).all()
    assert np.isnan(rounds["gradient_square"]).all()  # nobody has asked for it
