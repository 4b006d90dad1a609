"""The state of methods that split a model: one shared part at the server, a personal part on every device."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
import torch

from wflsim.contracts import FloatArray, IntArray, Late, Updates
from wflsim.learning.anatomy import Anatomy
from wflsim.learning.cohort import Cohort, Params
from wflsim.learning.fusion import masked_mean, masked_mean_step, weighted_mean
from wflsim.learning.shelf import Shelf
from wflsim.learning.task import Task


@dataclass(frozen=True, eq=False)
class Traces:
    """What pruning has left behind, for methods that prune.

    Attributes:
        told: What the last round did, by the names of columns.
        curve: The pruning curve that every device has reported last, shape (N, J); None where none is.
        masks: What every device kept last; None where that is not remembered.
    """

    told: Mapping[str, float] = field(default_factory=dict)
    curve: FloatArray | None = None
    masks: Shelf | None = None


class Beginning(Protocol):
    """A state that knows what its devices start with."""

    def of(self, cohort: Cohort) -> dict[str, torch.Tensor]:
        """Return what the devices of a cohort start with, shapes (K, …)."""
        ...


@dataclass(frozen=True)
class SplitState:
    """What the server and the devices know between rounds.

    Attributes:
        shared: The shared part, by name.
        personal: The personal part of every device.
        samples: Number of training samples of each device, shape (K,).
        part: The layers of the shared part.
        traces: What pruning has left behind.
    """

    shared: Params
    personal: Shelf
    samples: IntArray
    part: Anatomy
    traces: Traces = Traces()

    def only(self, devices: IntArray) -> "SplitState":
        """Return no more than some devices need to train."""
        return replace(self, personal=self.personal.only(devices), traces=Traces())

    def of(self, cohort: Cohort) -> dict[str, torch.Tensor]:
        """Return what the devices of a cohort start the round with, shapes (K, …)."""
        return {**cohort.stack(self.shared), **self.personal.rows(cohort.devices)}

    def fused(
        self, updates: Updates, *, evenly: bool = False, zero_filled: bool = False
    ) -> "SplitState":
        """Return the state after a mean weighted by samples; absent devices keep their personal part.

        Where a device pruned a coordinate the mean is that of those who kept it.

        Args:
            updates: What came.
            evenly: Whether every device counts the same, whatever its samples.
            zero_filled: Whether what a device pruned counts as zero instead.
        """
        if not len(updates.devices):
            return self
        samples = self.samples[updates.devices]
        counts = np.ones(len(samples)) if evenly else samples
        share = counts / counts.sum()
        dense = all(message.tensors.keys() == self.shared.keys() for message in updates.messages)
        mean = weighted_mean if dense or zero_filled else masked_mean
        shared = mean(self.shared, updates.messages, share, self.part)
        return replace(self, shared=shared, personal=_brought(self.personal, updates))

    def fused_late(self, late: Sequence[Late]) -> "SplitState":
        """Return the state after updates that began from several states: x + (Σ w) Σ w m (u − base) / Σ w m.

        What a device learnt since it began is added to the server's model of today, as in buffered asynchronous
        learning (arXiv 2106.06639 [S]); m is one where it kept a weight. With everybody fresh it is the masked mean, with
        everything kept x + Σ w (u − base).
        """
        whole = sum(float(group.weight.sum()) for group in late)
        steps = masked_mean_step(
            [(group.base.shared, group.updates.messages, group.weight) for group in late], self.part
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
            return {**self.shared, **self.personal.mean()}
        return {**self.shared, **self.personal.row(device)}


def _brought(personal: Shelf, updates: Updates) -> Shelf:
    """Return the personal parts after those who took part have brought theirs."""
    private = updates.private or {}
    return personal.replaced(updates.devices, {name: private[name] for name in personal.names})


def initial_state(task: Task, personal: str) -> SplitState:
    """Return the state before the first round: everybody holds the initial weights."""
    shared, own = task.anatomy.split(personal)
    return SplitState(
        shared={name: task.initial[name] for name in shared.tensors},
        personal=Shelf.of_default({name: task.initial[name] for name in own.tensors}, task.devices),
        samples=task.holdings.samples,
        part=shared,
    )
