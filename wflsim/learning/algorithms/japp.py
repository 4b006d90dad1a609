"""Joint adaptive pruning with personalisation: system A of the core paper (arXiv 2309.01816), as far as it is known.

Steps, order and switches are those of docs/papers.md. The paper's body could not be read: what is not in
its abstract is a summary's [S] or our own reconstruction [X], and nothing here claims to be the paper's equation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from channel_models.units import Count, Positive
from wflsim.contracts import Exchange, FloatArray, IntArray, Late, Turn, Updates
from wflsim.learning.anatomy import Anatomy, Split, step_macs

if TYPE_CHECKING:
    from wflsim.learning.cohort import Cohort, Params
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
        from wflsim.learning.payload import pruned

        shared, own = cohort.task.anatomy.split(self.personal)
        names = shared.tensors
        steps = (self.personal_steps, self.scoring_steps, self.masked_steps)
        first, second, third = cohort.phases(steps, self.batch_size)
        received = cohort.train(state.of(cohort), own.tensors, first, self.personal_rate)
        scored = cohort.train(received, names, second, self.shared_rate)
        masks = self._masks(received, scored, shared, keep)
        start = received if self.restart else scored
        start = {
            name: tensor * masks[name] if name in masks else tensor
            for name, tensor in start.items()
        }
        params = cohort.train(start, names, third, self.shared_rate, masks)
        rows = zip(cohort.rows(params, names), cohort.rows(masks, tuple(masks)), strict=True)
        return cohort.updates(
            [pruned(*row) for row in rows], {name: params[name] for name in own.tensors}
        )

    def fuse(self, state: "SplitState", updates: Updates) -> "SplitState":
        """Return the masked mean of the shared part and the personal parts of those who took part."""
        return state.fused(updates)

    def fuse_late(self, state: "SplitState", late: Sequence[Late]) -> "SplitState":
        """Return the state after updates that began with older ones."""
        return state.fused_late(late)

    def model_for(self, state: "SplitState", device: int | None) -> "Params":
        """Return a device's personalised model, or the shared part with the mean of the personal parts."""
        return state.model_for(device)

    def _masks(
        self, received: "Params", scored: "Params", shared: Anatomy, keep: FloatArray
    ) -> "Params":
        """Return what each device keeps, shapes (K, …)."""
        from wflsim.learning.masks import keep_largest

        names = [f"{layer.name}.weight" for layer in shared.layers]
        change = self.importance == "delta"
        scores = {
            name: (scored[name] - received[name] if change else received[name]).abs()
            for name in names
        }
        return keep_largest(scores, keep, self.scope)
