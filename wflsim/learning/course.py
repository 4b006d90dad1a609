"""What a device does in a round of a method that splits the model: phases of steps, their cost, and what then travels."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wflsim.contracts import Exchange, IntArray, Turn, Updates
from wflsim.learning.anatomy import Anatomy, step_macs

if TYPE_CHECKING:
    from wflsim.learning.cohort import Cohort, Params
    from wflsim.learning.personal import SplitState


@dataclass(frozen=True)
class Phase:
    """Steps that train a part of the model.

    Attributes:
        part: The layers that move; the others are frozen.
        steps: Number of steps.
        rate: Step size.
    """

    part: Anatomy
    steps: int
    rate: float


@dataclass(frozen=True)
class Course:
    """A device's round: phases one after another, then the shared part travels.

    Attributes:
        whole: All layers.
        shared: Those that travel; the others stay with the device.
        phases: What is trained, in order.
        batch_size: Samples of a step.
    """

    whole: Anatomy
    shared: Anatomy
    phases: tuple[Phase, ...]
    batch_size: int

    def exchange(self, samples: IntArray, turn: Turn) -> Exchange | None:
        """Return the one exchange of a round, the shared part sent dense."""
        if turn.step:
            return None
        each = sum(phase.steps * step_macs(self.whole, phase.part)[0] for phase in self.phases)
        return self.shared.dense_exchange(samples, self.batch_size * each)

    def taught(self, state: "SplitState", cohort: "Cohort") -> Updates:
        """Return what the devices of a cohort send and keep after all phases; batches go on from one to the next."""
        params: Params = state.of(cohort)
        batches = cohort.phases([phase.steps for phase in self.phases], self.batch_size)
        for phase, some in zip(self.phases, batches, strict=True):
            params = cohort.train(params, phase.part.tensors, some, phase.rate)
        return divided(cohort, params, self.shared)


def divided(cohort: "Cohort", params: "Params", shared: Anatomy) -> Updates:
    """Return updates that carry the shared part; all other tensors, shapes (K, …), stay with their devices."""
    own = {name: tensor for name, tensor in params.items() if name not in shared.tensors}
    return cohort.updates(cohort.rows(params, shared.tensors), own)
