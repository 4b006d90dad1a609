"""Top-k with error feedback: devices send the largest of what has changed, and remember the rest (arXiv 1809.07599)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from channel_models.units import Count, NonNegative, Positive
from wflsim.contracts import Exchange, FloatArray, IntArray, Late, Message, Turn, Updates
from wflsim.learning.algorithms.fedavg import FedAvg
from wflsim.learning.anatomy import BITS_PER_VALUE, Anatomy
from wflsim.learning.few_bits.packing import carrying, largest_bits, packed_bits

if TYPE_CHECKING:
    import torch

    from wflsim.learning.cohort import Cohort, Params
    from wflsim.learning.personal import SplitState
    from wflsim.learning.shelf import Shelf
    from wflsim.learning.task import Task

MEMORY = "memory"


@dataclass(frozen=True)
class TopkState:
    """What the server and the devices know between rounds.

    Attributes:
        model: The model, of which nothing is personal.
        memory: What every device has not sent yet.
    """

    model: "SplitState"
    memory: "Shelf"

    def only(self, devices: IntArray) -> "TopkState":
        """Return no more than some devices need to train."""
        return replace(self, memory=self.memory.only(devices))


@dataclass(frozen=True)
class Topk:
    """Federated averaging whose uplink carries C(u) of u = memory + change; u − C(u) is remembered for the next time [M].

    C keeps the k largest entries, ‖u − C(u)‖² ≤ (1 − k/P) ‖u‖², each of them in 32 bits and a place in ⌈log₂ P⌉, or all
    places in a bitmap of P bits where that is shorter; or it keeps every entry's sign and the mean size ‖u‖₁/P, P + 32 bits
    (arXiv 1901.09847) [M]. Papers do so at every step; here it is the change over a round's steps [D]. Who does not take part keeps its
    memory, however old, and so does one whose update is lost [D]. Statistics of norms and the server's message travel as they are [D].

    Attributes:
        steps: Local steps a round; full batches, over epochs without an end.
        epochs: Local epochs a round instead of steps; the last batch of an epoch is as short as the data leave it.
        batch_size: Samples of a step.
        learning_rate: Step size.
        momentum: Share of a device's last step that goes on in its next; every round begins without.
        decay: Weight decay: this many times the parameters is added to their slopes.
        compress: The largest entries, or all signs and one size.
        share: Share k/P of the entries that are sent, rounded to a whole number and at least one; for the largest entries alone.
    """

    paper_verified: ClassVar[bool] = False

    steps: Count = 8
    epochs: Count | None = None
    batch_size: Count = 32
    learning_rate: Positive = 0.05
    momentum: Annotated[float, ("least", 0.0), ("below", 1.0)] = 0.0
    decay: NonNegative = 0.0
    compress: Literal["topk", "sign"] = "topk"
    share: Annotated[float, ("above", 0.0), ("most", 1.0)] = 0.1

    def plan(
        self, anatomy: Anatomy, samples: IntArray, turn: Turn, state: TopkState | None
    ) -> Exchange | None:
        """Return one exchange of the whole model, of which comes back what is sent of the change."""
        exchange = self._plain.plan(anatomy, samples, turn, None)
        total, sign = sum(anatomy.trained.values()), self.compress == "sign"
        up = packed_bits(total, 1) + 32 if sign else largest_bits(total, self._count(total))
        statistics = anatomy.weights + anatomy.others - total
        return exchange and carrying(exchange, up=up + BITS_PER_VALUE * statistics)

    def init(self, task: "Task") -> TopkState:
        """Return the initial weights, and memories of nothing."""
        import torch

        from wflsim.learning.shelf import Shelf

        none = torch.zeros(
            sum(task.anatomy.trained.values()), dtype=next(iter(task.initial.values())).dtype
        )
        return TopkState(self._plain.init(task), Shelf.of_default({MEMORY: none}, task.devices))

    def train(self, state: TopkState, cohort: "Cohort", keep: FloatArray) -> Updates:
        """Return what every device sends of its change and memory; the rest stays with it."""
        import torch

        from wflsim.learning.few_bits.compression import largest_of, signs_of
        from wflsim.learning.few_bits.differences import change, sent

        trained = self._plain.trained(state.model.of(cohort), cohort)
        memory = state.memory.rows(cohort.devices)[MEMORY]
        whole = memory + change(state.model, trained)
        few = self.compress == "topk"
        rows = largest_of(whole, self._count(whole.shape[1])) if few else signs_of(whole)
        updates = cohort.updates(sent(state.model, cohort, rows, trained), {})
        told = torch.stack([self._read(each, whole.shape[1]) for each in updates.messages])
        return replace(updates, private={MEMORY: whole - told})

    def fuse(self, state: TopkState, updates: Updates) -> TopkState:
        """Return the model after the mean of what was sent, weighted by samples."""
        from wflsim.learning.few_bits.differences import fresh

        return self.fuse_late(state, fresh(state.model, state, updates))

    def fuse_late(self, state: TopkState, late: Sequence[Late]) -> TopkState:
        """Return the model after the weighted sum of what was sent, whatever it began with."""
        from wflsim.learning.few_bits.differences import added

        memory, total = state.memory, sum(state.model.part.trained.values())
        for group in late:
            memory = memory.replaced(group.updates.devices, group.updates.private or {})
        groups = [replace(group, base=group.base.model) for group in late]
        return TopkState(added(state.model, groups, lambda each: self._read(each, total)), memory)

    def model_for(self, state: TopkState, device: int | None) -> "Params":
        """Return the one model, which everybody uses."""
        return state.model.model_for(device)

    def _read(self, message: Message, total: int) -> "torch.Tensor":
        """Return what a message tells of a change, shape (P,)."""
        from wflsim.learning.few_bits.compression import placed, signed

        return placed(message, total) if self.compress == "topk" else signed(message, total)

    def _count(self, total: int) -> int:
        return max(1, round(self.share * total))

    @property
    def _plain(self) -> FedAvg:
        """The same whose changes travel as they are."""
        return FedAvg.within(self)
