"""The server and its devices where each device trains some layers of its own and has only a pruned copy of the others."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch

from wflsim.contracts import BoolArray, FloatArray, IntArray, Late, Message, Updates
from wflsim.learning.anatomy import Anatomy
from wflsim.learning.cohort import Cohort, Params
from wflsim.learning.fusion import masked_mean_step, weighted_mean
from wflsim.learning.lessons import Batches, Descent
from wflsim.learning.personal import SplitState
from wflsim.learning.pruning.choosing import keep_largest, largest
from wflsim.learning.pruning.importance import magnitude, uniform
from wflsim.learning.pruning.masks import followed
from wflsim.learning.submodels.ownership import Ownership, first_widths

Weighting = Literal["simple", "by_layers", "by_samples"]


@dataclass(frozen=True, eq=False)
class OwnedState:
    """What the server knows between rounds: its dense model, and who has what.

    Attributes:
        model: The model, of which nothing is personal.
        owned: Which pieces each device owns, shape (N, G); None before the first round.
        kept: Share of the other layers' weights that each device is sent, shape (N,); None before the first round.
    """

    model: SplitState
    owned: BoolArray | None = None
    kept: FloatArray | None = None

    def only(self, devices: IntArray) -> "OwnedState":
        """Return no more than some devices need to train."""
        return replace(self, model=self.model.only(devices))

    def knowing(self, every: Ownership) -> "OwnedState":
        """Return the state that remembers who has what."""
        return replace(self, owned=every.owned, kept=every.kept)

    def fused(self, updates: Updates, every: Ownership, weighting: Weighting) -> "OwnedState":
        """Return the state after each layer's mean over those who own it; what nobody brought stays."""
        counts = self._counts(updates.devices, every, weighting)
        shared = dict(self.model.shared)
        for piece in range(len(every.pieces)):
            rows = np.flatnonzero(every.owned[updates.devices, piece])
            if len(rows):
                before = {name: shared[name] for name in every.names(piece)}
                share = counts[rows] / counts[rows].sum()
                shared |= weighted_mean(before, _some(updates.messages, rows), share)
        return replace(self.knowing(every), model=replace(self.model, shared=shared))

    def fused_late(
        self, late: Sequence[Late], every: Ownership, weighting: Weighting
    ) -> "OwnedState":
        """Return the state after updates that began from several states: x + (Σ w) Σ a (u − base) / Σ a over a layer's owners.

        A device's weight w is in proportion to its samples; a has its count of the weighting in their place.
        """
        whole = sum(float(group.weight.sum()) for group in late)
        shared = dict(self.model.shared)
        for piece in range(len(every.pieces)):
            names, groups = every.names(piece), []
            for group in late:
                who = group.updates.devices
                rows = np.flatnonzero(every.owned[who, piece])
                counts = self._counts(who, every, weighting) / self.model.samples[who]
                base = {name: group.base.model.shared[name] for name in names}
                brought = _some(group.updates.messages, rows)
                groups.append((base, brought, (group.weight * counts)[rows]))
            step = masked_mean_step(groups)
            shared |= {name: shared[name] + whole * step[name] for name in names}
        return replace(self.knowing(every), model=replace(self.model, shared=shared))

    def model_for(self, device: int | None) -> Params:
        """Return the server's model, or what it would send a device today: its layers whole, the others pruned."""
        if device is None or self.owned is None or self.kept is None:
            return self.model.shared
        row = Ownership(self.model.part, self.owned[[device]], self.kept[[device]])
        stacked = {name: tensor[None] for name, tensor in self.model.shared.items()}
        return {name: tensor[0] for name, tensor in sent_to(stacked, row)[0].items()}

    def _counts(self, devices: IntArray, every: Ownership, weighting: Weighting) -> FloatArray:
        """Return what each device counts for, shape (K,)."""
        if weighting == "by_samples":
            return np.asarray(self.model.samples[devices])
        layers = every.owned[devices].sum(1)
        return np.asarray(layers if weighting == "by_layers" else np.ones(len(devices)))


def sent_to(params: Params, own: Ownership) -> tuple[dict[str, torch.Tensor], Params]:
    """Return what devices are sent of the server's model, shapes (K, …), and which weights those are.

    Of every layer that a device does not own it is the share with the largest magnitudes, layer by layer.
    """
    names = own.anatomy.prunable
    masks = keep_largest(magnitude({n: params[n] for n in names}), own.kept, "per_layer")
    masks = _owned_too(masks, own)
    return {**params, **_within(params, masks)}, masks


def thinner(
    params: Params,
    masks: Params,
    own: Ownership,
    share: FloatArray,
    *,
    draws: Sequence[np.random.Generator] | None,
) -> dict[str, torch.Tensor]:
    """Return what devices use of what they were sent, shapes (K, …); their own layers stay whole.

    Args:
        params: What they were sent.
        masks: Which weights those are.
        own: Who owns what.
        share: What each uses, shape (K,).
        draws: A stream a device, where the share is one of sent weights, at random; None where it is the first units of
            each layer.
    """
    if draws is None:
        kept = _first(own.anatomy, share)
    else:
        scores = uniform({name: params[name] for name in masks}, draws)
        kept = {}
        for name, mask in masks.items():
            among = torch.where(mask, scores[name], -1.0).flatten(1)
            counts = np.rint(share * mask.flatten(1).sum(1).numpy()).astype(np.int64)
            kept[name] = largest(among, counts).view(mask.shape)
    return {**params, **_within(params, _owned_too(kept, own))}


def taught(
    cohort: Cohort, params: Params, own: Ownership, batches: Batches, descent: Descent
) -> Updates:
    """Return every device's own layers after a step a batch; devices that own the same are trained together."""
    sent = [dict[str, torch.Tensor]()] * len(cohort.devices)
    for names, rows in own.together():
        chosen, some = torch.from_numpy(rows), replace(cohort, devices=cohort.devices[rows])
        begun = {name: tensor[chosen] for name, tensor in params.items()}
        learnt = some.train(begun, names, batches.only(chosen), descent)
        for row, each in zip(rows.tolist(), some.rows(learnt, names), strict=True):
            sent[row] = each
    return cohort.updates(sent, {})


def _first(anatomy: Anatomy, share: FloatArray) -> dict[str, torch.Tensor]:
    """Return the weights of the first units, ⌈share · n⌉ of the n of each free space, groups whole, shapes (K, …)."""
    units = {
        name: torch.arange(anatomy.spaces[name].units) < torch.from_numpy(each)[:, None]
        for name, each in first_widths(anatomy, share).items()
    }
    return {
        tensor.name: followed(tensor, units).expand(len(share), *tensor.shape)
        for tensor in anatomy.every()
        if tensor.role == "weight"
    }


def _owned_too(masks: Params, own: Ownership) -> dict[str, torch.Tensor]:
    """Return masks in which a device has all of its own layers."""
    every = own.owners(masks)
    return {
        name: mask | torch.from_numpy(every[name]).view(-1, *[1] * (mask.dim() - 1))
        for name, mask in masks.items()
    }


def _within(params: Params, masks: Params) -> dict[str, torch.Tensor]:
    return {name: torch.where(mask, params[name], 0) for name, mask in masks.items()}


def _some(messages: Sequence[Message], rows: IntArray) -> list[Message]:
    return [messages[row] for row in rows]
