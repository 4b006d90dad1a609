"""FedRep: a head on every device, trained first, on a body that all share (arXiv 2102.07078)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from channel_models.units import Count, Positive
from wflsim.contracts import Exchange, FloatArray, IntArray, Late, Turn, Updates
from wflsim.learning.anatomy import Anatomy
from wflsim.learning.course import Course, Phase

if TYPE_CHECKING:
    from wflsim.learning.cohort import Cohort, Params
    from wflsim.learning.personal import SplitState
    from wflsim.learning.task import Task


@dataclass(frozen=True)
class FedRep:
    """Many steps on the head for each update of the shared representation [V], the head first [S].

    With as many steps and one head layer it is FedAlt with the output personal. The paper takes a mean of all devices alike [R];
    here it is weighted by samples.

    Attributes:
        head_layers: How many of the last layers with weights are the head, with all that follows them.
        head_steps: Steps on the head, the body frozen.
        body_steps: Steps on the body, the new head frozen.
        batch_size: Samples of a step.
        head_rate: Step size of the head.
        body_rate: Step size of the body.
    """

    head_layers: Count = 1
    head_steps: Count = 5
    body_steps: Count = 3
    batch_size: Count = 32
    head_rate: Positive = 0.05
    body_rate: Positive = 0.05

    def plan(
        self, anatomy: Anatomy, samples: IntArray, turn: Turn, state: "SplitState | None"
    ) -> Exchange | None:
        """Return one dense exchange of the body."""
        return self._course(anatomy).exchange(samples, turn)

    def init(self, task: "Task") -> "SplitState":
        """Return the initial weights, split in two."""
        from wflsim.learning.personal import initial_state

        return initial_state(task, task.anatomy.last(self.head_layers, "head_layers"))

    def train(self, state: "SplitState", cohort: "Cohort", keep: FloatArray) -> Updates:
        """Return every device's body; its head stays with it."""
        return self._course(cohort.task.anatomy).taught(state, cohort)

    def fuse(self, state: "SplitState", updates: Updates) -> "SplitState":
        """Return the mean body and the heads of those who took part."""
        return state.fused(updates)

    def fuse_late(self, state: "SplitState", late: Sequence[Late]) -> "SplitState":
        """Return the state after updates that began with older ones."""
        return state.fused_late(late)

    def model_for(self, state: "SplitState", device: int | None) -> "Params":
        """Return a device's head on the shared body, or the mean of the heads on it."""
        return state.model_for(device)

    def _course(self, anatomy: Anatomy) -> Course:
        """Return the head's phase, then the body's."""
        body, head = anatomy.split(anatomy.last(self.head_layers, "head_layers"))
        phases = (
            Phase(head, self.head_steps, self.head_rate),
            Phase(body, self.body_steps, self.body_rate),
        )
        return Course(anatomy, body, phases, self.batch_size)
