"""QSGD: devices send what has changed, rounded at random to a few levels (arXiv 1610.02132)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from channel_models.units import Count, NonNegative, Positive
from wflsim.contracts import Exchange, FloatArray, IntArray, Late, Message, Turn, Updates
from wflsim.learning.algorithms.fedavg import FedAvg
from wflsim.learning.anatomy import BITS_PER_VALUE, Anatomy
from wflsim.learning.few_bits.packing import bits_for, carrying, packed_bits

if TYPE_CHECKING:
    import torch

    from wflsim.learning.cohort import Cohort, Params
    from wflsim.learning.personal import SplitState
    from wflsim.learning.task import Task


@dataclass(frozen=True)
class Qsgd:
    """Federated averaging whose uplink carries levels: an entry v of a bucket becomes ‖v‖ sign(v) l/s, and is v in the mean.

    Of a bucket of n entries, E‖Q(v) − v‖² ≤ min(n/s², √n/s) ‖v‖² [M]. An entry travels in ⌈log₂(2s + 1)⌉ bits, sign included, and a
    bucket's norm in 32 [D; the paper's variable-length code is left out]. The paper sends slopes after every step; here
    it is the change over a round's steps [D]. Statistics of norms and the server's message travel as they are [D].

    Attributes:
        steps: Local steps a round; full batches, over epochs without an end.
        epochs: Local epochs a round instead of steps; the last batch of an epoch is as short as the data leave it.
        batch_size: Samples of a step.
        learning_rate: Step size.
        momentum: Share of a device's last step that goes on in its next; every round begins without.
        decay: Weight decay: this many times the parameters is added to their slopes.
        levels: Number of levels s above zero; as many lie below.
        bucket: Entries of a tensor that have a norm of their own, the last ones of it maybe fewer; None for all.
    """

    paper_verified: ClassVar[bool] = False

    steps: Count = 8
    epochs: Count | None = None
    batch_size: Count = 32
    learning_rate: Positive = 0.05
    momentum: Annotated[float, ("least", 0.0), ("below", 1.0)] = 0.0
    decay: NonNegative = 0.0
    levels: Annotated[int, ("least", 1), ("most", 32767)] = 7
    bucket: Count | None = None

    def plan(
        self, anatomy: Anatomy, samples: IntArray, turn: Turn, state: "SplitState | None"
    ) -> Exchange | None:
        """Return one exchange of the whole model, which comes back as levels and norms."""
        exchange = self._plain.plan(anatomy, samples, turn, state)
        lengths = self._lengths(anatomy)
        statistics = anatomy.weights + anatomy.others - sum(lengths)
        up = packed_bits(sum(lengths), self._width) + BITS_PER_VALUE * (len(lengths) + statistics)
        return exchange and carrying(exchange, up=up)

    def init(self, task: "Task") -> "SplitState":
        """Return the initial weights; nothing is personal."""
        return self._plain.init(task)

    def train(self, state: "SplitState", cohort: "Cohort", keep: FloatArray) -> Updates:
        """Return the levels and norms of what every device has changed."""
        import torch

        from wflsim.learning.few_bits.compression import LEVELS, NORMS, rounded
        from wflsim.learning.few_bits.differences import chances, change, sent
        from wflsim.learning.few_bits.packing import pack

        trained = self._plain.trained(state.of(cohort), cohort)
        moved, lengths = change(state, trained), self._lengths(state.part)
        chance = chances(cohort, "qsgd", moved.shape[1])
        numbers, norms = rounded(moved, lengths, self.levels, chance)
        packed = torch.from_numpy(pack(numbers, self._width))
        rows = cohort.rows({LEVELS: packed, NORMS: norms}, (LEVELS, NORMS))
        return cohort.updates(sent(state, cohort, rows, trained), {})

    def fuse(self, state: "SplitState", updates: Updates) -> "SplitState":
        """Return the model after the mean change, weighted by samples."""
        from wflsim.learning.few_bits.differences import fresh

        return self.fuse_late(state, fresh(state, state, updates))

    def fuse_late(self, state: "SplitState", late: Sequence[Late]) -> "SplitState":
        """Return the model after the weighted sum of changes, whatever they began with."""
        from wflsim.learning.few_bits.differences import added

        return added(state, late, lambda message: self._read(message, state.part))

    def model_for(self, state: "SplitState", device: int | None) -> "Params":
        """Return the one model, which everybody uses."""
        return state.model_for(device)

    def _read(self, message: Message, anatomy: Anatomy) -> "torch.Tensor":
        """Return the change that a message tells, shape (P,)."""
        from wflsim.learning.few_bits.compression import LEVELS, NORMS, unrounded
        from wflsim.learning.few_bits.packing import unpack

        lengths, packed = self._lengths(anatomy), message.tensors[LEVELS].numpy()
        numbers = unpack(packed, self._width, sum(lengths))
        return unrounded(numbers, message.tensors[NORMS], lengths, self.levels)

    @property
    def _width(self) -> int:
        """Bits of an entry."""
        return bits_for(2 * self.levels + 1)

    def _lengths(self, anatomy: Anatomy) -> list[int]:
        """Return the number of entries of each bucket."""
        return [
            min(self.bucket or size, size - begin)
            for size in anatomy.trained.values()
            for begin in range(0, size, self.bucket or size)
        ]

    @property
    def _plain(self) -> FedAvg:
        """The same whose changes travel as they are."""
        return FedAvg.within(self)
