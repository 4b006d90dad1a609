"""Hermes: every device finds a smaller model of its own, and what all of them keep is averaged (MobiCom 2021)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np

from channel_models.units import Count, NonNegative, Positive, Share
from wflsim.contracts import Exchange, FloatArray, IntArray, Late, Load, Reckoning, Turn, Updates
from wflsim.learning.anatomy import Anatomy
from wflsim.learning.own_masks.cuts import Cuts, travelling
from wflsim.learning.practice import Practice, shares

if TYPE_CHECKING:
    from wflsim.learning.cohort import Cohort, Params
    from wflsim.learning.own_masks.subnets import SubnetState
    from wflsim.learning.task import Task


@dataclass(frozen=True)
class Hermes:
    """Structured personal sub-networks: a device prunes itself, trains what is left, and shares what all others have, too.

    A device that takes part first looks at its model: where its accuracy is high enough and the target not reached, a further share of
    each layer's units goes, those with the smallest ℓ₁ norms of their weights [C; of all units of the layer, D]. It trains what is left
    and sends that. The server's mean is over coordinates that all participants of the round keep, weighted by samples; the others,
    and the devices that are absent, stay as they are [R, C]. Accuracy is that on samples set aside for choosing, or without any on
    training samples, never on test samples [D]. The body of the paper was not read. Updates that are taken
    together are one round's, whenever they began [D]. The global model is the mean of all devices' models, a measure of the experiment.

    Attributes:
        prune_step: Share of each layer's units that goes at a time.
        prune_target: Share of each layer's units that is gone in the end, rounded down to whole units.
        accuracy_least: Accuracy of a device's own model without which it does not prune.
        norms: Whether biases and norms stay with the device (local), or travel and are averaged like weights (shared).
        steps: Local steps a round; full batches, over epochs without an end.
        epochs: Local epochs a round instead of steps; the last batch of an epoch is as short as the data leave it.
        batch_size: Samples of a step.
        learning_rate: Step size.
        momentum: Share of a device's last step that goes on in its next; every round begins without.
        decay: Weight decay: this many times the parameters is added to their slopes.
    """

    paper_verified: ClassVar[bool] = False
    trains_first: ClassVar[bool] = True

    prune_step: Annotated[float, ("above", 0.0), ("most", 1.0)] = 0.2
    prune_target: Annotated[float, ("least", 0.0), ("below", 1.0)] = 0.5
    accuracy_least: Share = 0.6
    norms: Literal["local", "shared"] = "local"
    steps: Count = 8
    epochs: Count | None = None
    batch_size: Count = 32
    learning_rate: Positive = 0.05
    momentum: Annotated[float, ("least", 0.0), ("below", 1.0)] = 0.0
    decay: NonNegative = 0.0

    def plan(
        self, anatomy: Anatomy, samples: IntArray, turn: Turn, state: "SubnetState | None"
    ) -> Exchange | None:
        """Return one exchange of what devices have kept so far, of which they may keep less, and of a bitmap of units."""
        if turn.step:
            return None
        none, left = np.zeros(len(samples)), self._cuts.left(anatomy, self._part(anatomy))
        cuts = np.zeros(len(samples), dtype=np.int64) if state is None else state.cuts
        seen = self._practice.seen(samples) * left.step_macs[cuts]
        looked = (
            self._cuts.looked(samples if state is None else state.looks, cuts) * left.macs[cuts]
        )
        return replace(
            anatomy.dense_exchange(samples, seen + looked),
            down_bits=Load(none + left.down_bits[cuts], none),
            up_bits=Load(none + left.up_bits[cuts], none),
        )

    def init(self, task: "Task") -> "SubnetState":
        """Return the initial weights, all of them everybody's own."""
        from wflsim.learning.own_masks.subnets import first_subnets

        return first_subnets(task, self._part(task.anatomy))

    def train(self, state: "SubnetState", cohort: "Cohort", keep: FloatArray) -> Updates:
        """Return what every device sends of its smaller model; all of it stays with it, too."""
        from wflsim.learning.lessons import Descent
        from wflsim.learning.own_masks.subnets import Subnetting

        descent = Descent(self.learning_rate, self.momentum, self.decay)
        return Subnetting(self._cuts, self.accuracy_least, self._practice, descent).done(
            state, cohort
        )

    def fuse(self, state: "SubnetState", updates: Updates) -> "SubnetState":
        """Return the models of those who took part, with the mean of what they all keep."""
        if not len(updates.devices):
            return state
        return state.fused([(updates, shares(state.samples[updates.devices], "samples"))])

    def fuse_late(self, state: "SubnetState", late: Sequence[Late]) -> "SubnetState":
        """Return the state after updates of which some began earlier."""
        whole = sum(float(group.weight.sum()) for group in late) or 1.0
        return state.fused([(group.updates, group.weight / whole) for group in late])

    def model_for(self, state: "SubnetState", device: int | None) -> "Params":
        """Return a device's own model, or the mean of all."""
        return state.own.mean() if device is None else state.own.row(device)

    def told(self, state: "SubnetState") -> Mapping[str, float]:
        """Return the share of units that were kept."""
        return {"density": state.density}

    def reckoned(
        self, anatomy: Anatomy, samples: IntArray, devices: IntArray, state: "SubnetState"
    ) -> Reckoning:
        """Return 4 bytes a kept value each way and a bit a unit [C], and three times the operations of what is left [X]."""
        left, cuts = self._cuts.left(anatomy, state.part), state.cuts[devices]
        macs = 3 * self._practice.seen(samples[devices]) * left.macs[cuts]
        return Reckoning(int((left.down_bits + left.up_bits)[cuts].sum()), int(macs.sum()))

    def _part(self, anatomy: Anatomy) -> Anatomy:
        """Return what travels."""
        return travelling(anatomy, norms=self.norms == "shared")

    @property
    def _cuts(self) -> Cuts:
        return Cuts(self.prune_step, self.prune_target)

    @property
    def _practice(self) -> Practice:
        return Practice(self.steps, self.epochs, self.batch_size)
