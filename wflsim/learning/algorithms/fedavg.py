"""FedAvg: every device trains the whole model and sends it (McMahan et al., 2017)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from channel_models.units import Count, Positive
from wflsim.contracts import Exchange, FloatArray, IntArray, Late, Turn, Updates
from wflsim.learning.anatomy import Anatomy, step_macs

if TYPE_CHECKING:
    from wflsim.learning.cohort import Cohort, Params
    from wflsim.learning.personal import SplitState
    from wflsim.learning.task import Task


@dataclass(frozen=True)
class FedAvg:
    """Federated averaging: local SGD on the whole model, mean weighted by samples.

    Attributes:
        steps: Local steps a round.
        batch_size: Samples of a step.
        learning_rate: Step size.
    """

    steps: Count = 8
    batch_size: Count = 32
    learning_rate: Positive = 0.05

    def plan(
        self, anatomy: Anatomy, samples: IntArray, turn: Turn, state: "SplitState | None"
    ) -> Exchange | None:
        """Return one dense exchange of the whole model."""
        if turn.step:
            return None
        macs = self.steps * self.batch_size * step_macs(anatomy, anatomy)[0]
        return anatomy.dense_exchange(samples, macs)

    def init(self, task: "Task") -> "SplitState":
        """Return the initial weights; nothing is personal."""
        from wflsim.learning.personal import initial_state

        return initial_state(task, "none")

    def train(self, state: "SplitState", cohort: "Cohort", keep: FloatArray) -> Updates:
        """Return every device's whole model."""
        names = cohort.task.anatomy.tensors
        (batches,) = cohort.phases((self.steps,), self.batch_size)
        params = cohort.train(state.of(cohort), names, batches, self.learning_rate)
        return cohort.updates(cohort.rows(params, names), {})

    def fuse(self, state: "SplitState", updates: Updates) -> "SplitState":
        """Return the mean model."""
        return state.fused(updates)

    def fuse_late(self, state: "SplitState", late: Sequence[Late]) -> "SplitState":
        """Return the state after updates that began with older ones."""
        return state.fused_late(late)

    def model_for(self, state: "SplitState", device: int | None) -> "Params":
        """Return the one model, which everybody uses."""
        return state.model_for(device)
