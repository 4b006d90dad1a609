"""The state of methods that group devices and give each a thin model: groups, structures, and what stays with devices."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from wflsim.contracts import BoolArray, IntArray, Late, Message, Turn, Updates
from wflsim.learning.clustering.likeness import cosines
from wflsim.learning.clustering.state import Groups
from wflsim.learning.cohort import Params
from wflsim.learning.practice import Weighting
from wflsim.learning.pruning.masks import Masks
from wflsim.learning.shelf import Shelf
from wflsim.learning.slimming.channels import Channels, channels
from wflsim.learning.slimming.fusing import Fusing
from wflsim.learning.slimming.structure import Structuring
from wflsim.learning.task import Task


@dataclass(frozen=True, eq=False)
class Pass:
    """What one pass of grouping has gathered so far: an exchange in which all are asked may come in waves.

    Attributes:
        moment: Round and step.
        before: The groups as they were when it began, of whose models all devices train.
        devices: Whose models are there, shape (K,).
        models: Their models.
        last: The models that devices had brought to the pass before, by device; who is missing now is grouped by these [X].
    """

    moment: tuple[int, int]
    before: Groups
    devices: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    models: tuple[Params, ...] = ()
    last: Mapping[int, Params] = field(default_factory=dict)

    @property
    def known(self) -> dict[int, Params]:
        """The last model that every device has brought, by device in rising order."""
        now = dict(zip(self.devices.tolist(), self.models, strict=True))
        return dict(sorted({**self.last, **now}.items()))

    def and_(self, updates: Updates) -> "Pass":
        """Return the pass after a wave."""
        devices = np.concatenate([self.devices, updates.devices])
        models = (*self.models, *(message.tensors for message in updates.messages))
        return replace(self, devices=devices, models=models)


@dataclass(frozen=True, eq=False)
class SlimState:
    """What the server and the devices know between rounds.

    Attributes:
        groups: A dense model a group, and who belongs to which.
        kept: Which channels each device keeps, shape (N, C); None as long as structures are not known.
        own: What stays with each device once they are: its norms, or a whole model.
        knows: Who has been told what it keeps, shape (N,).
        origin: The groups before the first pass, from whose one model changes are told; None before.
        gathered: The last pass of grouping; None before the first.
        came: Whose updates came last, shape (K,).
        slim: Whether these were of thin models.
    """

    groups: Groups
    kept: BoolArray | None
    own: Shelf
    knows: BoolArray
    origin: Groups | None = None
    gathered: Pass | None = None
    came: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    slim: bool = False

    @classmethod
    def first(cls, task: Task, *, whole: bool) -> "SlimState":
        """Return the state before the first round.

        Args:
            task: What is learnt.
            whole: Whether whole models stay with devices, and not norms alone.
        """
        part = task.anatomy if whole else channels(task.anatomy).norms
        own = Shelf.of_default({name: task.initial[name] for name in part.tensors}, task.devices)
        return cls(Groups.one(task), None, own, np.zeros(task.devices, dtype=np.bool_))

    @property
    def channels(self) -> Channels:
        """The model's channels."""
        return channels(self.groups.part)

    def only(self, devices: IntArray) -> "SlimState":
        """Return no more than some devices need to train."""
        found = self.gathered
        if found is not None:
            found = Pass(found.moment, found.before.only(devices))
        own, groups = self.own.only(devices), self.groups.only(devices)
        return replace(self, groups=groups, own=own, origin=None, gathered=found)

    def gathers(self, turn: Turn, first: int, passes: int) -> bool:
        """Return whether a turn is a pass of grouping.

        Args:
            turn: The turn.
            first: The round in which devices are grouped, or as soon afterwards as somebody comes.
            passes: Most passes.
        """
        if self.gathered is not None and self.gathered.moment == (turn.round_, turn.step):
            return True
        return self.kept is None and turn.round_ >= first and turn.step < passes

    def passed(self, round_: int) -> int:
        """Return how many exchanges of a round have been passes of grouping, those before the last that anybody came to."""
        here = self.gathered is not None and self.gathered.moment[0] == round_
        return self.gathered.moment[1] + 1 if self.gathered is not None and here else 0

    def begun(self, turn: Turn) -> Groups:
        """Return the groups of whose models devices train in a pass, which later waves of it begin with, too."""
        found = self.gathered
        here = found is not None and found.moment == (turn.round_, turn.step)
        return found.before if found is not None and here else self.groups

    def averaged(self, updates: Updates, weighting: Weighting) -> "SlimState":
        """Return the state after a round of dense models, norms included."""
        groups = self.groups.fused(updates, weighting)
        return replace(self, groups=groups, came=updates.devices, slim=False)

    def averaged_late(self, late: Sequence[Late], weighting: Weighting) -> "SlimState":
        """Return the state after dense models that began with several states."""
        groups = self.groups.fused_late([replace(e, base=e.base.groups) for e in late], weighting)
        came = np.concatenate([each.updates.devices for each in late])
        return replace(self, groups=groups, came=came, slim=False)

    def grouped(self, updates: Updates, how: Structuring) -> "SlimState":
        """Return the state after a pass of grouping, or after a wave of one: with structures when it was the last."""
        if not len(updates.devices):
            return self
        moment = (updates.turn.round_, updates.turn.step)
        gathered = Pass(moment, self.begun(updates.turn))
        if self.gathered is not None:
            same = self.gathered.moment == moment
            gathered = self.gathered if same else replace(gathered, last=self.gathered.known)
        gathered, before = gathered.and_(updates), gathered.before
        origin, known = self.origin or before, gathered.known
        who, models = np.array(list(known)), list(known.values())
        names = [n for n in self.channels.shared.tensors if n not in before.part.statistics]
        begun = origin if how.since == "first_pass" else before
        cosine = cosines(models, [begun.model(group) for group in begun.belongs[who]], names)
        labels = how.clustering.labels(cosine, updates.turn.draw("clustering"))
        everybody = replace(updates, devices=gathered.devices, messages=_messages(gathered))
        parted = before.parted_as(replace(updates, devices=who), labels, cosine)
        groups = parted.fused(everybody, how.weighting)
        nobody = np.empty(0, dtype=np.int64)  # of a round's training
        found = replace(self, groups=groups, origin=origin, gathered=gathered, kept=None)
        found = replace(found, came=nobody, slim=False)
        if how.settled(before.label, groups.label, groups.passes):
            return found.structured(gathered, how)
        return found

    def fused(self, updates: Updates, how: Fusing) -> "SlimState":
        """Return the state after a round of thin models."""
        groups = how.fused(self.groups, updates, self.channels.shared)
        return replace(self, groups=groups).having([updates])

    def fused_late(self, late: Sequence[Late], how: Fusing) -> "SlimState":
        """Return the state after thin models that began with several states."""
        groups = how.fused_late(self.groups, late, self.channels.shared)
        return replace(self, groups=groups).having([group.updates for group in late])

    def pulled(self, devices: IntArray, share: float) -> dict[str, torch.Tensor]:
        """Return what devices make of the server's models and what stays with them, dense and unmasked, shapes (K, …).

        Tensors that travel are (1 − μ) u + μ w [X], norms are their own [C].

        Args:
            devices: The devices.
            share: The share μ of their own.
        """
        rows, own = torch.from_numpy(self.groups.belongs[devices]), self.own.rows(devices)
        found = {name: tensor[rows] for name, tensor in self.groups.models.items()}
        mixed = {
            name: torch.lerp(found[name], own[name], share) if share else found[name]
            for name in self.channels.shared.tensors
        }
        return {**found, **own, **mixed}

    def masks(self, devices: IntArray) -> Masks:
        """Return what devices keep, channel by channel."""
        assert self.kept is not None, "structures are known"
        units = self.channels.by_space(torch.from_numpy(self.kept[devices]))
        return Masks.structured(self.groups.part, units)

    def model_for(self, device: int | None, share: float) -> dict[str, torch.Tensor]:
        """Return a device's model, zero where it keeps nothing, or the mean over all devices, a measure of the experiment.

        Args:
            device: The device; None for the mean.
            share: The share μ of its own.
        """
        if self.kept is None:
            return self.groups.model_for(device)
        if device is None:
            own = self.own.mean()
            norms = {name: own[name] for name in self.channels.norms.tensors}
            return {**self.groups.model_for(None), **norms}
        who = np.array([device])
        model = self.masks(who).applied(self.pulled(who, share))
        return {name: tensor[0] for name, tensor in model.items()}

    @property
    def told(self) -> dict[str, float]:
        """Return how many groups there are, how well devices lie in theirs, and how much is kept."""
        thin = self.kept is not None and self.slim and len(self.came)
        density = self.channels.density(self.kept[self.came]) if thin else 1.0  # type: ignore[index]
        return {**self.groups.told, "density": density}

    def values(self, devices: IntArray) -> IntArray:
        """Return how many numbers each of some devices sent last, shape (K,), norms left out."""
        rows = self.kept[devices] if self.kept is not None and self.slim else None
        every = np.ones((len(devices), self.channels.count), dtype=np.bool_)
        return self.channels.values(self.channels.widths(every if rows is None else rows))

    def structured(self, gathered: Pass, how: Structuring) -> "SlimState":
        """Return the state in which everybody has a structure, and what its group's model gives it to begin with."""
        groups, known = self.groups, gathered.known
        who = np.array(list(known))
        own = np.stack([self.channels.scores(model) for model in known.values()])
        kept = how.structures(
            self.channels, own, groups.samples, who,
            label=groups.label, belongs=groups.belongs, cosine=groups.cosine,
        )  # fmt: skip
        rows, everybody = torch.from_numpy(groups.belongs), np.arange(len(groups.label))
        begin = {name: groups.models[name][rows] for name in self.own.names}
        knows = np.zeros(len(everybody), dtype=np.bool_)
        return replace(self, kept=kept, own=self.own.replaced(everybody, begin), knows=knows)

    def having(self, updates: Sequence[Updates]) -> "SlimState":
        """Return the state that has what devices keep to themselves, and knows that they have been told what they keep."""
        own, knows = self.own, self.knows.copy()
        for each in updates:
            own = own.replaced(each.devices, each.private or {})
            knows[each.devices] = True
        came = np.concatenate([each.devices for each in updates])
        return replace(self, own=own, knows=knows, gathered=None, came=came, slim=True)


def _messages(gathered: Pass) -> list[Message]:
    return [Message(model) for model in gathered.models]
