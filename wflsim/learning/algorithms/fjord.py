"""FjORD: ordered dropout, in which a device trains submodels of several widths at once (Horváth et al., 2021, arXiv 2102.13451)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np

from channel_models.units import Count, NonNegative, Positive
from wflsim.contracts import Exchange, FloatArray, IntArray, Late, Reckoning, Turn, Updates
from wflsim.learning.anatomy import Anatomy
from wflsim.learning.practice import Practice, Weighting, evened
from wflsim.learning.pruning.prefixes import Prefixes, prefix_widths, prefixes

if TYPE_CHECKING:
    import torch

    from wflsim.learning.cohort import Cohort, Params
    from wflsim.learning.personal import SplitState
    from wflsim.learning.submodels.widths import Group
    from wflsim.learning.task import Task

Rate = Annotated[float, ("above", 0.0), ("most", 1.0)]


@dataclass(frozen=True)
class Fjord:
    """At every step a device draws a share p of those up to its own largest, p_max, and trains the first ⌈p U⌉ units of each hidden layer [M].

    The submodel of p_max travels and stays on the device as it is [M]; a step moves what it has drawn, and nothing else. The
    server takes the mean of each coordinate over those whose p_max covers it, and keeps the old value elsewhere [M]. Devices have the
    largest shares in turn for the whole run, and draws are keyed by device and round, so that the plan knows what each will compute [D].
    With a distillation, KL(f_pmax ‖ f_p) is added, whose target does not move for it, and the device's whole submodel is asked at every step [D].
    Steps are plain: momentum would move units that were not drawn [D]. There is one set of a norm's statistics, not one a width [D].

    Attributes:
        widths: The shares p that are drawn, each as often as the others.
        largest: The largest share p_max of a device, among ``widths``; device k has the k-th, and they begin anew after the last.
        distillation: Weight of the distillation; 0 for none.
        steps: Local steps a round; full batches, over epochs without an end.
        epochs: Local epochs a round instead of steps; the last batch of an epoch is as short as the data leave it.
        batch_size: Samples of a step.
        learning_rate: Step size.
        weighting: What a device counts in the mean: by its samples, as in FedAvg, or all alike (uniform).
    """

    paper_verified: ClassVar[bool] = False

    widths: tuple[Rate, ...] = (0.25, 0.5, 0.75, 1.0)
    largest: tuple[Rate, ...] = (1.0, 0.5)
    distillation: NonNegative = 0.0
    steps: Count = 8
    epochs: Count | None = None
    batch_size: Count = 32
    learning_rate: Positive = 0.05
    weighting: Weighting = "samples"

    def __post_init__(self) -> None:
        """Refuse largest shares that are never drawn."""
        if not self.largest or not set(self.largest) <= set(self.widths):
            raise ValueError(
                f"largest: must be one or more of widths, {list(self.widths)}, got {list(self.largest)}"
            )

    def plan(
        self, anatomy: Anatomy, samples: IntArray, turn: Turn, state: "SplitState | None"
    ) -> Exchange | None:
        """Return one exchange of the submodels that devices have, with the operations of the shares that they draw."""
        if turn.step:
            return None
        parts, devices = self._parts(anatomy), np.arange(len(samples))
        tops, macs = self._tops(devices), np.zeros(len(samples), dtype=np.int64)
        for step in range(int(self._practice.steps_of(samples).max())):
            each = parts.step_macs[self._drawn(turn, step, devices)]
            if self.distillation:
                each = each + parts.macs[tops]
            macs += self._practice.sizes(samples, step) * each
        return parts.exchange(tops, macs)

    def init(self, task: "Task") -> "SplitState":
        """Return the initial weights; nothing is personal."""
        from wflsim.learning.personal import initial_state

        return initial_state(task, "none")

    def train(self, state: "SplitState", cohort: "Cohort", keep: FloatArray) -> Updates:
        """Return every device's submodel of its largest share."""
        from wflsim.learning.submodels.widths import taught_thin

        shares = np.array(self._ladder)[self._tops(cohort.devices)]
        batches = self._practice.batches(cohort)
        return taught_thin(cohort, state.of(cohort), shares, batches, self._taught)

    def fuse(self, state: "SplitState", updates: Updates) -> "SplitState":
        """Return the mean over those whose submodel has a coordinate."""
        return state.fused(updates, evenly=self.weighting == "uniform")

    def fuse_late(self, state: "SplitState", late: Sequence[Late]) -> "SplitState":
        """Return the state after updates that began with older ones."""
        return state.fused_late(evened(late, state.samples, self.weighting))

    def model_for(self, state: "SplitState", device: int | None) -> "Params":
        """Return the one model, which everybody uses."""
        return state.model_for(device)

    def reckoned(
        self, anatomy: Anatomy, samples: IntArray, devices: IntArray, state: "SplitState"
    ) -> Reckoning:
        """Return submodels of p_max in both directions, and for each sample three times the mean forward pass over p [M]."""
        parts, tops = self._parts(anatomy), self._tops(devices)
        mean = np.cumsum(parts.macs) / np.arange(1, len(parts.macs) + 1)
        macs = 3.0 * float(self._practice.seen(samples[devices]) @ mean[tops])
        return Reckoning(2 * int(parts.bits[tops].sum()), macs)

    def _taught(self, group: "Group", start: "dict[str, torch.Tensor]") -> "Params":
        """Return what a lesson makes of submodels of one width."""
        from wflsim.learning.submodels.ordered_dropout import Dropped, dropped_out

        whole, turn = group.cohort.task.anatomy, group.cohort.turn
        steps = range(len(group.batches.rows))
        places = np.stack([self._drawn(turn, step, group.cohort.devices) for step in steps])
        widths = [prefix_widths(whole, share) for share in self._ladder]
        counts = {name: np.array([each[name] for each in widths]) for name in group.widths}
        dropped = Dropped(counts, places, self.distillation)
        return dropped_out(group, start, dropped, self.learning_rate)

    def _drawn(self, turn: Turn, step: int, devices: IntArray) -> IntArray:
        """Return the place of the share that each device draws at a step; the device is the row of the step's stream."""
        draws = turn.draw("widths", step).random(int(devices.max(initial=-1)) + 1)[devices]
        return (draws * (self._tops(devices) + 1)).astype(np.int64)

    def _tops(self, devices: IntArray) -> IntArray:
        """Return the place of each device's largest share."""
        return np.searchsorted(self._ladder, self.largest)[devices % len(self.largest)]

    def _parts(self, anatomy: Anatomy) -> Prefixes:
        return prefixes(anatomy, self._ladder, "widths")

    @property
    def _ladder(self) -> tuple[float, ...]:
        """The shares, rising."""
        return tuple(sorted(set(self.widths)))

    @property
    def _practice(self) -> Practice:
        return Practice(self.steps, self.epochs, self.batch_size)
