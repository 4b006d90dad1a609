"""Devices that train the strongest units of a complete model, which are written back in place and ranked anew in every round."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from wflsim.contracts import IntArray, Late, Updates
from wflsim.learning.clustering.came import Came
from wflsim.learning.cohort import Cohort, Params
from wflsim.learning.payload import UNITS, with_units
from wflsim.learning.personal import SplitState, initial_state
from wflsim.learning.practice import Weighting, evened
from wflsim.learning.pruning.choosing import keep_units
from wflsim.learning.pruning.importance import magnitude, unit_scores
from wflsim.learning.pruning.masks import Masks
from wflsim.learning.pruning.thinning import Thinning
from wflsim.learning.regrowth.lessons import Regimen
from wflsim.learning.shelf import Shelf
from wflsim.learning.task import Task

UNPAID = (UNITS,)  # the server has chosen the units


@dataclass(frozen=True)
class ReconstructedState:
    """What the server knows: the complete model; and what devices have tuned for themselves.

    Attributes:
        model: The complete model.
        tuned: The model that each device has tuned.
        came: Whose updates were taken in the last round.
    """

    model: SplitState
    tuned: Shelf
    came: Came = field(default_factory=Came)

    @classmethod
    def first(cls, task: Task) -> "ReconstructedState":
        """Return the state before the first round."""
        return cls(initial_state(task, "none"), Shelf.of_default(task.initial, task.devices))

    def only(self, devices: IntArray) -> "ReconstructedState":
        """Return no more than some devices need to train."""
        return replace(self, tuned=self.tuned.only(devices))

    def strongest(self, widths: Mapping[str, int]) -> dict[str, torch.Tensor]:
        """Return the units with the largest l1 norms of their weights, so many of each space, shapes (1, n)."""
        weights = {name: self.model.shared[name][None] for name in self.model.part.prunable}
        scores = unit_scores(self.model.part, magnitude(weights))
        return keep_units(
            self.model.part.spaces, scores, {n: np.array([w]) for n, w in widths.items()}
        )

    def trained(self, cohort: Cohort, widths: Mapping[str, int], regimen: Regimen) -> Updates:
        """Return what devices send that train the strongest units alone, as a model that is really so small."""
        anatomy, kept = self.model.part, self.strongest(widths)
        every = {name: mask.expand(len(cohort.devices), -1) for name, mask in kept.items()}
        thinning = Thinning.of(anatomy, Masks.structured(anatomy, every))
        thin = thinning.thin(self.model.of(cohort))
        found = regimen.taught(cohort, thin, {}, widths=thinning.widths)
        told = {name: mask[0] for name, mask in kept.items()}
        rows = thinning.rows(found, anatomy.tensors)
        return cohort.updates([with_units(anatomy, row, told) for row in rows], {}, UNPAID)

    def touched(self, cohort: Cohort, regimen: Regimen) -> Updates:
        """Return what devices tune of the complete model, which stays with them."""
        begun = torch.from_numpy(np.isin(cohort.devices, self.tuned.touched))
        own = self.tuned.rows(cohort.devices)
        start = {
            name: torch.where(begun.view(-1, *[1] * (each.dim() - 1)), own[name], each)
            for name, each in self.model.of(cohort).items()
        }
        return cohort.updates([{}] * len(begun), regimen.taught(cohort, start, {}))

    def tuning(self, updates: Updates) -> "ReconstructedState":
        """Return the state with what devices have tuned."""
        tuned = self.tuned.replaced(updates.devices, updates.private or {})
        came = self.came.at(updates.turn.round_)
        came = replace(came, tuned=np.union1d(came.tuned, updates.devices))
        return replace(self, tuned=tuned, came=came)

    def fused(self, updates: Updates, weighting: Weighting) -> "ReconstructedState":
        """Return the state whose chosen units are the mean of those that were brought; the others stay as they are."""
        model = self.model.fused(updates, evenly=weighting == "uniform")
        return replace(self, model=model, came=Came(updates.turn.round_, updates.devices))

    def fused_late(self, late: Sequence[Late], weighting: Weighting) -> "ReconstructedState":
        """Return the state after updates that began with older models, each of the units that were the strongest then."""
        came = [each for each in late if len(each.updates.devices)]
        if not came:
            return self
        groups = evened(came, self.model.samples, weighting)
        model = self.model.fused_late([replace(each, base=each.base.model) for each in groups])
        who = np.unique(np.concatenate([each.updates.devices for each in came]))
        round_ = max(each.updates.turn.round_ for each in came)
        return replace(self, model=model, came=replace(self.came.at(round_), trained=who))

    def model_for(self, device: int | None) -> Params:
        """Return the model that a device has tuned, or the complete one."""
        if device is not None and device in self.tuned.held:
            return self.tuned.row(device)
        return self.model.model_for(None)
