"""The state of methods whose server decides one mask for all devices, and keeps its model within it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from optimizers.closed_forms.prunefl import reconfigure
from wflsim.contracts import Message, Updates
from wflsim.learning.cohort import Cohort, Params
from wflsim.learning.payload import BITMAP, pruned
from wflsim.learning.personal import SplitState, initial_state
from wflsim.learning.pruning.choosing import keep_largest
from wflsim.learning.pruning.importance import magnitude
from wflsim.learning.task import Task

SQUARES = "squares"


@dataclass(frozen=True)
class MaskState:
    """What the server knows: its model, and which weights there are.

    Attributes:
        model: The model, zero where no weight is.
        mask: Name → which weights there are, for all tensors whose entries may be pruned.
        decided: Round in which the mask was decided; −1 for none, where there are all.
    """

    model: SplitState
    mask: Params
    decided: int = -1

    @property
    def kept(self) -> int:
        """Number of weights."""
        return sum(int(mask.sum()) for mask in self.mask.values())

    def of(self, cohort: Cohort) -> dict[str, torch.Tensor]:
        """Return what the devices of a cohort start with, shapes (K, …)."""
        return self.model.of(cohort)

    def sent(self, params: Sequence[Params]) -> list[dict[str, torch.Tensor]]:
        """Return what devices send of their parameters: the server knows where kept weights belong."""
        return [
            {name: each for name, each in pruned(row, self.mask).items() if name != BITMAP}
            for row in params
        ]

    def fused(self, updates: Updates) -> "MaskState":
        """Return the state after the mean of what devices sent, weighted by samples."""
        bitmap = {BITMAP: torch.from_numpy(np.packbits(_flat(self.mask).numpy()))}
        messages = [Message({**message.tensors, **bitmap}) for message in updates.messages]
        return replace(self, model=self.model.fused(replace(updates, messages=messages)))

    def reconfigured(
        self, updates: Updates, seconds: tuple[float, float], candidate_share: float, cap: float
    ) -> "MaskState":
        """Return the state within the mask that learns most per second, by the squared slopes that devices sent.

        Every device has looked at as many samples, so that all count the same. What is dropped becomes zero, and what is
        taken in begins there.

        Args:
            updates: The squares.
            seconds: Time of a weight, and of a round without any.
            candidate_share: Share of each layer's kept weights that may be dropped.
            cap: Largest share of weights to keep.
        """
        weights = {name: self.model.shared[name] for name in self.mask}
        squares = np.zeros(sum(weight.numel() for weight in weights.values()))
        for message in updates.messages:
            squares += message.tensors[SQUARES].numpy()
        layer = np.repeat(np.arange(len(weights)), [w.numel() for w in weights.values()])
        chosen = reconfigure(
            squares,
            _flat(magnitude(weights)).numpy(),
            _flat(self.mask).numpy(),
            seconds[0],
            fixed_s=seconds[1],
            candidate_share=candidate_share,
            density_cap=cap,
            layer=layer,
        )
        parts = torch.split(torch.from_numpy(chosen), [w.numel() for w in weights.values()])
        mask = {
            name: part.view(tensor.shape)
            for (name, tensor), part in zip(weights.items(), parts, strict=True)
        }
        return _within(self.model, mask, updates.turn.round_)


def first_state(task: Task, density: float) -> MaskState:
    """Return the state before the first round: the initial weights, or the largest of them, at least one."""
    model = initial_state(task, "none")
    weights = {name: model.shared[name][None] for name in model.part.prunable}
    masks = keep_largest(magnitude(weights), np.array([max(density, 1.0 / model.part.weights)]))
    mask = {name: each[0] for name, each in masks.items()}
    return _within(model, mask, 0 if density < 1.0 else -1)


def squared_slopes(slopes: Params) -> list[dict[str, torch.Tensor]]:
    """Return what each device sends of its slopes, shapes (K, …): their squares, whether a weight is there or not."""
    rows = torch.cat([each.flatten(1) for each in slopes.values()], dim=1)
    return [{SQUARES: row} for row in rows.square()]


def _within(model: SplitState, mask: Params, round_: int) -> MaskState:
    """Return the state of a model within a mask that was decided in some round."""
    shared = {
        name: tensor * mask[name] if name in mask else tensor
        for name, tensor in model.shared.items()
    }
    return MaskState(replace(model, shared=shared), mask, round_)


def _flat(tensors: Params) -> torch.Tensor:
    return torch.cat([each.flatten() for each in tensors.values()])
