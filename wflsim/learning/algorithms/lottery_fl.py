"""LotteryFL: devices that are good enough prune their part of the model and begin anew from the first weights (SEC 2021)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np

from channel_models.units import Count, NonNegative, Positive, Share
from wflsim.contracts import (
    BoolArray,
    Exchange,
    FloatArray,
    IntArray,
    Late,
    Load,
    Reckoning,
    Turn,
    Updates,
)
from wflsim.learning.anatomy import BITS_PER_VALUE, Anatomy
from wflsim.learning.own_masks.form import single_weights
from wflsim.learning.practice import Practice, Weighting

if TYPE_CHECKING:
    from wflsim.learning.cohort import Cohort, Params
    from wflsim.learning.own_masks.tickets import TicketState
    from wflsim.learning.task import Task


@dataclass(frozen=True)
class LotteryFl:
    """Masks of devices' own, found by lottery tickets: prune, rewind to the initial weights, train what is left.

    A device begins with v = m ⊙ w. Where the accuracy of v is high enough and its remaining share r above the target, each tensor of
    weights loses the lowest share of what it keeps, r is multiplied by 1 − p, and v becomes m ⊙ w(0) [C], biases and norms included
    [D]. Then it trains within the mask and sends what it keeps. The server's mean counts those who hold a coordinate, which stays where
    nobody does; biases and norms are plain means [C]. The last cut may go below the target [C]. Accuracy is that on
    samples set aside for choosing, or without any on all training samples; the official code takes two test batches [C], which is not done
    here. A device is examined on what its mask keeps of the server's model [D].

    Attributes:
        prune_share: Share p of what a tensor keeps that goes at a time, rounded down to whole weights.
        keep_target: Share r of the weights at or below which a device prunes no more.
        accuracy_above: Accuracy that v has to exceed for its device to prune.
        steps: Local steps a round; full batches, over epochs without an end.
        epochs: Local epochs a round instead of steps; the last batch of an epoch is as short as the data leave it.
        batch_size: Samples of a step.
        learning_rate: Step size.
        momentum: Share of a device's last step that goes on in its next; every round begins without.
        decay: Weight decay: this many times the parameters is added to their slopes.
        weighting: What a device counts in the mean: all alike (uniform) [C], or by its samples.
    """

    paper_verified: ClassVar[bool] = False
    trains_first: ClassVar[bool] = True

    prune_share: Annotated[float, ("above", 0.0), ("below", 1.0)] = 0.2
    keep_target: Annotated[float, ("above", 0.0), ("most", 1.0)] = 0.1
    accuracy_above: Share = 0.2
    steps: Count = 8
    epochs: Count | None = None
    batch_size: Count = 32
    learning_rate: Positive = 0.05
    momentum: Annotated[float, ("least", 0.0), ("below", 1.0)] = 0.0
    decay: NonNegative = 0.0
    weighting: Weighting = "uniform"

    def plan(
        self, anatomy: Anatomy, samples: IntArray, turn: Turn, state: "TicketState | None"
    ) -> Exchange | None:
        """Return one exchange of what devices have kept so far, of which they may send less, and of a bitmap."""
        if turn.step:
            return None
        form, none = single_weights(anatomy), np.zeros(len(samples))
        counts = np.tile(form.sizes, (len(samples), 1)) if state is None else state.counts
        looked = samples if state is None else np.where(self._due(state.cuts), state.looks, 0)
        seen = self._practice.seen(samples) * form.step_macs(counts)
        bits = none + form.value_bits(counts)
        return replace(
            anatomy.dense_exchange(samples, seen + looked * form.macs(counts)),
            down_bits=Load(bits, none),
            up_bits=Load(bits + form.bitmap_bits, none),
        )

    def init(self, task: "Task") -> "TicketState":
        """Return the initial weights, of which everybody keeps all."""
        from wflsim.learning.own_masks.tickets import first_tickets

        return first_tickets(task, single_weights(task.anatomy))

    def train(self, state: "TicketState", cohort: "Cohort", keep: FloatArray) -> Updates:
        """Return what every device keeps of its model, and where it belongs."""
        from wflsim.learning.lessons import Descent
        from wflsim.learning.own_masks.rewinding import drawn
        from wflsim.learning.own_masks.tickets import brought

        form, who, due = state.form, cohort.devices, self._due(state.cuts[cohort.devices])
        ticket = drawn(state, cohort, due, self.prune_share, self.accuracy_above)
        masks, batches = ticket.kept.masks(form).entries, self._practice.batches(cohort)
        descent = Descent(self.learning_rate, self.momentum, self.decay)
        params = cohort.train(ticket.params, form.anatomy.tensors, batches, descent, masks)
        looked = np.where(due, state.looks[who], 0) * form.macs(state.counts[who])
        seen = self._practice.seen(cohort.task.holdings.samples[who])
        macs = looked + seen * form.step_macs(ticket.kept.counts(form))
        return brought(cohort, form, params, ticket.kept, cuts=ticket.cuts, macs=macs)

    def fuse(self, state: "TicketState", updates: Updates) -> "TicketState":
        """Return the model after the mean over those who hold a coordinate, and the masks of those who took part."""
        return state.fused(updates, self.weighting)

    def fuse_late(self, state: "TicketState", late: Sequence[Late]) -> "TicketState":
        """Return the state after updates that began with older ones."""
        return state.fused_late(late, self.weighting)

    def model_for(self, state: "TicketState", device: int | None) -> "Params":
        """Return what a device keeps of the server's model, or all of it."""
        return state.model_for(device)

    def told(self, state: "TicketState") -> Mapping[str, float]:
        """Return the share of weights that were kept."""
        return {"density": state.density}

    def reckoned(
        self, anatomy: Anatomy, samples: IntArray, devices: IntArray, state: "TicketState"
    ) -> Reckoning:
        """Return the share r of the model in both directions [C], and three times the operations that masks leave [X]."""
        share = (1.0 - self.prune_share) ** state.cuts[devices]
        seen = self._practice.seen(samples[devices])
        bits = 2 * BITS_PER_VALUE * (anatomy.weights + anatomy.others) * float(share.sum())
        return Reckoning(bits, 3 * float((seen * state.form.macs(state.counts[devices])).sum()))

    def _due(self, cuts: IntArray) -> BoolArray:
        """Return which devices keep more than the target, shape (K,)."""
        return np.asarray((1.0 - self.prune_share) ** cuts > self.keep_target * (1 + 1e-12))

    @property
    def _practice(self) -> Practice:
        return Practice(self.steps, self.epochs, self.batch_size)
