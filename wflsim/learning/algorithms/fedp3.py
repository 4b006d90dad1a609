"""FedP3: devices train and send some layers of their own, and get the others pruned (Yi et al., ICLR 2024).

The sets of layers, what is pruned for whom, what travels, the ways of pruning further, and the two means are recollections of the
paper [M]; docs/papers.md says what is ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np

from channel_models.units import Count, NonNegative, Positive, Share
from wflsim.contracts import Exchange, FloatArray, IntArray, Late, Load, Reckoning, Turn, Updates
from wflsim.learning.anatomy import BITS_PER_VALUE, Anatomy
from wflsim.learning.practice import Practice
from wflsim.learning.submodels.ownership import Deal, Ownership, first_units

if TYPE_CHECKING:
    from wflsim.learning.cohort import Cohort, Params
    from wflsim.learning.submodels.owned_layers import OwnedState
    from wflsim.learning.task import Task


@dataclass(frozen=True)
class FedP3:
    """Averaging layer by layer over the devices that own a layer; the others only see a pruned copy of it.

    Layers are dealt once, so that each has an owner; a norm goes with the layer that it follows [D]. Layers of others are frozen,
    and less of them is computed [D; the accounts of arXiv 2406.00431 credit no saving, X]. A device is examined on what the
    server would send it now [D].

    Attributes:
        steps: Local steps a round; full batches, over epochs without an end.
        epochs: Local epochs a round instead of steps; the last batch of an epoch is as short as the data leave it.
        batch_size: Samples of a step.
        learning_rate: Step size.
        momentum: Share of a device's last step that goes on in its next; every round begins without.
        decay: Weight decay: this many times the parameters is added to their slopes.
        owned: Layers with weights that a device owns.
        owned_most: Where given, a device's number of layers is drawn once from ``owned`` to this.
        output: Whether the last layer is one of everybody's, or dealt like the others.
        kept: Share of the weights of each layer of others that a device is sent, those of largest magnitude; biases are whole.
        kept_most: Where given, a device's share is drawn once from ``kept`` to this.
        local: What a device uses of that: all (``fixed``), a share of the weights at random (``uniform``), or the first units
            (``ordered``).
        local_kept: Least share that a device may draw in a round when it prunes further; the most is all.
        weighting: Whether a layer's owners count alike (``simple``), by the number of their layers, or by their samples.
    """

    paper_verified: ClassVar[bool] = False

    steps: Count = 8
    epochs: Count | None = None
    batch_size: Count = 32
    learning_rate: Positive = 0.05
    momentum: Annotated[float, ("least", 0.0), ("below", 1.0)] = 0.0
    decay: NonNegative = 0.0
    owned: Count = 2
    owned_most: Count | None = None
    output: Literal["everybody", "dealt"] = "everybody"
    kept: Share = 0.7
    kept_most: Share | None = None
    local: Literal["fixed", "uniform", "ordered"] = "fixed"
    local_kept: Share = 0.5
    weighting: Literal["simple", "by_layers", "by_samples"] = "simple"

    def plan(
        self, anatomy: Anatomy, samples: IntArray, turn: Turn, state: "OwnedState | None"
    ) -> Exchange | None:
        """Return one exchange: own layers both ways, of the others down alone what is left of them."""
        if turn.step:
            return None
        none = np.zeros(len(samples))
        every = self._deal.dealt(anatomy, len(samples), turn.streams)
        seen = Practice(self.steps, self.epochs, self.batch_size).seen(samples)
        share = self._local_share(turn, np.arange(len(samples)))
        used = first_units(anatomy, share) if self.local == "ordered" else share[:, None]
        exchange = anatomy.dense_exchange(samples, seen * every.macs(used))
        up_bits = Load(np.asarray(BITS_PER_VALUE * every.own_entries, np.float64), none)
        return replace(exchange, down_bits=Load(every.down_bits, none), up_bits=up_bits)

    def init(self, task: "Task") -> "OwnedState":
        """Return the initial weights; nothing is dealt yet."""
        from wflsim.learning.personal import initial_state
        from wflsim.learning.submodels.owned_layers import OwnedState

        return OwnedState(initial_state(task, "none"))

    def train(self, state: "OwnedState", cohort: "Cohort", keep: FloatArray) -> Updates:
        """Return every device's own layers."""
        from wflsim.learning.lessons import Descent
        from wflsim.learning.submodels.owned_layers import sent_to, taught, thinner

        task, turn = cohort.task, cohort.turn
        own = self._deal.dealt(task.anatomy, task.devices, turn.streams).only(cohort.devices)
        start, masks = sent_to(state.model.of(cohort), own)
        if self.local != "fixed":
            share, who = self._local_share(turn, cohort.devices), cohort.devices.tolist()
            random = self.local == "uniform"
            draws = [turn.draw("local_mask", device) for device in who] if random else None
            start = thinner(start, masks, own, share, draws=draws)
        batches = Practice(self.steps, self.epochs, self.batch_size).batches(cohort)
        descent = Descent(self.learning_rate, self.momentum, self.decay)
        return taught(cohort, start, own, batches, descent)

    def fuse(self, state: "OwnedState", updates: Updates) -> "OwnedState":
        """Return the model of each layer's mean over its owners."""
        return state.fused(updates, self._of(state, updates), self.weighting)

    def fuse_late(self, state: "OwnedState", late: Sequence[Late]) -> "OwnedState":
        """Return the state after updates that began with older ones."""
        return state.fused_late(late, self._of(state, late[0].updates), self.weighting)

    def reckoned(
        self, anatomy: Anatomy, samples: IntArray, devices: IntArray, state: "OwnedState"
    ) -> Reckoning:
        """Return b (2 Σ own + p Σ other) without bitmaps, and the operations of FedAvg (arXiv 2406.00431 [X])."""
        seen = self.steps * self.batch_size * len(devices)
        if self.epochs is not None:
            seen = self.epochs * int(samples[devices].sum())
        if state.owned is None or state.kept is None:
            return Reckoning(0, 0)
        own = Ownership(anatomy, state.owned[devices], state.kept[devices])
        entries = 2 * own.own_entries + np.rint(own.kept * own.other_entries).astype(np.int64)
        return Reckoning(BITS_PER_VALUE * int(entries.sum()), 3 * seen * anatomy.macs)

    def model_for(self, state: "OwnedState", device: int | None) -> "Params":
        """Return the server's dense model, or what it would send a device now."""
        return state.model_for(device)

    @property
    def _deal(self) -> Deal:
        most = self.kept if self.kept_most is None else self.kept_most
        return Deal(self.owned, self.owned_most, self.output == "everybody", (self.kept, most))

    def _of(self, state: "OwnedState", updates: Updates) -> Ownership:
        part, devices = state.model.part, len(state.model.samples)
        return self._deal.dealt(part, devices, updates.turn.streams)

    def _local_share(self, turn: Turn, devices: IntArray) -> FloatArray:
        """Return what share of what it was sent each device uses in this round, shape (K,)."""
        if self.local == "fixed":
            return np.ones(len(devices))
        drawn = [turn.draw("local_share", device).random() for device in devices.tolist()]
        return self.local_kept + (1.0 - self.local_kept) * np.array(drawn)
