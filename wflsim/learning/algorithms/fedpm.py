"""FedPM: weights never change, devices learn which of them are there and send a mask of one bit a weight (arXiv 2209.15328)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from channel_models.units import Count, Positive
from wflsim.contracts import Exchange, FloatArray, IntArray, Late, Reckoning, Turn, Updates
from wflsim.learning.algorithms.fedavg import FedAvg
from wflsim.learning.anatomy import BITS_PER_VALUE, Anatomy, bitmap_bits
from wflsim.learning.few_bits.packing import carrying

if TYPE_CHECKING:
    from wflsim.learning.cohort import Cohort, Params
    from wflsim.learning.few_bits.supermask import MaskingState
    from wflsim.learning.task import Task


@dataclass(frozen=True)
class FedPm:
    """Probabilistic masks over frozen weights ±e/√(fan-in), e being Euler's number [C].

    A device trains scores s: at every forward pass a mask is drawn with probabilities σ(s), and its slope is taken as that at σ(s)
    [C]. It sends one drawn mask. The server's Beta posterior begins anew in every round, so that θ is the mean of the masks that came, all
    devices alike; s = log(θ/(1 − θ)) is broadcast, 32 bits a weight [C]. Arithmetic coding would shorten a mask of P bits to P H(p) + log₂ P,
    where p is its share of ones [C]; it travels as P bits here. θ stays a little away from 0 and 1, where the code
    lets s diverge [D]. Steps are plain descent, whose momentum begins anew with each round [D]. Biases and shifts are zero and scales one for all time;
    statistics of norms travel as 32 bits and are averaged like masks [D].

    Attributes:
        steps: Local steps a round; full batches, over epochs without an end.
        epochs: Local epochs a round instead of steps; the last batch of an epoch is as short as the data leave it.
        batch_size: Samples of a step.
        learning_rate: Step size of the scores.
        momentum: Share of a device's last step that goes on in its next; every round begins without.
        guard: How far probabilities stay from 0 and 1.
        look: The model that is evaluated: of the weights with θ > ½, or of weights drawn by θ after each round.
    """

    paper_verified: ClassVar[bool] = False

    steps: Count = 8
    epochs: Count | None = None
    batch_size: Count = 32
    learning_rate: Positive = 20.0
    momentum: Annotated[float, ("least", 0.0), ("below", 1.0)] = 0.0
    guard: Annotated[float, ("above", 0.0), ("below", 0.5)] = 0.01
    look: Literal["likely", "sampled"] = "likely"

    def plan(
        self, anatomy: Anatomy, samples: IntArray, turn: Turn, state: "MaskingState | None"
    ) -> Exchange | None:
        """Return one exchange of scores, for which masks come back."""
        exchange = self._plain.plan(anatomy, samples, turn, None)
        trained = sum(anatomy.trained.values())
        rest = BITS_PER_VALUE * (anatomy.weights + anatomy.others - trained)
        scores, mask = BITS_PER_VALUE * anatomy.weights, bitmap_bits(anatomy.weights)
        return exchange and carrying(exchange, up=mask + rest, down=scores + rest)

    def init(self, task: "Task") -> "MaskingState":
        """Return weights of which none is likelier to be there than not."""
        from wflsim.learning.few_bits.supermask import first_masking

        return first_masking(task)

    def train(self, state: "MaskingState", cohort: "Cohort", keep: FloatArray) -> Updates:
        """Return a mask that each device draws by its scores."""
        from wflsim.learning.few_bits.supermask import masks_sent
        from wflsim.learning.lessons import Descent
        from wflsim.learning.views import train_through

        batches = self._plain.practice.batches(cohort)
        descent = Descent(self.learning_rate, self.momentum)
        found = train_through(cohort, state.of(cohort), state.view(cohort), batches, descent)
        return cohort.updates(masks_sent(state, cohort, found), {})

    def fuse(self, state: "MaskingState", updates: Updates) -> "MaskingState":
        """Return the state whose probabilities are the mean of the masks."""
        if not len(updates.devices):
            return state
        samples = state.samples[updates.devices]
        fresh = [Late(state, updates, samples / samples.sum())]
        after = state.brought(fresh, anew=True, guard=self.guard)
        return after.looked_at(updates.turn.streams, self.look == "sampled")

    def fuse_late(self, state: "MaskingState", late: Sequence[Late]) -> "MaskingState":
        """Return the state after what masks differ from the probabilities that they began with, all devices alike [D]."""
        if not late:
            return state
        after = state.brought(late, anew=False, guard=self.guard)
        return after.looked_at(late[0].updates.turn.streams, self.look == "sampled")

    def model_for(self, state: "MaskingState", device: int | None) -> "Params":
        """Return the one model, which everybody uses."""
        return state.model()

    def reckoned(
        self, anatomy: Anatomy, samples: IntArray, devices: IntArray, state: "MaskingState"
    ) -> Reckoning:
        """Return 32 bits down and one up a parameter, as another paper's table has it (arXiv 2406.00431, A.4 [X]).

        Its operations are taken as FedAvg's, each layer's in proportion to the weights that are there in the mean [D].
        """
        seen = len(devices) * self.steps * self.batch_size
        if self.epochs is not None:
            seen = self.epochs * int(samples[devices].sum())
        bits = (BITS_PER_VALUE + 1) * (anatomy.weights + anatomy.others)
        there = sum(
            layer.macs * state.density([tensor.name for tensor in layer.tensors])
            for layer in anatomy.layers
        )
        return Reckoning(len(devices) * bits, 3 * seen * there)

    @property
    def _plain(self) -> FedAvg:
        """The same on weights that change."""
        return FedAvg(steps=self.steps, epochs=self.epochs, batch_size=self.batch_size)
