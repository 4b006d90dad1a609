"""Laws of compiled training: its two operations, what it covers and what not, and that results depend on the device alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wflsim.contracts import Samples
from wflsim.errors import UserError
from wflsim.learning import blueprint as bp
from wflsim.learning.engines import Auto, Native, Processes
from wflsim.learning.lessons import Descent, Objective
from wflsim.learning.models import FedAvgCnn, LeNet5, Logistic, Mlp, SensorCnn, SmallCnn
from wflsim.learning.native.plan import planned
from wflsim.learning.native.rows import SPAN, combine, inner
from wflsim.learning.native.training import covers
from wflsim.learning.task import Holdings, Task
from wflsim.learning.testing import cohort_of

LONG = SPAN + 37  # a row that is looked at in two goes


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 5), st.integers(0, 20), st.sampled_from((1, 3, 8, 31, LONG)), st.integers(0, 99)
)
def test_multiples_of_rows_and_inner_products_are_products_of_matrices(rows, taps, size, seed):
    rng = np.random.default_rng(seed)
    values, out = rng.standard_normal(taps + size + 3), rng.standard_normal(rows * (size + 2))
    at, to = rng.integers(0, taps + 3, taps), np.arange(rows) * (size + 2)
    factors, scale = rng.standard_normal((rows, taps)), 0.5
    wide = np.stack([values[a : a + size] for a in at]) if taps else np.empty((0, size))
    expected, products = out.reshape(rows, -1).copy(), factors.copy()
    products += scale * expected[:, :size] @ wide.T
    found = factors.copy()
    inner(found, scale, out, to, values, at, size)
    np.testing.assert_allclose(found, products, rtol=1e-10, atol=1e-10)
    expected[:, :size] += factors @ wide
    combine(out, to, values, at, factors, size)
    np.testing.assert_allclose(out.reshape(rows, -1), expected, rtol=1e-10, atol=1e-10)


def task_of(model, shape, devices=3):
    """Return a task of random samples, 7 on each device, in float32."""
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((7 * devices, *shape), dtype=np.float32)
    labels = rng.integers(10, size=len(inputs))
    parts = np.split(np.arange(len(inputs)), devices)
    blueprint = model.blueprint(shape, 10)
    torch.manual_seed(0)
    holdings = Holdings(Samples(inputs, labels), parts, [], parts, blueprint)
    return Task(holdings, torch.from_numpy(inputs), torch.from_numpy(labels), blueprint.build())


def taught(cohort, names=None, **options):
    task = cohort.task
    return cohort.train(
        cohort.stack(task.initial),
        names or task.anatomy.tensors,
        cohort.epochs(2, 4),
        0.05,
        **options,
    )


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (Logistic(), (1, 28, 28)),
        (Mlp(hidden=(20, 30)), (9,)),
        (LeNet5(), (1, 28, 28)),
        (SmallCnn(), (1, 28, 28)),
        (FedAvgCnn(), (1, 28, 28)),
        (SensorCnn(dropout=(0.0, 0.0)), (6, 128)),
    ],
)
def test_plain_models_have_a_plan_with_memory_for_every_tensor(model, shape):
    blueprint = model.blueprint(shape, 10)
    plan = planned(blueprint)
    assert plan.names == blueprint.anatomy.tensors
    assert np.diff(plan.starts).tolist() == [tensor.size for tensor in blueprint.anatomy.every()]


@pytest.mark.parametrize(
    "part",
    [
        bp.Conv("c", 2, 3, stride=2),
        bp.MaxPool(3),
        bp.MeanPool(2),
        bp.BatchNorm("n"),
        bp.Act("tanh"),
        bp.Dropout(0.5),
    ],
)
def test_other_parts_have_none_and_the_engine_says_so(part):
    chain = bp.Chain((bp.Conv("a", 2, 3), part, bp.Flatten(), bp.Linear("b", 10)))
    blueprint = bp.Blueprint(chain, (1, 12, 12))
    assert planned(blueprint) is None
    for engine in (Native(), Processes(train="native")):
        with pytest.raises(UserError, match="write engine: auto"):
            engine.way(blueprint.anatomy, True)
        with pytest.raises(UserError, match="engine: "):
            engine.way(blueprint.anatomy, True, accelerated=True, plain=True)


def test_what_an_algorithm_asks_for_besides_is_batched():
    task = task_of(SmallCnn(), (1, 28, 28))
    drawn_to_zero = Objective(penalty=lambda params, _: sum((p**2).sum() for p in params.values()))
    for objective in (drawn_to_zero, Objective(loss=torch.nn.functional.cross_entropy)):
        assert not covers(_lesson(objective))
    with_penalty = [
        taught(cohort_of(task, np.arange(3), how=how), objective=drawn_to_zero)
        for how in ("native", "batched")
    ]
    for name, tensor in with_penalty[0].items():
        assert torch.equal(tensor, with_penalty[1][name])


def _lesson(objective):
    from wflsim.learning.lessons import Batches, Lesson

    return Lesson(frozenset("a"), Batches(torch.zeros(1, 1, 1)), Descent(0.1), objective=objective)


def test_a_device_learns_the_same_bits_whoever_is_trained_beside_it():
    task = task_of(SmallCnn(), (1, 28, 28))
    every = taught(cohort_of(task, np.arange(3), how="native"))
    for device in range(3):
        alone = taught(cohort_of(task, np.array([device]), how="native"))
        for name, tensor in alone.items():
            assert torch.equal(tensor[0], every[name][device])


@pytest.mark.parametrize("descent", [Descent(0.05), Descent(0.05, 0.9, 0.01)])
def test_what_may_not_change_does_not_and_what_was_given_stays(descent):
    task = task_of(SmallCnn(), (1, 28, 28))
    cohort = cohort_of(task, np.arange(3), how="native")
    start = {name: tensor.clone() for name, tensor in cohort.stack(task.initial).items()}
    before = {name: tensor.clone() for name, tensor in start.items()}
    moving = ("conv2.bias", "dense2.weight")
    found = cohort.train(start, moving, cohort.epochs(1, 4), descent)
    reference = replace(cohort, how="loop").train(start, moving, cohort.epochs(1, 4), descent)
    for name, tensor in found.items():
        assert torch.equal(start[name], before[name])
        assert torch.equal(tensor, before[name]) == (name not in moving)
        assert torch.allclose(tensor, reference[name], atol=1e-5)


def test_masked_entries_are_zero_after_every_step_and_others_need_no_mask():
    task = task_of(Mlp(hidden=(20,)), (9,))
    cohort = cohort_of(task, np.arange(3), how="native")
    rng = np.random.default_rng(1)
    masks = {"dense0.weight": torch.from_numpy(rng.random((3, 20, 9)) < 0.5)}
    found, expected = (taught(replace(cohort, how=how), masks=masks) for how in ("native", "loop"))
    assert not found["dense0.weight"][~masks["dense0.weight"]].any()
    for name, tensor in found.items():
        assert torch.allclose(tensor, expected[name], atol=1e-5)


def test_weights_that_became_no_numbers_stay_so():
    task = task_of(SmallCnn(), (1, 28, 28))
    cohort = cohort_of(task, np.arange(1), how="native")
    start = cohort.stack(task.initial)
    start["conv1.weight"] = torch.full_like(start["conv1.weight"], torch.nan)
    found = cohort.train(start, task.anatomy.tensors, cohort.epochs(1, 4), 0.05)
    assert all(tensor.isnan().any() for tensor in found.values())


def test_small_models_are_not_worth_compiling():
    small, large = (Mlp(hidden=(n,)).blueprint((1, 28, 28), 10).anatomy for n in (32, 128))
    assert [Auto().way(a, True, plain=True).how for a in (small, large)] == ["batched", "native"]
