"""LG-FedAvg: the layers next to the input stay with every device, the top is shared (arXiv 2001.01523)."""

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
class LgFedAvg:
    """Local representations below a global top; all layers are trained together, only the top travels (read in official code [V]).

    The official code begins with a model that FedAvg has trained, averages devices alike and reports each device's best round on
    test data [V]; here all begin with the initial weights, the mean is weighted by samples, and every round is told as it is.

    Attributes:
        local_layers: How many of the first layers with weights stay with the device, with all that lies between them and the next.
        steps: Local steps a round.
        batch_size: Samples of a step.
        learning_rate: Step size.
    """

    local_layers: Count = 1
    steps: Count = 8
    batch_size: Count = 32
    learning_rate: Positive = 0.05

    def plan(
        self, anatomy: Anatomy, samples: IntArray, turn: Turn, state: "SplitState | None"
    ) -> Exchange | None:
        """Return one dense exchange of the top."""
        return self._course(anatomy).exchange(samples, turn)

    def init(self, task: "Task") -> "SplitState":
        """Return the initial weights, split in two."""
        from wflsim.learning.personal import initial_state

        return initial_state(task, task.anatomy.first(self.local_layers, "local_layers"))

    def train(self, state: "SplitState", cohort: "Cohort", keep: FloatArray) -> Updates:
        """Return every device's top; its representation stays with it."""
        return self._course(cohort.task.anatomy).taught(state, cohort)

    def fuse(self, state: "SplitState", updates: Updates) -> "SplitState":
        """Return the mean top and the representations of those who took part."""
        return state.fused(updates)

    def fuse_late(self, state: "SplitState", late: Sequence[Late]) -> "SplitState":
        """Return the state after updates that began with older ones."""
        return state.fused_late(late)

    def model_for(self, state: "SplitState", device: int | None) -> "Params":
        """Return a device's model, or the top on the mean of the representations."""
        return state.model_for(device)

    def _course(self, anatomy: Anatomy) -> Course:
        """Return the one phase, in which all layers move."""
        shared, _ = anatomy.split(anatomy.first(self.local_layers, "local_layers"))
        phase = Phase(anatomy, self.steps, self.learning_rate)
        return Course(anatomy, shared, (phase,), self.batch_size)
