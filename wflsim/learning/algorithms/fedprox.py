"""FedProx: FedAvg whose devices are held near the model that they received (arXiv 1812.06127)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from channel_models.units import Count, NonNegative, Positive
from wflsim.contracts import Exchange, FloatArray, IntArray, Late, Turn, Updates
from wflsim.learning.algorithms.fedavg import FedAvg
from wflsim.learning.anatomy import Anatomy

if TYPE_CHECKING:
    from wflsim.learning.cohort import Cohort, Params
    from wflsim.learning.personal import SplitState
    from wflsim.learning.task import Task


@dataclass(frozen=True)
class FedProx:
    """Federated averaging with μ/2 ‖w − w_received‖² added to every device's loss (its step read in official code [V]).

    Its other half, devices that do as many steps as they have time for, is left to steps and epochs, which are the same for all.

    Attributes:
        steps: Local steps a round; full batches, over epochs without an end.
        epochs: Local epochs a round instead of steps; the last batch of an epoch is as short as the data leave it.
        batch_size: Samples of a step.
        learning_rate: Step size.
        momentum: Share of a device's last step that goes on in its next; every round begins without.
        decay: Weight decay: this many times the parameters is added to their slopes.
        mu: Weight μ of the penalty; 0 is FedAvg.
    """

    steps: Count = 8
    epochs: Count | None = None
    batch_size: Count = 32
    learning_rate: Positive = 0.05
    momentum: Annotated[float, ("least", 0.0), ("below", 1.0)] = 0.0
    decay: NonNegative = 0.0
    mu: NonNegative = 0.01

    def plan(
        self, anatomy: Anatomy, samples: IntArray, turn: Turn, state: "SplitState | None"
    ) -> Exchange | None:
        """Return one dense exchange of the whole model; the penalty runs through no layer and costs no operation."""
        return self._plain.plan(anatomy, samples, turn, state)

    def init(self, task: "Task") -> "SplitState":
        """Return the initial weights; nothing is personal."""
        return self._plain.init(task)

    def train(self, state: "SplitState", cohort: "Cohort", keep: FloatArray) -> Updates:
        """Return every device's whole model."""
        from wflsim.learning.lessons import proximal

        received = state.of(cohort)
        params = self._plain.trained(received, cohort, proximal(self.mu, received))
        return cohort.updates(cohort.rows(params, cohort.task.anatomy.tensors), {})

    def fuse(self, state: "SplitState", updates: Updates) -> "SplitState":
        """Return the mean model."""
        return state.fused(updates)

    def fuse_late(self, state: "SplitState", late: Sequence[Late]) -> "SplitState":
        """Return the state after updates that began with older ones."""
        return state.fused_late(late)

    def model_for(self, state: "SplitState", device: int | None) -> "Params":
        """Return the one model, which everybody uses."""
        return state.model_for(device)

    @property
    def _plain(self) -> FedAvg:
        """The same without the penalty."""
        return FedAvg.within(self)
