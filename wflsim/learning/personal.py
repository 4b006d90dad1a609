"""The state of methods that split a model: one shared part at the server, a personal part on every device."""

from dataclasses import dataclass, replace

import torch

from wflsim.contracts import IntArray, Updates
from wflsim.learning.anatomy import Split
from wflsim.learning.cohort import Cohort, Params
from wflsim.learning.fusion import masked_mean
from wflsim.learning.task import Task


@dataclass(frozen=True)
class SplitState:
    """What the server and the devices know between rounds.

    Attributes:
        shared: The shared part, by name.
        personal: The personal parts, shapes (K, …).
        newcomer: The initial personal part, which is all that the server has of it.
        samples: Number of training samples of each device, shape (K,).
    """

    shared: Params
    personal: Params
    newcomer: Params
    samples: IntArray

    def of(self, cohort: Cohort) -> dict[str, torch.Tensor]:
        """Return what the devices of a cohort start the round with, shapes (K, …)."""
        rows = torch.from_numpy(cohort.devices)
        return {
            **cohort.stack(self.shared),
            **{name: tensor[rows] for name, tensor in self.personal.items()},
        }

    def fused(self, updates: Updates) -> "SplitState":
        """Return the state after a masked mean weighted by samples; absent devices keep their personal part."""
        if not len(updates.devices):
            return self
        share = self.samples[updates.devices] / self.samples[updates.devices].sum()
        rows = torch.from_numpy(updates.devices)
        personal = {
            name: tensor.index_copy(0, rows, updates.private[name])
            for name, tensor in self.personal.items()
        }
        return replace(
            self, shared=masked_mean(self.shared, updates.messages, share), personal=personal
        )

    def model_for(self, device: int | None) -> dict[str, torch.Tensor]:
        """Return the parameters of a device's model, or those that the server holds for a newcomer."""
        own = (
            self.newcomer
            if device is None
            else {name: tensor[device] for name, tensor in self.personal.items()}
        )
        return {**self.shared, **own}


def initial_state(task: Task, personal: Split) -> SplitState:
    """Return the state before the first round: everybody holds the initial weights."""
    shared, own = task.anatomy.split(personal)
    newcomer = {name: task.initial[name] for name in own.tensors}
    return SplitState(
        shared={name: task.initial[name] for name in shared.tensors},
        personal={
            name: tensor.repeat(task.devices, *[1] * tensor.dim())
            for name, tensor in newcomer.items()
        },
        newcomer=newcomer,
        samples=task.holdings.samples,
    )
