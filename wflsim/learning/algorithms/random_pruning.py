"""Random pruning: FedAvg whose devices lose a fresh random set of weights after every step (a baseline of arXiv 2405.10271)."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from channel_models.units import Count, Positive, Share
from wflsim.contracts import Exchange, FloatArray, IntArray, Late, Reckoning, Turn, Updates
from wflsim.learning.algorithms.fedavg import FedAvg
from wflsim.learning.anatomy import Anatomy

if TYPE_CHECKING:
    import torch

    from wflsim.learning.cohort import Cohort, Params
    from wflsim.learning.lessons import Batches
    from wflsim.learning.personal import SplitState
    from wflsim.learning.task import Task


@dataclass(frozen=True)
class RandomPruning:
    """Federated averaging in which after every step other entries of each tensor become zero, which may grow again.

    It is no mask that lasts: it acts as noise that drops connections, with decay. Quotas are taken from what is left of the share, so
    that a share x takes x (1 − Π (1 − s_i)) of all entries, where s_i is a tensor's part of them [C]; they are rounded down [D].
    Biases lose entries like weights, statistics of norms none [D]. Messages are dense [C], and so are the operations. The code
    takes steps of Adam and damps its server [C]; here devices take plain steps, and the server FedAvg's mean [D]. What a
    device sends is pruned, since nothing follows its last step.

    Attributes:
        steps: Local steps a round; full batches, over epochs without an end.
        epochs: Local epochs a round instead of steps; the last batch of an epoch is as short as the data leave it.
        batch_size: Samples of a step.
        learning_rate: Step size.
        share: Nominal share x of the entries that become zero after a step; 0 is FedAvg.
    """

    paper_verified: ClassVar[bool] = False

    steps: Count = 8
    epochs: Count | None = None
    batch_size: Count = 32
    learning_rate: Positive = 0.05
    share: Share = 0.45

    def plan(
        self, anatomy: Anatomy, samples: IntArray, turn: Turn, state: "SplitState | None"
    ) -> Exchange | None:
        """Return one dense exchange of the whole model."""
        return self._plain.plan(anatomy, samples, turn, state)

    def init(self, task: "Task") -> "SplitState":
        """Return the initial weights; nothing is personal."""
        return self._plain.init(task)

    def train(self, state: "SplitState", cohort: "Cohort", keep: FloatArray) -> Updates:
        """Return every device's whole model, as its last step left it."""
        params, names = state.of(cohort), cohort.task.anatomy.tensors
        for one in self._batches(cohort):
            params = cohort.train(params, names, one, self.learning_rate)
            params = {**params, **self._pruned(params, cohort, one)}
        return cohort.updates(cohort.rows(params, names), {})

    def fuse(self, state: "SplitState", updates: Updates) -> "SplitState":
        """Return the mean model."""
        return state.fused(updates)

    def fuse_late(self, state: "SplitState", late: Sequence[Late]) -> "SplitState":
        """Return the state after updates that began with older ones."""
        return state.fused_late(late)

    def model_for(self, state: "SplitState", device: int | None) -> "Params":
        """Return the one model, which everybody uses."""
        return state.model_for(device)

    def reckoned(
        self, anatomy: Anatomy, samples: IntArray, devices: IntArray, state: "SplitState"
    ) -> Reckoning:
        """Return what FedAvg costs: traffic is dense, and no operation is taken as saved [C; the code counts neither]."""
        return self._plain.reckoned(anatomy, samples, devices, state)

    def _batches(self, cohort: "Cohort") -> "tuple[Batches, ...]":
        """Return the batches of each step."""
        batches = self._plain.practice.batches(cohort)
        return batches.split([1] * len(batches.rows))

    def _pruned(
        self, params: "Params", cohort: "Cohort", one: "Batches"
    ) -> "dict[str, torch.Tensor]":
        """Return what is left after a step of those tensors that are trained; devices that took none keep all."""
        import torch

        sizes = cohort.task.anatomy.trained
        if not self.share:
            return {}
        kept = {name: torch.ones_like(params[name], dtype=torch.bool) for name in sizes}
        lost = dict(zip(sizes, quotas(sizes.values(), self.share), strict=True))
        for row, device in enumerate(cohort.devices.tolist()):
            if one.counts is not None and not one.counts[0, row]:
                continue
            rng = cohort.turn.draw("random pruning", device, one.first)
            for name, size in sizes.items():
                there = rng.choice(size, lost[name], replace=False, shuffle=False)
                kept[name][row].view(-1)[torch.from_numpy(there)] = False
        return {name: torch.where(mask, params[name], 0) for name, mask in kept.items()}

    @property
    def _plain(self) -> FedAvg:
        """The same without pruning."""
        return FedAvg.within(self)


def quotas(sizes: Collection[int], share: float) -> list[int]:
    """Return how many entries each tensor loses: its part of what is left of the share, rounded down.

    >>> quotas((100, 300), 0.5), quotas((400,), 0.5)
    ([50, 112], [200])
    """
    total, found = sum(sizes), list[int]()
    left = share * total
    for size in sizes:
        found.append(int(left * size / total))
        left -= found[-1]
    return found
