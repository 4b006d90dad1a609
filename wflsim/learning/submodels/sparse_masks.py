"""The state of methods whose devices have sparse masks of their own, and how such masks change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from wflsim.contracts import IntArray, Updates
from wflsim.learning.cohort import Cohort, Params
from wflsim.learning.fusion import weighted_mean
from wflsim.learning.payload import BITMAP, pruned
from wflsim.learning.personal import SplitState, initial_state
from wflsim.learning.pruning.choosing import largest
from wflsim.learning.pruning.importance import magnitude
from wflsim.learning.pruning.masks import packed, unpacked
from wflsim.learning.shelf import Shelf
from wflsim.learning.task import Task

NEXT = "next"
UNPAID = (BITMAP,)  # the server has been told which weights a device keeps


@dataclass(frozen=True)
class SparseState:
    """What the server knows: its model, and what each device keeps of it.

    Attributes:
        model: The model, of which nothing is personal.
        masks: For every tensor of weights which of them a device keeps, as bytes of eight bits.
    """

    model: SplitState
    masks: Shelf

    def only(self, devices: IntArray) -> "SparseState":
        """Return no more than some devices need to train."""
        return replace(self, masks=self.masks.only(devices))

    def kept(self, devices: IntArray) -> dict[str, torch.Tensor]:
        """Return which weights some devices keep, shapes (K, …)."""
        rows = self.masks.rows(devices)
        return {
            name: unpacked(row, tuple(self.model.shared[name].shape)) for name, row in rows.items()
        }

    def without(self, updates: Sequence[tuple[Updates, np.ndarray]]) -> "SparseState":
        """Return the state w − Σ ω U after updates U and their weights ω; what a device does not keep is zero in its own."""
        shared, masks = self.model.shared, self.masks
        for brought, weights in updates:
            mean = weighted_mean(self.model.shared, brought.messages, weights, self.model.part)
            shared = {name: tensor - mean[name] for name, tensor in shared.items()}
            masks = masks.replaced(brought.devices, brought.private or {})
        return SparseState(replace(self.model, shared=shared), masks)

    def model_for(self, device: int | None) -> dict[str, torch.Tensor]:
        """Return what a device keeps of the model, or all of it."""
        model = self.model.model_for(None)
        if device is None:
            return model
        kept = self.kept(np.array([device]))
        return {
            name: each * kept[name][0] if name in kept else each for name, each in model.items()
        }


def first_state(task: Task, counts: Mapping[str, int]) -> SparseState:
    """Return the state before the first round: everybody keeps the largest of the initial weights, so many of each tensor."""
    model = initial_state(task, "none")
    scores = magnitude({name: model.shared[name] for name in counts})
    masks = {
        name: packed(largest(score.flatten()[None], np.array([counts[name]])))[0]
        for name, score in scores.items()
    }
    return SparseState(model, Shelf.of_default(masks, task.devices))


def evolved(
    kept: Params, params: Params, slopes: Params, exchanged: Mapping[str, int]
) -> dict[str, torch.Tensor]:
    """Return masks, shapes (K, …), that drop the smallest kept weights and take in as many with the steepest slopes [M].

    What is taken in was not kept before, so that nothing is dropped and taken in at once [D].

    Args:
        kept: Which weights devices keep.
        params: Their weights.
        slopes: The slopes of all weights, kept or not.
        exchanged: How many weights of each tensor are dropped, and taken in.
    """
    found = {}
    for name, mask in kept.items():
        flat, counts = mask.flatten(1), np.full(len(mask), exchanged[name])
        small = -params[name].abs().flatten(1)
        steep = slopes[name].abs().flatten(1)
        dropped = largest(torch.where(flat, small, -torch.inf), counts)
        grown = largest(torch.where(flat, -torch.inf, steep), counts)
        found[name] = ((flat & ~dropped) | grown).view(mask.shape)
    return found


def sent(
    cohort: Cohort, moved: Params, kept: Params, changed: Params | None
) -> tuple[list[dict[str, torch.Tensor]], dict[str, torch.Tensor]]:
    """Return what devices send, and the masks that they keep, as bytes.

    Args:
        cohort: The devices.
        moved: How far they have come from what they received, shapes (K, …).
        kept: Which weights they kept meanwhile.
        changed: Which they keep from now on, of which the server has to be told; None where nothing changes.
    """
    rows = zip(cohort.rows(moved, tuple(moved)), cohort.rows(kept, tuple(kept)), strict=True)
    messages = [pruned(*row) for row in rows]
    if changed is not None:
        flat = packed(torch.cat([mask.flatten(1) for mask in changed.values()], dim=1))
        messages = [{**each, NEXT: row} for each, row in zip(messages, flat, strict=True)]
    last = kept if changed is None else changed
    return messages, {name: packed(mask) for name, mask in last.items()}
