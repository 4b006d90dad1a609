"""FedCHAR: devices that learn alike share a model, and each keeps one of its own near it (official code [C])."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar

from channel_models.units import Count, NonNegative, Positive
from wflsim.contracts import (
    Clustering,
    Exchange,
    FloatArray,
    IntArray,
    Late,
    Reckoning,
    Turn,
    Updates,
)  # fmt: skip
from wflsim.learning.algorithms.fedavg import FedAvg
from wflsim.learning.anatomy import Anatomy
from wflsim.learning.clustering.gathering import Seasons, Told
from wflsim.learning.clustering.rules import Agglomerative
from wflsim.learning.clustering.tracker import Tracker
from wflsim.learning.practice import Weighting

if TYPE_CHECKING:
    from wflsim.learning.clustering.owned import Owned
    from wflsim.learning.cohort import Cohort, Params
    from wflsim.learning.task import Task


def _three() -> Clustering:
    return Agglomerative(linkage="complete", distance=None, count=3)


@dataclass(frozen=True)
class FedChar(Told):
    """Ditto until devices are grouped, and then in every group of its own.

    A personal model takes steps on F(v) + λ/2 ‖v − w‖² towards the model w that was received, on the same batches; the mean of
    the shared ones is FedAvg's. Then all devices tell how training moves the shared model; they are grouped by the cosines of these
    changes, and every group goes on from the shared model as it is [C]. ``personal: false`` is the form in which arXiv 2603.01739
    compares with it: no personal models, FedAvg before and FedProx towards the group's model after the grouping, and last
    touches in the end [C]; it takes linkage average, strength 0.01 and uniform weights.

    Attributes:
        steps: Steps a round on each model, full batches.
        epochs: Local epochs a round instead of steps.
        batch_size: Samples of a step.
        learning_rate: Step size, of both models.
        strength: Weight λ of the penalty.
        personal: Whether devices have models of their own all the time.
        weighting: Whether samples count in a group's mean, or all devices alike.
        clustering: Who belongs together.
        gathers: Round before whose training devices are grouped; null for never.
        gather_epochs: Local epochs after which they tell how far they came [C in that form, X here].
        tunes: The round from which on all tune the models that they use and nothing travels; null for never.
        tune_epochs: Local epochs of that.
    """

    paper_verified: ClassVar[bool] = False

    steps: Count = 8
    epochs: Count | None = None
    batch_size: Count = 32
    learning_rate: Positive = 0.05
    strength: NonNegative = 1.0
    personal: bool = True
    weighting: Weighting = "samples"
    clustering: Clustering = field(default_factory=_three)
    gathers: Count | None = 5
    gather_epochs: Count = 1
    tunes: Count | None = None
    tune_epochs: Count = 3

    def plan(
        self, anatomy: Anatomy, samples: IntArray, turn: Turn, state: "Owned | None"
    ) -> Exchange | None:
        """Return one dense exchange, for which all models are trained, and before it once the burst; nothing for last touches."""
        seen = (1 + self.personal) * self._common.practice.seen(samples)
        every = (self.gather_epochs * samples, seen, self.tune_epochs * samples)
        return self._seasons.exchange(turn, anatomy, samples, every)

    def init(self, task: "Task") -> "Owned":
        """Return the initial weights, as the shared model and as everybody's own."""
        from wflsim.learning.clustering.owned import Owned

        return Owned.first(task)

    def train(self, state: "Owned", cohort: "Cohort", keep: FloatArray) -> Updates:
        """Return every device's shared model, and what becomes of its own; of last touches nothing is sent."""
        from wflsim.learning.lessons import Objective, proximal

        names = cohort.task.anatomy.tensors
        if self._seasons.tuning(cohort.turn):
            used = state.used(cohort, personal=self.personal)
            own = replace(self._common, epochs=self.tune_epochs).trained(used, cohort)
            return cohort.updates(cohort.rows(own, ()), dict(own))
        received = state.groups.of(cohort)
        if self._seasons.gathering(cohort.turn):
            # Steps are drawn that no training of the round draws.
            apart = replace(cohort, turn=replace(cohort.turn, step=1))
            moved = replace(self._common, epochs=self.gather_epochs).trained(received, apart)
            return cohort.updates(cohort.rows(moved, names), {})
        # A round draws what it would without a burst before it.
        then = replace(cohort, turn=replace(cohort.turn, step=0))
        near = proximal(self.strength, received)
        if not self.personal:
            held = near if state.groups.passes else Objective()
            sent = self._common.trained(received, then, held)
            return cohort.updates(cohort.rows(sent, names), {})
        sent = self._common.trained(received, then)
        own = self._common.trained(state.own.rows(cohort.devices), then, near)
        return cohort.updates(cohort.rows(sent, names), dict(own))

    def fuse(self, state: "Owned", updates: Updates) -> "Owned":
        """Return the state with new groups, with tuned models, or after each group's mean."""
        if self._seasons.gathering(updates.turn):
            return state.regrouped(updates, self.clustering)
        if self._seasons.tuning(updates.turn):
            return state.tuned(updates)
        return state.fused(updates, self.weighting)

    def fuse_late(self, state: "Owned", late: Sequence[Late]) -> "Owned":
        """Return the state after updates that began with older ones; how a device moves when it is grouped does not age."""
        trained, others = self._seasons.parted(late)
        state = state.fused_late(trained, self.weighting)
        for group in others:
            state = self.fuse(state, group.updates)
        return state

    def model_for(self, state: "Owned", device: int | None) -> "Params":
        """Return the model that a device uses, or the mean over all devices of their groups' models."""
        return state.model_for(device, personal=self.personal)

    def reckoned(
        self, anatomy: Anatomy, samples: IntArray, devices: IntArray, state: "Owned"
    ) -> Reckoning:
        """Return a round's cost by the tracker of arXiv 2603.01739 [C], but all who were grouped count, where it has ten [D]."""
        tracker, practice = Tracker(anatomy, samples, self.batch_size), self._common.practice
        models, epochs = 1 + self.personal, (self.gather_epochs, self.tune_epochs)
        return state.reckoned(tracker, devices, practice, models=models, epochs=epochs)

    @property
    def _seasons(self) -> Seasons:
        return Seasons(self.gathers, self.tunes)

    @property
    def _common(self) -> FedAvg:
        return FedAvg.within(self)
