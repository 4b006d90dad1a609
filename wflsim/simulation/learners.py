"""Who learns: the devices of a cohort that really train; torch is loaded here."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from wflsim.contracts import (
    Algorithm,
    FloatArray,
    Grouped,
    Grouping,
    IntArray,
    Late,
    Masked,
    Patient,
    Reckoned,
    Scores,
    Telling,
    Updates,
)
from wflsim.errors import UserError
from wflsim.learning.crews import Chunk, Crew, Job, crew, joined, places
from wflsim.learning.engines import Way
from wflsim.learning.evaluation import drawn, evaluate, evaluate_masked
from wflsim.learning.gradients import Gauge, gauged
from wflsim.learning.task import Task, chosen_device, make_task
from wflsim.learning.weights import write_weights
from wflsim.scenario.schema import System
from wflsim.simulation.arrivals import Arrivals, Beginning, Passage, whole
from wflsim.simulation.setting import Setting


@dataclass(frozen=True)
class Trainees:
    """Devices that train.

    Attributes:
        algorithm: The method.
        task: What is learned.
        way: How devices are trained on the host.
        half: Whether steps are computed in bfloat16.
        evaluated: Devices whose own models are evaluated; None for all.
        gauge: What measures the slopes of the losses; None where nobody wants to know.
        crews: Who trains while the run goes on; empty before and after.
    """

    algorithm: Algorithm
    task: Task
    way: Way
    half: bool = False
    evaluated: IntArray | None = None
    gauge: Gauge | None = None
    crews: list[Crew] = field(default_factory=list)

    @property
    def told(self) -> str:
        """How devices are trained, in a sentence."""
        where = f"on {self.task.inputs.device.type}, in {'bfloat16' if self.half else 'float32'}"
        return f"{self.way.told}; {where}"

    def begin(self) -> Any:
        """Return the algorithm's state before the first round."""
        return self.algorithm.init(self.task)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Give a context in which those who train are there."""
        job = Job(self.algorithm, self.task, self.way.how, self.way.threads, self.half)
        with crew(job, self.way) as made:
            self.crews.append(made)
            try:
                yield
            finally:
                self.crews.remove(made)

    def train(self, began: Beginning, rows: Any, keep: FloatArray) -> Updates:
        """Return what devices send and keep that began together."""
        order = np.lexsort((rows, keep))  # devices that keep alike train together
        count = max(1, -(-len(rows) // self.way.chunk))
        only = getattr(began.state, "only", None)
        if only is None or (count == 1 and self.way.by == "threads"):
            only = _the_same(began.state)
        chunks = [
            Chunk(only(rows[part]), rows[part], began.turn, keep[part])
            for part in map(np.sort, np.array_split(order, count))
        ]
        return joined(self.crews[-1].train(chunks), rows)

    def learn(self, state: Any, arrivals: Sequence[Arrivals]) -> Any:
        """Return the state after those who arrived were trained; nobody else costs host time.

        Updates that began together with this round are fused as the algorithm does. As soon as one is older, or a tier
        that does not report has its part in the model, each counts by the share of the samples that it counts for and by
        its age: what it learnt since it began is added to the server's model, and what age takes away or belongs to
        another tier stays there.
        """
        brought = [(group, self._brought(group)) for group in arrivals if len(group.device)]
        samples = self.task.holdings.samples
        if all(group.fresh for group, _ in brought) and whole(arrivals, samples):
            for _, updates in brought:
                state = self.algorithm.fuse(state, updates)
            return state
        if not isinstance(self.algorithm, Patient):
            raise UserError(
                f"policy.late: {type(self.algorithm).__name__} cannot fuse updates of older rounds; write late: dropped, "
                "and no tiers"
            )
        total = sum(int(samples[group.device].sum()) for group, _ in brought)
        late = [
            Late(group.began.state, updates, group.weight * group.samples / total)
            for group, updates in brought
        ]
        return self.algorithm.fuse_late(state, late)

    def scores(self, state: Any) -> Scores:
        """Return the accuracies of a state."""
        return evaluate(self.algorithm, state, self.task, self.evaluated)

    def told_of(self, passage: Passage, evaluated: bool) -> dict[str, float]:
        """Return what the algorithm tells, how good models are as they were pruned last, and what slopes are measured."""
        algorithm, state = self.algorithm, passage.after
        fused = len(passage.came) > 0  # else a state tells of an earlier round
        told = dict(algorithm.told(state)) if fused and isinstance(algorithm, Telling) else {}
        if isinstance(algorithm, Reckoned):
            came, holdings = np.unique(passage.came), self.task.holdings
            cost = algorithm.reckoned(holdings.anatomy, holdings.samples, came, state)
            told |= {"paper_bits": cost.bits, "paper_macs": cost.macs}
        if evaluated and isinstance(algorithm, Masked):
            told["accuracy_masked"] = evaluate_masked(algorithm, state, self.task, self.evaluated)
        if evaluated and self.gauge is not None:
            told |= self.gauge.told(passage.before, state, passage.came)
        return told

    def grouping(self, state: Any) -> Grouping | None:
        """Return which devices belong together; None where nobody groups them."""
        algorithm = self.algorithm
        return algorithm.grouping(state) if isinstance(algorithm, Grouped) else None

    def write(self, state: Any, path: Path) -> str:
        """Write the final weights of a state and return the file's SHA-256."""
        return write_weights(path, self.algorithm, state, self.task.devices)

    def _brought(self, group: Arrivals) -> Updates:
        updates = group.began.updates
        if updates is None:
            updates = self.train(group.began, group.device, group.keep)
        else:
            updates = updates.only(places(group.device, updates.devices))
        _examine(updates, group)
        return updates


def _the_same(state: Any) -> Callable[[IntArray], Any]:
    """Return a function from devices to the whole state."""
    return lambda devices: state


def trainees(setting: Setting, system: System) -> Trainees:
    """Return the devices of a setting, ready to train; data and initial weights depend on the world alone."""
    task = make_task(setting.world.task, setting.holdings, setting.streams)
    world = setting.world
    device = chosen_device(world.device)
    evaluated = drawn(world.fleet.devices, world.evaluate_devices, setting.streams)
    half = world.precision == "bfloat16"
    task, gauge = task.on(device), None
    if world.gradient_samples is not None:
        batch = getattr(system.algorithm, "batch_size", 1)  # of one sample where none is told
        gauge = gauged(task, world.gradient_samples, batch, setting.streams)
    return Trainees(system.algorithm, task, setting.way(device), half, evaluated, gauge)


def _examine(updates: Updates, group: Arrivals) -> None:
    """Raise when the messages are not the bits that the network carried, or are no numbers."""
    for device, message, bits in zip(updates.devices, updates.messages, group.bits, strict=True):
        if message.bits != bits:
            raise AssertionError(
                f"device {device} sends {message.bits} bits, but the network carried {bits:.0f}: "
                "the algorithm's plan and its messages disagree"
            )
        if not message.finite:
            round_ = updates.turn.round_
            raise UserError(
                f"round {round_}: the weights of device {device} are no numbers; lower the learning rates"
            )
