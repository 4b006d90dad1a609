"""FedSim: a personal part on every device, trained together with the shared part (arXiv 2204.03809)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from channel_models.units import Count, Positive
from wflsim.contracts import Exchange, FloatArray, IntArray, Late, Turn, Updates
from wflsim.learning.anatomy import Anatomy, Split
from wflsim.learning.course import Course, Phase, divided

if TYPE_CHECKING:
    from wflsim.learning.cohort import Cohort, Params
    from wflsim.learning.personal import SplitState
    from wflsim.learning.task import Task


@dataclass(frozen=True)
class FedSim:
    """Partial personalisation with LocalSim: one pass over both parts, in which every step moves both (read in official code [V]).

    The published code has one step size and wants two; here there are two, as in the paper [R].

    Attributes:
        personal: Which layer is personal: the last (output), the first (input), or none.
        steps: Steps, each on both parts.
        batch_size: Samples of a step.
        personal_rate: Step size of the personal part.
        shared_rate: Step size of the shared part.
    """

    personal: Split = "output"
    steps: Count = 8
    batch_size: Count = 32
    personal_rate: Positive = 0.05
    shared_rate: Positive = 0.05

    def plan(
        self, anatomy: Anatomy, samples: IntArray, turn: Turn, state: "SplitState | None"
    ) -> Exchange | None:
        """Return one dense exchange of the shared part."""
        return self._course(anatomy).exchange(samples, turn)

    def init(self, task: "Task") -> "SplitState":
        """Return the initial weights, split in two."""
        from wflsim.learning.personal import initial_state

        return initial_state(task, self.personal)

    def train(self, state: "SplitState", cohort: "Cohort", keep: FloatArray) -> Updates:
        """Return every device's shared part; its personal part stays with it."""
        course = self._course(cohort.task.anatomy)
        if self.personal_rate == self.shared_rate:
            return course.taught(state, cohort)
        _, own = course.whole.split(self.personal)
        (batches,) = cohort.phases((self.steps,), self.batch_size)
        params: Params = state.of(cohort)
        for batch in batches.split((1,) * self.steps):  # both parts step from the same place
            moved = cohort.train(params, course.shared.tensors, batch, self.shared_rate)
            other = cohort.train(params, own.tensors, batch, self.personal_rate)
            params = {**moved, **{name: other[name] for name in own.tensors}}
        return divided(cohort, params, course.shared)

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
        """Return the one phase, in which all layers move; what it costs does not depend on the step sizes."""
        shared, _ = anatomy.split(self.personal)
        phase = Phase(anatomy, self.steps, self.shared_rate)
        return Course(anatomy, shared, (phase,), self.batch_size)
