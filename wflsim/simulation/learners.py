"""Who learns: the devices of a cohort that really train; torch is loaded here."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np

from wflsim.contracts import Algorithm, Engine, FloatArray, IntArray, Late, Patient, Scores, Updates
from wflsim.errors import UserError
from wflsim.learning.cohort import Cohort
from wflsim.learning.engines import host_threads
from wflsim.learning.evaluation import evaluate
from wflsim.learning.task import Task, make_task
from wflsim.learning.weights import final_weights
from wflsim.scenario.schema import System
from wflsim.simulation.arrivals import Arrivals, Beginning
from wflsim.simulation.setting import Setting


@dataclass(frozen=True)
class Trainees:
    """Devices that train.

    Attributes:
        algorithm: The method.
        task: What is learned.
        engine: How devices are trained on the host.
    """

    algorithm: Algorithm
    task: Task
    engine: Engine

    def begin(self) -> Any:
        """Return the algorithm's state before the first round."""
        return self.algorithm.init(self.task)

    def at_work(self) -> AbstractContextManager[None]:
        """Return a context in which the host's threads are those of the engine."""
        return host_threads(self.engine)

    def train(self, began: Beginning, rows: Any, keep: FloatArray) -> Updates:
        """Return what devices send and keep that began together."""
        cohort = Cohort(self.task, rows, began.turn, self.engine)
        return self.algorithm.train(began.state, cohort, keep)

    def learn(self, state: Any, arrivals: Sequence[Arrivals]) -> Any:
        """Return the state after those who arrived were trained; nobody else costs host time.

        Updates that began together with this round are fused as the algorithm does; as soon as one is older, each counts
        by its share of the samples and by its age, and what age takes away stays with the server's model.
        """
        brought = [(group, self._brought(group)) for group in arrivals if len(group.device)]
        if all(group.fresh for group, _ in brought):
            for _, updates in brought:
                state = self.algorithm.fuse(state, updates)
            return state
        if not isinstance(self.algorithm, Patient):
            raise UserError(
                f"policy.late: {type(self.algorithm).__name__} cannot fuse updates of older rounds; write late: dropped"
            )
        samples = self.task.holdings.samples
        total = sum(int(samples[group.device].sum()) for group, _ in brought)
        late = [
            Late(group.began.state, updates, group.weight * samples[group.device] / total)
            for group, updates in brought
        ]
        return self.algorithm.fuse_late(state, late)

    def scores(self, state: Any) -> Scores:
        """Return the accuracies of a state."""
        return evaluate(self.algorithm, state, self.task)

    def weights(self, state: Any) -> bytes:
        """Return the final weights as a file; nothing before the first round."""
        return b"" if state is None else final_weights(self.algorithm, state, self.task.devices)

    def _brought(self, group: Arrivals) -> Updates:
        updates = group.began.updates
        if updates is None:
            updates = self.train(group.began, group.device, group.keep)
        else:
            updates = updates.only(_places(group.device, updates.devices))
        _examine(updates, group)
        return updates


def trainees(setting: Setting, system: System) -> Trainees:
    """Return the devices of a setting, ready to train; data and initial weights depend on the world alone."""
    task = make_task(setting.world.task, setting.holdings, setting.streams)
    return Trainees(system.algorithm, task, setting.world.engine)


def _places(wanted: IntArray, among: IntArray) -> IntArray:
    """Return where some devices stand among others, in the order in which they are wanted."""
    order = np.argsort(among)
    return np.asarray(order[np.searchsorted(among[order], wanted)])


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
