"""FedAlt: a personal part on every device, trained in turn with the shared part (arXiv 2204.03809)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from channel_models.units import Count, Positive
from wflsim.contracts import Exchange, FloatArray, IntArray, Late, Turn, Updates
from wflsim.learning.anatomy import Anatomy, Split
from wflsim.learning.course import Course, Phase

if TYPE_CHECKING:
    from wflsim.learning.cohort import Cohort, Params
    from wflsim.learning.personal import SplitState
    from wflsim.learning.task import Task


@dataclass(frozen=True)
class FedAlt:
    """Partial personalisation with LocalAlt: personal steps first, then shared steps (order read in official code [V]).

    The published code uses the same count and rate in both phases; here they are separate, as in the paper [R].

    Attributes:
        personal: Which layer is personal: the last (output), the first (input), or none.
        personal_steps: Steps τ_v on the personal part.
        shared_steps: Steps on the shared part.
        batch_size: Samples of a step.
        personal_rate: Step size of the personal part.
        shared_rate: Step size of the shared part.
    """

    personal: Split = "output"
    personal_steps: Count = 5
    shared_steps: Count = 3
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
        """Return the personal phase, then the shared one."""
        shared, own = anatomy.split(self.personal)
        phases = (
            Phase(own, self.personal_steps, self.personal_rate),
            Phase(shared, self.shared_steps, self.shared_rate),
        )
        return Course(anatomy, shared, phases, self.batch_size)
