"""Every model, every kind of mask and every algorithm: as one and one after another learn the same."""

import numpy as np
import pytest
import torch

from wflsim.catalog import kinds
from wflsim.contracts import Samples
from wflsim.learning.algorithms.fedalt import FedAlt
from wflsim.learning.algorithms.fedavg import FedAvg
from wflsim.learning.algorithms.japp import Japp
from wflsim.learning.models import (
    Conv4,
    FedAvgCnn,
    LeNet5,
    Logistic,
    MiniVgg,
    Mlp,
    ResNet,
    SensorCnn,
    SensorLstm,
    SmallCnn,
    Vit,
)
from wflsim.learning.payload import unpack
from wflsim.learning.task import Holdings, Task
from wflsim.learning.testing import cohort_of, fitting_shape, ways_of

MODELS = {
    "logistic": Logistic(),
    "mlp": Mlp(hidden=(9, 7)),
    "lenet5": LeNet5(),
    "small_cnn": SmallCnn(),
    "fedavg_cnn": FedAvgCnn(),
    "conv4": Conv4(channels=(6, 6, 8, 8)),
    "conv4 of group norms": Conv4(channels=(8, 8, 8, 8), norm="group", group=4),
    "minivgg": MiniVgg(),
    "resnet": ResNet(depth=20, width=0.25),
    "resnet of group norms with adapters": ResNet(
        depth=20, width=0.25, norm="group", group=2, adapters=2
    ),
    "sensor_cnn": SensorCnn(),
    "sensor_lstm": SensorLstm(),
    "vit": Vit(adapters=3),
}
HEAVY = {"fedavg_cnn", "minivgg", "sensor_cnn", "sensor_lstm"}
DEVICES, SAMPLES = 3, 9


def test_every_kind_is_here():
    assert {name.split(" ")[0] for name in MODELS} == set(kinds("model")) - {"own"}


def task_of(model):
    shape = fitting_shape(model)
    rng = np.random.default_rng(1)
    inputs = rng.standard_normal((DEVICES * SAMPLES, *shape)).astype(np.float32)
    labels = rng.integers(10, size=len(inputs))
    parts = np.split(np.arange(len(inputs)), DEVICES)
    blueprint = model.blueprint(shape, 10)
    torch.manual_seed(1)
    return Task(
        Holdings(Samples(inputs, labels), parts, [], parts, blueprint),
        torch.from_numpy(inputs).double(),
        torch.from_numpy(labels),
        blueprint.build().double(),
    )


def apart(task, algorithm, keep):
    """Return how far what devices send and keep lies apart, one after another and in every other way."""
    state, who = algorithm.init(task), np.arange(DEVICES)
    one, *others = (
        algorithm.train(state, cohort_of(task, who, how=how), keep)
        for how in ("loop", *ways_of(task))
    )
    shapes = {name: tensor.shape for name, tensor in state.shared.items()}
    far = [0.0]
    for other in others:
        for left, right in zip(one.messages, other.messages, strict=True):
            (sent, kept), (told, told_kept) = (
                unpack(message, shapes, state.part) for message in (left, right)
            )
            assert all(torch.equal(kept[name], told_kept[name]) for name in kept)
            far += [float((sent[name] - told[name]).abs().max()) for name in sent]
        far += [float((t - other.private[n]).abs().max()) for n, t in one.private.items()]
    return float(np.max(far))  # which is no number if any is none


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow if n in HEAVY else ()) for n in MODELS]
)
@pytest.mark.parametrize(
    "algorithm",
    [
        FedAvg(steps=10, batch_size=4),
        FedAvg(epochs=2, batch_size=4, momentum=0.9, decay=0.01),
        FedAlt(personal_steps=4, shared_steps=6, batch_size=4),
        Japp(personal_steps=4, scoring_steps=2, masked_steps=4, batch_size=4),
        Japp(personal_steps=4, scoring_steps=2, masked_steps=4, batch_size=4, grain="units", levels=4),
    ],
    ids=["fedavg", "momentum", "fedalt", "weights", "units"],
)  # fmt: skip
def test_ten_steps_are_the_same(name, algorithm):
    if name == "logistic" and isinstance(algorithm, Japp | FedAlt):
        pytest.skip("its only layer is personal, so nothing is shared")
    assert apart(task_of(MODELS[name]), algorithm, np.array([0.5, 0.3, 1.0])) <= 1e-10


@pytest.mark.parametrize("name", ["small_cnn", "sensor_lstm"])
def test_what_a_thin_device_learns_depends_on_nobody_else_in_its_chunk(name):
    dropping = {"small_cnn": SmallCnn(dropout=0.5), "sensor_lstm": SensorLstm(units=8, dropout=0.3)}
    task, keep = task_of(dropping[name]), np.array([0.5, 0.3, 1.0])
    algorithm = Japp(batch_size=4, grain="units", levels=4)
    state = algorithm.init(task)
    every = algorithm.train(state, cohort_of(task, np.arange(DEVICES)), keep)
    for device in range(DEVICES):
        cohort = cohort_of(task, np.array([device]), how="loop")
        alone = algorithm.train(state, cohort, keep[[device]]).messages[0]
        for part, tensor in every.messages[device].tensors.items():
            assert torch.allclose(tensor.double(), alone.tensors[part].double(), atol=1e-10)


@pytest.mark.parametrize("personal", ["input", "norms", "adapters", "block1*"])
@pytest.mark.parametrize("grain", ["weights", "units"])
def test_any_part_may_be_personal(personal, grain):
    task = task_of(MODELS["resnet of group norms with adapters"])
    algorithm = Japp(personal=personal, batch_size=4, grain=grain, levels=4)
    assert apart(task, algorithm, np.array([0.5, 0.3, 1.0])) <= 1e-10
