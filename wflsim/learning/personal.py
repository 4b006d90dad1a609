"""The state of methods that split a model: one shared part at the server, a personal part on every device."""

from dataclasses import dataclass, replace

import torch

from wflsim.contracts import FloatArray, IntArray, Updates
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
        shared = masked_mean(self.shared, updates.messages, share)
        return replace(self, shared=shared, personal=self._personal(updates))

    def fused_late(self, base: "SplitState", updates: Updates, weight: FloatArray) -> "SplitState":
        """Return the state after updates that began from an older one: x + Σ w_k (u_k − x_base), where weights were kept.

        What a device learnt since it began is added to the server's model of today, as in buffered asynchronous
        learning (arXiv 2106.06639 [S]); with everybody fresh and Σ w_k = 1 it is the mean.
        """
        if not len(updates.devices):
            return self
        whole = float(weight.sum())
        mean = masked_mean(base.shared, updates.messages, weight / whole)
        shared = {
            name: tensor + whole * (mean[name] - base.shared[name])
            for name, tensor in self.shared.items()
        }
        return replace(self, shared=shared, personal=self._personal(updates))

    def _personal(self, updates: Updates) -> dict[str, torch.Tensor]:
        """Return the personal parts after those who took part have brought theirs."""
        rows, private = torch.from_numpy(updates.devices), updates.private or {}
        return {
            name: tensor.index_copy(0, rows, private[name])
            for name, tensor in self.personal.items()
        }

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
