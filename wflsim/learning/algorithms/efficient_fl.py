"""EfficientFL: each round the strongest filters of a complete model are trained alone and written back (Wu, Song and Zeng, 2023).

Complex & Intelligent Systems. Of the paper the abstract was read [R], and the port in the code of arXiv 2603.01739 [C].
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from channel_models.units import Count, NonNegative, Positive
from wflsim.contracts import Exchange, FloatArray, IntArray, Late, Reckoning, Turn, Updates
from wflsim.errors import UserError
from wflsim.learning.anatomy import Anatomy, step_macs
from wflsim.learning.clustering.gathering import tuning
from wflsim.learning.clustering.tracker import Tracker, summed
from wflsim.learning.exploration.remains import Remains
from wflsim.learning.practice import Weighting
from wflsim.learning.pruning.counting import convolved, free_spaces, thinned, unit_bits
from wflsim.learning.regrowth.schedule import Plain

if TYPE_CHECKING:
    from wflsim.learning.cohort import Cohort, Params
    from wflsim.learning.regrowth.lessons import Regimen
    from wflsim.learning.submodels.reconstruction import ReconstructedState
    from wflsim.learning.task import Task

_SLACK = 1e-9  # 0.3 · 10 is 3, and not 2


@dataclass(frozen=True)
class EfficientFl:
    """The server ranks the units of its complete model by their l1 norms, and devices get, train and send the strongest alone.

    What is not chosen stays as it was and may be chosen later [R]. Ranked are a convolution's filters, of which ⌊r n⌋ are kept; what
    hears them shrinks with them, and dense outputs stay [C]; ``units`` ranks neurons too [R]. Models that are so small are really
    trained, and travel without places, but for a bitmap of the units down in each round. Devices are examined with the complete model.
    Steps are plain SGD, where the port takes Adam [X].

    Attributes:
        keep: Share r of the units of a layer that are kept, rounded down, at least one.
        ranked: Whether convolutions alone lose units, or all hidden layers.
        epochs: Local epochs a round.
        batch_size: Samples of a step.
        learning_rate: Step size.
        momentum: Share of a device's last step that goes on in its next; every round begins without.
        decay: Weight decay: this many times the parameters is added to their slopes.
        weighting: What a device counts in the mean: all alike (uniform) [X], or by its samples.
        tune_after: Rounds after which devices tune the complete model for themselves, in silence; null for never.
        tune_epochs: Epochs of tuning a round.
    """

    paper_verified: ClassVar[bool] = False

    keep: Annotated[float, ("above", 0.0), ("most", 1.0)] = 0.3
    ranked: Literal["filters", "units"] = "filters"
    epochs: Count = 3
    batch_size: Count = 32
    learning_rate: Positive = 0.05
    momentum: Annotated[float, ("least", 0.0), ("below", 1.0)] = 0.0
    decay: NonNegative = 0.0
    weighting: Weighting = "uniform"
    tune_after: Count | None = None
    tune_epochs: Count = 3

    def plan(
        self, anatomy: Anatomy, samples: IntArray, turn: Turn, state: "ReconstructedState | None"
    ) -> Exchange | None:
        """Return the exchange of the strongest units, or the tuning."""
        phase = self._schedule.phase(turn)
        if phase == "tune":
            each = self.tune_epochs * samples * step_macs(anatomy, anatomy)[0]
            return tuning(anatomy, samples, each)
        thin = thinned(anatomy, self.widths(anatomy))
        remains = Remains(thin.bits, thin.weights, unit_bits(anatomy), step_macs(thin, thin)[0])
        return remains.exchange(anatomy, samples, self.epochs * samples) if phase else None

    def widths(self, anatomy: Anatomy) -> dict[str, int]:
        """Return how many units of each layer that loses some are kept, whole groups, at least one."""
        found = {
            space.name: space.group
            * max(1, floor(self.keep * (space.units // space.group) + _SLACK))
            for space in free_spaces(anatomy)
            if self.ranked == "units" or convolved(anatomy, space.name)
        }
        if not found:
            raise UserError(
                f"algorithm.ranked: the model has no {self.ranked} that can be left out; take "
                f"{'units, or ' if self.ranked == 'filters' else ''}another model"
            )
        return found

    def init(self, task: "Task") -> "ReconstructedState":
        """Return the initial weights."""
        from wflsim.learning.submodels.reconstruction import ReconstructedState

        self.widths(task.anatomy)
        return ReconstructedState.first(task)

    def train(self, state: "ReconstructedState", cohort: "Cohort", keep: FloatArray) -> Updates:
        """Return the strongest units after training, or nothing."""
        if self._schedule.phase(cohort.turn) == "tune":
            return state.touched(cohort, self._regimen(self.tune_epochs))
        return state.trained(cohort, self.widths(state.model.part), self._regimen(self.epochs))

    def fuse(self, state: "ReconstructedState", updates: Updates) -> "ReconstructedState":
        """Return the complete model with the mean of what was trained in its place, or with tuned models."""
        if self._schedule.phase(updates.turn) == "tune":
            return state.tuning(updates)
        return state.fused(updates, self.weighting)

    def fuse_late(self, state: "ReconstructedState", late: Sequence[Late]) -> "ReconstructedState":
        """Return the state after updates that began with older ones; what is tuned does not age."""
        tunes = [self._schedule.phase(each.updates.turn) == "tune" for each in late]
        rest = [each for each, tuned in zip(late, tunes, strict=True) if not tuned]
        state = state.fused_late(rest, self.weighting)
        for each, tuned in zip(late, tunes, strict=True):
            state = state.tuning(each.updates) if tuned else state
        return state

    def model_for(self, state: "ReconstructedState", device: int | None) -> "Params":
        """Return the model that a device has tuned, or the complete one."""
        return state.model_for(device)

    def reckoned(
        self, anatomy: Anatomy, samples: IntArray, devices: IntArray, state: "ReconstructedState"
    ) -> Reckoning:
        """Return what a round cost by the tracker of that code: the share r of all values, though fewer are kept [C, D]."""
        tracker, came = Tracker(anatomy, samples, self.batch_size), state.came.among(devices)
        return summed(
            tracker.of(came.trained, self.keep, self.epochs),
            tracker.alone(came.tuned, 1.0, self.tune_epochs),
        )

    def _regimen(self, epochs: int) -> "Regimen":
        """Return how devices train for some epochs."""
        from wflsim.learning.lessons import Descent
        from wflsim.learning.regrowth.lessons import Regimen

        descent = Descent(self.learning_rate, self.momentum, self.decay)
        return Regimen(epochs, self.batch_size, descent)

    @property
    def _schedule(self) -> Plain:
        return Plain(tunes=self.tune_after)
