"""What the methods that system A is compared with do, send and cost: closed forms beside the code."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from wflsim.catalog import component, kinds
from wflsim.contracts import Turn
from wflsim.errors import UserError
from wflsim.learning.algorithms.ditto import Ditto
from wflsim.learning.algorithms.fedalt import FedAlt
from wflsim.learning.algorithms.fedavg import FedAvg
from wflsim.learning.algorithms.fedper import FedPer
from wflsim.learning.algorithms.fedprox import FedProx
from wflsim.learning.algorithms.fedrep import FedRep
from wflsim.learning.algorithms.fedsim import FedSim
from wflsim.learning.algorithms.lg_fedavg import LgFedAvg
from wflsim.learning.algorithms.local_only import LocalOnly
from wflsim.learning.lessons import proximal
from wflsim.learning.models import Conv4, Mlp, ResNet
from wflsim.learning.task import Task
from wflsim.learning.testing import (
    STREAMS,
    check_algorithm,
    check_ways,
    cohort_of,
    fitting_shape,
    small_task,
)

TASK, EVERYBODY = small_task(), np.arange(5)
DOUBLE = Task(TASK.holdings, TASK.inputs.double(), TASK.labels, small_task().module.double())
HEAD = ("dense1.weight", "dense1.bias")
FIRST, TOP = 64 * 7, 7 * 10  # weights of the two layers, and their operations forward
FIRST_BITS, TOP_BITS = 32 * (FIRST + 7), 32 * (TOP + 10)
JOINT = 2 * FIRST + 3 * TOP  # forward, both slopes, and the error back through the top
ON_HEAD, ON_BODY = FIRST + 2 * TOP, 2 * FIRST + 2 * TOP


@pytest.mark.parametrize(
    ("algorithm", "step_macs", "bits"),
    [
        (FedSim(steps=4, personal_rate=0.1), 4 * JOINT, FIRST_BITS),
        (FedSim("input", steps=4), 4 * JOINT, TOP_BITS),
        (FedPer(steps=4), 4 * JOINT, FIRST_BITS),
        (FedPer(2, steps=4), 4 * JOINT, 0),
        (LgFedAvg(steps=4), 4 * JOINT, TOP_BITS),
        (FedRep(head_steps=4, body_steps=3), 4 * ON_HEAD + 3 * ON_BODY, FIRST_BITS),
        (FedAlt(personal_steps=4, shared_steps=3), 4 * ON_HEAD + 3 * ON_BODY, FIRST_BITS),
        (FedProx(steps=4, mu=0.3), 4 * JOINT, FIRST_BITS + TOP_BITS),
        (Ditto(steps=4, personal_steps=3), 7 * JOINT, FIRST_BITS + TOP_BITS),
        (LocalOnly(steps=4), 4 * JOINT, 0),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_a_round_costs_and_carries(algorithm, step_macs, bits):
    exchange = algorithm.plan(TASK.anatomy, TASK.holdings.samples, Turn(0, 0, STREAMS), None)
    assert (exchange.macs.at(1.0) == 32 * step_macs).all()
    assert (exchange.up_bits.at(1.0) == bits).all()
    assert (exchange.down_bits.at(1.0) == bits).all()
    assert exchange.silent == (bits == 0)
    assert (
        algorithm.plan(TASK.anatomy, TASK.holdings.samples, Turn(0, 1, STREAMS), exchange) is None
    )
    check_algorithm(algorithm)


def test_operations_of_epochs_follow_each_devices_samples():
    exchange = FedProx(epochs=3).plan(
        TASK.anatomy, TASK.holdings.samples, Turn(0, 0, STREAMS), None
    )
    assert (exchange.macs.fixed == 3 * TASK.holdings.samples * JOINT).all()


def test_two_step_sizes_are_those_of_the_librarys_groups_bit_for_bit():
    cohort = cohort_of(TASK, EVERYBODY, how="loop")
    algorithm = FedSim(steps=5, personal_rate=0.02, shared_rate=0.2)
    updates = algorithm.train(algorithm.init(TASK), cohort, np.ones(5))
    (batches,) = cohort.phases((5,), 32)
    for device in range(5):
        module = TASK.fresh_module()
        named = dict(module.named_parameters())
        optimiser = torch.optim.SGD(
            [
                {"params": [named[name] for name in HEAD], "lr": 0.02},
                {"params": [each for name, each in named.items() if name not in HEAD], "lr": 0.2},
            ]
        )
        for rows in batches.rows[:, device]:
            optimiser.zero_grad()
            functional.cross_entropy(module(TASK.inputs[rows]), TASK.labels[rows]).backward()
            optimiser.step()
        got = {
            **updates.messages[device].tensors,
            **{n: t[device] for n, t in updates.private.items()},
        }
        assert all(torch.equal(got[name], each) for name, each in named.items())


@pytest.mark.parametrize(
    "algorithm",
    [FedSim(personal_rate=0.02, shared_rate=0.2), FedProx(mu=0.5), Ditto(strength=0.5)],
    ids=lambda algorithm: type(algorithm).__name__,
)
def test_they_are_the_same_in_every_way_of_training(algorithm):
    def lesson(cohort):
        updates = algorithm.train(algorithm.init(cohort.task), cohort, np.ones(5))
        sent = {
            f"sent.{name}": torch.stack([m.tensors[name] for m in updates.messages])
            for name in updates.messages[0].tensors
        }
        return {**sent, **updates.private}

    check_ways(small_task(), lesson)


def test_two_equal_step_sizes_and_two_passes_are_one_pass():
    near = np.nextafter(0.05, 1.0)
    together, apart = (
        algorithm.train(algorithm.init(DOUBLE), cohort_of(DOUBLE, EVERYBODY), np.ones(5))
        for algorithm in (FedSim(), FedSim(personal_rate=near))
    )
    for name in HEAD:
        assert torch.allclose(together.private[name], apart.private[name], rtol=0, atol=1e-12)


def far(params, towards):
    return sum(float(((params[name] - towards[name]) ** 2).sum()) for name in towards) ** 0.5


@pytest.mark.parametrize("how", ["loop", "batched"])
def test_the_penalty_moves_a_step_by_its_own_slope(how):
    """x − η (g + λ (x − x₀)) is the step without penalty, less ηλ (x − x₀)."""
    cohort = cohort_of(DOUBLE, EVERYBODY, how=how)
    x = {name: t + 0.1 for name, t in cohort.stack(DOUBLE.initial).items()}
    x0 = {name: t - 0.2 for name, t in cohort.stack(DOUBLE.initial).items()}
    one = FedAvg(steps=1, learning_rate=0.3)
    plain, held = one.trained(x, cohort), one.trained(x, cohort, proximal(0.7, x0))
    for name, start in x.items():
        expected = plain[name] - 0.3 * 0.7 * (start - x0[name])
        assert torch.allclose(held[name], expected, rtol=0, atol=1e-12)


def test_a_stronger_penalty_keeps_devices_nearer():
    cohort, distances = cohort_of(TASK, EVERYBODY), []
    for mu in (0.0, 0.1, 1.0, 5.0):
        algorithm = FedProx(steps=20, mu=mu)
        updates = algorithm.train(algorithm.init(TASK), cohort, np.ones(5))
        distances.append([far(message.tensors, TASK.initial) for message in updates.messages])
    assert (np.diff(distances, axis=0) < 0).all()


def test_ditto_is_drawn_to_the_model_that_was_received_and_not_to_the_one_it_sends():
    """With λη = 1 a step from any place goes to w − η g(v): the trained global model is nowhere in it."""
    algorithm = Ditto(steps=6, personal_steps=1, personal_rate=0.5, strength=2.0)
    state = algorithm.init(DOUBLE)
    state = algorithm.fuse(state, algorithm.train(state, cohort_of(DOUBLE, EVERYBODY), np.ones(5)))
    cohort = cohort_of(DOUBLE, EVERYBODY, 1)
    updates, received = algorithm.train(state, cohort, np.ones(5)), state.common.shared
    before = state.own.rows(EVERYBODY)
    plain = FedAvg(steps=1, learning_rate=0.5).trained(before, cohort)
    for name, tensor in updates.private.items():
        expected = received[name] + plain[name] - before[name]
        assert torch.allclose(tensor, expected, rtol=0, atol=1e-12)
        assert not torch.equal(tensor[0], updates.messages[0].tensors[name])


def test_running_statistics_are_drawn_nowhere():
    """A penalty is on what is trained; the statistics of norms follow the data."""
    stacked = {"w": torch.ones(2, 3, requires_grad=True), "mean": torch.zeros(2, 3)}
    objective = proximal(2.0, {name: tensor + 1.0 for name, tensor in stacked.items()})
    assert float(objective.penalty({"w": stacked["w"]}, objective.context).detach()) == 6.0
    assert proximal(0.0, stacked).penalty is None


@pytest.mark.parametrize("model", sorted(set(kinds("model")) - {"own"}))
def test_the_first_and_the_last_layers_are_all_layers(model):
    made = component("model", model)()
    anatomy = made.blueprint(fitting_shape(made), 10).anatomy
    many, names = sum(layer.weights > 0 for layer in anatomy.layers), []
    for count in range(1, many):
        first, last = anatomy.first(count, "x").split(", "), anatomy.last(many - count, "x")
        assert first + last.split(", ") == [layer.name for layer in anatomy.layers]
        kept, _ = anatomy.split(last)
        assert sum(layer.weights > 0 for layer in kept.layers) == count
        names.append(first)
    assert anatomy.first(many, "x") == anatomy.last(many, "x")
    assert len({len(each) for each in names}) == len(names)


def test_a_norm_goes_with_the_layer_that_it_follows():
    anatomy = Conv4().blueprint((3, 32, 32), 10).anatomy
    assert anatomy.first(1, "x").split(", ") == ["conv1", "norm1"]
    assert anatomy.last(2, "x").split(", ")[:2] == ["conv4", "norm4"]
    anatomy = ResNet(depth=20).blueprint((3, 32, 32), 10).anatomy
    assert anatomy.split(anatomy.last(1, "x")) == anatomy.split("output")


@pytest.mark.parametrize(
    ("algorithm", "key"),
    [
        (FedPer(3), "personal_layers"),
        (FedRep(3), "head_layers"),
        (LgFedAvg(3), "local_layers"),
    ],
)
def test_more_layers_than_there_are_is_told_by_the_key(algorithm, key):
    anatomy = Mlp(hidden=(7,)).blueprint((1, 8, 8), 10).anatomy
    with pytest.raises(
        UserError, match=f"algorithm.{key}: the model has 2 layers with weights, got 3"
    ):
        algorithm.plan(anatomy, np.full(3, 10), Turn(0, 0, STREAMS), None)


def test_who_learns_alone_knows_nothing_of_the_others():
    algorithm = LocalOnly()
    every, alone = (
        algorithm.fuse(
            algorithm.init(TASK),
            algorithm.train(
                algorithm.init(TASK), cohort_of(TASK, who, how="loop"), np.ones(len(who))
            ),
        )
        for who in (EVERYBODY, np.array([3]))
    )
    assert all(
        torch.equal(tensor, algorithm.model_for(alone, 3)[name])
        for name, tensor in algorithm.model_for(every, 3).items()
    )
    assert algorithm.model_for(alone, 1) == dict(TASK.initial)
