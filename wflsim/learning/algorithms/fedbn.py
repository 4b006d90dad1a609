"""FedBN: everything is averaged but what normalises, which stays with every device (arXiv 2102.07623)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from channel_models.units import Count, NonNegative, Positive
from wflsim.contracts import Exchange, FloatArray, IntArray, Late, Reckoning, Turn, Updates
from wflsim.errors import UserError
from wflsim.learning.algorithms.fedavg import FedAvg
from wflsim.learning.anatomy import Anatomy, step_macs
from wflsim.learning.course import divided
from wflsim.learning.practice import Weighting, evened

if TYPE_CHECKING:
    from wflsim.learning.cohort import Cohort, Params
    from wflsim.learning.personal import SplitState
    from wflsim.learning.task import Task


@dataclass(frozen=True)
class FedBn:
    """Federated averaging of all tensors but those of norms, running statistics included, which stay with their device [C].

    Norms are found by the kind of the layer, whatever its name [D], and group and layer norms are among them [D]. A device that
    takes part for the first time begins with the initial norms [D].

    Attributes:
        steps: Local steps a round; full batches, over epochs without an end.
        epochs: Local epochs a round instead of steps; the last batch of an epoch is as short as the data leave it.
        batch_size: Samples of a step.
        learning_rate: Step size.
        momentum: Share of a device's last step that goes on in its next; every round begins without.
        decay: Weight decay: this many times the parameters is added to their slopes.
        weighting: What a device counts in the mean: by its samples, as in FedAvg, or all alike (uniform), as in the official code [C].
    """

    paper_verified: ClassVar[bool] = False

    steps: Count = 8
    epochs: Count | None = None
    batch_size: Count = 32
    learning_rate: Positive = 0.05
    momentum: Annotated[float, ("least", 0.0), ("below", 1.0)] = 0.0
    decay: NonNegative = 0.0
    weighting: Weighting = "samples"

    def plan(
        self, anatomy: Anatomy, samples: IntArray, turn: Turn, state: "SplitState | None"
    ) -> Exchange | None:
        """Return one dense exchange of all but the norms; all of the model is trained."""
        if turn.step:
            return None
        seen = self._plain.practice.seen(samples)
        return _shared(anatomy).dense_exchange(samples, seen * step_macs(anatomy, anatomy)[0])

    def init(self, task: "Task") -> "SplitState":
        """Return the initial weights, whose norms are personal."""
        from wflsim.learning.personal import initial_state

        _shared(task.anatomy)
        return initial_state(task, "norms")

    def train(self, state: "SplitState", cohort: "Cohort", keep: FloatArray) -> Updates:
        """Return every device's model without its norms, which stay with it."""
        params = self._plain.trained(state.of(cohort), cohort)
        return divided(cohort, params, _shared(cohort.task.anatomy))

    def fuse(self, state: "SplitState", updates: Updates) -> "SplitState":
        """Return the mean of what travelled, and the norms of those who took part."""
        return state.fused(updates, evenly=self.weighting == "uniform")

    def fuse_late(self, state: "SplitState", late: Sequence[Late]) -> "SplitState":
        """Return the state after updates that began with older ones."""
        return state.fused_late(evened(late, state.samples, self.weighting))

    def model_for(self, state: "SplitState", device: int | None) -> "Params":
        """Return the shared tensors with a device's norms, or with the mean of all devices' norms."""
        return state.model_for(device)

    def reckoned(
        self, anatomy: Anatomy, samples: IntArray, devices: IntArray, state: "SplitState"
    ) -> Reckoning:
        """Return 4 (P − P_norms) bytes each way [C], and the operations of FedAvg [X]."""
        macs = self._plain.reckoned(anatomy, samples, devices, state).macs
        return Reckoning(2 * len(devices) * state.part.bits, macs)

    @property
    def _plain(self) -> FedAvg:
        """The same with norms that travel."""
        return FedAvg.within(self)


def _shared(anatomy: Anatomy) -> Anatomy:
    """Return the layers that do not normalise; refuse a model without any that does."""
    if not any(layer.norm for layer in anatomy.layers):
        raise UserError(
            "algorithm: fedbn keeps norms on the devices, and the model has none; take a model with norms (norm: batch), or "
            "algorithm: fedavg"
        )
    return anatomy.split("norms")[0]
