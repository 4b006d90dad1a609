"""Laws of compiled training: its two operations, what it covers and what not, and that results depend on the device alone."""

import os
import subprocess
import sys
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from wflsim.contracts import Samples
from wflsim.errors import UserError
from wflsim.learning import blueprint as bp
from wflsim.learning import task as task_room
from wflsim.learning.engines import Auto, Native, Processes, Ray
from wflsim.learning.lessons import Batches, Descent, Lesson, Objective
from wflsim.learning.models import FedAvgCnn, LeNet5, Logistic, Mlp, SensorCnn, SmallCnn
from wflsim.learning.native.plan import planned
from wflsim.learning.native.rows import SPAN, combine, inner
from wflsim.learning.native.training import covers
from wflsim.learning.native.training import train as native_train
from wflsim.learning.task import Holdings, Task
from wflsim.learning.testing import check_ways, cohort_of
from wflsim.scenario.loading import load
from wflsim.simulation.setting import settle

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


def task_of(model, shape, devices=3, classes=10):
    """Return a task of random samples, 7 on each device, in float32."""
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((7 * devices, *shape), dtype=np.float32)
    labels = rng.integers(classes, size=len(inputs))
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
        (SensorCnn(kernel=9, dropout=(0.0, 0.0)), (2, 6)),
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
    for engine in (Processes(), Ray()):
        with pytest.raises(UserError, match="do not share a GPU"):
            engine.way(blueprint.anatomy, True, accelerated=True)


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


@pytest.mark.parametrize("place", [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_pooling_keeps_what_is_no_number(place):
    chain = bp.Chain((bp.MaxPool(2), bp.Flatten(), bp.Linear("a", 10)))
    task = task_of(Fixed(bp.Blueprint(chain, (1, 4, 4))), (1, 4, 4))
    task.inputs[:, 0, place[0], place[1]] = torch.nan
    found = taught(cohort_of(task, np.arange(3), how="native"))
    assert found["a.weight"].isnan().any()


def test_a_score_of_minus_infinity_is_a_class_that_is_impossible():
    chain = bp.Chain((bp.Flatten(), bp.Linear("a", 3)))
    task = task_of(Fixed(bp.Blueprint(chain, (5,))), (5,), classes=2)
    for unit in range(3):
        labels = torch.where(task.labels == unit, (unit + 1) % 3, task.labels)
        ours = replace(task, labels=labels)
        biased = {name: tensor.clone() for name, tensor in ours.initial.items()}
        biased["a.bias"][unit] = -torch.inf
        found = [
            cohort.train(cohort.stack(biased), ("a.weight",), cohort.epochs(1, 4), 0.05)["a.weight"]
            for cohort in (cohort_of(ours, np.arange(3), how=how) for how in ("native", "loop"))
        ]
        assert torch.allclose(found[0], found[1], atol=1e-5)


@dataclass(frozen=True)
class Fixed:
    """A model of one blueprint."""

    whole: bp.Blueprint

    def blueprint(self, input_shape, classes):
        return self.whole


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_plain_network_learns_what_it_learns_one_after_another(data):
    draw = data.draw
    shape = draw(st.sampled_from([(2, 6), (1, 9), (1, 5, 4), (2, 3, 7), (3, 1)]))
    parts = []
    for index in range(draw(st.integers(1, 2))):
        kernel = draw(st.integers(1, 7))
        padding = draw(st.integers(kernel // 2, kernel))
        parts += [
            bp.Conv(f"c{index}", draw(st.integers(1, 3)), kernel, 1, padding, draw(st.booleans()))
        ]
        parts += draw(
            st.sampled_from([[], [bp.Act()], [bp.MaxPool(), bp.Act()], [bp.Act(), bp.MaxPool()]])
        )
    chain = bp.Chain((bp.Chain(tuple(parts), "body"), bp.Flatten(), bp.Linear("z", 10)))
    blueprint = bp.Blueprint(chain, shape)
    try:
        assert blueprint.passage
    except ValueError:
        assume(False)  # pooled away
    task = task_of(Fixed(blueprint), shape)
    assert planned(blueprint) is not None
    names = task.anatomy.tensors
    moving = draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
    check_ways(task, lambda cohort: taught(cohort, moving))


def test_what_lies_outside_is_refused_before_compiled_code_looks_there():
    task = task_of(Mlp(hidden=(20,)), (9,))
    plan, cohort = planned(task.holdings.blueprint), cohort_of(task, np.arange(3), how="native")
    start, batches = cohort.stack(task.initial), cohort.epochs(1, 4)

    def train(inputs=task.inputs, labels=task.labels, params=start, batches=batches):
        lesson = Lesson(frozenset(task.anatomy.tensors), batches, Descent(0.1))
        return native_train(plan, inputs, labels, params, lesson)

    train()
    turned = start | {"dense0.weight": start["dense0.weight"].transpose(1, 2)}
    late = replace(batches, rows=batches.rows + len(task.inputs))
    for told, options in (
        ("numbers of a sample: must be from 9", {"inputs": task.inputs[:, :8]}),
        ("labels: must be from 0 to 9, got", {"labels": task.labels + 10}),
        ("labels: must be from 0 to 9, got -", {"labels": task.labels - 10}),
        ("rows: must be from 0 to 20", {"batches": late}),
        ("counts: must be from 0 to 4", {"batches": replace(batches, counts=batches.counts + 9)}),
        ("dense0.weight: must have shape", {"params": turned}),
    ):
        with pytest.raises(ValueError, match=told):
            train(**options)


@pytest.mark.parametrize("labels", [[1, 10], [-1, 3]])
def test_data_whose_labels_are_no_classes_are_refused(labels):
    with pytest.raises(ValueError, match="labels must be from 0 to 9"):
        task_room._examine(np.array(labels), 10)


def test_what_is_told_of_shorter_numbers_is_true(tiny_file):
    for options, how in (((), "native"), (("precision=bfloat16",), "batched")):
        wider = ("task.model={kind: mlp, hidden: [1000]}", *options)
        loaded = load(str(tiny_file), wider, None)
        assert settle(loaded.scenario.world).way().how == how
    loaded = load(str(tiny_file), ("precision=bfloat16", "engine=native"), None)
    with pytest.raises(UserError, match="or precision is another"):
        settle(loaded.scenario.world).way()


def test_what_is_strided_or_of_another_type_is_read_as_it_is():
    task = task_of(Mlp(hidden=(20,)), (9,))
    wide = torch.stack([task.inputs, task.inputs], 1)[:, 0].double()
    expected, found = (
        taught(cohort_of(each, np.arange(3), how="native"))
        for each in (task, replace(task, inputs=wide, labels=task.labels.int()))
    )
    assert all(torch.equal(tensor, found[name]) for name, tensor in expected.items())


@pytest.mark.slow
def test_what_cannot_be_kept_is_compiled_again(tmp_path):
    script = """
import numpy as np
from wflsim.learning.native import training
from wflsim.learning.testing import cohort_of, small_task
task = small_task()
cohort = cohort_of(task, np.arange(2), how="native")
found = cohort.train(cohort.stack(task.initial), task.anatomy.tensors, cohort.epochs(1, 4), 0.1)
print(sum(float(t.sum()) for t in found.values()))
"""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    run = partial(
        subprocess.run,
        [sys.executable, "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    expected = run().stdout
    kept = [path for path in tmp_path.rglob("*") if path.suffix in {".nbc", ".nbi"}]
    assert len(kept) == 2
    for path in kept:
        path.write_bytes(path.read_bytes()[:20])
    assert run().stdout == expected


def test_small_models_are_not_worth_compiling():
    small, large = (Mlp(hidden=(n,)).blueprint((1, 28, 28), 10).anatomy for n in (32, 128))
    assert [Auto().way(a, True, plain=True).how for a in (small, large)] == ["batched", "native"]
