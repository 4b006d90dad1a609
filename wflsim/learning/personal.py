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
        samples: Number of training samples of each device, shape (K,).
    """

    shared: Params
    personal: Params
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
        """Return the parameters of a device's model, or of the global one.

        The global model is the shared part with the mean of the personal parts: what the whole fleet has in common. The
        server never sees a personal part; the mean is a measure of the experiment and not of the system.
        """
        if device is None:
            return {
                **self.shared,
                **{name: tensor.mean(0) for name, tensor in self.personal.items()},
            }
        return {**self.shared, **{name: tensor[device] for name, tensor in self.personal.items()}}


def initial_state(task: Task, personal: Split) -> SplitState:
    """Return the state before the first round: everybody holds the initial weights."""
    shared, own = task.anatomy.split(personal)
    return SplitState(
        shared={name: task.initial[name] for name in shared.tensors},
        personal={name: torch.stack([task.initial[name]] * task.devices) for name in own.tensors},
        samples=task.holdings.samples,
    )
