"""The state of a method with a mask for each group: models, masks, what members came to, and what an exchange has brought so far."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from wflsim.contracts import Clustering, FloatArray, IntArray, Late, Message, Turn, Updates
from wflsim.learning.anatomy import Anatomy
from wflsim.learning.clustering.came import Came
from wflsim.learning.clustering.state import Groups
from wflsim.learning.cohort import Cohort, Params
from wflsim.learning.payload import BITMAP, pruned, unpack
from wflsim.learning.practice import Weighting
from wflsim.learning.pruning.masks import packed
from wflsim.learning.regrowth.counts import Left
from wflsim.learning.regrowth.mask_update import Pruner
from wflsim.learning.shelf import Shelf
from wflsim.learning.task import Task

SLOPE, ENTROPY = "slope.", "entropy"


@dataclass(frozen=True, eq=False)
class Collected:
    """What an exchange has brought so far: one that asks everybody may come in waves, of which each sees where the first began.

    Attributes:
        when: Its round and step.
        before: The state that it began with.
        brought: What each device that came has brought; None where only training goes on.
    """

    when: tuple[int, int]
    before: "RegrowthState"
    brought: Shelf | None


@dataclass(frozen=True, eq=False)
class RegrowthState:
    """What the server and the devices know between rounds.

    Attributes:
        groups: A model a group, within its mask, and who belongs to which.
        masks: Which weights each group has, by name, shapes (G, …); empty where nothing has been pruned.
        version: How often each group's mask has changed, shape (G,).
        goal: Sparsity of each group after the last step, shape (G,).
        told: Which version each device was told last, shape (N,).
        own: What each device's last training in its group came to.
        tuned: The model that each device has tuned for itself.
        came: Whose updates were taken in the last round.
        collected: What an exchange before the training has brought so far; None where there was none.
    """

    groups: Groups
    masks: Params
    version: IntArray
    goal: FloatArray
    told: IntArray
    own: Shelf
    tuned: Shelf
    came: Came = field(default_factory=Came)
    collected: Collected | None = None

    @classmethod
    def first(cls, task: Task) -> "RegrowthState":
        """Return the state before the first round: one group, of which nothing is pruned."""
        shelf = Shelf.of_default(task.initial, task.devices)
        none = np.zeros(1, dtype=np.int64)
        told = np.zeros(task.devices, dtype=np.int64)
        return cls(Groups.one(task), {}, none, np.zeros(1), told, shelf, shelf)

    def only(self, devices: IntArray) -> "RegrowthState":
        """Return no more than some devices need to train."""
        collected = self.collected
        if collected is not None:
            before = collected.before.only(devices)
            collected = Collected(collected.when, before, None)
        return replace(
            self,
            groups=self.groups.only(devices),
            own=self.own.only(devices),
            tuned=self.tuned.only(devices),
            collected=collected,
        )

    def before(self, turn: Turn) -> "RegrowthState":
        """Return the state with which the exchange of a turn began, of which earlier waves may be there."""
        same = self.collected is not None and self.collected.when == (turn.round_, turn.step)
        return self.collected.before if self.collected is not None and same else self

    # What devices have.

    def kept(self, devices: IntArray) -> dict[str, torch.Tensor]:
        """Return which weights the models of some devices have, shapes (K, …); nothing where all are there."""
        rows = torch.from_numpy(self.groups.belongs[devices])
        return {name: mask[rows] for name, mask in self.masks.items()}

    def members(self, devices: IntArray) -> dict[str, torch.Tensor]:
        """Return what the last training of some devices came to, within today's masks; their groups' models before any."""
        own, group = self.own.rows(devices), torch.from_numpy(self.groups.belongs[devices])
        trained = torch.from_numpy(np.isin(devices, self.own.touched))
        kept, found = self.kept(devices), {}
        for name, tensor in self.groups.models.items():
            here = trained.view(-1, *[1] * (tensor.dim() - 1))
            found[name] = torch.where(here, own[name], tensor[group])
            if name in kept:
                found[name] = torch.where(kept[name], found[name], 0.0)
        return found

    def starts(self, cohort: Cohort) -> dict[str, torch.Tensor]:
        """Return the models that devices tune: their own if they have begun, or those of their groups, shapes (K, …)."""
        own, group = self.tuned.rows(cohort.devices), self.groups.of(cohort)
        begun = torch.from_numpy(np.isin(cohort.devices, self.tuned.touched))
        return {
            name: torch.where(begun.view(-1, *[1] * (each.dim() - 1)), own[name], each)
            for name, each in group.items()
        }

    def sent(self, cohort: Cohort, params: Params) -> list[dict[str, torch.Tensor]]:
        """Return what devices send of their models: the server knows where kept weights belong."""
        names = tuple(self.groups.models)
        kept = cohort.rows(self.kept(cohort.devices), tuple(self.masks))
        rows = zip(cohort.rows(params, names), kept, strict=True)
        return [{n: t for n, t in pruned(*row).items() if n != BITMAP} for row in rows]

    def left(self, anatomy: Anatomy) -> Left:
        """Return what is left of the models that devices receive."""
        belongs = self.groups.belongs
        sizes = {t.name: t.size for t in anatomy.every() if t.role == "weight"}
        kept = [
            {n: int(self.masks[n][g].sum()) if self.masks else size for n, size in sizes.items()}
            for g in range(self.groups.count)
        ]
        return Left.of(anatomy, kept, belongs, self.told != self.version[belongs])

    @property
    def densities(self) -> FloatArray:
        """Share of each tensor's weights that each group has, shape (G, tensors)."""
        shares = [mask.flatten(1).double().mean(1).numpy() for mask in self.masks.values()]
        return np.stack(shares, axis=1) if shares else np.ones((self.groups.count, 1))

    @property
    def density(self) -> float:
        """Share of the weights that a group has, the mean over groups."""
        every = sum(mask.numel() for mask in self.masks.values())
        return sum(int(mask.sum()) for mask in self.masks.values()) / every if every else 1.0

    def model_for(self, device: int | None) -> dict[str, torch.Tensor]:
        """Return the model that a device has tuned, or that of its group, or the mean of all devices' groups."""
        if device is not None and device in self.tuned.held:
            return self.tuned.row(device)
        return self.groups.model_for(device)

    # What the server does.

    def grouped(
        self, updates: Updates, rule: Clustering, goal: Callable[[Anatomy, FloatArray], float]
    ) -> "RegrowthState":
        """Return the state in which all who came so far are grouped by how alike their changes are.

        Args:
            updates: Models after training, and how mixed classes are where that is told.
            rule: Who belongs together.
            goal: From the layers and how mixed the classes of members are to the sparsity that their group comes to.
        """
        if not len(updates.devices):
            return self
        rows = [message.tensors for message in updates.messages]
        collected = self.collecting(
            updates, {n: torch.stack([r[n] for r in rows]) for n in rows[0]}
        )
        before, who, brought = collected.before, *everything(collected)
        models = list(before.groups.models)
        messages = [Message({n: brought[n][k] for n in models}) for k in range(len(who))]
        groups = before.groups.regrouped(Updates(updates.turn, who, messages), rule)
        mixed = brought[ENTROPY].flatten().numpy() if ENTROPY in brought else np.zeros(len(who))
        own = groups.label[who]
        goals = [goal(groups.part, mixed[own == g]) for g in range(groups.count)]
        came = self.came.at(updates.turn.round_)
        return replace(
            before,
            groups=groups,
            version=np.zeros(groups.count, dtype=np.int64),
            goal=np.array(goals),
            came=replace(came, grouped=np.union1d(came.grouped, updates.devices)),
            collected=collected,
        )

    def stepped(self, updates: Updates, pruner: Pruner, left: int) -> "RegrowthState":
        """Return the state after a pruning step by all who came so far; a group of which nobody came keeps its mask [X].

        Args:
            updates: Members' models, and the slopes of their losses.
            pruner: How masks change.
            left: Pruning steps that are left, this one included.
        """
        if not len(updates.devices):
            return self
        names, before = self.groups.part.prunable, self.before(updates.turn)
        rows = [message.tensors for message in before.filled(updates).messages]
        steep = [message.tensors for message in updates.messages]
        collected = self.collecting(
            updates,
            {
                **{n: torch.stack([row[n] for row in rows]) for n in names},
                **{SLOPE + n: torch.stack([row[SLOPE + n] for row in steep]) for n in names},
            },
        )
        who, brought = everything(collected)
        after, belongs = before.whole(), before.groups.belongs[who]
        for group in np.unique(belongs).tolist():
            some = torch.from_numpy(np.flatnonzero(belongs == group))
            model, masks = after.groups.model(group), {n: m[group] for n, m in after.masks.items()}
            members, slopes = ({n: brought[p + n][some] for n in names} for p in ("", SLOPE))
            due = (float(after.goal[group]), left)
            weights, kept = pruner.step(model, masks, (members, slopes), due)
            after = after.with_group(group, weights, kept)
        came = self.came.at(updates.turn.round_)
        return replace(after, came=came, collected=collected)

    def fused(self, updates: Updates, weighting: Weighting) -> "RegrowthState":
        """Return the state after each group's mean of what its members brought, within its mask."""
        if not len(updates.devices):
            return self
        groups = self.groups.fused(self.filled(updates), weighting)
        return replace(self._trained([(self, updates)], groups), collected=None)

    def fused_late(self, late: Sequence[Late], weighting: Weighting) -> "RegrowthState":
        """Return the state after updates that began with older ones; what is not there any more does not come back."""
        late = [each for each in late if len(each.updates.devices)]
        if not late:
            return self
        filled = [
            replace(each, base=each.base.groups, updates=each.base.filled(each.updates))
            for each in late
        ]
        groups = self.groups.fused_late(filled, weighting)
        return self._trained([(each.base, each.updates) for each in late], groups)

    def touched(self, updates: Updates) -> "RegrowthState":
        """Return the state with the models that devices have tuned for themselves."""
        came = self.came.at(updates.turn.round_)
        came = replace(came, tuned=np.union1d(came.tuned, updates.devices))
        tuned = self.tuned.replaced(updates.devices, updates.private or {})
        return replace(self, tuned=tuned, came=came)

    def filled(self, updates: Updates) -> Updates:
        """Return updates with whole tensors, zero where the sender's group had no weight when it began with this state."""
        shapes = {name: tensor.shape[1:] for name, tensor in self.groups.models.items()}
        if not self.masks:
            messages = [Message({n: m.tensors[n] for n in shapes}) for m in updates.messages]
            return replace(updates, messages=messages, private=None)
        flat = packed(torch.cat([mask.flatten(1) for mask in self.masks.values()], dim=1))
        messages = [
            Message(unpack(Message({**message.tensors, BITMAP: flat[group]}), shapes)[0])
            for message, group in zip(
                updates.messages, self.groups.belongs[updates.devices], strict=True
            )
        ]
        return replace(updates, messages=messages, private=None)

    def _trained(
        self, came: Sequence[tuple["RegrowthState", Updates]], groups: Groups
    ) -> "RegrowthState":
        """Return the state with fused models within their masks, what devices came to, and what they were told on the way."""
        models = {
            name: torch.where(self.masks[name], each, 0.0) if name in self.masks else each
            for name, each in groups.models.items()
        }
        told, own = self.told.copy(), self.own
        for base, updates in came:
            who = updates.devices
            told[who] = base.version[base.groups.belongs[who]]
            own = own.replaced(who, updates.private) if updates.private else own
        who = np.unique(np.concatenate([updates.devices for _, updates in came]))
        round_ = max(updates.turn.round_ for _, updates in came)
        return replace(
            self,
            groups=replace(groups, models=models),
            told=told,
            own=own,
            came=replace(self.came.at(round_), trained=who),
        )

    def collecting(self, updates: Updates, rows: Mapping[str, torch.Tensor]) -> Collected:
        """Return what an exchange has brought with some more, shapes (K, …)."""
        when, found = (updates.turn.round_, updates.turn.step), self.collected
        if found is None or found.when != when or found.brought is None:
            like = {name: torch.zeros_like(each[0]) for name, each in rows.items()}
            shelf = Shelf.of_default(like, len(self.told))
            found = Collected(when, replace(self, collected=None), shelf)
        assert found.brought is not None, "the server keeps what it was brought"
        return replace(found, brought=found.brought.replaced(updates.devices, rows))

    def whole(self) -> "RegrowthState":
        """Return the state with masks, where nothing has been pruned those of everything."""
        if self.masks:
            return self
        names = self.groups.part.prunable
        masks = {n: torch.ones_like(self.groups.models[n], dtype=torch.bool) for n in names}
        return replace(self, masks=masks)

    def with_group(self, group: int, weights: Params, kept: Params) -> "RegrowthState":
        """Return the state in which a group has other weights and another mask."""
        masks, version = {name: mask.clone() for name, mask in self.masks.items()}, self.version + 0
        for name, mask in kept.items():
            masks[name][group] = mask
        version[group] += 1
        groups = self.groups.with_models({group: weights})
        return replace(self, groups=groups, masks=masks, version=version)


def everything(collected: Collected) -> tuple[IntArray, dict[str, torch.Tensor]]:
    """Return who has come so far, and what they have brought, shapes (K, …)."""
    assert collected.brought is not None, "the server keeps what it was brought"
    who = collected.brought.touched
    return who, collected.brought.rows(who)
