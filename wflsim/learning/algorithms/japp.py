"""Joint adaptive pruning with personalisation: system A of the core paper (arXiv 2309.01816), as far as it is known.

Steps, order and switches are those of docs/papers.md. The paper's body could not be read: what is not in
its abstract is a summary's [S] or our own reconstruction [X], and nothing here claims to be the paper's equation.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np

from channel_models.units import Count, Positive
from wflsim.contracts import Exchange, FloatArray, IntArray, Late, Turn, Updates
from wflsim.errors import UserError
from wflsim.learning.anatomy import Anatomy, Split, step_macs
from wflsim.learning.pruning.counting import free_spaces
from wflsim.learning.pruning.levels import levels, unit_exchange

if TYPE_CHECKING:
    import torch

    from wflsim.learning.cohort import Cohort, Params
    from wflsim.learning.lessons import Batches
    from wflsim.learning.personal import SplitState
    from wflsim.learning.task import Task

Steps = Annotated[int, ("least", 0)]
Importance = Literal["delta", "magnitude"]


@dataclass(frozen=True)
class Japp:
    """LocalAlt whose shared part is pruned by the ratio that the allocator chose.

    Personal steps, dense shared steps that score the weights, masked shared steps; then the kept weights travel.

    Attributes:
        personal: Which layer is personal: the last (output), the first (input), or none.
        personal_steps: Steps τ_v on the personal part.
        scoring_steps: Dense steps τ̂_u on the shared part, after which weights are scored.
        masked_steps: Steps τ_u on what is kept of the shared part.
        batch_size: Samples of a step.
        personal_rate: Step size of the personal part.
        shared_rate: Step size of the shared part.
        importance: Score of a weight: its change in the scoring steps (delta), or its size before them (magnitude).
        scope: Compare weights across all layers (global), or within each (per_layer).
        grain: Prune weights one by one, which saves air and no work on common hardware, or whole units (channels,
            neurons), with which devices train a smaller model [ours].
        levels: Pruning whole units, how many shares of them a device may keep: 1/levels, 2/levels, …, all of them.
        restart: Begin the masked steps from the received weights instead of the scored ones.
        keep_min: Least share of the shared weights that a device keeps.
    """

    paper_verified: ClassVar[bool] = False

    personal: Split = "output"
    personal_steps: Steps = 5
    scoring_steps: Count = 1
    masked_steps: Steps = 2
    batch_size: Count = 32
    personal_rate: Positive = 0.05
    shared_rate: Positive = 0.05
    importance: Importance = "delta"
    scope: Literal["global", "per_layer"] = "global"
    grain: Literal["weights", "units"] = "weights"
    levels: Count = 16
    restart: bool = False
    keep_min: Annotated[float, ("above", 0.0), ("most", 1.0)] = 0.1

    def plan(
        self, anatomy: Anatomy, samples: IntArray, turn: Turn, state: "SplitState | None"
    ) -> Exchange | None:
        """Return one exchange whose upload and masked steps scale with the kept share."""
        if turn.step:
            return None
        shared, own = anatomy.split(self.personal)
        fixed, scaled = step_macs(anatomy, shared, pruned=shared.layers)
        dense = self.personal_steps * step_macs(anatomy, own)[0] + self.scoring_steps * (
            fixed + scaled
        )
        if self.grain == "units":
            if not free_spaces(shared) and self.keep_min < 1.0:
                raise UserError(
                    "algorithm.grain: the shared part of the model has no units that can be pruned; write grain: weights"
                )
            table = levels(shared, anatomy, self.levels)
            pairs = zip(table.whole, table.shared, strict=True)
            step = np.array([step_macs(whole, part)[0] for whole, part in pairs])
            each = self.batch_size * (dense + self.masked_steps * step)
            return unit_exchange(shared, samples, table, each, keep_min=self.keep_min)
        macs = (
            self.batch_size * (dense + self.masked_steps * fixed),
            self.batch_size * self.masked_steps * scaled,
        )
        return shared.pruned_exchange(samples, macs, keep_min=self.keep_min)

    def init(self, task: "Task") -> "SplitState":
        """Return the initial weights, split in two."""
        from wflsim.learning.personal import initial_state

        return initial_state(task, self.personal)

    def train(self, state: "SplitState", cohort: "Cohort", keep: FloatArray) -> Updates:
        """Return what every device keeps of its shared part; its personal part stays with it."""
        shared, own = cohort.task.anatomy.split(self.personal)
        names = shared.tensors
        steps = (self.personal_steps, self.scoring_steps, self.masked_steps)
        first, second, third = cohort.phases(steps, self.batch_size)
        received = cohort.train(state.of(cohort), own.tensors, first, self.personal_rate)
        scored = cohort.train(received, names, second, self.shared_rate)
        scores = self._scores(received, scored, shared)
        start = received if self.restart else scored
        last = self._units if self.grain == "units" else self._weights
        return last(cohort, start, scores, keep, third)

    def fuse(self, state: "SplitState", updates: Updates) -> "SplitState":
        """Return the masked mean of the shared part and the personal parts of those who took part."""
        return state.fused(updates)

    def fuse_late(self, state: "SplitState", late: Sequence[Late]) -> "SplitState":
        """Return the state after updates that began with older ones."""
        return state.fused_late(late)

    def model_for(self, state: "SplitState", device: int | None) -> "Params":
        """Return a device's personalised model, or the shared part with the mean of the personal parts."""
        return state.model_for(device)

    def _scores(self, received: "Params", scored: "Params", shared: Anatomy) -> "Params":
        """Return the importance of every weight, shapes (K, …)."""
        change = self.importance == "delta"
        return {
            name: (scored[name] - received[name] if change else received[name]).abs()
            for name in shared.prunable
        }

    def _weights(
        self,
        cohort: "Cohort",
        start: "Params",
        scores: "Params",
        keep: FloatArray,
        batches: "Batches",
    ) -> Updates:
        """Return what devices send and keep after masked steps on the weights that matter most."""
        from wflsim.learning.payload import pruned
        from wflsim.learning.pruning.choosing import keep_largest

        shared, own = cohort.task.anatomy.split(self.personal)
        names, masks = shared.tensors, keep_largest(scores, keep, self.scope)
        start = {
            name: tensor * masks[name] if name in masks else tensor
            for name, tensor in start.items()
        }
        params = cohort.train(start, names, batches, self.shared_rate, masks)
        rows = zip(cohort.rows(params, names), cohort.rows(masks, tuple(masks)), strict=True)
        return cohort.updates(
            [pruned(*row) for row in rows], {name: params[name] for name in own.tensors}
        )

    def _units(
        self,
        cohort: "Cohort",
        start: "Params",
        scores: "Params",
        keep: FloatArray,
        batches: "Batches",
    ) -> Updates:
        """Return what devices send and keep after steps on smaller models, made of the units that matter most."""
        import torch

        from wflsim.learning.pruning.choosing import keep_units
        from wflsim.learning.pruning.importance import unit_scores

        anatomy = cohort.task.anatomy
        shared, own = anatomy.split(self.personal)
        table = levels(shared, anatomy, self.levels)
        units = keep_units(shared.spaces, unit_scores(shared, scores), table.widths_at(keep))
        # What is dropped at random is drawn for a model as wide as the device's own, not as the widest of the chunk.
        level = table.at(keep) if cohort.task.drops else np.zeros(len(keep))
        sent: list[Params] = [{}] * len(keep)
        kept = {name: start[name].clone() for name in own.tensors}
        for each in np.unique(level):
            (rows,) = np.nonzero(level == each)
            some = torch.from_numpy(rows)
            part = replace(cohort, devices=cohort.devices[rows])
            found = self._thin(part, _rows(start, some), _rows(units, some), batches.only(some))
            for row, message in zip(rows.tolist(), found[0], strict=True):
                sent[row] = message
            for name, tensor in found[1].items():
                kept[name][some] = tensor
        return cohort.updates(sent, kept)

    def _thin(
        self, cohort: "Cohort", start: "Params", units: "Params", batches: "Batches"
    ) -> "tuple[list[dict[str, torch.Tensor]], dict[str, torch.Tensor]]":
        """Return what devices send and keep that train smaller models together."""
        from wflsim.learning.payload import with_units
        from wflsim.learning.pruning.masks import Masks
        from wflsim.learning.pruning.thinning import Thinning

        anatomy = cohort.task.anatomy
        shared, own = anatomy.split(self.personal)
        thinning = Thinning.of(anatomy, Masks.structured(anatomy, units))
        small = cohort.train(
            thinning.thin(start), shared.tensors, batches, self.shared_rate, widths=thinning.widths
        )
        sent = [
            with_units(shared, row, {name: kept[device] for name, kept in units.items()})
            for device, row in enumerate(thinning.rows(small, shared.tensors))
        ]
        kept = thinning.scattered({name: small[name] for name in own.tensors}, into=start)
        return sent, {name: kept[name] for name in own.tensors}


def _rows(params: "Params", rows: "torch.Tensor") -> "dict[str, torch.Tensor]":
    """Return what belongs to some of the devices."""
    return {name: tensor[rows] for name, tensor in params.items()}
