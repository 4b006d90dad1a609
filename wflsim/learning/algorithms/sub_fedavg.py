"""Sub-FedAvg: devices prune the server's model for themselves while their masks still change (ICDCS 2021)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np

from channel_models.units import Count, NonNegative, Positive, Share
from wflsim.contracts import Exchange, FloatArray, IntArray, Late, Load, Turn, Updates
from wflsim.learning.anatomy import Anatomy
from wflsim.learning.own_masks.form import Form, channels_and_weights, single_weights
from wflsim.learning.practice import Weighting

if TYPE_CHECKING:
    from wflsim.learning.cohort import Cohort, Params
    from wflsim.learning.own_masks.acceptance import Limits
    from wflsim.learning.own_masks.tickets import TicketState
    from wflsim.learning.task import Task

Below = Annotated[float, ("least", 0.0), ("below", 1.0)]


@dataclass(frozen=True)
class SubFedAvg:
    """Masks of devices' own within the server's model, and the mean over those who hold a coordinate.

    A device begins with m ⊙ w and trains within m. After the first and after the last epoch it cuts the lowest share of what each
    tensor of weights keeps, biases never; it takes the later mask where the two differ enough, less than the target is gone,
    and the pruned model is accurate enough [C]. If less than a step is missing, so much goes, 5 % at most [C]. The hybrid way prunes
    channels of convolutions by the |γ| of their batch norms, a share of each layer's, and single weights of linear layers alone,
    whose columns go with their channels [C]; each kind is taken by its own distance, and one accuracy counts for both [D]. The server
    counts holders alike, and a coordinate that nobody holds stays; biases are plain means [C]. Accuracy is that on
    samples set aside for choosing, or without any on training samples; the official code takes test samples [C], which is not done
    here. A device is examined on what its mask keeps of the server's model [D].

    Attributes:
        pruning: Single weights of all layers, or channels of convolutions and single weights of linear layers.
        prune_step: Share of what a tensor keeps that goes at a time, rounded down to whole weights.
        prune_target: Share of the weights that may go one by one that is gone in the end; those that went with channels count [D].
        distance: What the two masks of weights have to differ by, as a share of the entries, the mean over tensors; None for
            0.0001, or 0.0005 of the hybrid way [C].
        accuracy_above: Accuracy that the pruned model has to exceed.
        channels: Share of each layer's channels that goes, of the hybrid way.
        channels_least: Channels that every layer keeps, of the hybrid way.
        channel_distance: What the two masks of channels have to differ by, of the hybrid way.
        scale_penalty: Weight of the ℓ₁ norm of the γ of channels that may go; 0 for none.
        epochs: Local epochs a round, at least 2; the last batch of an epoch is as short as the data leave it.
        batch_size: Samples of a step.
        learning_rate: Step size.
        momentum: Share of a device's last step that goes on in its next; every round begins without.
        decay: Weight decay: this many times the parameters is added to their slopes.
        weighting: What a device counts in the mean: all alike (uniform) [C], or by its samples.
    """

    paper_verified: ClassVar[bool] = False
    trains_first: ClassVar[bool] = True

    pruning: Literal["unstructured", "hybrid"] = "unstructured"
    prune_step: Annotated[float, ("above", 0.0), ("below", 1.0)] = 0.1
    prune_target: Below = 0.3
    distance: Share | None = None
    accuracy_above: Share = 0.5
    channels: Below = 0.45
    channels_least: Count = 1
    channel_distance: Share = 0.01
    scale_penalty: NonNegative = 0.0
    epochs: Annotated[int, ("least", 2), ("most", 100_000_000)] = 5
    batch_size: Count = 32
    learning_rate: Positive = 0.05
    momentum: Below = 0.0
    decay: NonNegative = 0.0
    weighting: Weighting = "uniform"

    def plan(
        self, anatomy: Anatomy, samples: IntArray, turn: Turn, state: "TicketState | None"
    ) -> Exchange | None:
        """Return one exchange of what devices have kept so far, of which they may send less, and of bitmaps."""
        if turn.step:
            return None
        form, none = self._form(anatomy), np.zeros(len(samples))
        counts = np.tile(form.sizes, (len(samples), 1)) if state is None else state.counts
        looked = samples if state is None else state.looks
        macs = self.epochs * samples * form.step_macs(counts) + looked * form.macs(counts)
        bits = none + form.value_bits(counts)
        return replace(
            anatomy.dense_exchange(samples, macs),
            down_bits=Load(bits, none),
            up_bits=Load(bits + form.bitmap_bits, none),
        )

    def init(self, task: "Task") -> "TicketState":
        """Return the initial weights, of which everybody keeps all."""
        from wflsim.learning.own_masks.tickets import first_tickets

        return first_tickets(task, self._form(task.anatomy))

    def train(self, state: "TicketState", cohort: "Cohort", keep: FloatArray) -> Updates:
        """Return what every device keeps of its model, and where it belongs."""
        from wflsim.learning.lessons import Descent
        from wflsim.learning.own_masks.acceptance import Trial

        descent = Descent(self.learning_rate, self.momentum, self.decay)
        trial = Trial(self._limits, self.epochs, self.batch_size, descent, self.scale_penalty)
        return trial.done(state, cohort)

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

    def _form(self, anatomy: Anatomy) -> Form:
        hybrid = self.pruning == "hybrid"
        return channels_and_weights(anatomy) if hybrid else single_weights(anatomy)

    @property
    def _limits(self) -> "Limits":
        from wflsim.learning.own_masks.acceptance import Limits

        hybrid = self.pruning == "hybrid"
        distance = (5e-4 if hybrid else 1e-4) if self.distance is None else self.distance
        weights = (self.prune_step, self.prune_target, distance, self.accuracy_above)
        channels = (self.channels, self.channels_least, self.channel_distance)
        return Limits(*weights, *(channels if hybrid else ()))
