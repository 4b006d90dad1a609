"""AutoFLIP: devices explore their loss once; weights that it wants to stay where they are go (arXiv 2405.10271).

After the third version, whose equations could not be read; formulas are those of the digest: from the official code [C], from
abstracts [S], or decided here [D, X]. That code trains one model from explorer to explorer and masks in no round [C]; here explorers
are apart and every round is masked, as the text has it [S]. The score of agreement of the fourth version is not there.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, ClassVar

from channel_models.units import Count, Positive
from wflsim.contracts import Exchange, FloatArray, IntArray, Late, Reckoning, Turn, Updates
from wflsim.learning.anatomy import Anatomy
from wflsim.learning.exploration.landscape import Normalise, Threshold, ThresholdMode
from wflsim.learning.exploration.remains import Remains, exploration, explorers

if TYPE_CHECKING:
    from wflsim.learning.cohort import Cohort, Params
    from wflsim.learning.exploration.guided import GuidedState
    from wflsim.learning.task import Task

Part = Annotated[float, ("least", 0.0), ("below", 1.0)]
Some = Annotated[float, ("above", 0.0), ("most", 1.0)]


@dataclass(frozen=True)
class AutoFlip:
    """FedAvgM within a mask that follows from how far exploring devices were moved, D_k = (W* − W₀)².

    Before the first round explorers train from W₀ until nothing gets better and send D_k, dense; their models are forgotten.
    Then the mean of D_k over those who explored and begin, on a scale of each tensor, decides a round's mask; if none did, the
    last one holds. Devices receive and send kept entries, and a bitmap if they were told another mask last. At the server what
    goes stays as it is, neither it nor its momentum moves [D]. Steps are plain SGD, where the published runs take Adam [X].

    Attributes:
        epochs: Local epochs E a round.
        batch_size: Samples of a step.
        learning_rate: Step size, of exploring devices too.
        rate_decay: Factor on the step size with every round [C].
        server_beta: Share β of the old mean in the server's mean of steps [C].
        explorers: Share of the fleet that explores, drawn once, at least one device.
        explore_epochs: Most epochs of an explorer [C].
        patience: Epochs without a lower loss on its own samples after which it stops [C].
        prune_quantile: Share T_p of the weights that goes, or the threshold of ``absolute``.
        threshold_mode: Which weights those are, see ``landscape.kept``.
        normalise: How layers are made comparable, see ``landscape.guidance``.
        structured_keep_min: Share ρ_s of kept incoming weights up to which a unit goes as a whole; what it then says to every
            sample is folded into the next layer [D], where the network is a row of layers (``folding``). With 0 nothing is lost.
        prune_bias: Whether biases, and what scales and shifts in norms, may go, too.
        charge_exploration: Whether exploring costs bits and operations; the paper's savings leave it out [D].
        hard_zero: Whether what goes becomes zero at the server, too [C].
    """

    paper_verified: ClassVar[bool] = False
    trains_first: ClassVar[bool] = True

    epochs: Count = 5
    batch_size: Count = 350
    learning_rate: Positive = 0.05
    rate_decay: Some = 0.99
    server_beta: Part = 0.9
    explorers: Some = 1.0
    explore_epochs: Count = 150
    patience: Count = 40
    prune_quantile: Part = 0.3
    threshold_mode: ThresholdMode = "quantile"
    normalise: Normalise = "per_tensor"
    structured_keep_min: Part = 0.0
    prune_bias: bool = False
    charge_exploration: bool = True
    hard_zero: bool = False

    def plan(
        self, anatomy: Anatomy, samples: IntArray, turn: Turn, state: "GuidedState | None"
    ) -> Exchange | None:
        """Return the exploration before the first round's training, and the exchange of what is kept."""
        if turn.step > int(turn.round_ == 0):
            return None
        if not _explores(turn):
            remains = state.remains if state else Remains.expected(anatomy, self._threshold)
            return remains.exchange(anatomy, samples, self.epochs * samples)
        who, epochs = explorers(len(samples), self.explorers, turn), self.explore_epochs
        return exploration(anatomy, samples, who, epochs=epochs, charged=self.charge_exploration)

    def init(self, task: "Task") -> "GuidedState":
        """Return the initial weights, of which nothing has gone."""
        from wflsim.learning.exploration.guided import GuidedState

        return GuidedState.first(task, self._threshold, self.structured_keep_min)

    def train(self, state: "GuidedState", cohort: "Cohort", keep: FloatArray) -> Updates:
        """Return how far every device came when it explored, or what it keeps of the model after its epochs."""
        from wflsim.learning.exploration.exploring import Exploration
        from wflsim.learning.exploration.guided import brought

        if _explores(cohort.turn):
            most = (self.explore_epochs, self.patience)
            trip = Exploration(*most, self.batch_size, self.learning_rate)
            return trip.told(cohort, state.server.of(cohort), charged=self.charge_exploration)
        # The first round's training draws what it would without an exploration before it.
        then = replace(cohort, turn=replace(cohort.turn, step=0))
        left, names = state.cut_at(cohort.turn), cohort.task.anatomy.tensors
        rate = self.learning_rate * self.rate_decay**cohort.turn.round_
        params = then.train(
            state.of(cohort), names, then.epochs(self.epochs, self.batch_size), rate,
            cohort.stack(left.entries),
        )  # fmt: skip
        return brought(cohort, params, left, self.epochs)

    def fuse(self, state: "GuidedState", updates: Updates) -> "GuidedState":
        """Return the state that knows what was explored, or after a step towards the mean of what was kept."""
        if not _explores(updates.turn):
            return state.fused(updates, self.server_beta, hard_zero=self.hard_zero)
        down_bits = state.anatomy.bits if self.charge_exploration else 0
        return state.explored(updates, down_bits)

    def fuse_late(self, state: "GuidedState", late: Sequence[Late]) -> "GuidedState":
        """Return the state after updates that began with older ones; what was explored does not age."""
        for group in late:
            if _explores(group.updates.turn):
                state = self.fuse(state, group.updates)
        rest = [group for group in late if not _explores(group.updates.turn)]
        return state.fused_late(rest, self.server_beta, hard_zero=self.hard_zero)

    def model_for(self, state: "GuidedState", device: int | None) -> "Params":
        """Return the one model as devices would use it: within the mask of all that explored [D], not the last round's."""
        return state.used

    def told(self, state: "GuidedState") -> dict[str, float]:
        """Return how much is kept, how many units have gone, and when exploring has paid."""
        return state.told()

    def reckoned(
        self, anatomy: Anatomy, samples: IntArray, devices: IntArray, state: "GuidedState"
    ) -> Reckoning:
        """Return what a round cost by the digest's rule, without what exploring took."""
        return state.reckoned(samples, devices, self.epochs)

    @property
    def _threshold(self) -> Threshold:
        """How deviations become masks."""
        return Threshold(self.prune_quantile, self.threshold_mode, self.normalise, self.prune_bias)


def _explores(turn: Turn) -> bool:
    """Return whether a turn is that of the exploration."""
    return turn.round_ == turn.step == 0
