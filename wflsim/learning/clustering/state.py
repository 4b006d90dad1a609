"""The state of methods with a model for each group of devices."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from wflsim.contracts import Clustering, FloatArray, Grouping, IntArray, Late, Turn, Updates
from wflsim.learning.anatomy import Anatomy
from wflsim.learning.clustering.likeness import cosines
from wflsim.learning.clustering.rules import silhouette
from wflsim.learning.cohort import Cohort, Params
from wflsim.learning.fusion import masked_mean_step, weighted_mean
from wflsim.learning.practice import Weighting, evened, shares
from wflsim.learning.shelf import Shelf
from wflsim.learning.task import Task

NOBODY = -1


@dataclass(frozen=True, eq=False)
class Call:
    """An exchange in which everybody comes to be grouped, in waves where the band has no room for all at once.

    Attributes:
        moment: Its round, and its place in the round.
        before: The state that all of them begin with, whichever wave they come in.
        changes: What training has made of the models of those who have come so far: the differences.
    """

    moment: tuple[int, int]
    before: "Groups"
    changes: Shelf

    def only(self, devices: IntArray) -> "Call":
        """Return no more than some devices need to train."""
        nobody = np.empty(0, dtype=np.int64)
        return replace(self, before=self.before.only(devices), changes=self.changes.only(nobody))


@dataclass(frozen=True, eq=False)
class Groups:
    """A model a group, and who belongs to which.

    Attributes:
        models: Tensors of all groups' models, shapes (G, …).
        label: The group of each device, or −1 for one of which nothing is known, shape (N,).
        samples: Number of training samples of each device, shape (N,).
        part: The layers of a model.
        cosine: How alike devices were when they were grouped last, NaN for those that did not come, shape (N, N); empty before.
        passes: How often they have been grouped.
        call: The exchange in which they were grouped, until a round's training is fused; None in all other rounds.
    """

    models: Params
    label: IntArray
    samples: IntArray
    part: Anatomy
    cosine: FloatArray
    passes: int = 0
    call: Call | None = None

    @classmethod
    def one(cls, task: Task) -> "Groups":
        """Return the state before the first round: one group of which nobody is known to be a member."""
        devices = task.devices
        models = {name: tensor[None] for name, tensor in task.initial.items()}
        label, cosine = np.full(devices, NOBODY), np.empty((0, 0))
        return cls(models, label, task.holdings.samples, task.anatomy, cosine)

    @property
    def count(self) -> int:
        """Number of groups."""
        return len(next(iter(self.models.values())))

    @property
    def belongs(self) -> IntArray:
        """The group whose model each device has: who is not known has that of the largest group [X], shape (N,)."""
        known = self.label[self.label >= 0]
        largest = int(np.bincount(known, minlength=self.count).argmax()) if len(known) else 0
        return np.where(self.label >= 0, self.label, largest)

    def only(self, devices: IntArray) -> "Groups":
        """Return no more than some devices need to train."""
        call = self.call and self.call.only(devices)
        return replace(self, cosine=np.empty((0, 0)), call=call)

    def of(self, cohort: Cohort) -> dict[str, torch.Tensor]:
        """Return the models of their groups for the devices of a cohort, shapes (K, …); those before, where groups are being made."""
        if self.call is not None and self.call.moment == _moment(cohort.turn):
            return self.call.before.of(cohort)
        rows = torch.from_numpy(self.belongs[cohort.devices])
        return {name: tensor[rows] for name, tensor in self.models.items()}

    def model(self, group: int) -> dict[str, torch.Tensor]:
        """Return the model of a group."""
        return {name: tensor[group] for name, tensor in self.models.items()}

    def model_for(self, device: int | None) -> dict[str, torch.Tensor]:
        """Return the model of a device's group, or the mean over all devices of theirs, a measure of the experiment."""
        belongs = self.belongs
        if device is not None:
            return self.model(int(belongs[device]))
        share = np.bincount(belongs, minlength=self.count) / len(belongs)
        return _mean(self.models, share)

    def with_models(self, found: Mapping[int, Params]) -> "Groups":
        """Return the state in which some groups have other models."""
        models = {name: tensor.clone() for name, tensor in self.models.items()}
        for group, model in found.items():
            for name, tensor in model.items():
                models[name][group] = tensor
        return replace(self, models=models)

    def fused(self, updates: Updates, weighting: Weighting = "samples") -> "Groups":
        """Return the state after each group's mean of what its members brought; a group of which nobody came keeps its model."""
        found = dict[int, Params]()
        for group, rows in self._parted(updates.devices):
            here = updates.only(rows)
            share = shares(self.samples[here.devices], weighting)
            found[group] = weighted_mean(self.model(group), here.messages, share, self.part)
        return replace(self, call=None).with_models(found)

    def fused_late(self, late: Sequence[Late], weighting: Weighting = "samples") -> "Groups":
        """Return the state after updates that began with older models of their groups, whose changes are added.

        Within a group weights are taken as of a round of its own: with everybody fresh it is the mean of its members.
        """
        found, came = dict[int, Params](), evened(late, self.samples, weighting)
        counted = [shares_of(self.samples, each.updates, weighting) for each in came]
        everybody = sum(float(each.sum()) for each in counted)
        for group in range(self.count):
            rows = [np.flatnonzero(self.belongs[e.updates.devices] == group) for e in came]
            here = [(e, row) for e, row in zip(came, rows, strict=True) if len(row)]
            if not here:
                continue
            due = sum(float(c[row].sum()) for c, row in zip(counted, rows, strict=True)) / everybody
            whole = sum(float(e.weight[row].sum()) for e, row in here) / due
            step = masked_mean_step(
                [
                    (e.base.model_of(group), e.updates.only(row).messages, e.weight[row])
                    for e, row in here
                ],
                self.part,
            )
            model = self.model(group)
            found[group] = {name: old + whole * step[name] for name, old in model.items()}
        return replace(self, call=None).with_models(found)

    def model_of(self, group: int) -> dict[str, torch.Tensor]:
        """Return the model that the members of a group had in this state, before there were so many groups, too."""
        return self.model(group if group < self.count else 0)

    def regrouped(self, updates: Updates, rule: Clustering) -> "Groups":
        """Return the state in which those who came are grouped by how alike their changes are.

        Who comes in another wave of the same exchange is grouped together with those before. Every group begins with the mean of
        the models that its members had [C, where they had one]; who did not come belongs to nobody.

        Args:
            updates: What devices brought, whole models.
            rule: Who belongs together.
        """
        if not len(updates.devices):
            return self
        call = self._called(updates.turn)
        had = call.before.belongs[updates.devices]
        base = [call.before.model(group) for group in had]
        changes = {
            name: torch.stack(
                [m.tensors[name] - b[name] for m, b in zip(updates.messages, base, strict=True)]
            )
            for name in call.changes.names
        }
        call = replace(call, changes=call.changes.replaced(updates.devices, changes))
        who, zero = call.changes.touched, call.changes.layout.default
        cosine = cosines([call.changes.row(int(d)) for d in who], zero, call.changes.names)
        labels = rule.labels(cosine, updates.turn.draw("clustering"))
        return replace(
            call.before.parted_as(replace(updates, devices=who), labels, cosine), call=call
        )

    def _called(self, turn: Turn) -> Call:
        """Return the exchange in which devices are being grouped, begun if it has not."""
        if self.call is not None and self.call.moment == _moment(turn):
            return self.call
        zero = {
            name: torch.zeros_like(self.models[name][0])
            for name in self.part.tensors
            if name not in self.part.statistics
        }
        before = replace(self, call=None)
        return Call(_moment(turn), before, Shelf.of_default(zero, len(self.label)))

    def parted_as(self, updates: Updates, labels: IntArray, cosine: FloatArray) -> "Groups":
        """Return the state in which those who came belong to groups, each with the mean model of its members so far.

        Args:
            updates: Whose groups these are.
            labels: Their groups, shape (K,).
            cosine: How alike they are, shape (K, K).
        """
        who, had = updates.devices, self.belongs
        devices = len(self.label)
        label, alike = np.full(devices, NOBODY), np.full((devices, devices), np.nan)
        label[who], alike[np.ix_(who, who)] = labels, cosine
        models = []
        for group in range(int(labels.max()) + 1):
            share = np.bincount(had[who[labels == group]], minlength=self.count)
            models.append(_mean(self.models, share / share.sum()))
        stacked = {name: torch.stack([each[name] for each in models]) for name in self.models}
        return replace(self, models=stacked, label=label, cosine=alike, passes=self.passes + 1)

    @property
    def grouping(self) -> Grouping:
        """Who belongs to which group, and how alike devices were."""
        return Grouping(self.label, self.cosine)

    @property
    def told(self) -> dict[str, float]:
        """Return the number of groups, and how well devices lie in theirs."""
        if not self.cosine.size:
            return {"groups": float(self.count)}
        known = np.flatnonzero((self.label >= 0) & ~np.isnan(np.diag(self.cosine)))
        if not len(known):
            return {"groups": float(self.count)}
        cosine = self.cosine[np.ix_(known, known)]
        return {"groups": float(self.count), "silhouette": silhouette(cosine, self.label[known])}

    def _parted(self, devices: IntArray) -> Iterator[tuple[int, IntArray]]:
        """Yield the groups of which somebody came, and the rows of those who did."""
        belongs = self.belongs[devices]
        for group in np.unique(belongs).tolist():
            yield group, np.flatnonzero(belongs == group)


def shares_of(samples: IntArray, updates: Updates, weighting: Weighting) -> FloatArray:
    """Return what each update counts before it ages: its device's samples, or one, shape (K,)."""
    found = samples[updates.devices] if weighting == "samples" else np.ones(len(updates.devices))
    return np.asarray(found, dtype=np.float64)


def _moment(turn: Turn) -> tuple[int, int]:
    return turn.round_, turn.step


def _mean(models: Params, share: FloatArray) -> dict[str, torch.Tensor]:
    """Return the mean of stacked models, shapes (G, …), by shares that add up to one, shape (G,); of one it is itself."""
    some = np.flatnonzero(share)
    if len(some) == 1:
        return {name: tensor[int(some[0])] for name, tensor in models.items()}
    weights = torch.from_numpy(share)
    return {
        name: torch.tensordot(weights.to(tensor.dtype), tensor, dims=1)
        if tensor.is_floating_point()
        else tensor[int(some[0])]
        for name, tensor in models.items()
    }
