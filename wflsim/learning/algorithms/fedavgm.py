"""FedAvgM: FedAvg whose server moves by an average of steps, as AutoFLIP's and its baselines' does (arXiv 2405.10271)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from channel_models.units import Count, NonNegative, Positive
from wflsim.contracts import Exchange, FloatArray, IntArray, Late, Reckoning, Turn, Updates
from wflsim.learning.algorithms.fedavg import FedAvg
from wflsim.learning.anatomy import Anatomy

if TYPE_CHECKING:
    from wflsim.learning.cohort import Cohort, Params
    from wflsim.learning.damping import DampedState
    from wflsim.learning.task import Task

Momentum = Annotated[float, ("least", 0.0), ("below", 1.0)]
Decay = Annotated[float, ("above", 0.0), ("most", 1.0)]


@dataclass(frozen=True)
class FedAvgM:
    """Federated averaging with momentum at the server: v = β v + (1 − β) Δ, then W − v, for the mean step Δ of the devices.

    The official code of AutoFLIP calls this FedAvg [C]. It does not correct v's beginning, so that the first round moves by
    1 − β of its step alone [C]; with β = 0 it is FedAvg, bit for bit.

    Attributes:
        steps: Local steps a round; full batches, over epochs without an end.
        epochs: Local epochs a round instead of steps; the last batch of an epoch is as short as the data leave it.
        batch_size: Samples of a step.
        learning_rate: Step size.
        momentum: Share of a device's last step that goes on in its next; every round begins without.
        decay: Weight decay: this many times the parameters is added to their slopes.
        server_beta: Share β of the old mean in the server's mean of steps.
        rate_decay: Factor on the step size with every round.
    """

    paper_verified: ClassVar[bool] = False

    steps: Count = 8
    epochs: Count | None = None
    batch_size: Count = 32
    learning_rate: Positive = 0.05
    momentum: Momentum = 0.0
    decay: NonNegative = 0.0
    server_beta: Momentum = 0.9
    rate_decay: Decay = 1.0

    def plan(
        self, anatomy: Anatomy, samples: IntArray, turn: Turn, state: "DampedState | None"
    ) -> Exchange | None:
        """Return one dense exchange of the whole model."""
        return self._plain(turn.round_).plan(anatomy, samples, turn, None)

    def init(self, task: "Task") -> "DampedState":
        """Return the initial weights, which nothing moves yet."""
        from wflsim.learning.damping import first_state

        return first_state(task)

    def train(self, state: "DampedState", cohort: "Cohort", keep: FloatArray) -> Updates:
        """Return every device's whole model."""
        return self._plain(cohort.turn.round_).train(state.model, cohort, keep)

    def reckoned(
        self, anatomy: Anatomy, samples: IntArray, devices: IntArray, state: "DampedState"
    ) -> Reckoning:
        """Return what FedAvg costs: the model in both directions, and a way back that costs twice the way there."""
        return self._plain(0).reckoned(anatomy, samples, devices, state.model)

    def fuse(self, state: "DampedState", updates: Updates) -> "DampedState":
        """Return the state after a step towards the mean model."""
        return state.fused(updates, self.server_beta)

    def fuse_late(self, state: "DampedState", late: Sequence[Late]) -> "DampedState":
        """Return the state after a step by updates that began with older ones."""
        return state.fused_late(late, self.server_beta)

    def model_for(self, state: "DampedState", device: int | None) -> "Params":
        """Return the one model, which everybody uses."""
        return state.model.model_for(device)

    def _plain(self, round_: int) -> FedAvg:
        """What devices do in a round."""
        return FedAvg.within(self, learning_rate=self.learning_rate * self.rate_decay**round_)
