"""FedSNIP: FedAvg within one mask, decided before the first round by everybody's slopes (as in the code of arXiv 2603.01739).

Of the method's own paper nothing was found; what follows is the digest of that code [C], and what was decided here [X].
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np

from channel_models.units import Count, NonNegative, Positive
from wflsim.contracts import Exchange, FloatArray, IntArray, Late, Reckoning, Turn, Updates
from wflsim.learning.anatomy import Anatomy
from wflsim.learning.clustering.tracker import Tracker, summed
from wflsim.learning.practice import Weighting
from wflsim.learning.regrowth.counts import Left, above
from wflsim.learning.regrowth.schedule import Plain

if TYPE_CHECKING:
    from wflsim.learning.cohort import Cohort, Params
    from wflsim.learning.regrowth.lessons import Regimen
    from wflsim.learning.regrowth.state import RegrowthState
    from wflsim.learning.task import Task


@dataclass(frozen=True)
class FedSnip:
    """Everybody tells |g w| at the initial weights; what lies above a quantile of the sums is all that is ever trained.

    The scores are an exchange of its own, dense, to which everybody is asked; the code does not count it [C]. The quantile is over the
    weights of all layers, and what equals it goes; biases and norms stay [C]. Then devices train within the mask, which holds at every
    step, where the code applies it after training and after the mean [C]. Kept weights travel, down with a bitmap for whoever was not
    told the mask. Without any score nothing is pruned [X]. Steps are plain SGD, where the code takes Adam [X].

    Attributes:
        sparsity: Share of the weights that go.
        epochs: Local epochs a round.
        batch_size: Samples of a step, and of the slopes.
        learning_rate: Step size.
        momentum: Share of a device's last step that goes on in its next; every round begins without.
        decay: Weight decay: this many times the parameters is added to their slopes.
        weighting: What a device counts in the mean: all alike (uniform) [C], or by its samples.
        tune_after: Rounds after which devices tune models of their own within the mask, in silence; null for never.
        tune_epochs: Epochs of tuning a round.
    """

    paper_verified: ClassVar[bool] = False

    sparsity: Annotated[float, ("least", 0.0), ("below", 1.0)] = 0.7
    epochs: Count = 3
    batch_size: Count = 32
    learning_rate: Positive = 0.05
    momentum: Annotated[float, ("least", 0.0), ("below", 1.0)] = 0.0
    decay: NonNegative = 0.0
    weighting: Weighting = "uniform"
    tune_after: Count | None = None
    tune_epochs: Count = 3

    def plan(
        self, anatomy: Anatomy, samples: IntArray, turn: Turn, state: "RegrowthState | None"
    ) -> Exchange | None:
        """Return the exchange of scores before the first round's training, that of kept weights, or the tuning."""
        phase = self._schedule.phase(turn)
        left = state.left(anatomy) if state else self._expected(anatomy, len(samples), phase)
        if phase == "score":
            return left.scoring(anatomy, samples, self.batch_size)
        if phase == "tune":
            return left.tuning(anatomy, samples, self.tune_epochs * samples, masked=True)
        return left.training(anatomy, samples, self.epochs * samples) if phase else None

    def init(self, task: "Task") -> "RegrowthState":
        """Return the initial weights, of which nothing is pruned."""
        from wflsim.learning.regrowth.state import RegrowthState

        return RegrowthState.first(task)

    def train(self, state: "RegrowthState", cohort: "Cohort", keep: FloatArray) -> Updates:
        """Return scores, kept weights after training, or nothing."""
        from wflsim.learning.regrowth.lessons import scores

        phase, state = self._schedule.phase(cohort.turn), state.before(cohort.turn)
        if phase == "score":
            return scores(state, cohort, self.batch_size)
        # The first round's training draws what it would without scores before it.
        then = replace(cohort, turn=replace(cohort.turn, step=0))
        kept = state.kept(cohort.devices)
        if phase == "tune":
            tuned = self._regimen(self.tune_epochs).taught(then, state.starts(then), kept)
            return cohort.updates([{}] * len(cohort.devices), tuned)
        params = self._regimen(self.epochs).taught(then, state.groups.of(then), kept)
        return cohort.updates(state.sent(cohort, params), {})

    def fuse(self, state: "RegrowthState", updates: Updates) -> "RegrowthState":
        """Return the state within the mask, with the mean model, or with tuned ones."""
        from wflsim.learning.regrowth.lessons import scored

        phase = self._schedule.phase(updates.turn)
        if phase == "score":
            return scored(state, updates, self.sparsity)
        return state.touched(updates) if phase == "tune" else state.fused(updates, self.weighting)

    def fuse_late(self, state: "RegrowthState", late: Sequence[Late]) -> "RegrowthState":
        """Return the state after updates that began with older ones; what is no training does not age."""
        trains = [self._schedule.phase(each.updates.turn) == "train" for each in late]
        rest = [each for each, trained in zip(late, trains, strict=True) if trained]
        state = state.fused_late(rest, self.weighting)
        for each, trained in zip(late, trains, strict=True):
            state = state if trained else self.fuse(state, each.updates)
        return state

    def model_for(self, state: "RegrowthState", device: int | None) -> "Params":
        """Return the model that a device has tuned, or the one of all."""
        return state.model_for(device)

    def told(self, state: "RegrowthState") -> dict[str, float]:
        """Return how much is kept."""
        return {"density": float(state.densities.mean())}

    def reckoned(
        self, anatomy: Anatomy, samples: IntArray, devices: IntArray, state: "RegrowthState"
    ) -> Reckoning:
        """Return what a round cost by the tracker of that code: the nominal share of all values, scores for nothing [C]."""
        tracker, came = Tracker(anatomy, samples, self.batch_size), state.came.among(devices)
        density = 1.0 - self.sparsity if state.masks else 1.0
        return summed(
            tracker.of(came.trained, density, self.epochs),
            tracker.alone(came.tuned, density, self.tune_epochs),
        )

    def _expected(self, anatomy: Anatomy, devices: int, phase: str | None) -> Left:
        """Return what is left of a model when nothing is known of a run: every layer's share alike."""
        sizes = {tensor.name: tensor.size for tensor in anatomy.every() if tensor.role == "weight"}
        kept = sizes if phase == "score" else above(anatomy, self.sparsity)
        none = np.zeros(devices, dtype=np.int64)
        return Left.of(anatomy, [kept], none, none + int(phase != "score"))

    def _regimen(self, epochs: int) -> "Regimen":
        """Return how devices train for some epochs."""
        from wflsim.learning.lessons import Descent
        from wflsim.learning.regrowth.lessons import Regimen

        descent = Descent(self.learning_rate, self.momentum, self.decay)
        return Regimen(epochs, self.batch_size, descent)

    @property
    def _schedule(self) -> Plain:
        return Plain(scores=True, tunes=self.tune_after)
