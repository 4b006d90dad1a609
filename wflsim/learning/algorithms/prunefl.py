"""PruneFL: one mask for all, decided anew from time to time by what a weight promises per second (arXiv 1909.12326).

The procedure is that of the official code [V]; what a weight costs is here the slowest device's time on the air and at work
in that round [X]. The code's first phase, in which one device alone prunes before the others come in, is left out.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np

from channel_models.units import Count, Positive, Share
from wflsim.contracts import Exchange, FloatArray, IntArray, Load, Prices, Turn, Updates
from wflsim.learning.anatomy import BITS_PER_VALUE, Anatomy, bitmap_bits, step_macs

if TYPE_CHECKING:
    from wflsim.learning.cohort import Cohort, Params
    from wflsim.learning.common_mask import MaskState
    from wflsim.learning.task import Task

Density = Annotated[float, ("above", 0.0), ("most", 1.0)]


@dataclass(frozen=True)
class PruneFl:
    """Federated averaging within a mask that the server reconfigures: the weights that learn most per second stay.

    Every so many rounds devices first send the squared slopes of all weights, kept or not. The smallest kept weights of each
    layer and all that were dropped are candidates; those with the largest squares enter while they raise Δ = Σ g²/(c + Σ t),
    where t is the time that one more weight costs the slowest device and c what a round takes without weights. Then
    the round goes on with the new mask, which travels down; up go the kept weights alone. Biases are never pruned.

    Attributes:
        steps: Local steps a round.
        batch_size: Samples of a step.
        learning_rate: Step size.
        interval: Rounds from one reconfiguration to the next; the first is after so many.
        gradient_batches: Batches over which a device takes the slopes that it squares.
        candidate_share: Share of each layer's kept weights that a reconfiguration may drop, at the beginning.
        halving_rounds: Rounds in which that share halves.
        density: Share of the weights that are kept at first, the largest of the initial ones.
        density_max: Largest share of the weights that a reconfiguration may take in; those that are no candidates stay.
    """

    paper_verified: ClassVar[bool] = False
    priced: ClassVar[bool] = True

    steps: Count = 5
    batch_size: Count = 20
    learning_rate: Positive = 0.1
    interval: Count = 50
    gradient_batches: Count = 5
    candidate_share: Share = 0.3
    halving_rounds: Positive = 10000.0
    density: Density = 1.0
    density_max: Density = 1.0

    def plan(
        self, anatomy: Anatomy, samples: IntArray, turn: Turn, state: "MaskState | None"
    ) -> Exchange | None:
        """Return the exchange of squared slopes if this round has one, and then that of kept weights."""
        asks = self._asks(turn, anatomy, state)
        if turn.step > int(asks):
            return None
        kept = self._kept(anatomy, state)
        model_bits = BITS_PER_VALUE * (kept + anatomy.others)
        if asks and not turn.step:
            looked = self.gradient_batches * self.batch_size * step_macs(anatomy, anatomy)[0]
            dense = anatomy.dense_exchange(samples, looked)
            up_bits = Load(0.0 * dense.up_bits.fixed, dense.up_bits.prunable)
            return _received(replace(dense, up_bits=up_bits, purpose="slopes"), model_bits)
        exchange = anatomy.pruned_exchange(samples, self._macs(anatomy), keep_min=1.0, mask=False)
        keep = np.full(len(samples), kept / anatomy.weights)
        decided = state.decided if state else 0 if kept < anatomy.weights else -1
        model_bits += bitmap_bits(anatomy.weights) if decided == turn.round_ else 0
        return _received(replace(exchange, keep_min=keep, keep_max=keep), model_bits)

    def init(self, task: "Task") -> "MaskState":
        """Return the initial weights within the first mask."""
        from wflsim.learning.common_mask import first_state

        return first_state(task, self.density)

    def train(self, state: "MaskState", cohort: "Cohort", keep: FloatArray) -> Updates:
        """Return every device's squared slopes, or its kept weights after local steps."""
        from wflsim.learning.common_mask import squared_slopes

        anatomy, begun = cohort.task.anatomy, state.of(cohort)
        if self._asks(cohort.turn, anatomy, state) and not cohort.turn.step:
            (batch,) = cohort.phases((1,), self.gradient_batches * self.batch_size)
            return cohort.updates(squared_slopes(cohort.slopes(begun, anatomy.prunable, batch)), {})
        (batches,) = cohort.phases((self.steps,), self.batch_size)
        masks = cohort.stack(state.mask)
        params = cohort.train(begun, anatomy.tensors, batches, self.learning_rate, masks)
        return cohort.updates(state.sent(cohort.rows(params, anatomy.tensors)), {})

    def fuse(self, state: "MaskState", updates: Updates) -> "MaskState":
        """Return the model within a new mask after squared slopes, and otherwise the mean model."""
        turn, anatomy = updates.turn, state.model.part
        if not (self._asks(turn, anatomy, state) and not turn.step):
            return state.fused(updates)
        seconds = self._seconds(anatomy, turn.prices)
        share = self.candidate_share * 0.5 ** (turn.round_ / self.halving_rounds)
        return state.reconfigured(updates, seconds, share, self.density_max)

    def model_for(self, state: "MaskState", device: int | None) -> "Params":
        """Return the one model, which everybody uses."""
        return state.model.model_for(device)

    def _asks(self, turn: Turn, anatomy: Anatomy, state: "MaskState | None") -> bool:
        """Return whether this round has a reconfiguration; where there is no candidate there is nothing to decide."""
        due = turn.round_ > 0 and turn.round_ % self.interval == 0
        decided = state is not None and state.decided == turn.round_
        pool = self.candidate_share > 0.0 or self._kept(anatomy, state) < anatomy.weights
        return due and (decided or pool)

    def _kept(self, anatomy: Anatomy, state: "MaskState | None") -> int:
        return max(1, round(self.density * anatomy.weights)) if state is None else state.kept

    def _macs(self, anatomy: Anatomy) -> tuple[int, int]:
        """Return a round's operations that the mask leaves, and those of all weights."""
        fixed, scaled = step_macs(anatomy, anatomy, pruned=anatomy.layers)
        return self.steps * self.batch_size * fixed, self.steps * self.batch_size * scaled

    def _seconds(self, anatomy: Anatomy, prices: Prices | None) -> tuple[float, float]:
        """Return t = max(β/W + q/R) and c, the longest rest of a round, the server's message included, over those who are heard."""
        assert prices is not None, "who asks for prices is told them"
        fixed, scaled = self._macs(anatomy)
        each_s = scaled / anatomy.weights * prices.mac_s + BITS_PER_VALUE * prices.bit_s
        rest_s = prices.rest_s + fixed * prices.mac_s
        rest_s = rest_s + BITS_PER_VALUE * anatomy.others * prices.bit_s
        heard = np.isfinite(each_s)
        # What came was heard; without a price of their own, all weights cost the same.
        return float(each_s[heard].max(initial=1e-30)), float(rest_s[heard].max(initial=1e-30))


def _received(exchange: Exchange, bits: float) -> Exchange:
    """Return an exchange in which the server's message has another size."""
    none = np.zeros(len(exchange.participants))
    return replace(exchange, down_bits=Load(none + bits, none))
