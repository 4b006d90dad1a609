"""A round of local training, one epoch a device: the engine beside the usual loop and beside centralised training."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.outcome import Bar, Outcome
from wflsim.contracts import Samples, Turn, Updates
from wflsim.learning.algorithms.fedavg import FedAvg
from wflsim.learning.blueprint import Blueprint
from wflsim.learning.cohort import Cohort
from wflsim.learning.crews import Chunk, Job, crew, host_threads, joined
from wflsim.learning.engines import Auto
from wflsim.learning.models import FedAvgCnn, Mlp, SmallCnn
from wflsim.learning.payload import with_units
from wflsim.learning.pruning.choosing import keep_units
from wflsim.learning.pruning.counting import free_spaces
from wflsim.learning.pruning.importance import unit_scores
from wflsim.learning.pruning.masks import Masks
from wflsim.learning.pruning.thinning import Thinning
from wflsim.learning.task import Holdings, Task
from wflsim.randomness import Streams

CORES, BATCH, SAMPLES, RATE = 2, 10, 600, 0.05
SHAPE, CLASSES = (1, 28, 28), 10
FEDAVG = FedAvg(epochs=1, batch_size=BATCH, learning_rate=RATE)


@dataclass(frozen=True)
class Case:
    """What is trained.

    Attributes:
        name: Its name in the table.
        model: The model.
        devices: Number of devices.
        usual: Least advantage over the usual loop.
        half: Most time beside the dense cohort when every device keeps half of its units.
        central: Most time beside centralised training on the same samples; None where nothing is promised.
    """

    name: str
    model: Any
    devices: int
    usual: float
    half: float
    central: float | None = None


CASES = (
    Case("mlp", Mlp(hidden=(200,)), 50, 6.0, 0.65, 2.0),
    Case("small_cnn", SmallCnn(), 10, 3.2, 0.55),
    Case("small_cnn", SmallCnn(), 50, 3.2, 0.55, 1.0),
    Case("fedavg_cnn", FedAvgCnn(), 10, 1.0, 0.45),
)


def run(full: bool) -> Outcome:
    """Train cohorts in every way, turn by turn, and compare medians."""
    rows: list[tuple[object, ...]] = []
    ratios: dict[str, float] = {}
    bars: dict[str, Bar] = {}
    for case in CASES if full else CASES[:2]:
        task = made(case)
        ways = {way.__name__: partial(way, task) for way in (engine, half, usual, central)}
        seconds = interleaved(ways, turns=5 if full else 1)
        name = f"{case.name}, {case.devices} devices"
        rows += [(name, way, min(s), median(s), max(s)) for way, s in seconds.items()]
        gain = min(seconds["usual"]) / min(seconds["engine"])
        thin = min(seconds["half"]) / min(seconds["engine"])
        beside = min(seconds["engine"]) / min(seconds["central"])
        ratios |= {f"{name}: usual / engine": gain, f"{name}: engine / central": beside}
        ratios[f"{name}: half of the units / engine"] = thin
        if full:
            bars[f"{name}: usual / engine"] = Bar(gain, case.usual, at_most=False)
            bars[f"{name}: half of the units / engine"] = Bar(thin, case.half)
        if full and case.central is not None:
            bars[f"{name}: engine / central"] = Bar(beside, case.central)
    return Outcome("cohort", ("case", "way", "least_s", "median_s", "most_s"), rows, ratios, bars)


def interleaved(ways: Mapping[str, Callable[[], object]], turns: int) -> dict[str, list[float]]:
    """Return the seconds of each way, turn by turn so that a busy neighbour disturbs all; the first turn warms up."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(turns + 1):
        for name, way in ways.items():
            start = perf_counter()
            way()
            if turn:
                seconds[name].append(perf_counter() - start)
    return seconds


def made(case: Case) -> Task:
    """Return a task of random samples, 600 on each device."""
    rng = np.random.default_rng(0)
    count = case.devices * SAMPLES
    inputs = rng.standard_normal((count, *SHAPE), dtype=np.float32)
    labels = rng.integers(CLASSES, size=count)
    blueprint: Blueprint = case.model.blueprint(SHAPE, CLASSES)
    parts = np.split(np.arange(count), case.devices)
    nothing = [np.empty(0, dtype=np.int64) for _ in parts]
    holdings = Holdings(Samples(inputs, labels), parts, nothing, nothing, blueprint)
    torch.manual_seed(0)
    return Task(holdings, torch.from_numpy(inputs), torch.from_numpy(labels), blueprint.build())


def engine(task: Task) -> object:
    """Play a round of FedAvg as a run does."""
    return played(task, FEDAVG)


@dataclass(frozen=True)
class Half:
    """FedAvg of devices that cut their model to half of its units, train that, and send it.

    Attributes:
        inner: What state and mean are of.
    """

    inner: FedAvg = FEDAVG

    def init(self, task: Task) -> Any:
        """Return the initial weights."""
        return self.inner.init(task)

    def train(self, state: Any, cohort: Cohort, keep: Any) -> Updates:
        """Return what devices send."""
        anatomy, start = cohort.task.anatomy, state.of(cohort)
        widths = {s.name: np.full(len(keep), s.units // 2) for s in free_spaces(anatomy)}
        units = keep_units(anatomy.spaces, unit_scores(anatomy, start), widths)
        thinning = Thinning.of(anatomy, Masks.structured(anatomy, units))
        batches = cohort.epochs(1, BATCH)
        small = cohort.train(
            thinning.thin(start), anatomy.tensors, batches, RATE, widths=thinning.widths
        )
        rows = enumerate(thinning.rows(small, anatomy.tensors))
        sent = [with_units(anatomy, row, {n: u[k] for n, u in units.items()}) for k, row in rows]
        return cohort.updates(sent, {})

    def fuse(self, state: Any, updates: Updates) -> Any:
        """Return the mean over those who kept a coordinate."""
        return self.inner.fuse(state, updates)


def half(task: Task) -> object:
    """Play the same round with half of the units."""
    return played(task, Half())


def played(task: Task, algorithm: Any) -> object:
    """Play a round as a run does."""
    way = Auto(workers=CORES).way(task.anatomy, known=True, plain=True)
    state, who = algorithm.init(task), np.arange(task.devices)
    turn, keep = Turn(0, 0, Streams(0)), np.ones(task.devices)
    parts = np.array_split(who, -(-len(who) // way.chunk))
    with crew(Job(algorithm, task, way.how, way.threads), way) as who_trains:
        found = who_trains.train([Chunk(state, part, turn, keep[part]) for part in parts])
        return algorithm.fuse(state, joined(found, who))


def usual(task: Task) -> object:
    """Train device after device as reference code does: a copy, a data loader, an optimiser; then the mean."""
    total: dict[str, torch.Tensor] = {}
    with host_threads(CORES):
        for part in task.holdings.train:
            rows = torch.from_numpy(part)
            data = TensorDataset(task.inputs[rows], task.labels[rows])
            model = deepcopy(task.module)
            optimiser = torch.optim.SGD(model.parameters(), RATE)
            for inputs, labels in DataLoader(data, BATCH, shuffle=True):
                optimiser.zero_grad()
                functional.cross_entropy(model(inputs), labels).backward()  # type: ignore[no-untyped-call]
                optimiser.step()
            for name, tensor in model.state_dict().items():
                total[name] = total.get(name, 0.0) + tensor / task.devices
    return total


def central(task: Task) -> object:
    """Train one model on all samples, as many at a step as all devices' batches together."""
    model: nn.Module = deepcopy(task.module)
    optimiser = torch.optim.SGD(model.parameters(), RATE)
    size = BATCH * task.devices
    with host_threads(CORES):
        for rows in torch.randperm(len(task.labels)).split(size):  # type: ignore[no-untyped-call]
            optimiser.zero_grad()
            loss = functional.cross_entropy(model(task.inputs[rows]), task.labels[rows])
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    return model
