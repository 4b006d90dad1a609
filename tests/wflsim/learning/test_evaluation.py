"""Laws of measuring: closed forms, nothing but test data, and no matter how many are looked at together."""

from dataclasses import replace
from math import log

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from wflsim.contracts import Scores
from wflsim.learning import evaluation
from wflsim.learning.algorithms.fedalt import FedAlt
from wflsim.learning.algorithms.fedavg import FedAvg
from wflsim.learning.evaluation import drawn, evaluate
from wflsim.learning.reliability import BINS, Reliability
from wflsim.learning.testing import cohort_of, small_task
from wflsim.randomness import Streams

TASK = small_task()
FLAT = small_task(hidden=())
TESTS = TASK.holdings.test
EVERYBODY = np.arange(5)


def trained(algorithm, who=EVERYBODY):
    state = algorithm.init(TASK)
    for round_ in range(3):
        updates = algorithm.train(state, cohort_of(TASK, who, round_), np.ones(len(who)))
        state = algorithm.fuse(state, updates)
    return state


ALT = FedAlt(personal_rate=0.3, shared_rate=0.3)
STATE = trained(ALT)


@pytest.fixture(params=["together", "one after another"])
def ways(request, monkeypatch):
    """Ask models together, however many samples they have, or one after another."""
    monkeypatch.setattr(evaluation, "_FEW", 10**6 if request.param == "together" else 0)


class Told:
    """An algorithm whose models are told: the probabilities of the classes, whatever the sample."""

    def __init__(self, whole, own):
        self.models = {None: self.sure(whole)} | {k: self.sure(p) for k, p in enumerate(own)}

    @staticmethod
    def sure(probabilities):
        bias = torch.tensor(probabilities, dtype=torch.float64).log().float()
        return {"dense0.weight": torch.zeros(10, 64), "dense0.bias": bias}

    def model_for(self, state, device):
        return self.models[device]


def leaning(to, probability):
    found = np.full(10, (1.0 - probability) / 9)
    found[to] = probability
    return found


def labels_of(rows):
    return FLAT.labels.numpy()[rows]


def equal(one, other, *, exactly=True):
    assert np.array_equal(one.personal, other.personal, equal_nan=True)
    assert one.whole == other.whole
    names = ("loss_personal", "loss_whole", "calibration_personal", "calibration_whole")
    tolerance = {"rel": 0, "abs": 0} if exactly else {"rel": 1e-5, "abs": 1e-6}
    for name in names:
        assert getattr(one, name) == pytest.approx(getattr(other, name), **tolerance), name


@pytest.mark.usefixtures("ways")
def test_a_model_of_known_probabilities_has_its_closed_forms():
    tests, shares = FLAT.holdings.test, [0.9, 0.35, 0.62, 0.8, 0.17]
    own = [leaning(int(labels_of(rows)[0]), p) for rows, p in zip(tests, shares, strict=True)]
    whole = np.arange(1, 11) / 55
    found = evaluate(Told(whole, own), None, FLAT)
    everyone = np.concatenate(tests)
    right = np.array([(labels_of(rows) == labels_of(rows)[0]).mean() for rows in tests])
    assert found.personal == pytest.approx(right)
    assert 0 < right.min() < right.max() < 1
    losses = [-np.log(p[labels_of(rows)]) for p, rows in zip(own, tests, strict=True)]
    assert found.loss_personal == pytest.approx(np.concatenate(losses).mean(), rel=1e-6)
    size = np.array([len(rows) for rows in tests])
    # The confidences lie in bins of their own.
    assert found.calibration_personal == pytest.approx(
        (size * np.abs(right - shares)).sum() / size.sum(), rel=1e-6
    )
    assert found.whole == pytest.approx((labels_of(everyone) == 9).mean())
    assert found.loss_whole == pytest.approx(-np.log(whole[labels_of(everyone)]).mean(), rel=1e-6)
    assert found.calibration_whole == pytest.approx(abs(found.whole - 10 / 55), rel=1e-6)


@pytest.mark.usefixtures("ways")
def test_knowing_nothing_costs_the_logarithm_of_the_classes():
    nothing = np.full(10, 0.1)
    found = evaluate(Told(nothing, [nothing] * 5), None, FLAT)
    assert found.loss_whole == pytest.approx(log(10), rel=1e-6)
    assert found.loss_personal == pytest.approx(log(10), rel=1e-6)


@given(st.integers(1, 200), st.integers(2, 12), st.floats(0.1, 30), st.integers(0, 99))
@settings(max_examples=50, deadline=None)
def test_sums_by_bins_are_those_of_a_plain_loop(count, classes, scale, seed):
    rng = torch.Generator().manual_seed(seed)
    logits = scale * torch.randn(count, classes, generator=rng)
    labels = torch.randint(0, classes, (count,), generator=rng)
    found = Reliability.of(logits, labels)
    likely = torch.softmax(logits.double(), -1)
    confidence, answer = likely.max(-1)
    error = 0.0
    for m in range(1, BINS + 1):
        inside = (confidence > (m - 1) / BINS) & (confidence <= m / BINS)
        if inside.any():
            apart = (answer == labels)[inside].double().mean() - confidence[inside].mean()
            error += float(inside.double().mean() * apart.abs())
    assert found.calibration_error == pytest.approx(error, abs=1e-9)
    assert found.mean_loss == pytest.approx(
        float(nn.functional.cross_entropy(logits.double(), labels)), rel=1e-9
    )
    assert found.accuracy == pytest.approx(float((answer == labels).double().mean()))
    half = count // 2
    parts = Reliability.of(logits[:half], labels[:half]) + Reliability.of(
        logits[half:], labels[half:]
    )
    assert (parts.count == found.count).all()
    assert (parts.right == found.right).all()
    assert parts.calibration_error == pytest.approx(found.calibration_error, abs=1e-12)
    assert 0 <= found.calibration_error <= 1
    assert found.mean_loss >= 0


def test_who_is_sure_and_right_is_calibrated_and_who_is_sure_and_wrong_is_not():
    logits = 100.0 * torch.eye(3)
    assert Reliability.of(logits, torch.arange(3)).calibration_error == pytest.approx(0)
    wrong = Reliability.of(logits, torch.tensor([1, 2, 0]))
    assert wrong.calibration_error == pytest.approx(1)
    assert wrong.mean_loss == pytest.approx(100)
    half = Reliability.of(torch.tensor([[0.0, log(3)]] * 4), torch.tensor([1, 1, 1, 0]))
    assert (half.accuracy, half.calibration_error) == (0.75, pytest.approx(0, abs=1e-7))
    assert np.isnan(Reliability.none().accuracy)
    strange = Reliability.of(logits, torch.tensor([0, 1, 7]))
    assert (strange.accuracy, strange.mean_loss) == (pytest.approx(2 / 3), np.inf)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=45))
def test_statistics_of_devices_are_in_their_order(accuracies):
    scores = Scores(np.array([np.nan, *accuracies, np.nan]), 0.5)
    assert 0 <= scores.least <= scores.worst_decile + 1e-12
    assert scores.worst_decile <= scores.mean + 1e-12
    assert scores.mean == pytest.approx(np.mean(accuracies))
    assert scores.deviation == pytest.approx(np.std(accuracies))
    worst = sorted(accuracies)[: max(1, len(accuracies) // 10)]
    assert scores.worst_decile == pytest.approx(np.mean(worst))
    assert scores.least == min(accuracies)
    shuffled = Scores(np.random.default_rng(0).permutation(scores.personal), 0.5)
    assert shuffled.worst_decile == scores.worst_decile


def test_a_tenth_of_the_devices_is_rounded_down_and_at_least_one():
    def of(count):
        return Scores(np.arange(count) / 100, 0.5).worst_decile

    assert [of(1), of(9), of(19)] == [0.0, 0.0, 0.0]
    assert of(20) == pytest.approx(0.005)
    assert of(39) == pytest.approx(0.01)


def test_what_was_not_measured_is_not_a_number_and_no_warning():
    scores = Scores(np.full(3, np.nan), np.nan)
    found = (scores.mean, scores.deviation, scores.worst_decile, scores.least, scores.loss_whole)
    assert np.isnan(found).all()


@pytest.mark.parametrize("algorithm", [ALT, FedAvg(learning_rate=0.3)], ids=["fedalt", "fedavg"])
@pytest.mark.parametrize("few", [0, 10**6])
@pytest.mark.parametrize("budget_bytes", [1, 9_000, 60_000])
def test_how_many_are_looked_at_together_does_not_matter(algorithm, few, budget_bytes, monkeypatch):
    state = trained(algorithm, np.array([0, 1, 3]))
    whole = evaluate(algorithm, state, TASK)
    monkeypatch.setattr(evaluation, "_FEW", few)
    monkeypatch.setattr(evaluation, "_TOGETHER", 2)
    equal(evaluate(algorithm, state, TASK, budget_bytes=budget_bytes), whole, exactly=False)


@pytest.mark.parametrize(("longest", "together"), [(32, True), (33, False)])
def test_models_are_asked_together_where_each_is_asked_little(longest, together, monkeypatch):
    asked = []
    forward = evaluation.forward_of(TASK)
    monkeypatch.setattr(
        evaluation,
        "forward_of",
        lambda task: lambda params, inputs: (asked.append(len(inputs)), forward(params, inputs))[1],
    )
    rows = np.concatenate(TESTS)[:33]
    holdings = replace(TASK.holdings, test=[rows[:9]] * 4 + [rows[:longest]])
    evaluate(ALT, STATE, replace(TASK, holdings=holdings))
    assert asked == ([5] if together else [])


def test_batches_of_samples_are_bounded(monkeypatch):
    asked = []
    monkeypatch.setattr(evaluation, "_FEW", 10**6)
    forward = evaluation.forward_of(TASK)
    monkeypatch.setattr(
        evaluation,
        "forward_of",
        lambda module: (
            lambda params, inputs: (asked.append(inputs.shape), forward(params, inputs))[1]
        ),
    )
    evaluate(ALT, STATE, TASK)
    assert [shape[0] for shape in asked] == [5]
    model = sum(tensor.nbytes for tensor in TASK.initial.values())
    asked.clear()
    evaluate(ALT, STATE, TASK, budget_bytes=4 * model)
    assert [shape[0] for shape in asked if shape[1] > 1][:1] == [2]
    assert all(
        shape[0] <= 2 and shape[0] * shape[1] * 64 * 4 <= max(4 * model, 2 * 64 * 4)
        for shape in asked
    )


@pytest.mark.usefixtures("ways")
def test_devices_may_be_counted_in_any_order():
    order = np.array([3, 0, 4, 2, 1])
    holdings = replace(TASK.holdings, test=[TESTS[k] for k in order])

    class Renamed:
        def model_for(self, state, device):
            return ALT.model_for(state, None if device is None else int(order[device]))

    one = evaluate(ALT, STATE, TASK)
    other = evaluate(Renamed(), STATE, replace(TASK, holdings=holdings))
    assert (other.personal == one.personal[order]).all()
    equal(replace(other, personal=one.personal), one, exactly=False)


def test_one_model_for_all_is_asked_once_about_everybodys_samples(monkeypatch):
    def never(task):
        def refuse(*_):
            raise AssertionError("models that are one need no stack")

        return refuse

    monkeypatch.setattr(evaluation, "forward_of", never)
    algorithm = FedAvg(learning_rate=0.3)
    calls = []
    hook = TASK.module.register_forward_hook(lambda *args: calls.append(len(args[1][0])))
    found = evaluate(algorithm, trained(algorithm), TASK)
    hook.remove()
    every = sum(map(len, TESTS))
    assert sorted(calls) == [1, every, every]  # the one tells what a sample costs
    assert found.loss_personal == pytest.approx(found.loss_whole, rel=1e-6)
    size = np.array([len(rows) for rows in TESTS])
    assert (found.personal * size).sum() / size.sum() == pytest.approx(found.whole)


@pytest.mark.usefixtures("ways")
def test_some_devices_stand_for_all_and_the_others_are_not_measured():
    whole, some = evaluate(ALT, STATE, TASK), evaluate(ALT, STATE, TASK, np.array([1, 4]))
    assert (some.personal[[1, 4]] == whole.personal[[1, 4]]).all()
    assert np.isnan(some.personal[[0, 2, 3]]).all()
    assert some.mean == pytest.approx(whole.personal[[1, 4]].mean())
    assert (some.whole, some.loss_whole) == (whole.whole, whole.loss_whole)


def test_the_devices_that_stand_for_all_are_a_matter_of_the_seed():
    found = drawn(1000, 30, Streams(5))
    assert np.array_equal(found, drawn(1000, 30, Streams(5)))
    assert not np.array_equal(found, drawn(1000, 30, Streams(6)))
    assert len(np.unique(found)) == 30
    assert (np.diff(found) > 0).all()
    assert (
        drawn(30, 30, Streams(5))
        is drawn(30, None, Streams(5))
        is drawn(30, 99, Streams(5))
        is None
    )


@pytest.mark.usefixtures("ways")
@pytest.mark.parametrize("what", ["labels", "inputs"])
def test_nothing_but_test_samples_is_read(what):
    tested = np.concatenate(TESTS)
    others = np.setdiff1d(np.arange(len(TASK.labels)), tested)
    assert set(np.concatenate(TASK.holdings.train)) <= set(others)
    before = evaluate(ALT, STATE, TASK)

    def poisoned(rows):
        values = getattr(TASK, what).clone()
        values[rows] = 99 if what == "labels" else torch.nan
        return evaluate(ALT, STATE, replace(TASK, **{what: values}))

    equal(poisoned(others), before)
    after = poisoned(tested)
    assert (after.loss_personal, after.loss_whole) == (np.inf, np.inf)
    assert (after.personal < before.personal).all()
    assert after.whole < before.whole


@pytest.mark.usefixtures("ways")
def test_where_there_is_an_official_test_set_the_global_model_is_measured_on_it():
    data = replace(TASK.holdings.data, held_out=300)
    inputs = torch.cat([TASK.inputs[:-300], TASK.inputs[TESTS[0]].repeat(40, 1, 1, 1)[:300]])
    labels = torch.cat([TASK.labels[:-300], TASK.labels[TESTS[0]].repeat(40)[:300]])
    parts = [rows[rows < len(labels) - 300] for rows in TESTS]
    task = replace(
        TASK, holdings=replace(TASK.holdings, data=data, test=parts), inputs=inputs, labels=labels
    )
    found = evaluate(ALT, STATE, task)
    logits = torch.func.functional_call(TASK.module, ALT.model_for(STATE, None), (inputs[-300:],))
    assert found.whole == pytest.approx(float((logits.argmax(1) == labels[-300:]).double().mean()))
    assert found.loss_whole == pytest.approx(
        float(nn.functional.cross_entropy(logits, labels[-300:])), rel=1e-5
    )
    spoilt = labels.clone()
    spoilt[-300:] = 99
    after = evaluate(ALT, STATE, replace(task, labels=spoilt))
    assert after.whole == 0
    assert (after.personal == found.personal).all()


@pytest.mark.usefixtures("ways")
def test_a_device_without_test_samples_is_not_measured():
    holdings = replace(TASK.holdings, test=[*TESTS[:4], np.empty(0, dtype=np.int64)])
    found = evaluate(ALT, STATE, replace(TASK, holdings=holdings))
    assert np.isnan(found.personal).tolist() == [False] * 4 + [True]
    nobody = evaluate(ALT, STATE, replace(TASK, holdings=holdings), np.array([4]))
    assert np.isnan([nobody.mean, nobody.loss_personal, nobody.calibration_personal]).all()


def test_dropout_rests_and_statistics_stay_while_a_model_is_measured():
    module = nn.Sequential()
    module.add_module("flatten", nn.Flatten())
    module.add_module("norm", nn.BatchNorm1d(64))
    module.add_module("dropout", nn.Dropout(0.5))
    module.add_module("dense0", nn.Linear(64, 10))
    model = {n: t.detach().clone() for n, t in module.state_dict().items() if "num" not in n}
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}

    class Own:
        def model_for(self, state, device):
            extra = 0.0 if device is None else 0.1 * device
            return {**model, "dense0.bias": model["dense0.bias"] + extra}

    task = replace(FLAT, module=module.train())
    equal(evaluate(Own(), None, task), evaluate(Own(), None, task))
    assert all(layer.training for layer in module.modules())
    assert all(torch.equal(t, before[name]) for name, t in module.state_dict().items())


def test_what_a_sample_takes_up_counts_inputs_outputs_and_what_is_unfolded():
    module = nn.Sequential(nn.Conv2d(2, 6, 3), nn.Flatten(), nn.Linear(96, 10))
    outputs = 6 * 4 * 4, 96, 10, 10  # the whole is a layer too
    unfolded = 4 * 4 * 2 * 9, 0, 96, 0
    found = evaluation._forward_bytes(module, torch.zeros(1, 2, 6, 6))
    assert found == 4 * (2 * 6 * 6 + sum(outputs) + sum(unfolded))
