"""Ditto: FedAvg, and on every device a whole model of its own that is held near the global one (arXiv 2012.04221)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from channel_models.units import Count, NonNegative, Positive
from wflsim.contracts import Exchange, FloatArray, IntArray, Late, Turn, Updates
from wflsim.learning.algorithms.fedavg import FedAvg
from wflsim.learning.anatomy import Anatomy, step_macs

if TYPE_CHECKING:
    from wflsim.learning.cohort import Cohort, Params
    from wflsim.learning.personal import SplitState
    from wflsim.learning.shelf import Shelf
    from wflsim.learning.task import Task


@dataclass(frozen=True)
class DittoState:
    """What the server and the devices know between rounds.

    Attributes:
        common: The global model, of which nothing is personal.
        own: The personal model of every device.
    """

    common: "SplitState"
    own: "Shelf"

    def only(self, devices: IntArray) -> "DittoState":
        """Return no more than some devices need to train."""
        return replace(self, own=self.own.only(devices))


@dataclass(frozen=True)
class Ditto:
    """A personal model v beside the global one: steps on F(v) + λ/2 ‖v − w‖² towards the model w that was received.

    Both models see the same batches, and the penalty holds to the received model and not to the trained one (read in official
    code [V]). That code has one count, one step size and a mean of all devices alike; here counts and sizes are separate and the
    mean is FedAvg's, weighted by samples. Without a penalty devices learn alone.

    Attributes:
        steps: Steps on the global model, full batches.
        personal_steps: Steps on the personal model, on the same batches from the first on.
        batch_size: Samples of a step.
        learning_rate: Step size of the global model.
        personal_rate: Step size of the personal model.
        strength: Weight λ of the penalty.
    """

    steps: Count = 8
    personal_steps: Count = 8
    batch_size: Count = 32
    learning_rate: Positive = 0.05
    personal_rate: Positive = 0.05
    strength: NonNegative = 1.0

    def plan(
        self, anatomy: Anatomy, samples: IntArray, turn: Turn, state: DittoState | None
    ) -> Exchange | None:
        """Return one dense exchange of the global model, for which both models are trained."""
        if turn.step:
            return None
        each = (self.steps + self.personal_steps) * step_macs(anatomy, anatomy)[0]
        return anatomy.dense_exchange(samples, self.batch_size * each)

    def init(self, task: "Task") -> DittoState:
        """Return the initial weights, as the global model and as everybody's own."""
        from wflsim.learning.shelf import Shelf

        return DittoState(self._common.init(task), Shelf.of_default(task.initial, task.devices))

    def train(self, state: DittoState, cohort: "Cohort", keep: FloatArray) -> Updates:
        """Return every device's global model; its own stays with it."""
        from wflsim.learning.lessons import proximal

        received = state.common.of(cohort)
        sent = self._common.trained(received, cohort)
        alone = replace(self._common, steps=self.personal_steps, learning_rate=self.personal_rate)
        before = state.own.rows(cohort.devices)
        own = alone.trained(before, cohort, proximal(self.strength, received))
        return cohort.updates(cohort.rows(sent, cohort.task.anatomy.tensors), dict(own))

    def fuse(self, state: DittoState, updates: Updates) -> DittoState:
        """Return the mean global model, and the personal models of those who took part."""
        own = state.own.replaced(updates.devices, updates.private or {})
        return DittoState(state.common.fused(updates), own)

    def fuse_late(self, state: DittoState, late: Sequence[Late]) -> DittoState:
        """Return the state after updates that began with older ones."""
        own = state.own
        for group in late:
            own = own.replaced(group.updates.devices, group.updates.private or {})
        groups = [replace(group, base=group.base.common) for group in late]
        return DittoState(state.common.fused_late(groups), own)

    def model_for(self, state: DittoState, device: int | None) -> "Params":
        """Return a device's personal model, or the global one."""
        return state.common.model_for(None) if device is None else state.own.row(device)

    @property
    def _common(self) -> FedAvg:
        """What devices do with the global model."""
        return FedAvg.within(self)
