"""Conformance checks that anyone can run on their own model, partition, engine or algorithm."""

from collections.abc import Mapping

import numpy as np
import torch

from wflsim.contracts import (
    Algorithm,
    Data,
    Engine,
    FloatArray,
    IntArray,
    Model,
    Partition,
    Samples,
    Turn,
    Updates,
)
from wflsim.learning.cohort import Cohort
from wflsim.learning.data.digits import Digits
from wflsim.learning.engines import Loop
from wflsim.learning.models import Mlp
from wflsim.learning.partition import Classes
from wflsim.learning.task import Task, hold, make_task
from wflsim.randomness import Streams
from wflsim.scenario.schema import TaskSection

STREAMS = Streams(11)


def small_task(hidden: tuple[int, ...] = (7,), devices: int = 5) -> Task:
    """Return a task that is trained in a moment; devices hold different numbers of samples."""
    section = TaskSection(data=Digits(), partition=Classes(per_device=3), model=Mlp(hidden=hidden))
    return make_task(section, hold(section, np.zeros((devices, 2)), STREAMS), STREAMS)


def cohort_of(task: Task, who: IntArray, engine: Engine, round_: int = 0) -> Cohort:
    """Return a cohort of a task's devices."""
    return Cohort(task, who, Turn(round_, 0, STREAMS), engine)


def check_data(data: Data) -> None:
    """Assert shapes, types, and that every class occurs."""
    loaded = data.load()
    samples, labels = loaded.inputs, loaded.labels
    assert samples.shape == (len(labels), *data.input_shape), "samples have the declared shape"
    assert samples.dtype == np.float32, "samples are float32"
    assert np.isfinite(samples).all(), "samples are finite"
    assert set(np.unique(labels)) == set(range(data.classes)), (
        "labels are 0 … classes − 1, and all occur"
    )


def check_partition(partition: Partition, devices: int = 7) -> None:
    """Assert that no sample lies on two devices, that every device has some, and that draws are repeatable."""
    labels = np.repeat(np.arange(10), 40)
    samples = Samples(np.zeros((400, 1), np.float32), labels)
    places = np.random.default_rng(2).normal(size=(devices, 2))
    parts = partition.split(samples, places, np.random.default_rng(1)).parts
    again = partition.split(samples, places, np.random.default_rng(1)).parts
    every = np.concatenate(parts)
    assert len(parts) == devices, "one part a device"
    assert len(np.unique(every)) == len(every), "no sample lies on two devices"
    assert all(len(part) for part in parts), "every device has samples"
    assert all(np.array_equal(a, b) for a, b in zip(parts, again, strict=True)), (
        "the same stream, the same parts"
    )


def check_model(model: Model, input_shape: tuple[int, ...] = (1, 8, 8), classes: int = 10) -> None:
    """Assert that the anatomy tells the module's tensors, in order, and that the module takes a batch."""
    anatomy = model.anatomy(input_shape, classes)
    module = model.build(input_shape, classes)
    tensors = dict(module.named_parameters())
    assert list(tensors) == list(anatomy.tensors), (
        "anatomy and module name the same tensors in the same order"
    )
    for layer in anatomy.layers:
        assert tuple(tensors[f"{layer.name}.weight"].shape) == layer.weight_shape, (
            f"{layer.name} has the shape it tells"
        )
    assert sum(tensor.numel() for tensor in tensors.values()) == anatomy.weights + anatomy.biases
    assert not list(module.buffers()), "no running statistics, which nobody fuses"
    batch = torch.randn(3, *input_shape)
    assert module(batch).shape == (3, classes), "one score a class"
    assert torch.equal(module.train()(batch), module.eval()(batch)), (
        "training draws nothing of its own"
    )


def check_engine(engine: Engine) -> None:
    """Assert that gradients equal those of one device after another, in float64 to 1e-12."""
    task = small_task()
    double = Task(task.holdings, task.inputs.double(), task.labels, task.module.double())
    who = np.arange(task.devices)
    cohorts = [cohort_of(double, who, chosen) for chosen in (engine, Loop())]
    batches = cohorts[0].phases((3,), 8)[0]
    one, other = (
        c.train(c.stack(double.initial), task.anatomy.tensors, batches, 0.1) for c in cohorts
    )
    worst = max(float((one[name] - other[name]).abs().max()) for name in one)
    assert worst <= 1e-12, f"differs by {worst} from one device after another"


def check_algorithm(algorithm: Algorithm) -> None:
    """Assert that a method keeps its promises.

    What it plans without a state is what it sends; it is repeatable, changes no state that it was given, leaves alone
    what the absent keep to themselves, and has a model for every device and a global one.
    """
    task = small_task()
    state = algorithm.init(task)
    exchange = algorithm.plan(task.anatomy, task.holdings.samples, Turn(0, 0, STREAMS), None)
    assert exchange is not None, "a round has an exchange"
    keep = exchange.whole_units(0.5 * (exchange.keep_min + exchange.keep_max))
    before = _digest(algorithm, state, task.devices)
    updates = _train(algorithm, state, task, exchange.participants, keep)
    sent = [message.bits for message in updates.messages]
    assert sent == exchange.sent_bits(keep).tolist(), "the messages have the bits that were planned"
    fused = algorithm.fuse(state, updates)
    again = algorithm.fuse(state, _train(algorithm, state, task, exchange.participants, keep))
    assert _digest(algorithm, state, task.devices) == before, (
        "training and fusing leave the old state alone"
    )
    same = _digest(algorithm, fused, task.devices) == _digest(algorithm, again, task.devices)
    assert same, "the same state, cohort and shares give the same bits"
    assert _digest(algorithm, fused, task.devices) != before, "something is learnt"
    alone = algorithm.fuse(
        state, _train(algorithm, state, task, exchange.participants[:1], keep[:1])
    )
    assert set(algorithm.model_for(alone, None)) == set(task.anatomy.tensors), (
        "a model has all tensors"
    )
    _check_absent(
        algorithm, alone, [algorithm.model_for(state, device) for device in range(task.devices)]
    )


def _check_absent(
    algorithm: Algorithm, after: object, before: list[Mapping[str, torch.Tensor]]
) -> None:
    """Assert that where devices differ from each other, only the first, which took part, has changed."""
    models = [algorithm.model_for(after, device) for device in range(len(before))]
    for name in before[0]:
        moved = [
            not torch.equal(old[name], new[name]) for old, new in zip(before, models, strict=True)
        ]
        shared = all(torch.equal(model[name], models[0][name]) for model in models)
        assert shared or not any(moved[1:]), f"{name} of a device that was absent has changed"


def _train(
    algorithm: Algorithm, state: object, task: Task, who: IntArray, keep: FloatArray
) -> Updates:
    return algorithm.train(state, cohort_of(task, who, Loop()), keep)


def _digest(algorithm: Algorithm, state: object, devices: int) -> list[bytes]:
    models = [algorithm.model_for(state, device) for device in (None, *range(devices))]
    return [tensor.numpy().tobytes() for model in models for _, tensor in sorted(model.items())]
