"""FedPer: the layers next to the output stay with every device and are trained together with the rest (arXiv 1912.00818)."""

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
class FedPer:
    """Base layers that everybody shares below personal layers of every device's own; one pass of SGD moves both [V, joint pass R].

    With one personal layer it is FedSim with the output personal and one step size.

    Attributes:
        personal_layers: How many of the last layers with weights are personal, with all that follows them.
        steps: Local steps a round.
        batch_size: Samples of a step.
        learning_rate: Step size.
    """

    personal_layers: Count = 1
    steps: Count = 8
    batch_size: Count = 32
    learning_rate: Positive = 0.05

    def plan(
        self, anatomy: Anatomy, samples: IntArray, turn: Turn, state: "SplitState | None"
    ) -> Exchange | None:
        """Return one dense exchange of the shared part."""
        return self._course(anatomy).exchange(samples, turn)

    def init(self, task: "Task") -> "SplitState":
        """Return the initial weights, split in two."""
        from wflsim.learning.personal import initial_state

        return initial_state(task, task.anatomy.last(self.personal_layers, "personal_layers"))

    def train(self, state: "SplitState", cohort: "Cohort", keep: FloatArray) -> Updates:
        """Return every device's shared part; its personal part stays with it."""
        return self._course(cohort.task.anatomy).taught(state, cohort)

    def fuse(self, state: "SplitState", updates: Updates) -> "SplitState":
        """Return the mean shared part and the personal parts of those who took part."""
        return state.fused(updates)

    def fuse_late(self, state: "SplitState", late: Sequence[Late]) -> "SplitState":
        """Return the state after updates that began with older ones."""
        return state.fused_late(late)

    def model_for(self, state: "SplitState", device: int | None) -> "Params":
        """Return a device's personalised model, or the shared part with the mean of the personal parts."""
        return state.model_for(device)

    def _course(self, anatomy: Anatomy) -> Course:
        """Return the one phase, in which all layers move."""
        shared, _ = anatomy.split(anatomy.last(self.personal_layers, "personal_layers"))
        phase = Phase(anatomy, self.steps, self.learning_rate)
        return Course(anatomy, shared, (phase,), self.batch_size)
