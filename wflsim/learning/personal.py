"""The state of methods that split a model: one shared part at the server, a personal part on every device."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from wflsim.contracts import IntArray, Late, Updates
from wflsim.learning.anatomy import Split
from wflsim.learning.cohort import Cohort, Params
from wflsim.learning.fusion import masked_mean, masked_mean_step
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
        return replace(self, shared=shared, personal=_brought(self.personal, updates))

    def fused_late(self, late: Sequence[Late]) -> "SplitState":
        """Return the state after updates that began from several states: x + (Σ w) Σ w m (u − base) / Σ w m.

        What a device learnt since it began is added to the server's model of today, as in buffered asynchronous
        learning (arXiv 2106.06639 [S]); m is one where it kept a weight. With everybody fresh it is the masked mean, with
        everything kept x + Σ w (u − base).
        """
        whole = sum(float(group.weight.sum()) for group in late)
        steps = masked_mean_step(
            [(group.base.shared, group.updates.messages, group.weight) for group in late]
        )
        shared = {name: tensor + whole * steps[name] for name, tensor in self.shared.items()}
        personal = self.personal
        for group in late:
            personal = _brought(personal, group.updates)
        return replace(self, shared=shared, personal=personal)

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


def _brought(personal: Params, updates: Updates) -> dict[str, torch.Tensor]:
    """Return the personal parts after those who took part have brought theirs."""
    rows, private = torch.from_numpy(updates.devices), updates.private or {}
    return {name: tensor.index_copy(0, rows, private[name]) for name, tensor in personal.items()}


def initial_state(task: Task, personal: Split) -> SplitState:
    """Return the state before the first round: everybody holds the initial weights."""
    shared, own = task.anatomy.split(personal)
    return SplitState(
        shared={name: task.initial[name] for name in shared.tensors},
        personal={name: torch.stack([task.initial[name]] * task.devices) for name in own.tensors},
        samples=task.holdings.samples,
    )
