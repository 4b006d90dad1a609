"""Devices that explore their loss: they train from where the server stands until nothing gets better, and tell how far they came."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional

from wflsim.contracts import IntArray, Updates
from wflsim.learning.cohort import Cohort, Params
from wflsim.learning.exploration.landscape import deviation, trained
from wflsim.learning.exploration.remains import explored_macs

_BATCH = 1000  # samples of one model at once


@dataclass(frozen=True, eq=False)
class Explored:
    """Where devices came to.

    Attributes:
        params: Their models, those of the last epoch and not of the best [C], shapes (K, …).
        epochs: How many epochs each has trained, shape (K,).
        losses: For each its loss after every epoch.
    """

    params: Params
    epochs: IntArray
    losses: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Exploration:
    """How long and how devices explore.

    Attributes:
        epochs: Most epochs.
        patience: Epochs without a lower loss after which a device stops.
        batch_size: Samples of a step.
        rate: Step size.
    """

    epochs: int
    patience: int
    batch_size: int
    rate: float

    def explored(self, cohort: Cohort, begun: Params) -> Explored:
        """Return where the devices of a cohort come to from stacked tensors, shapes (K, …), each for itself.

        Who has stopped leaves the cohort. The loss is that of all samples that a device trains on, in a forward pass of its own
        after each epoch: the mean of its batches' losses, of which the digest speaks [D], is not told by compiled code [X].
        Batches are drawn from steps of the turn that no exchange has, so that the rounds' own draws stay what they are.
        """
        names, left = cohort.task.anatomy.tensors, np.arange(len(cohort.devices))
        module = cohort.task.fresh_module().eval()
        found = {name: tensor.clone() for name, tensor in begun.items()}
        now: Params = begun
        losses: list[list[float]] = [[] for _ in left]
        for epoch in range(self.epochs):
            turn = replace(cohort.turn, step=cohort.turn.step + 1 + epoch)
            some = replace(cohort, devices=cohort.devices[left], turn=turn)
            now = some.train(now, names, some.epochs(1, self.batch_size), self.rate)
            for place, loss in zip(left, training_losses(some, now, module), strict=True):
                losses[place].append(loss)
            goes_on = np.array([not self._over(losses[place]) for place in left])
            if epoch + 1 == self.epochs:
                goes_on[:] = False
            stopped, rows = torch.from_numpy(left[~goes_on]), torch.from_numpy(goes_on)
            for name, tensor in now.items():
                found[name][stopped] = tensor[~rows]
            left, now = left[goes_on], {name: tensor[rows] for name, tensor in now.items()}
            if not len(left):
                break
        epochs = np.array([len(each) for each in losses])
        return Explored(found, epochs, tuple(map(tuple, losses)))

    def told(self, cohort: Cohort, begun: Params, *, charged: bool) -> Updates:
        """Return how far the devices of a cohort come, (W* − W₀)², and what that took them if it costs anything."""
        task, found = cohort.task, self.explored(cohort, begun)
        names = trained(task.anatomy)
        far = cohort.rows(deviation({name: begun[name] for name in names}, found.params), names)
        if not charged:
            return cohort.updates(far, {}, names)
        samples = task.holdings.samples[cohort.devices]
        macs = explored_macs(task.anatomy, samples, found.epochs)
        return cohort.updates(far, {}, macs=macs)

    def _over(self, losses: list[float]) -> bool:
        """Return whether the lowest loss is as many epochs old as there is patience for; no number is no lower one."""
        known = np.where(np.isnan(losses), np.inf, losses)
        return len(losses) - 1 - int(np.argmin(known)) >= self.patience


@torch.no_grad()
def training_losses(cohort: Cohort, params: Params, module: nn.Module) -> list[float]:
    """Return the mean loss of each device's model on its own training samples, in nats.

    Args:
        cohort: The devices.
        params: Their models, shapes (K, …).
        module: A module at rest of one's own.
    """
    task, found = cohort.task, []
    for place, device in enumerate(cohort.devices.tolist()):
        model = {name: tensor[place].to(task.inputs.device) for name, tensor in params.items()}
        total, rows = 0.0, torch.from_numpy(task.holdings.train[device])
        for part in torch.split(rows, _BATCH):
            scores = functional_call(module, model, (task.inputs[part],))
            total += float(functional.cross_entropy(scores, task.labels[part], reduction="sum"))
        found.append(total / len(rows))
    return found
