"""The state of methods whose devices find masks of their own within one model, and what then travels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import nan

import numpy as np
import torch

from wflsim.contracts import FloatArray, IntArray, Late, Message, Updates
from wflsim.learning.cohort import Cohort, Params
from wflsim.learning.own_masks.accuracy import looks
from wflsim.learning.own_masks.form import Form
from wflsim.learning.payload import BITMAP, KEPT
from wflsim.learning.personal import SplitState, initial_state
from wflsim.learning.practice import Weighting, evened
from wflsim.learning.pruning.choosing import largest
from wflsim.learning.pruning.masks import Masks, both, packed, unpacked
from wflsim.learning.shelf import Shelf
from wflsim.learning.task import Task

SINGLES, CHANNELS, CUTS, COUNTS = "singles", "channels", "cuts", "counts"


@dataclass(frozen=True, eq=False)
class Kept:
    """What each of K devices keeps.

    Attributes:
        weights: Tensor name → which of its entries, shapes (K, …); entries of units that are gone are not among them.
        units: Space name → which of its units, shapes (K, n).
    """

    weights: Params
    units: Params

    def only(self, rows: torch.Tensor) -> "Kept":
        """Return what some of the devices keep."""
        return Kept(
            {name: mask[rows] for name, mask in self.weights.items()},
            {name: mask[rows] for name, mask in self.units.items()},
        )

    def instead(self, rows: torch.Tensor, other: "Kept") -> "Kept":
        """Return what all keep when some of them, by their rows, keep something else."""
        return Kept(
            {name: _set(mask, rows, other.weights[name]) for name, mask in self.weights.items()},
            {name: _set(mask, rows, other.units[name]) for name, mask in self.units.items()},
        )

    def masks(self, form: Form) -> Masks:
        """Return which entries are kept of every masked tensor; weights go with their units."""
        structured = Masks.structured(form.anatomy, self.units).entries if self.units else {}
        every = both(structured, self.weights)
        return Masks.unstructured({tensor.name: every[tensor.name] for tensor in form.masked})

    def counts(self, form: Form) -> IntArray:
        """Return how many entries of each masked tensor are kept, shape (K, T)."""
        entries = self.masks(form).entries
        return np.stack([entries[t.name].flatten(1).sum(1).numpy() for t in form.masked], axis=1)

    def packed(self) -> dict[str, torch.Tensor]:
        """Return masks as bytes of eight bits, a row a device, by names that a shelf can hold."""
        found = {f"{SINGLES}.{name}": packed(mask) for name, mask in self.weights.items()}
        return found | {f"{CHANNELS}.{name}": packed(mask) for name, mask in self.units.items()}


@dataclass(frozen=True)
class TicketState:
    """What the server knows: its model, and what each device keeps of it.

    Attributes:
        model: The model, of which nothing is personal.
        masks: What every device keeps, as bytes of eight bits.
        counts: How many entries of each masked tensor that is, shape (N, T).
        cuts: How often each device has pruned, shape (N,).
        looks: On how many samples each device judges a model, shape (N,).
        form: What may be pruned.
        density: Mean over the last updates and the tensors of the share of weights that are kept.
    """

    model: SplitState
    masks: Shelf
    counts: IntArray
    cuts: IntArray
    looks: IntArray
    form: Form
    density: float = nan

    def only(self, devices: IntArray) -> "TicketState":
        """Return no more than some devices need to train."""
        return replace(self, masks=self.masks.only(devices))

    def kept(self, devices: IntArray | Sequence[int]) -> Kept:
        """Return what some devices keep."""
        rows, shapes = self.masks.rows(devices), {t.name: t.shape for t in self.form.masked}
        return Kept(
            {n: unpacked(rows[f"{SINGLES}.{n}"], shapes[n]) for n in self.form.weights},
            {s.name: unpacked(rows[f"{CHANNELS}.{s.name}"], (s.units,)) for s in self.form.units},
        )

    def fused(self, updates: Updates, weighting: Weighting) -> "TicketState":
        """Return the state after the mean over those who hold a coordinate; where nobody does it stays."""
        model = self.model.fused(opened(updates, self.form), evenly=weighting == "uniform")
        return self._after(model, [updates])

    def fused_late(self, late: Sequence[Late], weighting: Weighting) -> "TicketState":
        """Return the state after updates of which some began with older ones."""
        groups = [
            replace(group, base=group.base.model, updates=opened(group.updates, self.form))
            for group in evened(late, self.model.samples, weighting)
        ]
        return self._after(self.model.fused_late(groups), [group.updates for group in late])

    def model_for(self, device: int | None) -> Mapping[str, torch.Tensor]:
        """Return what a device keeps of the model, or all of it."""
        model = self.model.model_for(None)
        if device is None:
            return model
        one = {name: each[None] for name, each in model.items()}
        masks = self.kept([device]).masks(self.form)
        return {name: each[0] for name, each in masks.applied(one).items()}

    def _after(self, model: SplitState, brought: Sequence[Updates]) -> "TicketState":
        masks, counts, cuts, came = self.masks, self.counts.copy(), self.cuts.copy(), []
        for updates in brought:
            private, who = updates.private or {}, updates.devices
            if not len(who):
                continue
            masks = masks.replaced(who, {name: private[name] for name in masks.names})
            counts[who], cuts[who] = private[COUNTS].numpy(), private[CUTS].numpy()
            came.append(counts[who])
        density = self.form.density(np.concatenate(came)) if came else nan
        return replace(self, model=model, masks=masks, counts=counts, cuts=cuts, density=density)


def first_tickets(task: Task, form: Form) -> TicketState:
    """Return the state before the first round: the initial weights, of which everybody keeps all."""
    every = Kept(
        {t.name: _ones(t.shape) for t in form.masked if t.name in form.weights},
        {space.name: _ones((space.units,)) for space in form.units},
    )
    return TicketState(
        model=initial_state(task, "none"),
        masks=Shelf.of_default({n: row[0] for n, row in every.packed().items()}, task.devices),
        counts=np.tile(form.sizes, (task.devices, 1)),
        cuts=np.zeros(task.devices, dtype=np.int64),
        looks=looks(task.holdings),
        form=form,
    )


def brought(
    cohort: Cohort, form: Form, params: Params, kept: Kept, *, cuts: IntArray, macs: FloatArray
) -> Updates:
    """Return what devices send and keep: the values that are left, and bitmaps of where they belong.

    Args:
        cohort: The devices.
        form: What may be pruned.
        params: Their models, shapes (K, …).
        kept: What they keep of them from now on.
        cuts: How often they have pruned, shape (K,).
        macs: Operations that they computed, shape (K,).
    """
    masks, bitmaps = kept.masks(form), _bitmaps(kept)
    left = masks.applied(params)
    whole = [name for name in form.anatomy.tensors if name not in masks.entries]
    sent = []
    for row in range(len(cohort.devices)):
        values = [left[name][row][mask[row]] for name, mask in masks.entries.items()]
        message = {KEPT: torch.cat(values)} if values else {}
        message |= {name: bits[row] for name, bits in bitmaps.items()}
        sent.append({**message, **{name: left[name][row] for name in whole}})
    counts = torch.from_numpy(kept.counts(form))
    private = {**kept.packed(), COUNTS: counts, CUTS: torch.from_numpy(cuts)}
    return cohort.updates(sent, private, macs=macs)


def opened(updates: Updates, form: Form) -> Updates:
    """Return updates whose messages have one bitmap over all masked entries, as the means read them."""
    messages = []
    for message in updates.messages:
        tensors = dict(message.tensors)
        kept = Kept(
            _unpacked(
                tensors.pop(SINGLES, None), {t.name: t.shape for t in form.masked}, form.weights
            ),
            _unpacked(
                tensors.pop(CHANNELS, None), {s.name: (s.units,) for s in form.units}, form.spaces
            ),
        )
        flat = torch.cat([mask.flatten(1) for mask in kept.masks(form).entries.values()], dim=1)
        messages.append(Message({**tensors, BITMAP: packed(flat)[0]}))
    return replace(updates, messages=messages)


def without_lowest(params: Params, kept: Params, share: FloatArray) -> dict[str, torch.Tensor]:
    """Return masks, shapes (K, …), without the lowest magnitudes of what each tensor keeps: a share of it, rounded down.

    Args:
        params: The devices' models.
        kept: What they keep of some tensors.
        share: Share of it that goes, less than one, shape (K,).
    """
    found = {}
    for name, mask in kept.items():
        flat = mask.flatten(1)
        alive = flat.sum(1).numpy()
        scores = torch.where(flat, params[name].abs().flatten(1), -torch.inf)
        left = alive - np.floor(share * alive + 1e-9).astype(np.int64)
        found[name] = largest(scores, left).view(mask.shape)
    return found


def _bitmaps(kept: Kept) -> dict[str, torch.Tensor]:
    every = {SINGLES: kept.weights, CHANNELS: kept.units}
    return {
        name: packed(torch.cat([mask.flatten(1) for mask in masks.values()], dim=1))
        for name, masks in every.items()
        if masks
    }


def _unpacked(
    bits: torch.Tensor | None, shapes: Mapping[str, tuple[int, ...]], names: Sequence[str]
) -> dict[str, torch.Tensor]:
    """Return the masks of one device, shapes (1, …), from a bitmap over all of them."""
    if bits is None:
        return {}
    sizes = [int(np.prod(shapes[name])) for name in names]
    parts = torch.split(unpacked(bits[None], (sum(sizes),)), sizes, dim=1)
    return {name: part.view(1, *shapes[name]) for name, part in zip(names, parts, strict=True)}


def _set(mask: torch.Tensor, rows: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    found = mask.clone()
    found[rows] = other
    return found


def _ones(shape: tuple[int, ...]) -> torch.Tensor:
    return torch.ones((1, *shape), dtype=torch.bool)
