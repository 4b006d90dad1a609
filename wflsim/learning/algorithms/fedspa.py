"""FedSpa: a sparse mask of its own on every device, which changes but never grows (Huang et al., 2022, arXiv 2201.11380)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import cos, pi
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np

from channel_models.units import Count, NonNegative, Positive, Share
from wflsim.contracts import Exchange, FloatArray, IntArray, Late, Load, Reckoning, Turn, Updates
from wflsim.learning.anatomy import BITS_PER_VALUE, Anatomy, bitmap_bits, step_macs
from wflsim.learning.practice import Practice, Weighting, evened, shares
from wflsim.learning.pruning.sparse import dense_slope_macs, erk, sparse

if TYPE_CHECKING:
    from wflsim.learning.cohort import Cohort, Params
    from wflsim.learning.submodels.sparse_masks import SparseState
    from wflsim.learning.task import Task

Density = Annotated[float, ("above", 0.0), ("most", 1.0)]


@dataclass(frozen=True)
class FedSpa:
    """Devices of one density train what their own masks keep of the server's model, and send how far that has come.

    A device receives m ⊙ w, takes masked steps and sends its masked update U; the server takes the mean of all U from w,
    with zeros where a device keeps nothing. Then each layer of the device drops a share of its smallest weights and takes in as many
    others, those with the largest slopes at one batch; the share falls like a cosine [M]. Layers share the density by ERK [M].
    Masks begin with the largest initial weights, alike for all, and what is taken in begins as the server has it [D]. The server
    knows a device's mask, so that only what it changes to travels, as a bitmap [D]. Biases and norms are dense [D].

    Attributes:
        density: Share d of the weights that a device keeps.
        exchanged: Share of a layer's kept weights that is dropped and taken in after the first round.
        annealing: Rounds in which that share falls to nothing.
        steps: Local steps a round; full batches, over epochs without an end.
        epochs: Local epochs a round instead of steps; the last batch of an epoch is as short as the data leave it.
        batch_size: Samples of a step, and of the slopes by which masks change.
        learning_rate: Step size.
        momentum: Share of a device's last step that goes on in its next; every round begins without.
        decay: Weight decay: this many times the parameters is added to their slopes.
        weighting: What a device counts in the mean: all alike (uniform) [M], or by its samples.
    """

    paper_verified: ClassVar[bool] = False

    density: Density = 0.5
    exchanged: Share = 0.5
    annealing: Count = 500
    steps: Count = 8
    epochs: Count | None = None
    batch_size: Count = 32
    learning_rate: Positive = 0.05
    momentum: Annotated[float, ("least", 0.0), ("below", 1.0)] = 0.0
    decay: NonNegative = 0.0
    weighting: Weighting = "uniform"

    def plan(
        self, anatomy: Anatomy, samples: IntArray, turn: Turn, state: "SparseState | None"
    ) -> Exchange | None:
        """Return one exchange of kept weights, and of the bitmap of those that are kept next."""
        if turn.step:
            return None
        kept, changes = erk(anatomy, self.density), any(self._changes(anatomy, turn).values())
        thin, count = sparse(anatomy, kept), sum(kept.values())
        macs = self._practice.seen(samples) * step_macs(thin, thin)[0]
        if changes:
            macs = macs + self.batch_size * dense_slope_macs(anatomy, thin)
        exchange = anatomy.pruned_exchange(samples, (macs, 0.0), keep_min=1.0, mask=changes)
        keep, none = np.full(len(samples), count / anatomy.weights), np.zeros(len(samples))
        down_bits = Load(none + BITS_PER_VALUE * (count + anatomy.others), none)
        return replace(exchange, down_bits=down_bits, keep_min=keep, keep_max=keep)

    def init(self, task: "Task") -> "SparseState":
        """Return the initial weights, of which everybody keeps the largest."""
        from wflsim.learning.submodels.sparse_masks import first_state

        return first_state(task, erk(task.anatomy, self.density))

    def train(self, state: "SparseState", cohort: "Cohort", keep: FloatArray) -> Updates:
        """Return every device's masked update; its next mask stays with it, too."""
        from wflsim.learning.lessons import Descent
        from wflsim.learning.pruning.masks import Masks
        from wflsim.learning.submodels.sparse_masks import UNPAID, evolved, sent

        anatomy, kept = cohort.task.anatomy, state.kept(cohort.devices)
        begun = Masks.unstructured(kept).applied(state.model.of(cohort))
        descent = Descent(self.learning_rate, self.momentum, self.decay)
        batches, one = self._practice.batches_and_one(cohort)
        params = cohort.train(begun, anatomy.tensors, batches, descent, kept)
        changes, changed = self._changes(anatomy, cohort.turn), None
        if any(changes.values()):
            changed = evolved(kept, params, cohort.slopes(params, tuple(kept), one), changes)
        moved = {name: begun[name] - each for name, each in params.items()}
        return cohort.updates(*sent(cohort, moved, kept, changed), UNPAID)

    def fuse(self, state: "SparseState", updates: Updates) -> "SparseState":
        """Return the model after the mean of all updates, and the masks of those who took part."""
        weights = shares(state.model.samples[updates.devices], self.weighting)
        return state.without([(updates, weights)])

    def fuse_late(self, state: "SparseState", late: Sequence[Late]) -> "SparseState":
        """Return the state after updates that began with older ones."""
        groups = evened(late, state.model.samples, self.weighting)
        return state.without([(group.updates, group.weight) for group in groups])

    def model_for(self, state: "SparseState", device: int | None) -> "Params":
        """Return what a device keeps of the server's model, or all of it."""
        return state.model_for(device)

    def reckoned(
        self, anatomy: Anatomy, samples: IntArray, devices: IntArray, state: "SparseState"
    ) -> Reckoning:
        """Return kept values in both directions and a bitmap, and three times the operations that the mask leaves [M]."""
        kept = erk(anatomy, self.density)
        values = 2 * BITS_PER_VALUE * (sum(kept.values()) + anatomy.others)
        bits = len(devices) * (values + bitmap_bits(anatomy.weights))
        seen = int(self._practice.seen(samples[devices]).sum())
        return Reckoning(bits, 3 * seen * sparse(anatomy, kept).macs)

    def _changes(self, anatomy: Anatomy, turn: Turn) -> dict[str, int]:
        """Return how many weights of each tensor are dropped and taken in after a round: no more than there is room for."""
        left = max(0.0, 1.0 - turn.round_ / self.annealing)
        share = 0.5 * self.exchanged * (1.0 - cos(pi * left))
        size = {tensor.name: tensor.size for tensor in anatomy.every()}
        return {
            name: min(int(share * count), size[name] - count)
            for name, count in erk(anatomy, self.density).items()
        }

    @property
    def _practice(self) -> Practice:
        return Practice(self.steps, self.epochs, self.batch_size)
