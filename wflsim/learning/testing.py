"""Conformance checks that anyone can run on their own model, partition, engine or algorithm."""

from collections.abc import Callable, Mapping
from contextlib import suppress

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
from wflsim.errors import UserError
from wflsim.learning.cohort import Cohort
from wflsim.learning.data.digits import Digits
from wflsim.learning.engines import How
from wflsim.learning.models import Mlp
from wflsim.learning.partitions.labels import Classes
from wflsim.learning.task import Task, hold, make_task
from wflsim.randomness import Streams
from wflsim.scenario.schema import TaskSection

STREAMS = Streams(11)


def small_task(
    hidden: tuple[int, ...] = (7,), devices: int = 5, model: Model | None = None
) -> Task:
    """Return a task that is trained in a moment; devices hold different numbers of samples.

    Args:
        hidden: Widths of its hidden layers.
        devices: Number of devices.
        model: Another model instead.
    """
    model = model or Mlp(hidden=hidden)
    section = TaskSection(data=Digits(), partition=Classes(per_device=3), model=model)
    return make_task(section, hold(section, np.zeros((devices, 2)), STREAMS), STREAMS)


def cohort_of(task: Task, who: IntArray, round_: int = 0, *, how: How = "batched") -> Cohort:
    """Return a cohort of a task's devices."""
    return Cohort(task, who, Turn(round_, 0, STREAMS), how)


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
    """Assert that no sample lies on two devices, that every device has some, and that draws are repeatable.

    Of 440 images of ten classes and eight users, the publisher keeps 40; nothing that was handed in may change.
    """
    draw = np.random.default_rng(2)
    images, labels = draw.random((440, 1, 8, 8), np.float32), np.arange(440) % 10
    samples, places = Samples(images, labels, np.arange(440) % 8, 40), draw.random((devices, 2))
    images.flags.writeable = labels.flags.writeable = places.flags.writeable = False
    found, again = (partition.split(samples, places, np.random.default_rng(1)) for _ in range(2))
    every, left = np.concatenate(found.parts), found.samples
    assert len(found.parts) == devices, "one part a device"
    assert len(np.unique(every)) == len(every), "no sample lies on two devices"
    assert every.max() < samples.count, "what the publisher keeps lies on nobody"
    assert all(len(part) for part in found.parts), "every device has samples"
    assert all((np.diff(part) > 0).all() for part in found.parts), "indices rise"
    assert left.inputs.shape == images.shape, "samples keep their shape"
    assert left.inputs.dtype == np.float32, "samples stay float32"
    assert (len(left.labels), left.held_out) == (440, 40), "the publisher keeps what it kept"
    assert set(left.labels.tolist()) == set(range(10)), "all classes still occur, and no others"
    assert found.clusters is None or found.clusters.shape == (devices,), "one cluster a device"
    pairs = zip(found.parts, again.parts, strict=True)
    assert all(np.array_equal(one, other) for one, other in pairs), (
        "the same stream, the same parts"
    )
    assert np.array_equal(left.inputs, again.samples.inputs), "the same stream, the same samples"
    assert np.array_equal(left.labels, again.samples.labels), "the same stream, the same labels"


SHAPES = ((1, 8, 8), (1, 28, 28), (9, 128))


def fitting_shape(model: Model) -> tuple[int, ...]:
    """Return the first shape of a small image, a larger one and a series that a model takes."""
    for shape in SHAPES:
        with suppress(UserError):
            model.blueprint(shape, 10)
            return shape
    raise AssertionError(f"the model takes none of the shapes {SHAPES}")


def check_model(
    model: Model, input_shape: tuple[int, ...] | None = None, classes: int = 10
) -> None:
    """Assert that the anatomy tells the module's tensors, in order, and that the module takes a batch."""
    input_shape = input_shape or fitting_shape(model)
    blueprint = model.blueprint(input_shape, classes)
    anatomy, module = blueprint.anatomy, blueprint.build()
    tensors = {
        name: tensor
        for name, tensor in module.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    assert set(tensors) == set(anatomy.tensors), "anatomy and module name the same tensors"
    trained = [name for name, _ in module.named_parameters()]
    assert trained == [n for n in anatomy.tensors if n not in anatomy.statistics], "in one order"
    for told in anatomy.every():
        assert tuple(tensors[told.name].shape) == told.shape, f"{told.name} has the shape it tells"
    assert module.eval()(torch.randn(3, *input_shape)).shape == (3, classes), "one score a class"


def check_engine(engine: Engine) -> None:
    """Assert that an engine chooses a way that can be gone, the same one every time, for small and large models."""
    for hidden in ((7,), (3000, 3000)):
        anatomy = Mlp(hidden=hidden).blueprint((1, 8, 8), 10).anatomy
        for known in (True, False):
            try:
                way = engine.way(anatomy, known, plain=known)
            except UserError:
                assert not known, "only models that it does not know are refused"
                continue
            assert way == engine.way(anatomy, known, plain=known), "the same model, the same way"
            assert min(way.chunk, way.threads, way.workers) >= 1, "somebody does something"
            assert way.why, "it says why"


def check_ways(task: Task, lesson: Callable[[Cohort], Mapping[str, torch.Tensor]]) -> None:
    """Assert that devices trained in every way learn what they learn one after another, in float64 to 1e-10.

    Args:
        task: What they learn; it is brought to float64.
        lesson: From a cohort to the parameters after a lesson, shapes (K, …).
    """
    double = Task(task.holdings, task.inputs.double(), task.labels, task.module.double())
    who = np.arange(task.devices)
    reference = lesson(cohort_of(double, who, how="loop"))
    for how in ways_of(double):
        found = lesson(cohort_of(double, who, how=how))
        far = {name: float((found[name] - reference[name]).abs().max()) for name in reference}
        worse = {name: each for name, each in far.items() if not each <= 1e-10}  # or no number
        assert not worse, f"{how} differs by {worse} from one device after another"


def ways_of(task: Task) -> tuple[How, ...]:
    """Return the ways in which devices can be trained faster than one after another."""
    return ("batched",) if task.holdings.plan() is None else ("batched", "native")


def check_algorithm(
    algorithm: Algorithm, *, views: bool = False, model: Model | None = None
) -> None:
    """Assert that a method keeps its promises.

    What it plans without a state is what it sends; it is repeatable, changes no state that it was given, leaves alone
    what the absent keep to themselves, and has a model for every device and a global one.

    Args:
        algorithm: The method.
        views: Whether devices' own models are views of the shared one (masks, gates), so that those of the absent move with it.
        model: What is trained, for methods that do not take every model; a perceptron with one hidden layer if not given.
    """
    task = small_task(model=model)
    state = algorithm.init(task)
    exchange = algorithm.plan(task.anatomy, task.holdings.samples, Turn(0, 0, STREAMS), None)
    assert exchange is not None, "a round has an exchange"
    keep = exchange.whole_units(0.5 * (exchange.keep_min + exchange.keep_max))
    before = _digest(algorithm, state, task.devices)
    updates = _train(algorithm, state, task, exchange.participants, keep)
    sent = [message.bits for message in updates.messages]
    told = sent == exchange.sent_bits(keep).tolist() or getattr(algorithm, "trains_first", False)
    assert told, "the messages have the bits that were planned"
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
    if not views:
        own = [algorithm.model_for(state, device) for device in range(task.devices)]
        _check_absent(algorithm, alone, own, told=exchange.listeners is not None)


def _check_absent(
    algorithm: Algorithm, after: object, before: list[Mapping[str, torch.Tensor]], *, told: bool
) -> None:
    """Assert that where devices differ from each other, only the first, which took part, has changed.

    Those that the server's message is for without their taking part have all begun alike, and still are.
    """
    models = [algorithm.model_for(after, device) for device in range(len(before))]
    for name in before[0]:
        moved = [
            not torch.equal(old[name], new[name]) for old, new in zip(before, models, strict=True)
        ]
        shared = all(torch.equal(model[name], models[0][name]) for model in models)
        alike = told and all(torch.equal(model[name], models[1][name]) for model in models[1:])
        assert shared or alike or not any(moved[1:]), (
            f"{name} of a device that was absent has changed"
        )


def _train(
    algorithm: Algorithm, state: object, task: Task, who: IntArray, keep: FloatArray
) -> Updates:
    return algorithm.train(state, cohort_of(task, who), keep)


def _digest(algorithm: Algorithm, state: object, devices: int) -> list[bytes]:
    models = [algorithm.model_for(state, device) for device in (None, *range(devices))]
    return [tensor.numpy().tobytes() for model in models for _, tensor in sorted(model.items())]
