"""Devices trained as one learn what devices trained one after another learn, and those what plain PyTorch teaches."""

from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from wflsim.contracts import Samples, Turn
from wflsim.errors import UserError
from wflsim.learning import blueprint as bp
from wflsim.learning.algorithms.fedavg import FedAvg
from wflsim.learning.batched import Moment, Slopes
from wflsim.learning.batched.written import HalvingPool
from wflsim.learning.cohort import Cohort
from wflsim.learning.lessons import Batches, Descent, Objective, epochs
from wflsim.learning.task import Holdings, Task
from wflsim.learning.testing import STREAMS, check_ways, cohort_of, ways_of

NETS = {
    "mlp": ((1, 8, 8), (bp.Flatten(), bp.Linear("a", 7), bp.Act(), bp.Linear("b", 4))),
    "conv": (
        (1, 12, 12),
        (
            bp.Conv("c1", 4, 5), bp.Act(), bp.MaxPool(), bp.Conv("c2", 6, 3, padding=1), bp.Act(), bp.MaxPool(),
            bp.Flatten(), bp.Linear("d", 9), bp.Act(), bp.Linear("e", 4),
        ),
    ),
    "odd": (
        (2, 11, 11),
        (bp.Conv("c1", 4, 3, stride=2), bp.Act("tanh"), bp.MaxPool(), bp.Flatten(), bp.Linear("e", 4, bias=False)),
    ),
    "pools": (
        (2, 11, 11),
        (bp.Conv("c1", 4, 3), bp.Act(), bp.MaxPool(3), bp.MeanPool(2), bp.Flatten(), bp.Linear("e", 4)),
    ),
    "residual": (
        (3, 8, 8),
        (
            bp.Conv("c1", 4, 3, padding=1, bias=False), bp.BatchNorm("n1"), bp.Act(),
            bp.Residual("r1", (bp.Conv("x", 4, 3, padding=1), bp.BatchNorm("n"), bp.Act(), bp.Conv("y", 4, 3, padding=1))),
            bp.Act(),
            bp.Residual(
                "r2",
                (bp.Conv("x", 8, 3, stride=2, padding=1), bp.GroupNorm("n", 2), bp.Act(), bp.Conv("y", 8, 3, padding=1)),
                (bp.Conv("s", 8, 1, stride=2),),
            ),
            bp.Act(), bp.GlobalMean(), bp.Linear("e", 4),
        ),
    ),
    "lstm": ((3, 10), (bp.Steps(), bp.Lstm("l", 6), bp.Linear("e", 4))),
    "conv_lstm": ((3, 21), (bp.Conv("c", 5, 3), bp.Act(), bp.Steps(), bp.Lstm("l", 6), bp.Linear("e", 4))),
    "windows": (
        (3, 21),
        (bp.Conv("c", 5, 3), bp.Act(), bp.MaxPool(), bp.Conv("d", 5, 1), bp.Act(), bp.Flatten(), bp.Linear("e", 4)),
    ),
    "vit": (
        (3, 8, 8),
        (
            bp.Conv("p", 8, 4, stride=4), bp.Tokens(), bp.Positions("pos"),
            bp.Residual("b1", (bp.LayerNorm("n"), bp.Attention("att", 2))),
            bp.Residual("b2", (bp.LayerNorm("n"), bp.Linear("u", 10), bp.Act("gelu"), bp.Linear("v", 8))),
            bp.LayerNorm("n"), bp.MeanTokens(), bp.Linear("e", 4),
        ),
    ),
    "dropout": (
        (1, 8, 8),
        (
            bp.Conv("c", 4, 3), bp.Act(), bp.Dropout(0.3), bp.MaxPool(), bp.Flatten(), bp.Linear("a", 7), bp.Act(),
            bp.Dropout(0.5), bp.Linear("b", 4),
        ),
    ),
}  # fmt: skip
NETS |= {
    "rectified shortcut": (
        (2, 6, 6),
        (
            bp.Conv("c", 3, 3, padding=1),
            bp.Residual("r", (bp.Act(), bp.Conv("x", 3, 3, padding=1))),
            bp.Residual("s", (bp.Conv("y", 3, 1, padding=1), bp.Act(), bp.Conv("z", 3, 3))),
            bp.Act(), bp.Flatten(), bp.Linear("e", 4),
        ),
    ),
    "norm of features": (
        (1, 4, 4),
        (bp.Flatten(), bp.Linear("a", 8), bp.LayerNorm("n"), bp.Act(), bp.Linear("e", 4)),
    ),
    "rows in a row": (
        (1, 8, 8),
        (bp.Chain((bp.Conv("c", 4, 3), bp.Act()), "front"), bp.Chain((bp.MaxPool(), bp.Flatten(), bp.Linear("e", 4)), "back")),
    ),
}  # fmt: skip
SIZES = (13, 20, 8, 5)


def task_of(net, dtype=torch.float64, seed=0):
    """Return a task on random samples with a patch of one value, where maxima tie; devices hold different numbers."""
    shape, parts = NETS[net]
    rng = np.random.default_rng(seed)
    inputs = rng.standard_normal((sum(SIZES), *shape)).astype(np.float32)
    inputs[:, :, ..., : shape[-1] // 2] = np.round(inputs[:, :, ..., : shape[-1] // 2] / 4)
    labels = rng.integers(4, size=len(inputs))
    train = np.split(np.arange(len(inputs)), np.cumsum(SIZES)[:-1])
    blueprint = bp.Blueprint(bp.Chain(parts), shape)
    torch.manual_seed(seed)
    holdings = Holdings(Samples(inputs, labels), train, [], train, blueprint)
    return Task(
        holdings, torch.from_numpy(inputs).to(dtype), torch.from_numpy(labels), blueprint.build().to(dtype)
    )  # fmt: skip


def lesson(cohort, steps=10, **options):
    (batches,) = cohort.phases((steps,), 4)
    start = cohort.stack(cohort.task.initial)
    return cohort.train(
        start, cohort.task.anatomy.tensors, batches, options.pop("descent", 0.05), **options
    )


@pytest.mark.parametrize("net", NETS)
def test_ten_steps_are_the_same_in_double_precision(net):
    check_ways(task_of(net), lesson)


@pytest.mark.parametrize("net", NETS)
def test_one_step_is_the_same_in_single_precision(net):
    task = task_of(net, torch.float32)
    reference = lesson(cohort_of(task, np.arange(4), how="loop"), 1)
    for how in ways_of(task):
        found = lesson(cohort_of(task, np.arange(4), how=how), 1)
        for name, tensor in found.items():
            assert torch.allclose(tensor, reference[name], rtol=0, atol=1e-5)


@pytest.mark.parametrize("net", NETS)
def test_epochs_of_devices_with_different_data_are_padded_without_a_trace(net):
    def some_epochs(cohort):
        batches = cohort.epochs(2, 6)
        return cohort.train(
            cohort.stack(cohort.task.initial), cohort.task.anatomy.tensors, batches, 0.05
        )

    check_ways(task_of(net), some_epochs)


@pytest.mark.parametrize("net", ["mlp", "conv", "residual"])
@pytest.mark.parametrize(
    "descent", [Descent(0.05, momentum=0.9), Descent(0.05, decay=0.01), Descent(0.05, 0.9, 0.01)]
)
def test_momentum_and_decay_are_those_of_the_library(net, descent):
    task = task_of(net)

    def some_epochs(cohort):
        batches = cohort.epochs(2, 6)
        return cohort.train(
            cohort.stack(cohort.task.initial), cohort.task.anatomy.tensors, batches, descent
        )

    check_ways(task, some_epochs)
    cohort = cohort_of(task, np.arange(4), how="loop")
    batches, found = cohort.epochs(2, 6), some_epochs(cohort)
    for device in range(4):
        module = deepcopy(task.module).train()
        optimiser = torch.optim.SGD(
            module.parameters(), lr=0.05, momentum=descent.momentum, weight_decay=descent.decay
        )
        for rows, count in zip(
            batches.rows[:, device], batches.counts[:, device].tolist(), strict=True
        ):
            if count:
                optimiser.zero_grad()
                functional.cross_entropy(
                    module(task.inputs[rows[:count]]), task.labels[rows[:count]]
                ).backward()
                optimiser.step()
        for name, tensor in module.named_parameters():
            assert torch.equal(found[name][device], tensor)


@pytest.mark.parametrize("net", ["mlp", "conv", "residual", "lstm", "vit"])
@pytest.mark.parametrize("part", ["first", "last"])
def test_what_is_not_trained_stays_and_the_rest_is_trained_all_the_same(net, part):
    task = task_of(net)
    layers = task.anatomy.layers
    names = [
        tensor.name
        for layer in (layers[:1] if part == "first" else layers[-1:])
        for tensor in layer.tensors
    ]

    def some_layers(cohort):
        (batches,) = cohort.phases((4,), 4)
        return cohort.train(cohort.stack(task.initial), names, batches, 0.05)

    check_ways(task, some_layers)
    found = some_layers(cohort_of(task, np.arange(4)))
    moved = {
        name for name, tensor in found.items() if not torch.equal(tensor[0], task.initial[name])
    }
    assert moved == set(names)


def squared(scores, labels):
    return ((scores - functional.one_hot(labels, 4)) ** 2).sum(-1)


def proximal(params, context):
    return 0.05 * sum(((params[name] - context[name]) ** 2).sum() for name in params)


def smoothed(call, params, inputs, labels, context):
    return functional.cross_entropy(call(params, inputs + 0.1), labels, reduction="none") + squared(
        call(params, inputs), labels
    )


@pytest.mark.parametrize("net", ["mlp", "conv", "vit"])
@pytest.mark.parametrize("loss", ["loss", "penalty", "whole"])
def test_the_loss_of_one_device_is_batched_whatever_it_is(net, loss):
    task = task_of(net)

    def own_loss(cohort):
        context = {name: tensor + 0.1 for name, tensor in cohort.stack(task.initial).items()}
        made = {
            "loss": Objective(loss=squared),
            "penalty": Objective(penalty=proximal, context=context),
            "whole": Objective(whole=smoothed, context=context),
        }
        return lesson(cohort, 5, objective=made[loss])

    check_ways(task, own_loss)
    assert not torch.equal(
        own_loss(cohort_of(task, np.arange(4)))["e.weight" if net != "mlp" else "b.weight"],
        lesson(cohort_of(task, np.arange(4)), 5)["e.weight" if net != "mlp" else "b.weight"],
    )


def test_a_module_of_unknown_make_is_batched_as_well():
    task = task_of("conv")
    opaque = Task(task.holdings, task.inputs, task.labels, task.module)
    object.__setattr__(opaque.holdings, "blueprint", _Opaque(task.holdings.blueprint))
    check_ways(opaque, lesson)
    assert opaque.network is None


class _Opaque:
    """A network of which nothing is known but its tensors."""

    def __init__(self, known):
        self.anatomy = known.anatomy


def test_what_is_dropped_depends_on_device_and_step_alone():
    task = task_of("dropout")
    every = lesson(cohort_of(task, np.arange(4)))
    alone = lesson(cohort_of(task, np.array([2])))
    for name, tensor in every.items():
        assert torch.allclose(tensor[2], alone[name][0], atol=1e-12)
    later = lesson(cohort_of(task, np.arange(4), 1))
    assert not torch.equal(later["b.weight"], every["b.weight"])


def plain_fedavg(task, batches, rate):
    """Federated averaging as a page of plain PyTorch, weighted by samples."""
    sizes = [len(part) for part in task.holdings.train]
    total = {name: torch.zeros_like(tensor) for name, tensor in task.module.state_dict().items()}
    for device, size in enumerate(sizes):
        model = deepcopy(task.module).train()
        optimiser = torch.optim.SGD(model.parameters(), lr=rate)
        counts = batches.counts[:, device].tolist()
        for rows, count in zip(batches.rows[:, device], counts, strict=True):
            if count:
                optimiser.zero_grad()
                loss = functional.cross_entropy(
                    model(task.inputs[rows[:count]]), task.labels[rows[:count]]
                )
                loss.backward()
                optimiser.step()
        for name, tensor in model.state_dict().items():
            total[name] += size / sum(sizes) * tensor.detach()
    return total


@pytest.mark.parametrize("net", ["mlp", "conv", "lstm"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_round_of_fedavg_is_twenty_lines_of_plain_pytorch_bit_for_bit(net, dtype):
    task = task_of(net, dtype)
    algorithm = FedAvg(epochs=2, batch_size=6, learning_rate=0.05)
    cohort = Cohort(task, np.arange(4), Turn(0, 0, STREAMS), how="loop")
    state = algorithm.init(task)
    state = algorithm.fuse(state, algorithm.train(state, cohort, np.ones(4)))
    plain = plain_fedavg(task, cohort.epochs(2, 6), 0.05)
    for name, tensor in algorithm.model_for(state, None).items():
        assert torch.equal(tensor, plain[name])


def test_phases_split_the_batches_in_order():
    rows = torch.arange(12).view(6, 1, 2)
    first, second = Batches(rows, torch.full((6, 1), 2)).split((2, 4))
    assert torch.equal(torch.cat([first.rows, second.rows]), rows)
    assert (first.first, second.first, len(second.counts)) == (0, 2, 4)


@pytest.mark.parametrize(("least", "last"), [(1, 1), (2, 0)])
def test_a_last_batch_that_is_too_short_is_left_out(least, last):
    parts = [np.arange(7).reshape(1, 7).repeat(2, 0), np.arange(6).reshape(1, 6).repeat(2, 0)]
    found = epochs(parts, 3, least)
    assert found.counts.T.tolist() == [[3, 3, last, 3, 3, last], [3, 3, 3, 3, 0, 0]]
    assert found.rows[:2, 0].flatten().tolist() == list(range(6))


def test_an_epoch_sees_every_sample_once_and_ends_short():
    task = task_of("mlp")
    batches = cohort_of(task, np.arange(4)).epochs(3, 6)
    for device, own in enumerate(task.holdings.train):
        counts = batches.counts[:, device].tolist()
        seen = [
            r
            for rows, n in zip(batches.rows[:, device], counts, strict=True)
            for r in rows[:n].tolist()
        ]
        assert sum(counts) == 3 * len(own)
        for epoch in np.split(np.array(seen), 3):
            assert sorted(epoch) == sorted(own)


@pytest.mark.parametrize("net", ["mlp", "conv", "residual", "lstm", "vit"])
@pytest.mark.parametrize("how", ["batched", "loop"])
def test_bfloat16_learns_nearly_the_same_and_keeps_single_precision(net, how):
    task = task_of(net, torch.float32)
    cohort = cohort_of(task, np.arange(4), how=how)
    exact, rough = lesson(cohort, 3), lesson(replace(cohort, half=True), 3)
    moved = torch.cat([(exact[n] - task.initial[n]).flatten() for n in task.initial])
    apart = torch.cat([(exact[n] - rough[n]).flatten() for n in task.initial])
    assert all(tensor.dtype == torch.float32 for tensor in rough.values())
    assert 0 < apart.norm() < 0.2 * moved.norm()


def test_a_gpu_that_is_not_there_is_refused_by_its_key():
    from wflsim.learning.task import chosen_device

    assert chosen_device("cpu") == "cpu"
    if torch.cuda.is_available():
        assert chosen_device("auto") == chosen_device("cuda") == "cuda"
    else:
        assert chosen_device("auto") == "cpu"
        with pytest.raises(UserError, match="device: this host has no GPU"):
            chosen_device("cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("how", ["batched", "loop"])
def test_a_gpu_learns_what_a_processor_learns(net, how):
    task = task_of(net)
    here = lesson(cohort_of(task, np.arange(4), how=how))
    there = lesson(cohort_of(task.on("cuda"), np.arange(4), how=how))
    for name, tensor in here.items():
        assert torch.allclose(tensor, there[name], rtol=0, atol=1e-10)


@pytest.mark.parametrize("shape", [(3, 2, 6, 6), (3, 2, 7, 5), (3, 2, 9)])
def test_of_equal_places_the_first_is_the_largest_as_in_the_library(shape):
    values = torch.randint(0, 3, (*shape, 4)).double()  # (K, C, …, B): most windows have ties
    stage, moment = HalvingPool(0), Moment(training=True)
    found, saved = stage.forward({}, values.clone(), moment)
    slope = torch.randn_like(found)
    back = stage.backward({}, saved, slope, Slopes({}, ()), True)
    leaf = values.movedim(-1, 2).flatten(0, 2)[:, None].requires_grad_()
    pool = functional.max_pool2d if len(shape) == 4 else functional.max_pool1d
    expected = pool(leaf, 2)
    expected.backward(slope.movedim(-1, 2).flatten(0, 2)[:, None])
    assert torch.equal(found.movedim(-1, 2).flatten(0, 2), expected[:, 0])
    assert torch.equal(back.movedim(-1, 2).flatten(0, 2), leaf.grad[:, 0])


@pytest.mark.parametrize("loss", [None, smoothed])
def test_modules_that_are_shared_by_threads_stay_what_they_were(loss):
    task = task_of("conv")
    if loss is None:
        object.__setattr__(task.holdings, "blueprint", _Opaque(task.holdings.blueprint))
    before = {name: tensor.clone() for name, tensor in task.module.state_dict().items()}
    objective = Objective(whole=loss)

    def alone(device):
        return lesson(cohort_of(task, np.array([device])), 6, objective=objective)

    expected = [alone(device) for device in range(4)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(alone, [0, 1, 2, 3] * 3))
    for index, one in enumerate(found):
        assert all(torch.equal(tensor, expected[index % 4][name]) for name, tensor in one.items())
    assert all(torch.equal(t, before[n]) for n, t in task.module.state_dict().items())


def test_a_model_that_drops_values_and_is_of_unknown_make_is_not_batched():
    task = task_of("dropout")
    object.__setattr__(task.holdings, "blueprint", _Opaque(task.holdings.blueprint))
    with pytest.raises(UserError, match="write engine: loop"):
        lesson(cohort_of(task, np.arange(4)))
