"""K devices of a fleet: their samples in order, their tensors stacked, and their training, one way or another."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from wflsim.contracts import FloatArray, IntArray, Message, Turn, Updates
from wflsim.errors import UserError
from wflsim.learning import batched, looped
from wflsim.learning.engines import How
from wflsim.learning.lessons import Batches, Descent, Lesson, Objective, epochs
from wflsim.learning.native import training as native
from wflsim.learning.task import Task

Params = Mapping[str, torch.Tensor]
CROSS_ENTROPY = Objective()
_FAR = 2.0**16  # a step so large that next to it parameters are rounding errors


@dataclass(frozen=True)
class Cohort:
    """Devices that are trained together.

    Attributes:
        task: What they learn.
        devices: Their indices, shape (K,).
        turn: When they are trained, which keys their draws.
        how: Whether they are trained as one, or one after another, by PyTorch or by compiled code.
        half: Whether steps are computed in bfloat16.
        drops: Whether parts of the model that drop values while training do so.
    """

    task: Task
    devices: IntArray
    turn: Turn
    how: How = "batched"
    half: bool = False
    drops: bool = True

    def phases(self, steps: Sequence[int], size: int) -> tuple[Batches, ...]:
        """Return the batches of each phase of some numbers of steps.

        A device runs through shuffled epochs of its own data; its stream depends on the turn and the device alone,
        and goes on from phase to phase.
        """
        orders = np.stack([self._order(int(device), sum(steps) * size) for device in self.devices])
        rows = torch.from_numpy(orders).reshape(len(self.devices), sum(steps), size).transpose(0, 1)
        return Batches(rows).split(steps)

    def epochs(self, count: int, size: int) -> Batches:
        """Return the batches of some shuffled epochs; the last batch of each is as short as the device's data leave it.

        A last batch of one sample is left out where the model has batch norms, which cannot normalise it.
        """
        shuffled = []
        for device in self.devices.tolist():
            rng, samples = self.turn.draw("batches", device), self.task.holdings.train[device]
            shuffled.append(np.stack([rng.permutation(samples) for _ in range(count)]))
        return epochs(shuffled, size, least=2 if self.task.anatomy.statistics else 1)

    def stack(self, params: Params) -> dict[str, torch.Tensor]:
        """Return parameters repeated for every device, shapes (K, …)."""
        return {name: t.expand(len(self.devices), *t.shape) for name, t in params.items()}

    def rows(self, params: Params, names: Sequence[str]) -> list[dict[str, torch.Tensor]]:
        """Return the named tensors of each device, unstacked."""
        return [{name: params[name][index] for name in names} for index in range(len(self.devices))]

    def updates(
        self,
        sent: Sequence[Params],
        private: Any = None,
        unpaid: tuple[str, ...] = (),
        macs: FloatArray | None = None,
    ) -> Updates:
        """Return what the devices send, one mapping of tensors a device, and what stays with them.

        Args:
            sent: The tensors of each message.
            private: What stays with the devices, by name, shapes (K, …).
            unpaid: Names of tensors that cost nothing on the air.
            macs: Operations that each really computed, where that is known only now, shape (K,).
        """
        messages = [Message(tensors, unpaid) for tensors in sent]
        return Updates(self.turn, self.devices, messages, private, macs)

    def train(
        self,
        params: Params,
        trainable: Collection[str],
        batches: Batches,
        descent: Descent | float,
        masks: Params | None = None,
        *,
        objective: Objective = CROSS_ENTROPY,
        widths: Mapping[str, int] | None = None,
    ) -> dict[str, torch.Tensor]:
        """Return the parameters after one step a batch, shapes (K, …).

        Args:
            params: Stacked parameters, shapes (K, …).
            trainable: Names of those that may change; the others stay as they are.
            batches: Samples of each step.
            descent: The rule of descent, or the step size of the plain one.
            masks: For some names, what is kept, shapes (K, …); what is not kept is zero after every step.
            objective: The loss of one device.
            widths: Where the devices train a smaller model: the number of units of each space that were pruned.
        """
        if not trainable or not len(batches.rows):
            return dict(params)
        if batches.size == 1 and self.task.anatomy.statistics:
            raise UserError(
                "algorithm.batch_size: batch norms need at least 2 samples a step, got 1; take more, or other norms"
            )
        rule = descent if isinstance(descent, Descent) else Descent(descent)
        draw = self._streams if self.drops else None
        lesson = Lesson(
            frozenset(trainable), batches, rule, masks or {}, objective, draw, self.half
        )
        return self._taught(params, lesson, widths)

    def slopes(
        self, params: Params, names: Sequence[str], batch: Batches
    ) -> dict[str, torch.Tensor]:
        """Return the slopes of each device's loss at one batch, shapes (K, …), whichever way devices are trained.

        Args:
            params: Stacked parameters, shapes (K, …).
            names: Names of those whose slopes are asked for.
            batch: Samples of one step.
        """
        return self.slopes_and_statistics(params, names, (), batch)[0]

    def slopes_and_statistics(
        self,
        params: Params,
        names: Sequence[str],
        statistics: Sequence[str],
        batch: Batches,
        *,
        objective: Objective = CROSS_ENTROPY,
        widths: Mapping[str, int] | None = None,
    ) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        """Return the slopes of each device's loss at one batch, shapes (K, …), and the statistics after it.

        A step of descent tells them, (x − x′)/η. A power of two for η costs no digit, and one so large hides x.

        Args:
            params: Stacked parameters, shapes (K, …).
            names: Names of those whose slopes are asked for.
            statistics: Names of the statistics of norms that are measured on the way.
            batch: Samples of one step.
            objective: The loss of one device.
            widths: As of ``train``.
        """
        every = (*names, *statistics)
        moved = self.train(params, every, batch, _FAR, objective=objective, widths=widths)
        slopes = {name: (params[name] - moved[name]).div_(_FAR) for name in names}
        return slopes, {name: moved[name] for name in statistics}

    def _taught(
        self, params: Params, lesson: Lesson, widths: Mapping[str, int] | None
    ) -> dict[str, torch.Tensor]:
        """Return the parameters after a lesson, which is held where the samples are."""
        task, device = self.task, self.task.inputs.device
        lesson = lesson.on(device)
        there = {name: tensor.to(device) for name, tensor in params.items()}
        plan = (
            task.holdings.plan(widths) if self.how == "native" and native.covers(lesson) else None
        )
        if plan is not None:
            found = native.train(plan, task.inputs, task.labels, there, lesson)
        elif self.how != "loop":
            known = task.network if lesson.objective.whole is None else None
            model = known or batched.Foreign(task.fresh_module(widths))
            found = batched.train(model, task.inputs, task.labels, there, lesson)
        else:
            found = looped.train(task.fresh_module(widths), task.inputs, task.labels, there, lesson)
        return {name: tensor.cpu() for name, tensor in found.items()}

    def _streams(self, step: int) -> list[np.random.Generator]:
        """Return a stream for each device at a step, for parts that draw."""
        return [self.turn.draw("dropout", device, step) for device in self.devices.tolist()]

    def _order(self, device: int, count: int) -> IntArray:
        samples = self.task.holdings.train[device]
        rng = self.turn.draw("batches", device)
        turns = -(-count // len(samples))
        return np.concatenate([rng.permutation(samples) for _ in range(turns)])[:count]
