"""K devices trained as one: plain SGD on stacked parameters, with masks that are re-applied after every step."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.func import functional_call

from wflsim.contracts import Engine, IntArray, Message, Turn, Updates
from wflsim.learning.engines import Loss
from wflsim.learning.stacked import stacked_forward
from wflsim.learning.task import Task

Params = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Cohort:
    """The devices whose updates arrived in a round.

    Attributes:
        task: What they learn.
        devices: Their indices, shape (K,).
        turn: When they are trained, which keys their draws.
        engine: How they are trained on the host.
    """

    task: Task
    devices: IntArray
    turn: Turn
    engine: Engine

    def phases(self, steps: Sequence[int], size: int) -> tuple[torch.Tensor, ...]:
        """Return the samples of every step of each phase, shapes (steps, K, size).

        A device runs through shuffled epochs of its own data; its stream depends on the turn and the device alone,
        and goes on from phase to phase.
        """
        orders = np.stack([self._order(int(device), sum(steps) * size) for device in self.devices])
        batches = (
            torch.from_numpy(orders).reshape(len(self.devices), sum(steps), size).transpose(0, 1)
        )
        return torch.split(batches, list(steps))

    def stack(self, params: Params) -> dict[str, torch.Tensor]:
        """Return parameters repeated for every device, shapes (K, …)."""
        return {name: t.expand(len(self.devices), *t.shape) for name, t in params.items()}

    def rows(self, params: Params, names: Sequence[str]) -> list[dict[str, torch.Tensor]]:
        """Return the named tensors of each device, unstacked."""
        return [{name: params[name][index] for name in names} for index in range(len(self.devices))]

    def updates(self, sent: Sequence[Params], private: Any = None) -> Updates:
        """Return what the devices send, one mapping of tensors a device, and what stays with them."""
        return Updates(self.turn, self.devices, [Message(tensors) for tensors in sent], private)

    def train(
        self,
        params: Params,
        trainable: Collection[str],
        batches: torch.Tensor,
        learning_rate: float,
        masks: Params | None = None,
    ) -> dict[str, torch.Tensor]:
        """Return the parameters after one SGD step a batch, shapes (K, …).

        Args:
            params: Stacked parameters, shapes (K, …).
            trainable: Names of those that move; the others stay as they are.
            batches: Samples of each step, shape (steps, K, B).
            learning_rate: Step size.
            masks: For some names, what is kept, shapes (K, …); what is not kept is zero after every step.
        """
        if not trainable:
            return dict(params)
        moving = {name: params[name] for name in trainable}
        frozen = {name: tensor for name, tensor in params.items() if name not in moving}
        gradients = self.engine.gradients(self._loss, self._losses())
        for batch in batches:
            slopes = gradients(moving, frozen, self.task.inputs[batch], self.task.labels[batch])
            moving = {
                n: torch.add(tensor, slopes[n], alpha=-learning_rate)
                for n, tensor in moving.items()
            }
            if masks is not None:
                moving = {
                    name: tensor * masks[name] if name in masks else tensor
                    for name, tensor in moving.items()
                }
        return {**frozen, **moving}

    def _loss(
        self, moving: Params, frozen: Params, inputs: torch.Tensor, labels: torch.Tensor
    ) -> torch.Tensor:
        """Return the mean cross-entropy of one device."""
        logits = functional_call(self.task.module, {**moving, **frozen}, (inputs,))
        return torch.nn.functional.cross_entropy(logits, labels)

    def _losses(self) -> Loss | None:
        """Return the mean cross-entropies of all devices as one function, if the module's layers are written out."""
        forward = stacked_forward(self.task.module)
        if forward is None:
            return None

        def losses(
            moving: Params, frozen: Params, inputs: torch.Tensor, labels: torch.Tensor
        ) -> torch.Tensor:
            logits = forward({**moving, **frozen}, inputs)
            each = torch.nn.functional.cross_entropy(
                logits.flatten(0, 1), labels.flatten(), reduction="none"
            )
            return each.view(labels.shape).mean(1)

        return losses

    def _order(self, device: int, count: int) -> IntArray:
        samples = self.task.holdings.train[device]
        rng = self.turn.draw("batches", device)
        epochs = -(-count // len(samples))
        return np.concatenate([rng.permutation(samples) for _ in range(epochs)])[:count]
