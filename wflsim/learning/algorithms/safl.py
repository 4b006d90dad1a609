"""SAFL: devices that are alike decide together which channels go, and train thin models (Li et al., 2025, arXiv 2501.18659).

The paper's body could not be read; what it does follows abstracts [R] and published code of its first author's later work [C], and
is ours where neither tells [X], as the formula of the structure information, the rule of grouping and their schedule.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import nan
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

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
from wflsim.learning.anatomy import BITS_PER_VALUE, Anatomy, step_macs
from wflsim.learning.clustering.gathering import gathering
from wflsim.learning.clustering.rules import Agglomerative
from wflsim.learning.practice import Practice, Weighting
from wflsim.learning.slimming.channels import Channels, channels

if TYPE_CHECKING:
    from wflsim.learning.cohort import Cohort, Params
    from wflsim.learning.slimming.fusing import Fusing
    from wflsim.learning.slimming.state import SlimState
    from wflsim.learning.slimming.structure import Structuring
    from wflsim.learning.task import Task

Rounds = Annotated[int, ("least", 0)]
Part = Annotated[float, ("least", 0.0), ("below", 1.0)]


@dataclass(frozen=True)
class Safl:
    """Structures of groups of devices, then thin models without a group's least channels, whose norms never travel.

    At first all train one dense model, with an L1 term on the scales γ of batch norms [C]. Then everybody is asked to train, some
    passes long: devices are grouped by the directions of what they have learnt since then, norms left out, and members go on from
    their group's mean, until no group changes [R, the rule X]. The mean |γ| of a group are its scores [X]; over all layers together
    the ⌊p C⌋ least channels go, and no layer loses all [C]. From then on devices train thin models without the L1 term, and send
    them without norms [C], which are averaged before and each device's own afterwards [X]; what several structures have is fused
    at its place in the dense model. Who was not there has the structure and the model of the largest group [X]. A device is told
    once which channels it keeps, with its group's norms, when it first takes part [X]. Where later code of the authors pads the
    scores, compares |γ| with γ, or forgets biases, it is not followed.

    Attributes:
        structure_rounds: Rounds R₁ of the dense model before devices are grouped.
        passes: Most passes of grouping.
        clustering: Who belongs together.
        changes_since: From where changes are told whose directions count: from the one model before the first pass, or from what
            each pass began with. By that, members who have learnt what they have in common may fall apart again [D].
        sparsity: Weight s of the L1 term.
        prune_rate: Share p of the channels that goes.
        scsi_groups: Whose |γ| are pooled: those of a device's group (partition), or all within a distance of it (neighbourhood).
        neighbourhood: That cosine distance, from 0 to 2.
        scsi_mix: Share β of a device's own |γ| in its scores; with 1 each prunes alone.
        tune_epochs: Epochs of a device on a thin model that is new to it, before its first round.
        tune_rate: Their step size [C].
        fusion: Who has a say in a tensor: all devices (global), those of a group (cluster), or all but for the last layer, which
            groups have for themselves (classifier).
        normalisation: The mean over those who hold a coordinate (count), or over all with zeros filled in (zero_fill) [C].
        own_share: Share μ of its own last model in what a device begins with.
        steps: Local steps a round; full batches, over epochs without an end.
        epochs: Local epochs a round instead of steps; the last batch of an epoch is as short as the data leave it.
        batch_size: Samples of a step.
        learning_rate: Step size.
        momentum: Share of a device's last step that goes on in its next; every round begins without.
        decay: Weight decay: this many times the parameters is added to their slopes.
        weighting: What a device counts in all means: by its samples, or all alike (uniform).
    """

    paper_verified: ClassVar[bool] = False

    structure_rounds: Rounds = 5
    passes: Count = 3
    clustering: Clustering = field(default_factory=Agglomerative)
    changes_since: Literal["first_pass", "pass"] = "first_pass"
    sparsity: NonNegative = 1e-4
    prune_rate: Part = 0.3
    scsi_groups: Literal["partition", "neighbourhood"] = "partition"
    neighbourhood: NonNegative = 1.0
    scsi_mix: Share = 0.0
    tune_epochs: Rounds = 0
    tune_rate: Positive = 0.005
    fusion: Literal["global", "cluster", "classifier"] = "global"
    normalisation: Literal["count", "zero_fill"] = "count"
    own_share: Share = 0.0
    steps: Count = 8
    epochs: Count | None = None
    batch_size: Count = 32
    learning_rate: Positive = 0.05
    momentum: Part = 0.0
    decay: NonNegative = 0.0
    weighting: Weighting = "samples"

    def plan(
        self, anatomy: Anatomy, samples: IntArray, turn: Turn, state: "SlimState | None"
    ) -> Exchange | None:
        """Return a round of the dense model, a pass of grouping, or a round of thin models."""
        found, seen = channels(anatomy), self._practice.seen(samples)
        dense = seen * step_macs(anatomy, anatomy)[0]
        if self._gathers(state, turn):
            return gathering(anatomy, samples, dense)
        if turn.step != self._trains_at(state, turn):
            return None
        if turn.round_ < self.structure_rounds:
            return replace(anatomy.dense_exchange(samples, dense), purpose="structure")
        return self._thin(found, samples, state)

    def init(self, task: "Task") -> "SlimState":
        """Return the initial weights, and one group of which nobody is known to be a member."""
        from wflsim.learning.slimming.state import SlimState

        return SlimState.first(task, whole=self.own_share > 0)

    def train(self, state: "SlimState", cohort: "Cohort", keep: FloatArray) -> Updates:
        """Return every device's dense model, norms included, or its thin one, with whose norms it keeps to itself."""
        from wflsim.learning.lessons import Descent
        from wflsim.learning.slimming.training import ThinLesson, Touches, small_scales

        gathers, names = self._gathers(state, cohort.turn), cohort.task.anatomy.tensors
        # A round's training draws what it would without passes before it.
        turn = replace(cohort.turn, step=cohort.turn.step + 1 if gathers else 0)
        now, descent = replace(cohort, turn=turn), Descent(*self._descent)
        batches = self._practice.batches(now)
        if gathers or state.kept is None:
            groups = state.begun(cohort.turn) if gathers else state.groups
            objective = small_scales(self.sparsity, state.channels.scales)
            params = now.train(groups.of(now), names, batches, descent, objective=objective)
            return replace(now.updates(now.rows(params, names)), turn=cohort.turn)
        touches = Touches(self.tune_epochs, self.tune_rate, self.batch_size)
        first = touches.of(now, self.passes + 1)
        lesson = ThinLesson(batches, descent, self.own_share, touches, first)
        return replace(lesson.taught(state, now), turn=cohort.turn)

    def fuse(self, state: "SlimState", updates: Updates) -> "SlimState":
        """Return the state after a mean of dense models, a pass of grouping, or the fusion of thin models."""
        if self._gathers(state, updates.turn):
            return state.grouped(updates, self._structuring)
        if state.kept is None:
            return state.averaged(updates, self.weighting)
        return state.fused(updates, self._fusing)

    def fuse_late(self, state: "SlimState", late: Sequence[Late]) -> "SlimState":
        """Return the state after updates that began with older ones; dense ones have no say once structures are known [X]."""
        passes = [each for each in late if self._gathers(each.base, each.updates.turn)]
        rest = [each for each in late if not self._gathers(each.base, each.updates.turn)]
        for each in passes:
            if self._gathers(state, each.updates.turn):
                state = state.grouped(each.updates, self._structuring)
        dense = [each for each in rest if each.base.kept is None]
        if dense and state.kept is None:
            state = state.averaged_late(dense, self.weighting)
        thin = [each for each in rest if each.base.kept is not None]
        return state.fused_late(thin, self._fusing) if thin else state

    def model_for(self, state: "SlimState", device: int | None) -> "Params":
        """Return what a device keeps of its group's model, with its own norms, or the mean over all devices."""
        return state.model_for(device, self.own_share)

    def told(self, state: "SlimState") -> dict[str, float]:
        """Return the number of groups, how well devices lie in theirs, and the share of channels that is kept."""
        return state.told

    def grouping(self, state: "SlimState") -> Grouping:
        """Return who belongs to which group, and how alike devices were."""
        return state.groups.grouping

    def reckoned(
        self, anatomy: Anatomy, samples: IntArray, devices: IntArray, state: "SlimState"
    ) -> Reckoning:
        """Return 4 (P_up + P_down) bytes in bits, P without norms [D], of the round's training alone.

        How the authors count dense rounds, and passes of grouping, is not known.
        """
        trained = devices[np.isin(devices, state.came)]
        return Reckoning(2.0 * BITS_PER_VALUE * int(state.values(trained).sum()), nan)

    def _thin(
        self, found: Channels, samples: IntArray, state: "SlimState | None"
    ) -> Exchange | None:
        """Return a round of thin models; None where nobody came who could be grouped, which the next round asks for again."""
        kept = found.expected(len(samples), self.prune_rate) if state is None else state.kept
        knows = np.zeros(len(samples), dtype=np.bool_) if state is None else state.knows
        seen = self._practice.seen(samples) + self.tune_epochs * samples * ~knows
        return None if kept is None else found.exchange(samples, kept, knows, seen)

    def _gathers(self, state: "SlimState | None", turn: Turn) -> bool:
        """Return whether devices are grouped in a turn; all passes are expected where nothing is known."""
        if state is None:
            return turn.round_ == self.structure_rounds and turn.step < self.passes
        return state.gathers(turn, self.structure_rounds, self.passes)

    def _trains_at(self, state: "SlimState | None", turn: Turn) -> int:
        """Return the exchange of a round in which devices train."""
        if state is None:
            return self.passes if turn.round_ == self.structure_rounds else 0
        return state.passed(turn.round_)

    @property
    def _descent(self) -> tuple[float, float, float]:
        return self.learning_rate, self.momentum, self.decay

    @property
    def _practice(self) -> Practice:
        return Practice(self.steps, self.epochs, self.batch_size)

    @property
    def _structuring(self) -> "Structuring":
        """How groups and structures are found."""
        from wflsim.learning.slimming.structure import Structuring

        return Structuring(
            self.clustering, self.passes, self.prune_rate, self.scsi_mix, self.scsi_groups,
            self.neighbourhood, self.changes_since, self.weighting,
        )  # fmt: skip

    @property
    def _fusing(self) -> "Fusing":
        """How thin models become one."""
        from wflsim.learning.slimming.fusing import Fusing

        return Fusing(self.fusion, self.normalisation, self.weighting)
