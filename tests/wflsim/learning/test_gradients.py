"""What is measured of slopes is what it is called, and measuring changes nothing else."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.func import functional_call
from torch.nn import functional

from wflsim.learning.algorithms.fedalt import FedAlt
from wflsim.learning.algorithms.fedavg import FedAvg
from wflsim.learning.algorithms.japp import Japp
from wflsim.learning.gradients import GROUPS, View, flat, gauged
from wflsim.learning.models import Logistic
from wflsim.learning.pruning.traces import as_pruned
from wflsim.learning.testing import STREAMS, cohort_of, small_task
from wflsim.records.columns import INSIGHTS
from wflsim.records.recorder import Recorder
from wflsim.scenario.loading import parse
from wflsim.simulation.loop import stage
from wflsim.simulation.setting import settle

TASK = small_task()
ALL = 10**6
EVERYBODY = np.arange(5)
KEEP = np.array([0.2, 0.4, 0.6, 0.8, 1.0])
MEASURED = {
    "loss_train",
    "gradient_square",
    "gradient_variance",
    "gradient_second_moment",
    "coverage_bias",
    "smoothness",
    "personal_variance",
    "personal_smoothness",
}


def round_of(algorithm, who=EVERYBODY, keep=KEEP, task=TASK):
    """Return the states before and after a round in which some devices take part."""
    before = algorithm.init(task)
    updates = algorithm.train(before, cohort_of(task, who), keep[: len(who)])
    return before, algorithm.fuse(before, updates)


def told(algorithm, who=EVERYBODY, samples=ALL, batch=1, task=TASK):
    before, after = round_of(algorithm, who, task=task)
    return gauged(task, samples, batch, STREAMS).told(before, after, who)


def by_hand(state, device, rows, names, task=TASK):
    """Return a device's mean loss over samples and its slope in some tensors, by plain autograd."""
    model = {n: t.clone() for n, t in state.model_for(device).items()}
    at = [model[name].requires_grad_() for name in names]
    logits = functional_call(task.module, model, (task.inputs[rows],))
    loss = functional.cross_entropy(logits, task.labels[rows])
    return float(loss.detach()), flat(torch.autograd.grad(loss, at))


def middle(before, after):
    """Return the shared part of the beginning with the personal parts of the end."""
    return replace(after, shared=before.shared)


def test_the_gradient_is_that_of_the_mean_over_devices_between_the_phases():
    before, after = round_of(Japp())
    state, names = middle(before, after), before.part.tensors
    found = gauged(TASK, ALL, 1, STREAMS).told(before, after, EVERYBODY)
    pairs = [by_hand(state, k, TASK.holdings.train[k], names) for k in range(5)]
    slope = torch.stack([pair[1] for pair in pairs]).mean(0)
    assert found.keys() == MEASURED
    assert found["loss_train"] == pytest.approx(np.mean([pair[0] for pair in pairs]), rel=1e-5)
    assert found["gradient_square"] == pytest.approx(float(slope @ slope), rel=1e-4)
    # Neither the state before nor the one after is meant.
    for other in (before, after):
        slopes = [by_hand(other, k, TASK.holdings.train[k], names)[1] for k in range(5)]
        square = float(torch.stack(slopes).mean(0).square().sum())
        assert abs(square / found["gradient_square"] - 1) > 1e-3


def test_coverage_bias_is_what_fusion_makes_of_the_slopes():
    who = np.array([0, 1, 3])
    before, after = round_of(Japp(remember_masks=True, importance="magnitude"), who)
    state, names = middle(before, after), before.part.tensors
    found = gauged(TASK, ALL, 1, STREAMS).told(before, after, who)
    slopes = [by_hand(state, k, TASK.holdings.train[k], names)[1] for k in range(5)]
    kept = [flat([as_pruned(state, k)[n] for n in names]) != 0 for k in who]
    sums = sum(slopes[k] * mask for k, mask in zip(who, kept, strict=True))
    count = sum(mask.double() for mask in kept)
    assert (count == 0).any()
    apart = sums / count.clamp(min=1) - torch.stack(slopes).mean(0)
    assert found["coverage_bias"] == pytest.approx(float(apart @ apart), rel=1e-4)


def test_dense_rounds_of_everybody_have_no_bias_and_rounds_of_nobody_nothing_else():
    for algorithm in (FedAvg(), FedAlt()):
        assert told(algorithm)["coverage_bias"] == pytest.approx(0.0, abs=1e-12)
        assert told(algorithm, EVERYBODY[:2])["coverage_bias"] > 0.0
    state = Japp().init(TASK)
    none = gauged(TASK, ALL, 1, STREAMS).told(state, state, EVERYBODY[:0])
    assert none["coverage_bias"] == pytest.approx(none["gradient_square"], rel=1e-12)
    assert none["gradient_second_moment"] == 0.0


def test_masks_that_nobody_remembers_leave_their_bias_unknown():
    assert np.isnan(told(Japp())["coverage_bias"])
    assert not np.isnan(told(Japp(remember_masks=True))["coverage_bias"])


def test_variances_are_those_of_single_slopes_over_the_size_of_a_batch():
    before, after = round_of(FedAlt())
    gauge = gauged(TASK, GROUPS, 4, STREAMS)
    found, variances = gauge.told(before, after, EVERYBODY), []
    state = middle(before, after)
    for names in (state.part.tensors, state.personal.names):
        each = [
            torch.stack([by_hand(state, k, rows[[i]], names)[1] for i in range(GROUPS)])
            for k, rows in enumerate(gauge.rows)
        ]
        variances.append([float(slopes.var(0).sum()) / 4 for slopes in each])
    assert found["gradient_variance"] == pytest.approx(np.mean(variances[0]), rel=1e-3)
    assert found["personal_variance"] == pytest.approx(np.mean(variances[1]), rel=1e-3)
    squares = [
        float(by_hand(state, k, rows, state.part.tensors)[1].square().sum())
        for k, rows in enumerate(gauge.rows)
    ]
    most = max(np.add(squares, variances[0]))
    assert found["gradient_second_moment"] == pytest.approx(most, rel=1e-3)


def test_groups_of_samples_tell_the_variance_of_single_ones():
    # Slopes of softmax regression are known one by one; many draws of groups have their variance in the mean.
    state = FedAvg().init(TASK)
    rows = TASK.holdings.train[0]
    names = TASK.anatomy.tensors
    every = torch.stack([by_hand(state, 0, rows[[i]], names)[1] for i in range(len(rows))])
    truth = float(every.var(0).sum())
    found = []
    for seed in range(60):
        drawn = torch.from_numpy(np.random.default_rng(seed).permutation(rows)[:24])
        found.append(View(TASK, drawn, state.model_for(0), names, ()).slopes()[2])
    assert np.mean(found) == pytest.approx(truth, rel=0.1)


@pytest.mark.parametrize("part", ["shared", "own"])
def test_the_bend_is_the_norm_of_the_hessian_and_never_more(part):
    before, after = round_of(FedAlt())
    gauge, state = gauged(TASK, 20, 1, STREAMS), middle(before, after)
    names = before.part.tensors if part == "shared" else before.personal.names
    model, rows = state.model_for(2), torch.from_numpy(gauge.rows[2])
    view = View(TASK, rows, model, names, ())
    sizes = [model[name].numel() for name in names]

    def loss(values):
        pieces = torch.split(values, sizes)
        return view.loss(rows)(
            {n: p.reshape(model[n].shape) for n, p in zip(names, pieces, strict=True)}
        )

    at = torch.cat([model[name].flatten() for name in names])
    exact = float(torch.linalg.matrix_norm(torch.autograd.functional.hessian(loss, at), 2))
    found = [view.bend(names, np.random.default_rng(seed)) for seed in range(10)]
    assert max(found) <= exact * (1 + 1e-4)
    assert np.mean(found) >= 0.9 * exact


def test_no_bend_of_softmax_regression_exceeds_what_is_proven():
    section = replace(TASK.holdings, blueprint=Logistic().blueprint((1, 8, 8), 10))
    task = replace(TASK, holdings=section, module=section.blueprint.build())
    algorithm = Japp(personal="none", remember_masks=True, importance="magnitude")
    before, after = round_of(algorithm, task=task)
    gauge = gauged(task, ALL, 1, STREAMS)
    for device in EVERYBODY:
        view = gauge._view(middle(before, after), device)
        inputs = task.inputs[view.rows].flatten(1)
        known = torch.cat([inputs, torch.ones(len(inputs), 1)], 1)
        # The Hessian of the logits is at most ½, so that of the weights at most ½ of their second moment (Böhning, 1992 [R]).
        most = 0.5 * float(torch.linalg.matrix_norm(known.T @ known / len(known), 2))
        slope = view.slopes()[1]
        second, secant = view.pruned(slope, view.mask(after, device))
        bend = view.bend(view.shared, STREAMS.stream("bend", device))
        assert 0.0 < bend <= most * (1 + 1e-4)
        assert secant <= most * (1 + 1e-4)
        assert (secant > 0.0) == (second > 0.0) == (KEEP[device] < 1.0)
    found = gauge.told(before, after, EVERYBODY)
    assert found["personal_smoothness"] == found["personal_variance"] == 0.0


def test_samples_are_drawn_once_from_what_a_device_trains_on():
    gauge, again = (gauged(TASK, 6, 1, STREAMS) for _ in range(2))
    for device, rows in enumerate(gauge.rows):
        assert len(set(rows.tolist())) == 6
        assert set(rows) <= set(TASK.holdings.train[device])
        assert (rows == again.rows[device]).all()
    whole = gauged(TASK, ALL, 1, STREAMS).rows
    assert [sorted(rows) for rows in whole] == [part.tolist() for part in TASK.holdings.train]


def test_one_sample_has_no_variance():
    state = FedAvg().init(TASK)
    view = View(
        TASK, torch.tensor([TASK.holdings.train[0][0]]), state.model_for(0), state.part.tensors, ()
    )
    assert view.slopes()[2:] == (0.0, 0.0)


def test_states_of_another_kind_are_not_measured():
    assert gauged(TASK, 6, 1, STREAMS).told(object(), object(), EVERYBODY) == {}


def recorded(text, variant, *assignments):
    scenario = parse(text, "t", assignments, None).scenario
    recorder = Recorder(variant)
    for report in stage(settle(scenario.world), scenario.systems[variant]).rounds():
        recorder.add(report)
    return recorder


@pytest.mark.parametrize("variant", ["pruned", "fedavg"])
def test_measuring_changes_no_other_number(tiny, variant):
    sets = ["evaluate_every=2"]
    if variant == "pruned":
        sets.append("variants.pruned.algorithm.remember_masks=true")
    without = recorded(tiny, variant, *sets)
    measured = recorded(tiny, variant, *sets, "gradient_samples=12")
    assert {column.name for column in INSIGHTS} >= MEASURED
    for table in ("rounds", "clients"):
        one, other = without.table(table), measured.table(table)
        assert one.keys() == other.keys()
        for name in one.keys() - MEASURED:
            assert np.array_equal(one[name], other[name], equal_nan=one[name].dtype != object)
    assert without.events == measured.events
    for name in MEASURED:
        assert np.isnan(without.table("rounds")[name]).all()
        assert np.isnan(measured.table("rounds")[name]).tolist() == [True, False, False]
