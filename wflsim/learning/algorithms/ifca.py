"""IFCA: several models, of which every device trains the one that fits it best (arXiv 2006.04088, official code [C])."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np

from channel_models.units import Count, Positive
from wflsim.contracts import Exchange, FloatArray, IntArray, Late, Load, Turn, Updates
from wflsim.learning.algorithms.fedavg import FedAvg
from wflsim.learning.anatomy import Anatomy
from wflsim.learning.clustering.gathering import Seasons, Told
from wflsim.learning.practice import Weighting

if TYPE_CHECKING:
    from wflsim.learning.clustering.chosen import Chosen
    from wflsim.learning.cohort import Cohort, Params
    from wflsim.learning.task import Task

Models = Annotated[int, ("least", 1), ("most", 256)]
CHOICE_BITS = 8


@dataclass(frozen=True)
class Ifca(Told):
    """Models that begin apart; a device takes that of the least mean loss on its training samples, and trains it [C].

    All models come down, the trained one goes up, and every model is the mean over those who chose it [C]; a byte says which it
    is [X], and looking at all of them is computed and paid for. A device that never came has the model that most chose last [X].
    Much hangs on where models begin [C]: with several ``beginnings``, every device receives all their models before the first round
    and tells by a byte each what it would choose, and the server goes on from those over which devices scatter most [X].

    Attributes:
        steps: Steps a round, full batches.
        epochs: Local epochs a round instead of steps.
        batch_size: Samples of a step.
        learning_rate: Step size.
        models: Number of models K; with one it is FedAvg.
        beginnings: Sets of first models that are drawn, of which one is taken.
        weighting: Whether samples count in a model's mean, or all devices alike [C].
    """

    paper_verified: ClassVar[bool] = False

    steps: Count = 8
    epochs: Count | None = None
    batch_size: Count = 32
    learning_rate: Positive = 0.05
    models: Models = 2
    beginnings: Count = 1
    weighting: Weighting = "uniform"

    def plan(
        self, anatomy: Anatomy, samples: IntArray, turn: Turn, state: "Chosen | None"
    ) -> Exchange | None:
        """Return the choice among beginnings, and one exchange of all models down and one up."""
        none, looks = np.zeros(len(samples)), samples * anatomy.macs
        sets = self.beginnings * self.models
        if self._seasons.gathering(turn):
            found = anatomy.dense_exchange(samples, sets * looks)
            said = Load(none + CHOICE_BITS * self.beginnings, none)
            down = Load(none + sets * anatomy.bits, none)
            return replace(found, down_bits=down, up_bits=said, units=0, purpose="begin", open=True)
        plain = self._plain.plan(anatomy, samples, replace(turn, step=0), None)
        if plain is None or not self._seasons.training(turn):
            return None
        if self.models == 1:
            return plain
        up_bits = replace(plain.up_bits, fixed=plain.up_bits.fixed + CHOICE_BITS)
        macs = replace(plain.macs, fixed=plain.macs.fixed + self.models * looks)
        down = Load(none + self.models * anatomy.bits, none)
        return replace(plain, down_bits=down, up_bits=up_bits, macs=macs)

    def init(self, task: "Task") -> "Chosen":
        """Return models that are drawn apart, the first of them the initial one."""
        from wflsim.learning.clustering.chosen import Chosen

        return Chosen.first(task, self.models, self.beginnings)

    def train(self, state: "Chosen", cohort: "Cohort", keep: FloatArray) -> Updates:
        """Return what every device would choose of each beginning, or the model that it chose, trained, and which that is."""
        import torch

        from wflsim.learning.clustering.chosen import CHOICE, choices

        if self._seasons.gathering(cohort.turn):
            every = np.arange(self.beginnings * self.models).reshape(self.beginnings, self.models)
            sets = [{name: each[rows] for name, each in state.sets.items()} for rows in every]
            told = np.stack([choices(cohort, some) for some in sets], axis=1)
            said = torch.from_numpy(told.astype(np.uint8))
            return cohort.updates([{CHOICE: each} for each in said], {})
        chosen = choices(cohort, state.groups.models)
        begun = {name: each[torch.from_numpy(chosen)] for name, each in state.groups.models.items()}
        # The first round draws what it would without a choice before it.
        then = replace(cohort, turn=replace(cohort.turn, step=0))
        sent = cohort.rows(self._plain.trained(begun, then), cohort.task.anatomy.tensors)
        if self.models > 1:
            said = torch.from_numpy(chosen.astype(np.uint8))
            sent = [{**each, CHOICE: which} for each, which in zip(sent, said, strict=True)]
        return cohort.updates(sent, {})

    def fuse(self, state: "Chosen", updates: Updates) -> "Chosen":
        """Return the state that begins best by what is known, or after the mean of each model."""
        if self._seasons.gathering(updates.turn):
            return state.weighed(updates)
        return state.fused(updates, self.weighting)

    def fuse_late(self, state: "Chosen", late: Sequence[Late]) -> "Chosen":
        """Return the state after updates that began with older ones."""
        trained, others = self._seasons.parted(late)
        state = state.fused_late(trained, self.weighting) if trained else state
        for group in others:
            state = self.fuse(state, group.updates)
        return state

    def model_for(self, state: "Chosen", device: int | None) -> "Params":
        """Return the model that a device chose last, or the mean over all devices of theirs."""
        return state.groups.model_for(device)

    @property
    def _seasons(self) -> Seasons:
        """Whether the first round begins with a choice."""
        return Seasons(gathers=0 if self.beginnings > 1 else None)

    @property
    def _plain(self) -> FedAvg:
        """What a device does with its model."""
        return FedAvg.within(self)
