"""Ordered dropout: at every step the first units of each layer, as many as a draw says, within a model that may be thin."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from wflsim.learning.lessons import Call, Objective, Params
from wflsim.learning.pruning.masks import Masks
from wflsim.learning.submodels.widths import Group, first_units, kept_of, put_back

_KEPT = "kept."


@dataclass(frozen=True, eq=False)
class Dropped:
    """What remains at each step.

    Attributes:
        counts: For each space the number of its first units that remain at a share, by the share's place, shape (L,).
        places: Place of the share that each device has drawn for each step, shape (steps, K).
        distillation: Weight of KL(f_pmax ‖ f_p), which draws the scores of what remains to those of the device's whole model.
    """

    counts: Mapping[str, np.ndarray]
    places: np.ndarray
    distillation: float

    def masks(self, group: Group, step: int) -> dict[str, torch.Tensor]:
        """Return which entries of a group's thin tensors remain at a step, shapes (K, …)."""
        at = self.places[step]
        units = {
            name: first_units(width, self.counts[name][at]) for name, width in group.widths.items()
        }
        return dict(Masks.structured(group.anatomy, units).entries)


def dropped_out(
    group: Group, start: Params, dropped: Dropped, rate: float
) -> dict[str, torch.Tensor]:
    """Return thin models after plain steps each of which moves the first units alone, shapes (K, …).

    What does not remain at a step stays as it was before it, statistics of norms included.

    Args:
        group: The devices.
        start: What they start with.
        dropped: What remains at each step.
        rate: Step size.
    """
    params, names = dict(start), group.anatomy.tensors
    for step, batch in enumerate(group.batches.split([1] * len(group.batches.rows))):
        kept, objective = dropped.masks(group, step), Objective()
        begun, masks = kept_of(params, kept), kept
        if (
            dropped.distillation
        ):  # the whole model is asked too, and the loss itself takes away what does not remain
            context = {_KEPT + name: mask for name, mask in kept.items()}
            begun, masks, objective = params, {}, _distilled(dropped.distillation, context)
        moved = group.cohort.train(
            begun, names, batch, rate, masks, objective=objective, widths=group.widths
        )
        params = put_back(moved, params, kept)
    return params


def _distilled(weight: float, context: Params) -> Objective:
    """Return cross-entropy of what remains, and the weight times KL of its scores to those of all, which do not move for it."""

    def whole(
        call: Call, params: Params, inputs: torch.Tensor, labels: torch.Tensor, context: Params
    ) -> torch.Tensor:
        cut = len(_KEPT)
        small = kept_of(params, {name[cut:]: mask for name, mask in context.items()})
        scores, target = call(small, inputs), call(params, inputs).detach().log_softmax(-1)
        apart = (target.exp() * (target - scores.log_softmax(-1))).sum(-1)
        return functional.cross_entropy(scores, labels, reduction="none") + weight * apart

    return Objective(whole=whole, context=context)
