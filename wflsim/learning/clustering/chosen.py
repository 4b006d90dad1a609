"""The state of a method whose devices choose their group themselves: the model that has the least loss there."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from wflsim.contracts import IntArray, Late, Updates
from wflsim.learning.clustering.rules import by_loss
from wflsim.learning.clustering.state import Groups
from wflsim.learning.cohort import Cohort, Params
from wflsim.learning.exploration.exploring import training_losses
from wflsim.learning.practice import Weighting
from wflsim.learning.task import Task

CHOICE = "choice"


@dataclass(frozen=True)
class Chosen:
    """Models of which every device takes the one that fits it best.

    Attributes:
        groups: A model a group, and what every device chose last.
        sets: The models of all beginnings, one set after another, shapes (R·G, …); none once devices train.
        told: Which model of each set every device would choose, −1 for one that has not said, shape (N, R).
    """

    groups: Groups
    sets: Params
    told: IntArray

    @classmethod
    def first(cls, task: Task, count: int, beginnings: int) -> "Chosen":
        """Return the state before the first round: sets of models that are all drawn anew, the first of all the initial one."""
        drawn = [task.beginning(index) for index in range(count * beginnings)]
        sets = {name: torch.stack([each[name] for each in drawn]) for name in task.initial}
        one = Groups.one(task)
        groups = replace(one, models={name: each[:count] for name, each in sets.items()})
        return cls(groups, sets, np.full((task.devices, beginnings), -1))

    def only(self, devices: IntArray) -> "Chosen":
        """Return no more than some devices need to train."""
        return replace(self, groups=self.groups.only(devices))

    def weighed(self, updates: Updates) -> "Chosen":
        """Return the state that goes on from the set over whose models devices scatter most, the first of equals [X]."""
        told, count = self.told.copy(), self.groups.count
        told[updates.devices] = [message.tensors[CHOICE].tolist() for message in updates.messages]
        known = told[told[:, 0] >= 0]
        best = int(np.argmax([_entropy(choices, count) for choices in known.T]))
        models = {n: each[best * count : (best + 1) * count] for n, each in self.sets.items()}
        return replace(self, groups=replace(self.groups, models=models), told=told)

    def fused(self, updates: Updates, weighting: Weighting) -> "Chosen":
        """Return the state after the mean of each model over those who chose it; one that nobody chose stays."""
        return self._trained(self._labelled([updates]).fused(updates, weighting))

    def fused_late(self, late: list[Late], weighting: Weighting) -> "Chosen":
        """Return the state after updates that began with older models."""
        labelled = self._labelled([group.updates for group in late])
        rest = [replace(group, base=group.base.groups) for group in late]
        return self._trained(labelled.fused_late(rest, weighting))

    def _labelled(self, came: list[Updates]) -> Groups:
        label = self.groups.label.copy()
        for updates in came:
            for device, message in zip(updates.devices, updates.messages, strict=True):
                label[device] = int(message.tensors[CHOICE]) if CHOICE in message.tensors else 0
        return replace(self.groups, label=label)

    def _trained(self, groups: Groups) -> "Chosen":
        return replace(self, groups=groups, sets={})


def choices(cohort: Cohort, models: Params) -> IntArray:
    """Return for each device which of some models, shapes (G, …), has the least mean loss on its training samples, shape (K,)."""
    count, module = len(next(iter(models.values()))), cohort.task.fresh_module().eval()
    if count == 1:
        return np.zeros(len(cohort.devices), dtype=np.int64)
    each = [cohort.stack({n: t[group] for n, t in models.items()}) for group in range(count)]
    losses = np.array([training_losses(cohort, model, module) for model in each])
    return by_loss(np.where(np.isnan(losses), np.inf, losses).T)


def _entropy(chosen: IntArray, count: int) -> float:
    """Return how evenly choices scatter over models, in nats."""
    share = np.bincount(chosen, minlength=count) / len(chosen)
    return float(-np.sum(share * np.log(np.where(share > 0, share, 1.0))))
