"""pFedGate: a small gate on each device chooses and weighs the blocks of the shared model (Chen et al., ICML 2023).

Gate, mean over the batch, values in tenths, knapsack, and what is aggregated follow an outline of the official code [C in outline];
docs/papers.md says what is ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np

from channel_models.units import Count, NonNegative, Positive
from wflsim.contracts import Exchange, FloatArray, IntArray, Late, Load, Reckoning, Turn, Updates
from wflsim.learning.anatomy import BITS_PER_VALUE, Anatomy, bitmap_bits
from wflsim.learning.practice import Practice
from wflsim.learning.submodels.blocks import Blocks

if TYPE_CHECKING:
    from wflsim.learning.cohort import Cohort, Params
    from wflsim.learning.submodels.gating import GateState
    from wflsim.learning.task import Task


@dataclass(frozen=True)
class PFedGate:
    """Each step runs on the blocks that the device's gate finds worth their size for this batch, within a budget.

    A block is an output unit with its bias. The gate is one linear layer on normalised coarse means of a sample; the mean of
    its sigmoids over the batch is a block's importance and, doubled, its weight, so that a gate that knows nothing weighs with
    one [D]. The knapsack is greedy and keeps a block of every layer [D]. Model and gate move together; the gate stays. The
    server's message is dense, since the choice is made at the device; up go the blocks that were trained, with a bitmap [D].
    A device's own model is what its gate says of all of its own training samples at the end of its last round [D].

    Attributes:
        steps: Local steps a round; full batches, over epochs without an end.
        epochs: Local epochs a round instead of steps; the last batch of an epoch is as short as the data leave it.
        batch_size: Samples of a step.
        learning_rate: Step size of the model.
        gate_rate: Step size of the gate; 0 leaves it as it begins.
        momentum: Share of a device's last step that goes on in its next; every round begins without.
        decay: Weight decay: this many times the variables is added to their slopes.
        share: Share of the entries in blocks that a step may use.
        features: Coarse means of a sample that the gate sees, at most as many as it has values.
        rescales: Whether chosen blocks are scaled by their gates; else the gate only chooses.
    """

    paper_verified: ClassVar[bool] = False
    trains_first: ClassVar[bool] = True

    steps: Count = 8
    epochs: Count | None = None
    batch_size: Count = 32
    learning_rate: Positive = 0.05
    gate_rate: NonNegative = 0.05
    momentum: Annotated[float, ("least", 0.0), ("below", 1.0)] = 0.0
    decay: NonNegative = 0.0
    share: Annotated[float, ("above", 0.0), ("most", 1.0)] = 0.5
    features: Count = 64
    rescales: bool = True

    def plan(
        self, anatomy: Anatomy, samples: IntArray, turn: Turn, state: "GateState | None"
    ) -> Exchange | None:
        """Return one exchange: the model down; up, and in operations, what the budget allows."""
        if turn.step:
            return None
        blocks, every = Blocks(anatomy), np.ones(len(samples))
        entries = blocks.budget(self.share) + sum(tensor.size for tensor in blocks.others)
        bits = BITS_PER_VALUE * entries + bitmap_bits(blocks.count)
        each = self.share * blocks.macs.sum() + blocks.other_macs
        macs = self._seen(samples) * each + self._gate_macs(blocks, samples, state)
        exchange = anatomy.dense_exchange(samples, macs)
        return replace(exchange, up_bits=Load(every * bits, 0.0 * every))

    def init(self, task: "Task") -> "GateState":
        """Return the initial weights, and gates that find all blocks alike."""
        from wflsim.learning.submodels.gating import first_state

        return first_state(task, self.share, self.features)

    def train(self, state: "GateState", cohort: "Cohort", keep: FloatArray) -> Updates:
        """Return how far each device has moved the blocks that it trained; gates stay."""
        from wflsim.learning.lessons import Descent
        from wflsim.learning.submodels.gating import BIAS, FACTOR, WEIGHT, Gatekeeper, packed_steps
        from wflsim.learning.views import train_through

        blocks, count = state.blocks, len(cohort.devices)
        keeper = Gatekeeper(cohort.task, blocks, blocks.budget(self.share), self.rescales, count)
        start, own = cohort.stack(state.shared), state.gates.rows(cohort.devices)
        gate = {WEIGHT: own[WEIGHT], BIAS: own[BIAS]}
        batches = Practice(self.steps, self.epochs, self.batch_size).batches(cohort)
        descent = Descent(self.learning_rate, self.momentum, self.decay)
        rates = dict.fromkeys(gate, self.gate_rate)
        found = train_through(cohort, {**start, **gate}, keeper, batches, descent, rates=rates)
        steps = {name: found[name] - tensor for name, tensor in start.items()}
        private = {name: found[name] for name in gate} | {FACTOR: keeper.settled(found, cohort)}
        macs = keeper.macs + self._gate_macs(blocks, state.samples[cohort.devices], state)
        sent = packed_steps(steps, keeper.touched, blocks)
        return cohort.updates(sent, private, macs=macs)

    def fuse(self, state: "GateState", updates: Updates) -> "GateState":
        """Return the state after the mean of what devices have learnt, weighted by samples."""
        samples = state.samples[updates.devices]
        return state.moved([updates], [samples / samples.sum()])

    def fuse_late(self, state: "GateState", late: Sequence[Late]) -> "GateState":
        """Return the state after what devices have learnt since they began."""
        return state.moved([each.updates for each in late], [each.weight for each in late])

    def reckoned(
        self, anatomy: Anatomy, samples: IntArray, devices: IntArray, state: "GateState"
    ) -> Reckoning:
        """Return about s of the model both ways and s of its operations, and the gate's ([C in outline])."""
        entries = int(self.share * (anatomy.weights + anatomy.others))
        seen = self._seen(samples)[devices]
        gate = self._gate_macs(state.blocks, samples, state)[devices]
        macs = 3 * self.share * anatomy.macs * seen + gate
        return Reckoning(2 * BITS_PER_VALUE * entries * len(devices), int(macs.sum()))

    def model_for(self, state: "GateState", device: int | None) -> "Params":
        """Return what a device's gate makes of the model that travels, or that model."""
        return state.model_for(device)

    def _seen(self, samples: IntArray) -> IntArray:
        return Practice(self.steps, self.epochs, self.batch_size).seen(samples)

    def _gate_macs(
        self, blocks: Blocks, samples: IntArray, state: "GateState | None"
    ) -> FloatArray:
        """Return the gate's operations: forward and its slopes for every sample seen, and a last look at all, shape (K,).

        How many values a sample has is known with a state; without one, a gate sees all the features that it may.
        """
        width = self.features if state is None else state.width
        return np.asarray((2 * self._seen(samples) + samples) * width * blocks.count, float)
