"""The state of methods with a model a group, and one of its own on every device."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from wflsim.contracts import Clustering, IntArray, Late, Reckoning, Updates
from wflsim.learning.clustering.came import Came
from wflsim.learning.clustering.state import Groups
from wflsim.learning.clustering.tracker import Tracker, summed
from wflsim.learning.cohort import Cohort
from wflsim.learning.practice import Practice, Weighting
from wflsim.learning.shelf import Shelf
from wflsim.learning.task import Task


@dataclass(frozen=True)
class Owned:
    """What the server and the devices know between rounds.

    Attributes:
        groups: A model a group.
        own: Every device's own model: that of the beginning, until it has one.
        came: Whose updates were taken in the last round in which anything came.
    """

    groups: Groups
    own: Shelf
    came: Came = field(default_factory=Came)

    @classmethod
    def first(cls, task: Task) -> "Owned":
        """Return the state before the first round: one group, and everybody holds the initial weights."""
        return cls(Groups.one(task), Shelf.of_default(task.initial, task.devices))

    def only(self, devices: IntArray) -> "Owned":
        """Return no more than some devices need to train."""
        own = self.own.only(devices)
        return replace(self, groups=self.groups.only(devices), own=own)

    def used(self, cohort: Cohort, *, personal: bool) -> dict[str, torch.Tensor]:
        """Return the models that the devices of a cohort use, shapes (K, …): those of ``model_for``."""
        models = [self.model_for(device, personal=personal) for device in cohort.devices.tolist()]
        return {name: torch.stack([each[name] for each in models]) for name in models[0]}

    def model_for(self, device: int | None, *, personal: bool) -> dict[str, torch.Tensor]:
        """Return a device's own model, or the mean over all devices of their groups' models.

        Args:
            device: The device; None for the mean.
            personal: Whether a device has one of its own from the beginning; else from when it first kept one.
        """
        if device is not None and (personal or device in self.own.held):
            return self.own.row(device)
        return self.groups.model_for(device)

    def regrouped(self, updates: Updates, rule: Clustering) -> "Owned":
        """Return the state in which those who came are grouped by how alike their changes are."""
        groups = self.groups.regrouped(updates, rule)
        came = updates.devices if groups.call is None else groups.call.changes.touched
        return replace(self, groups=groups, came=Came(updates.turn.round_, grouped=came))

    def fused(self, updates: Updates, weighting: Weighting) -> "Owned":
        """Return the state after each group's mean; what devices keep to themselves becomes their own models."""
        groups = self.groups.fused(updates, weighting)
        return _after(replace(self, groups=groups), [updates])

    def fused_late(self, late: Sequence[Late], weighting: Weighting) -> "Owned":
        """Return the state after updates that began with older ones."""
        if not late:
            return self
        rest = [replace(group, base=group.base.groups) for group in late]
        groups = self.groups.fused_late(rest, weighting)
        return _after(replace(self, groups=groups), [group.updates for group in late])

    def tuned(self, updates: Updates) -> "Owned":
        """Return the state in which those who came have tuned their own models, and nothing was fused."""
        own = self.own.replaced(updates.devices, updates.private or {})
        return replace(self, own=own, came=Came(updates.turn.round_, tuned=updates.devices))

    def reckoned(
        self,
        tracker: Tracker,
        devices: IntArray,
        practice: Practice,
        *,
        models: int,
        epochs: tuple[int, int],
    ) -> Reckoning:
        """Return what a round cost: dense models of who was grouped and who trained, and the operations of who tuned.

        Args:
            tracker: The rule.
            devices: Whose updates were taken in the round, each once.
            practice: What a device does in a round.
            models: How many models it trains then.
            epochs: Epochs by which devices are grouped, and those of tuning.
        """
        came = self.came.among(devices)
        return summed(
            tracker.of(came.grouped, 1.0, epochs[0]),
            tracker.of(came.trained, 1.0, practice, models),
            tracker.alone(came.tuned, 1.0, epochs[1]),
        )


def _after(state: Owned, came: Sequence[Updates]) -> Owned:
    """Return the state that knows what devices keep to themselves, and whose training was fused."""
    own = state.own
    for updates in came:
        if updates.private:  # else nobody has a model of its own by this
            own = own.replaced(updates.devices, updates.private)
    now = state.came.at(max(updates.turn.round_ for updates in came))
    trained = np.concatenate([updates.devices for updates in came])
    return replace(state, own=own, came=replace(now, trained=trained))
