"""FedAvg: every device trains the whole model and sends it (McMahan et al., 2017)."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated, Any

from channel_models.units import Count, NonNegative, Positive
from wflsim.contracts import Exchange, FloatArray, IntArray, Late, Reckoning, Turn, Updates
from wflsim.learning.anatomy import Anatomy, step_macs
from wflsim.learning.practice import Practice

if TYPE_CHECKING:
    from wflsim.learning.cohort import Cohort, Params
    from wflsim.learning.lessons import Objective
    from wflsim.learning.personal import SplitState
    from wflsim.learning.task import Task


@dataclass(frozen=True)
class FedAvg:
    """Federated averaging: local SGD on the whole model, mean weighted by samples.

    Attributes:
        steps: Local steps a round; full batches, over epochs without an end.
        epochs: Local epochs a round instead of steps; the last batch of an epoch is as short as the data leave it.
        batch_size: Samples of a step.
        learning_rate: Step size.
        momentum: Share of a device's last step that goes on in its next; every round begins without.
        decay: Weight decay: this many times the parameters is added to their slopes.
    """

    steps: Count = 8
    epochs: Count | None = None
    batch_size: Count = 32
    learning_rate: Positive = 0.05
    momentum: Annotated[float, ("least", 0.0), ("below", 1.0)] = 0.0
    decay: NonNegative = 0.0

    @classmethod
    def within(cls, method: object, **changes: Any) -> "FedAvg":
        """Return the averaging that another method is made of, from its fields of the same names; what it lacks is as it stands here."""
        own = {f.name: getattr(method, f.name) for f in fields(cls) if hasattr(method, f.name)}
        return cls(**{**own, **changes})

    @property
    def practice(self) -> Practice:
        """How much a device trains in a round."""
        return Practice(self.steps, self.epochs, self.batch_size)

    def plan(
        self, anatomy: Anatomy, samples: IntArray, turn: Turn, state: "SplitState | None"
    ) -> Exchange | None:
        """Return one dense exchange of the whole model."""
        if turn.step:
            return None
        seen = self.practice.seen(samples)
        return anatomy.dense_exchange(samples, seen * step_macs(anatomy, anatomy)[0])

    def init(self, task: "Task") -> "SplitState":
        """Return the initial weights; nothing is personal."""
        from wflsim.learning.personal import initial_state

        return initial_state(task, "none")

    def train(self, state: "SplitState", cohort: "Cohort", keep: FloatArray) -> Updates:
        """Return every device's whole model."""
        params = self.trained(state.of(cohort), cohort)
        return cohort.updates(cohort.rows(params, cohort.task.anatomy.tensors), {})

    def trained(
        self, params: "Params", cohort: "Cohort", objective: "Objective | None" = None
    ) -> "Params":
        """Return what a round's steps make of whole models, shapes (K, …); without an objective by cross-entropy."""
        from wflsim.learning.lessons import Descent, Objective

        batches = self.practice.batches(cohort)
        descent = Descent(self.learning_rate, self.momentum, self.decay)
        names = cohort.task.anatomy.tensors
        return cohort.train(params, names, batches, descent, objective=objective or Objective())

    def reckoned(
        self, anatomy: Anatomy, samples: IntArray, devices: IntArray, state: "SplitState"
    ) -> Reckoning:
        """Return the model in both directions, and a way back that costs twice the way there (arXiv 2406.00431, A.4 [X])."""
        seen = int(self.practice.seen(samples[devices]).sum())
        return Reckoning(2 * len(devices) * anatomy.bits, 3 * seen * anatomy.macs)

    def fuse(self, state: "SplitState", updates: Updates) -> "SplitState":
        """Return the mean model."""
        return state.fused(updates)

    def fuse_late(self, state: "SplitState", late: Sequence[Late]) -> "SplitState":
        """Return the state after updates that began with older ones."""
        return state.fused_late(late)

    def model_for(self, state: "SplitState", device: int | None) -> "Params":
        """Return the one model, which everybody uses."""
        return state.model_for(device)
