"""ClusterFL: every device learns its own model, drawn to the mean of those that resemble it (official code [C]).

The objective is the authors', the way to its least value is not: alternating steps instead of ADMM, by an identity [D].
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
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
)
from wflsim.learning.algorithms.fedavg import FedAvg
from wflsim.learning.anatomy import Anatomy
from wflsim.learning.clustering.gathering import Told
from wflsim.learning.clustering.rules import Spectral
from wflsim.learning.clustering.tracker import Tracker

if TYPE_CHECKING:
    from wflsim.learning.clustering.owned import Owned
    from wflsim.learning.cohort import Cohort, Params
    from wflsim.learning.task import Task


@dataclass(frozen=True)
class ClusterFl(Told):
    """The least of Σ f_i(w_i) + α tr(WWᵀ) − β tr(FᵀWWᵀF), where F tells who belongs to which group [C].

    Since tr(WWᵀ) − tr(FᵀWWᵀF) = Σ ‖w_i − μ_c(i)‖², a device takes steps on f_i + β ‖w_i − μ‖² + (α − β) ‖w_i‖² from its own
    last model, given the mean μ of its group's, and sends what it has then; the server holds everybody's last model [D]. Every few
    rounds those whose models it holds are grouped anew by the cosines of what these differ from the first one [X]; the official
    code compares what models say to samples that the server has, which are not asked for here [C]. Who never came begins with the
    mean of the largest group [X].

    Attributes:
        steps: Steps a round, full batches.
        epochs: Local epochs a round instead of steps.
        batch_size: Samples of a step.
        learning_rate: Step size.
        alpha: Weight α of the models' squared norm, no less than β.
        beta: Weight β of what groups have in common; 0 for devices that learn alone.
        clustering: Who belongs together.
        every: Rounds between two groupings, the first after as many; null for one group of all.
    """

    paper_verified: ClassVar[bool] = False

    steps: Count = 8
    epochs: Count | None = None
    batch_size: Count = 32
    learning_rate: Positive = 0.05
    alpha: NonNegative = 1e-3
    beta: NonNegative = 5e-4
    clustering: Clustering = field(default_factory=Spectral)
    every: Count | None = 5

    def __post_init__(self) -> None:
        """Refuse an objective that has no least value."""
        if self.alpha < self.beta:
            raise ValueError(f"alpha: must be at least beta, {self.beta:g}, got {self.alpha:g}")

    def plan(
        self, anatomy: Anatomy, samples: IntArray, turn: Turn, state: "Owned | None"
    ) -> Exchange | None:
        """Return one dense exchange: a group's mean comes, a device's own model goes."""
        return self._plain.plan(anatomy, samples, turn, None)

    def init(self, task: "Task") -> "Owned":
        """Return the initial weights as the mean of one group; no model is held."""
        from wflsim.learning.clustering.owned import Owned

        return Owned.first(task)

    def train(self, state: "Owned", cohort: "Cohort", keep: FloatArray) -> Updates:
        """Return every device's own model, from its last one on."""
        from wflsim.learning.lessons import proximal

        mean = proximal(2.0 * self.beta, state.groups.of(cohort))
        own = self._plain.trained(state.used(cohort, personal=False), cohort, mean)
        return cohort.updates(cohort.rows(own, cohort.task.anatomy.tensors), {})

    def fuse(self, state: "Owned", updates: Updates) -> "Owned":
        """Return the state that holds these models, with every group's mean, and new groups where it is time."""
        return self._held(state, [updates])

    def fuse_late(self, state: "Owned", late: Sequence[Late]) -> "Owned":
        """Return the same, whenever devices began: a device's last model is its last, however old."""
        return self._held(state, [group.updates for group in late])

    def model_for(self, state: "Owned", device: int | None) -> "Params":
        """Return a device's own model, or the mean over all devices of their groups' means."""
        return state.model_for(device, personal=False)

    def reckoned(
        self, anatomy: Anatomy, samples: IntArray, devices: IntArray, state: "Owned"
    ) -> Reckoning:
        """Return dense models in both directions, as the tracker of arXiv 2603.01739 counts [C]."""
        tracker = Tracker(anatomy, samples, self.batch_size)
        return tracker.of(devices, 1.0, self._plain.practice)

    def _held(self, state: "Owned", came: Sequence[Updates]) -> "Owned":
        from wflsim.learning.clustering.held import brought, parted

        turn = max((updates.turn for updates in came), key=lambda turn: turn.round_)
        state = brought(state, came)
        # A time at which nobody came is made up for, and none comes twice when only older updates come.
        due = self.every is not None and (turn.round_ + 1) // self.every > state.groups.passes
        return parted(state, self.clustering, turn) if due else state

    @property
    def _plain(self) -> FedAvg:
        """What devices do, with the slope of (α − β) ‖w‖² as weight decay."""
        return FedAvg.within(self, decay=2.0 * (self.alpha - self.beta))
