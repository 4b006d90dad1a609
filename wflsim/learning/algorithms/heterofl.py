"""HeteroFL: devices train the first units of every layer, as many as they can bear (Diao et al., 2021, arXiv 2010.01264)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np

from channel_models.units import Count, NonNegative, Positive
from wflsim.contracts import Exchange, FloatArray, IntArray, Late, Reckoning, Turn, Updates
from wflsim.learning.anatomy import Anatomy
from wflsim.learning.practice import Practice, Weighting, evened
from wflsim.learning.pruning.prefixes import Prefixes, prefixes

if TYPE_CHECKING:
    import torch

    from wflsim.learning.cohort import Cohort, Params
    from wflsim.learning.personal import SplitState
    from wflsim.learning.submodels.widths import Group
    from wflsim.learning.task import Task

Rate = Annotated[float, ("above", 0.0), ("most", 1.0)]


@dataclass(frozen=True)
class HeteroFl:
    """Models of several widths: a device of rate r has the first ⌈r U⌉ units of each hidden layer, so that they nest [C].

    Really smaller models travel and are trained. A coordinate's new value is the mean over those who hold it, and the old one
    where nobody does [C]. While training, activations are divided by r [C]. With masked scores, those of classes that a device
    has no samples of are zero while it trains [C]; their rows have no part in the mean [R], though they travel [D]. The authors
    always mask [C], but then let a device choose among its own classes alone [R]; here everybody is evaluated with the whole
    model and all classes [D], for which masks do harm where devices have few classes. Rates are fixed for the run [D]. Norms use their batch's statistics while training [C]; running ones are
    followed, sent and averaged like the rest [D], not gathered over everybody's data afterwards as by the authors [C].

    Attributes:
        rates: Share r of the units that a device has; device k has rate k, and they begin anew after the last.
        scaler: Whether hidden layers give 1/r of what they would as long as a device trains.
        masked: Whether scores of absent classes are zero as long as a device trains.
        steps: Local steps a round; full batches, over epochs without an end.
        epochs: Local epochs a round instead of steps; the last batch of an epoch is as short as the data leave it.
        batch_size: Samples of a step.
        learning_rate: Step size.
        momentum: Share of a device's last step that goes on in its next; every round begins without.
        decay: Weight decay: this many times the parameters is added to their slopes.
        weighting: What a device counts in the mean: by its samples, as in FedAvg, or all alike (uniform).
    """

    paper_verified: ClassVar[bool] = False

    rates: tuple[Rate, ...] = (1.0, 0.5)
    scaler: bool = True
    masked: bool = False
    steps: Count = 8
    epochs: Count | None = None
    batch_size: Count = 32
    learning_rate: Positive = 0.05
    momentum: Annotated[float, ("least", 0.0), ("below", 1.0)] = 0.0
    decay: NonNegative = 0.0
    weighting: Weighting = "samples"

    def __post_init__(self) -> None:
        """Refuse to have no rate."""
        if not self.rates:
            raise ValueError("rates: must be one or more, got none; write rates: [1.0]")

    def plan(
        self, anatomy: Anatomy, samples: IntArray, turn: Turn, state: "SplitState | None"
    ) -> Exchange | None:
        """Return one exchange of the submodels that devices have."""
        if turn.step:
            return None
        parts, which = self._parts(anatomy), self._which(np.arange(len(samples)))
        return parts.exchange(which, self._practice.seen(samples) * parts.step_macs[which])

    def init(self, task: "Task") -> "SplitState":
        """Return the initial weights; nothing is personal."""
        from wflsim.learning.personal import initial_state

        return initial_state(task, "none")

    def train(self, state: "SplitState", cohort: "Cohort", keep: FloatArray) -> Updates:
        """Return every device's submodel."""
        from wflsim.learning.submodels.widths import taught_thin, telling_classes

        shares = np.array(self.rates)[self._which(cohort.devices)]
        batches = self._practice.batches(cohort)
        updates = taught_thin(cohort, state.of(cohort), shares, batches, self._taught)
        return telling_classes(updates, cohort) if self.masked else updates

    def fuse(self, state: "SplitState", updates: Updates) -> "SplitState":
        """Return the mean over those who hold a coordinate."""
        (held,), part = self._held([updates], state.part)
        fused = replace(state, part=part).fused(held, evenly=self.weighting == "uniform")
        return replace(fused, part=state.part)

    def fuse_late(self, state: "SplitState", late: Sequence[Late]) -> "SplitState":
        """Return the state after updates that began with older ones."""
        groups = evened(late, state.samples, self.weighting)
        held, part = self._held([group.updates for group in groups], state.part)
        groups = [replace(group, updates=each) for group, each in zip(groups, held, strict=True)]
        return replace(replace(state, part=part).fused_late(groups), part=state.part)

    def model_for(self, state: "SplitState", device: int | None) -> "Params":
        """Return the one model, which everybody uses."""
        return state.model_for(device)

    def reckoned(
        self, anatomy: Anatomy, samples: IntArray, devices: IntArray, state: "SplitState"
    ) -> Reckoning:
        """Return the submodels in both directions, and a way back that costs twice the way there (arXiv 2406.00431 [X]).

        That paper's table has exactly half of FedAvg's [X], of rates unknown; 1 and 1/2 in turn come to about 5/8 [D].
        """
        parts, which = self._parts(anatomy), self._which(devices)
        seen = self._practice.seen(samples[devices])
        bits, macs = parts.bits[which].sum(), (seen * parts.macs[which]).sum()
        return Reckoning(2 * int(bits), 3 * int(macs))

    def _taught(self, group: "Group", start: "dict[str, torch.Tensor]") -> "Params":
        """Return what a lesson makes of submodels of one width."""
        from wflsim.learning.lessons import Descent
        from wflsim.learning.submodels.widths import descended, rows_of_known_classes

        descent = Descent(self.learning_rate, self.momentum, self.decay)
        kept = rows_of_known_classes(group) if self.masked else {}
        return descended(group, start, descent, scaled=self.scaler, kept=kept)

    def _held(self, updates: list[Updates], part: Anatomy) -> tuple[list[Updates], Anatomy]:
        """Return updates with what their devices have trained alone, and the layers as they are then."""
        from wflsim.learning.submodels.widths import of_known_classes

        found = [of_known_classes(each, part) for each in updates] if self.masked else []
        return ([each for each, _ in found], found[0][1]) if found else (updates, part)

    def _parts(self, anatomy: Anatomy) -> Prefixes:
        return prefixes(anatomy, self.rates, "rates")

    def _which(self, devices: IntArray) -> IntArray:
        """Return the place of each device's rate."""
        return devices % len(self.rates)

    @property
    def _practice(self) -> Practice:
        return Practice(self.steps, self.epochs, self.batch_size)
