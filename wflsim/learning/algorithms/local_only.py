"""Devices that learn alone: nothing is received and nothing is sent."""

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
class LocalOnly:
    """Every device trains a model of its own from the common initial weights; a round is computing alone.

    What personalisation with others is worth is told by the distance from it.

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
        """Return one exchange of nothing, for which devices compute."""
        return self._course(anatomy).exchange(samples, turn)

    def init(self, task: "Task") -> "SplitState":
        """Return the initial weights, which are everybody's own from then on."""
        from wflsim.learning.personal import initial_state

        return initial_state(task, "*")

    def train(self, state: "SplitState", cohort: "Cohort", keep: FloatArray) -> Updates:
        """Return messages of nothing; every device keeps its model."""
        return self._course(cohort.task.anatomy).taught(state, cohort)

    def fuse(self, state: "SplitState", updates: Updates) -> "SplitState":
        """Return the models, those of who took part as they are now."""
        return state.fused(updates)

    def fuse_late(self, state: "SplitState", late: Sequence[Late]) -> "SplitState":
        """Return the state after updates that began with older ones."""
        return state.fused_late(late)

    def model_for(self, state: "SplitState", device: int | None) -> "Params":
        """Return a device's model, or the mean of all, which nobody uses."""
        return state.model_for(device)

    def _course(self, anatomy: Anatomy) -> Course:
        """Return the one phase, in which all layers move."""
        nothing, _ = anatomy.split("*")
        phase = Phase(anatomy, self.steps, self.learning_rate)
        return Course(anatomy, nothing, (phase,), self.batch_size)
