"""A pruning step of a group: the least important weights go, and those with the steepest mean slopes come."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from wflsim.learning.pruning.choosing import largest
from wflsim.learning.regrowth.counts import Pace
from wflsim.learning.regrowth.importance import Importance

Params = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Pruner:
    """How a group's mask changes.

    Attributes:
        importance: What matters.
        pace: How many weights go and come.
    """

    importance: Importance
    pace: Pace

    def step(
        self, model: Params, masks: Params, brought: tuple[Params, Params], due: tuple[float, int]
    ) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        """Return a group's weights and masks after a step, layer by layer; what comes begins at zero [C].

        Args:
            model: The group's weights.
            masks: Which of them are there.
            brought: The weights of its members and the slopes of their losses, shapes (K, …).
            due: The sparsity after the last step, and the steps up to then, this one included.
        """
        weights, kept = {}, {}
        for name, mask in masks.items():
            members, slopes = brought[0][name], brought[1][name]
            score = self.importance.of(model[name], members, slopes, mask)
            moves = self.pace.moves(mask.numel(), int(mask.sum()), *due)
            stays, kept[name] = exchanged(mask, score, slopes.double().mean(0).abs(), moves)
            weights[name] = torch.where(stays, model[name], 0.0)
        return weights, kept


def exchanged(
    mask: torch.Tensor, importance: torch.Tensor, slope: torch.Tensor, moves: tuple[int, int]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return which weights of a layer stay, and which there are in the end.

    First the least important go, of equals the later; then the steepest of all that are not there come, of equals the earlier,
    also one that has just gone [C].

    Args:
        mask: Which weights are there.
        importance: How much each matters.
        slope: How steep the loss is along each.
        moves: How many go, and how many come.
    """
    gone, come = moves
    flat = mask.flatten()[None]
    score = torch.where(flat, importance.flatten()[None], -torch.inf)
    stays = largest(score, np.array([int(mask.sum()) - gone]))
    steep = torch.where(stays, -torch.inf, slope.flatten()[None])
    grown = largest(steep, np.array([come]))
    return stays.view(mask.shape), (stays | grown).view(mask.shape)
