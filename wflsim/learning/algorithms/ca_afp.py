"""CA-AFP: groups of devices that learn alike, each with a mask that is pruned and grown again (arXiv 2603.01739).

After the digest of its released code [C]; neither equations nor tables of the paper could be read. What that code leaves open or gets
wrong is decided here [D, X]. Inviting a number of devices of every group is left out: whom a round invites is the system's choice.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np

from channel_models.units import Count, NonNegative, Positive, Share
from wflsim.contracts import (
    Clustering,
    Exchange,
    FloatArray,
    Grouping,
    IntArray,
    Late,
    Reckoning,
    Turn,
    Updates,
)
from wflsim.learning.anatomy import BITS_PER_VALUE, Anatomy
from wflsim.learning.clustering.rules import Agglomerative
from wflsim.learning.clustering.tracker import Tracker, summed
from wflsim.learning.practice import Weighting
from wflsim.learning.regrowth.counts import Left, Pace, expected
from wflsim.learning.regrowth.schedule import Schedule
from wflsim.learning.regrowth.targets import Coherence, Target, classes_of, entropy_size

if TYPE_CHECKING:
    from wflsim.learning.cohort import Cohort, Params
    from wflsim.learning.regrowth.lessons import Regimen
    from wflsim.learning.regrowth.mask_update import Pruner
    from wflsim.learning.regrowth.state import RegrowthState
    from wflsim.learning.task import Task

Whole = Annotated[int, ("least", 0), ("most", 1_000_000)]
Sparsity = Annotated[float, ("least", 0.0), ("below", 1.0)]


def _three() -> Clustering:
    return Agglomerative(distance=None, count=3)


@dataclass(frozen=True)
class CaAfp:
    """A model and a mask for each group; what matters least to members goes, and what they miss most comes back.

    After the warm-up everybody trains and sends its model, and is grouped by its change [C]. From then on devices train their group's
    model, held near what they received [X]. Pruning steps come before a round's training: members send what their last training in the
    group came to [X] and the slopes of all weights at one batch, dropout off; layer by layer the least important weights go and the
    steepest come, from zero [C]. These exchanges are paid for; the authors do not count them [C]. Masks hold at every step [X]; biases and
    norms are dense. Weights that are there travel, down with a bitmap for whoever was told another mask last. In the end every device tunes
    a model of its own in every round, and nothing travels. Steps are plain SGD, where the code takes Adam [X].

    Attributes:
        warmup_rounds: Rounds T1 of one model for all; then devices are grouped.
        settling_rounds: Rounds T2 from then on without pruning.
        pruning_rounds: Rounds T3 from then on; the rounds after them are for tuning.
        prune_every: Rounds from one pruning step to the next.
        clustering: Who belongs together.
        sparsity: Sparsity s* of every layer after the last step.
        start: Sparsity s₀ to which the first step cuts at once.
        churn: Share ρ of a layer's weights that later steps exchange.
        target: Whether s* is the same for all groups, or follows from it by ``targets.entropy_size``; then devices also tell how
            mixed their classes are.
        alpha: Weight α of how large a weight is.
        beta: Weight β of how alike members have it.
        gamma: Weight γ of whether their slopes have one sign.
        coherence: How the second is told, see ``importance.coherence``; raw is that of the code.
        selected_only: Whether pruning steps ask those alone whom a round invites, and not everybody.
        epochs: Local epochs a round.
        cluster_epochs: Epochs by which devices are grouped.
        tune_epochs: Epochs of tuning a round; 0 for none, so that training goes on.
        tune_masked: Whether masks hold while devices tune; they do not in the code.
        batch_size: Samples of a step, and of the slopes.
        learning_rate: Step size.
        momentum: Share of a device's last step that goes on in its next; every round begins without.
        decay: Weight decay: this many times the parameters is added to their slopes.
        strength: Weight λ of λ/2 ‖w − w_received‖² once there are groups.
        weighting: What a device counts in its group's mean: all alike (uniform) [C], or by its samples.
    """

    paper_verified: ClassVar[bool] = False

    warmup_rounds: Count = 15
    settling_rounds: Whole = 15
    pruning_rounds: Whole = 20
    prune_every: Count = 5
    clustering: Clustering = field(default_factory=_three)
    sparsity: Sparsity = 0.7
    start: Sparsity = 0.7
    churn: Share = 0.05
    target: Target = "fixed"
    alpha: NonNegative = 0.5
    beta: NonNegative = 0.25
    gamma: NonNegative = 0.25
    coherence: Coherence = "raw"
    selected_only: bool = False
    epochs: Count = 3
    cluster_epochs: Count = 1
    tune_epochs: Whole = 3
    tune_masked: bool = True
    batch_size: Count = 32
    learning_rate: Positive = 0.05
    momentum: Annotated[float, ("least", 0.0), ("below", 1.0)] = 0.0
    decay: NonNegative = 0.0
    strength: NonNegative = 0.01
    weighting: Weighting = "uniform"

    def plan(
        self, anatomy: Anatomy, samples: IntArray, turn: Turn, state: "RegrowthState | None"
    ) -> Exchange | None:
        """Return the burst in which everybody is grouped, a pruning step, a round's training, or its tuning."""
        phase, asks = self._schedule.phase(turn), not self.selected_only
        if phase is None:
            return None
        left = state.left(anatomy) if state else self._expected(anatomy, len(samples), turn)
        exchanges = {
            "cluster": lambda: left.grouping(anatomy, samples, self.cluster_epochs * samples, told=self._told_bits),
            "prune": lambda: left.pruning(anatomy, samples, self.batch_size, everybody=asks),
            "train": lambda: left.training(anatomy, samples, self.epochs * samples),
            "tune": lambda: left.tuning(anatomy, samples, self.tune_epochs * samples, masked=self.tune_masked),
        }  # fmt: skip
        return exchanges[phase]()

    def init(self, task: "Task") -> "RegrowthState":
        """Return the initial weights, one model for all."""
        from wflsim.learning.regrowth.state import RegrowthState

        return RegrowthState.first(task)

    def train(self, state: "RegrowthState", cohort: "Cohort", keep: FloatArray) -> Updates:
        """Return what devices send in an exchange: whole models, models with slopes, kept weights, or nothing."""
        from wflsim.learning.regrowth.lessons import evidence, grouping

        phase, turn = self._schedule.phase(cohort.turn), cohort.turn
        state = state.before(turn)
        if phase == "cluster":
            told = self.target != "fixed"
            return grouping(state, cohort, self._regimen(self.cluster_epochs), told=told)
        if phase == "prune":
            return evidence(state, cohort, self.batch_size)
        # Training draws what it would without an exchange before it.
        then, kept = replace(cohort, turn=replace(turn, step=0)), state.kept(cohort.devices)
        if phase == "tune":
            masks = kept if self.tune_masked else {}
            tuned = self._regimen(self.tune_epochs).taught(then, state.starts(then), masks)
            return cohort.updates([{}] * len(cohort.devices), tuned)
        grouped = turn.round_ >= self.warmup_rounds
        regimen = self._regimen(self.epochs, self.strength if grouped else 0.0)
        params = regimen.taught(then, state.groups.of(then), kept)
        return cohort.updates(state.sent(cohort, params), params if grouped else {})

    def fuse(self, state: "RegrowthState", updates: Updates) -> "RegrowthState":
        """Return the state with groups, within new masks, with mean models, or with tuned ones."""
        phase = self._schedule.phase(updates.turn)
        if phase == "cluster":
            return state.grouped(updates, self.clustering, self._goal)
        if phase == "prune":
            return state.stepped(updates, self._pruner, self._schedule.left(updates.turn.round_))
        return state.touched(updates) if phase == "tune" else state.fused(updates, self.weighting)

    def fuse_late(self, state: "RegrowthState", late: Sequence[Late]) -> "RegrowthState":
        """Return the state after updates that began with older ones; what is no training does not age."""
        of = [self._schedule.phase(each.updates.turn) for each in late]
        rest = [each for each, phase in zip(late, of, strict=True) if phase == "train"]
        state = state.fused_late(rest, self.weighting)
        for each, phase in zip(late, of, strict=True):
            state = state if phase == "train" else self.fuse(state, each.updates)
        return state

    def model_for(self, state: "RegrowthState", device: int | None) -> "Params":
        """Return the model that a device has tuned, or its group's, or the mean over all devices of theirs."""
        return state.model_for(device)

    def told(self, state: "RegrowthState") -> dict[str, float]:
        """Return how many groups there are, how well devices lie in them, and how much they keep."""
        return {**state.groups.told, "density": float(state.densities.mean())}

    def grouping(self, state: "RegrowthState") -> Grouping:
        """Return who belongs to which group, and how alike devices were."""
        return state.groups.grouping

    def reckoned(
        self, anatomy: Anatomy, samples: IntArray, devices: IntArray, state: "RegrowthState"
    ) -> Reckoning:
        """Return what a round cost by the released tracker: pruning steps are free, the burst is that of dense models [C]."""
        tracker, came = Tracker(anatomy, samples, self.batch_size), state.came.among(devices)
        return summed(
            tracker.of(came.grouped, 1.0, self.cluster_epochs),
            tracker.of(came.trained, state.density, self.epochs),
            tracker.alone(came.tuned, state.density if self.tune_masked else 1.0, self.tune_epochs),
        )

    def _regimen(self, epochs: int, strength: float = 0.0) -> "Regimen":
        """Return how devices train for some epochs, held near what they received or not."""
        from wflsim.learning.lessons import Descent
        from wflsim.learning.regrowth.lessons import Regimen

        descent = Descent(self.learning_rate, self.momentum, self.decay)
        return Regimen(epochs, self.batch_size, descent, strength)

    def _expected(self, anatomy: Anatomy, devices: int, turn: Turn) -> Left:
        """Return what is left of a model when nothing is known of a run: every layer by the schedule, all with one target [X]."""
        steps = self._schedule.steps(turn.round_) - int(self._schedule.phase(turn) == "prune")
        kept = expected(anatomy, self._pace, self.sparsity, (steps, self._schedule.all_steps))
        none = np.zeros(devices, dtype=np.int64)
        return Left.of(anatomy, [kept], none, none + int(sum(kept.values()) < anatomy.weights))

    def _goal(self, anatomy: Anatomy, entropies: FloatArray) -> float:
        """Return the sparsity that a group comes to."""
        if self.target == "fixed":
            return self.sparsity
        return entropy_size(self.sparsity, entropies, classes_of(anatomy))

    @property
    def _told_bits(self) -> int:
        """Bits of how mixed a device's classes are, where it tells that."""
        return BITS_PER_VALUE if self.target != "fixed" else 0

    @property
    def _pace(self) -> Pace:
        return Pace(self.start, self.churn)

    @property
    def _pruner(self) -> "Pruner":
        from wflsim.learning.regrowth.importance import Importance
        from wflsim.learning.regrowth.mask_update import Pruner

        importance = Importance(self.alpha, self.beta, self.gamma, self.coherence)
        return Pruner(importance, self._pace)

    @property
    def _schedule(self) -> Schedule:
        return Schedule(
            self.warmup_rounds, self.settling_rounds, self.pruning_rounds, self.prune_every, self.tune_epochs > 0
        )  # fmt: skip
