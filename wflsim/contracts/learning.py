"""What learning promises: messages and updates, and the protocols of data, models, engines and algorithms."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from wflsim.contracts.exchange import Exchange, FloatArray, IntArray, Turn

if TYPE_CHECKING:
    import torch

# What algorithms are handed stands in rooms above this one, so it has only a name here.
Anatomy = Any  # wflsim.learning.anatomy.Anatomy
Task = Any  # wflsim.learning.task.Task
Cohort = Any  # wflsim.learning.cohort.Cohort
Way = Any  # wflsim.learning.engines.Way
State = Any  # the algorithm's own


@dataclass(frozen=True)
class Message:
    """What one device hands to its radio: tensors by name.

    Attributes:
        tensors: The tensors that are sent.
        unpaid: Names of those that cost nothing on the air, as some papers have it of masks.
    """

    tensors: Mapping[str, "torch.Tensor"]
    unpaid: tuple[str, ...] = ()

    @property
    def bits(self) -> int:
        """The size of the message on the air, counted from its tensors."""
        paid = (tensor for name, tensor in self.tensors.items() if name not in self.unpaid)
        return sum(8 * tensor.numel() * tensor.element_size() for tensor in paid)

    @property
    def finite(self) -> bool:
        """Whether all numbers in the message are numbers."""
        return all(bool(tensor.isfinite().all()) for tensor in self.tensors.values())


@dataclass(frozen=True)
class Updates:
    """What the devices that arrived bring: a message each, and what stays on the device.

    Attributes:
        turn: When they were trained.
        devices: Indices of the devices, shape (K,).
        messages: One message a device, in the order of ``devices``.
        private: State that the devices keep to themselves: nothing, or tensors by name, shapes (K, …).
        macs: Operations that each really computed, of algorithms that train first, shape (K,); None for what was planned.
    """

    turn: Turn
    devices: IntArray
    messages: Sequence[Message]
    private: Mapping[str, Any] | None = None
    macs: FloatArray | None = None

    def only(self, rows: IntArray) -> "Updates":
        """Return what some of the devices bring."""
        private = self.private and {name: each[rows] for name, each in self.private.items()}
        macs = None if self.macs is None else self.macs[rows]
        messages = [self.messages[row] for row in rows]
        return Updates(self.turn, self.devices[rows], messages, private, macs)


@dataclass(frozen=True)
class Scores:
    """The result of an evaluation; what was not measured is not a number.

    Attributes:
        personal: Accuracy of each device's model on its own test data, shape (K,).
        whole: Accuracy of the global model on all test data.
        loss_personal: Mean negative log-likelihood of devices' own models over all their test samples, in nats.
        loss_whole: The same of the global model.
        calibration_personal: Expected calibration error of devices' own models over all their test samples.
        calibration_whole: The same of the global model.

    >>> scores = Scores(np.array([0.5, np.nan, 0.9, 0.7]), 0.6)
    >>> round(scores.mean, 6), round(scores.deviation, 6), scores.least, scores.worst_decile, round(scores.jain, 6)
    (0.7, 0.163299, 0.5, 0.5, 0.948387)
    """

    personal: FloatArray
    whole: float
    loss_personal: float = nan
    loss_whole: float = nan
    calibration_personal: float = nan
    calibration_whole: float = nan

    @property
    def known(self) -> FloatArray:
        """The accuracies of the devices that were measured."""
        return self.personal[~np.isnan(self.personal)]

    @property
    def mean(self) -> float:
        """Mean accuracy over the devices that were measured; every device counts the same."""
        return float(self.known.mean()) if len(self.known) else nan

    @property
    def deviation(self) -> float:
        """Standard deviation of their accuracies, over those devices and not as an estimate beyond them."""
        return float(self.known.std()) if len(self.known) else nan

    @property
    def worst_decile(self) -> float:
        """Mean accuracy of the worst of them: a tenth of the devices, rounded down, and at least one."""
        worst = np.sort(self.known)[: max(1, len(self.known) // 10)]
        return float(worst.mean()) if len(worst) else nan

    @property
    def jain(self) -> float:
        """Jain's index of their accuracies, (Σ a)² / (n Σ a²): 1 for all alike, 1/n where one has all."""
        squares = float((self.known**2).sum())
        return float(self.known.sum()) ** 2 / (len(self.known) * squares) if squares else nan

    @property
    def least(self) -> float:
        """Least of their accuracies."""
        return float(self.known.min()) if len(self.known) else nan


class Learning(Protocol):
    """Whether devices train, or only the network is studied."""

    @property
    def trains(self) -> bool:
        """Whether devices train models."""
        ...

    def accuracy(self, progress: float) -> float:
        """Return the accuracy after some rounds' worth of updates, where nothing is trained; NaN for unknown."""
        ...


class Blueprint(Protocol):
    """A network told without torch, from which its module can be built."""

    @property
    def anatomy(self) -> Anatomy:
        """The layers with their shapes and operation counts, without importing torch."""
        ...

    def build(self) -> "torch.nn.Module":
        """Return a fresh module whose tensors have the anatomy's names and shapes."""
        ...


class Model(Protocol):
    """A network architecture."""

    def blueprint(self, input_shape: tuple[int, ...], classes: int) -> Blueprint:
        """Return the network for samples of a shape and a number of classes."""
        ...


@dataclass(frozen=True, eq=False)
class Samples:
    """A data set in memory.

    Attributes:
        inputs: The samples, normalised, shape (N, *input_shape).
        labels: Their classes, shape (N,).
        users: Who each sample comes from, where that is known, shape (N,).
        held_out: Number of samples at the end that the publisher keeps for testing.
    """

    inputs: npt.NDArray[np.float32]
    labels: IntArray
    users: IntArray | None = None
    held_out: int = 0

    @property
    def count(self) -> int:
        """Number of samples that devices may hold; those that the publisher keeps for testing come after them."""
        return len(self.labels) - self.held_out


@dataclass(frozen=True, eq=False)
class Division:
    """What a partition makes of a data set.

    Attributes:
        samples: The data set; a partition may have changed what lies on a device (turned its images, say).
        parts: Indices of each device's samples, in rising order; no sample lies on two devices.
        clusters: The group that each device belongs to by construction, shape (K,); None where there are no groups.
    """

    samples: Samples
    parts: list[IntArray]
    clusters: IntArray | None = None


class Data(Protocol):
    """A labelled data set."""

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        ...

    @property
    def classes(self) -> int:
        """Number of classes."""
        ...

    def load(self) -> Samples:
        """Return the samples."""
        ...


class Partition(Protocol):
    """Which sample lies on which device."""

    def split(self, samples: Samples, position_m: FloatArray, rng: np.random.Generator) -> Division:
        """Return which sample lies on which device; samples that the publisher keeps for testing lie on none.

        Args:
            samples: The data set.
            position_m: Where the devices stand when the run begins, shape (K, 2).
            rng: The stream of the partition.
        """
        ...


class Engine(Protocol):
    """How the devices of a cohort are trained on the host."""

    def way(
        self, anatomy: Anatomy, known: bool, accelerated: bool = False, plain: bool = False
    ) -> Way:
        """Return how a model is trained: by a rule over the model, never by a clock.

        Args:
            anatomy: The model's layers.
            known: Whether it is made of layers that can be batched and thinned.
            accelerated: Whether tensors are computed on a GPU.
            plain: Whether it is made of layers for which there is compiled code.
        """
        ...


class Algorithm(Protocol):
    """A method of federated learning."""

    def plan(
        self, anatomy: Anatomy, samples: IntArray, turn: Turn, state: State
    ) -> Exchange | None:
        """Return the next exchange of a round, or None when the round is over.

        The state is that after the exchange before; it is None when ``wflsim check`` asks for the very first.
        """
        ...

    def init(self, task: Task) -> State:
        """Return the state before the first round."""
        ...

    def train(self, state: State, cohort: Cohort, keep: FloatArray) -> Updates:
        """Return what the devices of the cohort send and keep, at their kept shares, shape (K,).

        A cohort is a chunk of those that arrived: what a device brings may depend on no other device.
        """
        ...

    def fuse(self, state: State, updates: Updates) -> State:
        """Return the state after the server has taken in the updates."""
        ...

    def model_for(self, state: State, device: int | None) -> Mapping[str, "torch.Tensor"]:
        """Return the parameters of a device's own model, or of the global model (None)."""
        ...


@dataclass(frozen=True)
class Late:
    """Updates of devices that began together, some time ago or just now.

    Attributes:
        base: The state that they began with.
        updates: What they bring.
        weight: How much each counts; those of all updates of a round add up to at most one, shape (K,).
    """

    base: State
    updates: Updates
    weight: FloatArray


@runtime_checkable
class Patient(Protocol):
    """An algorithm that can take in updates of devices that began with an older state."""

    def fuse_late(self, state: State, late: Sequence[Late]) -> State:
        """Return the state after updates that began from several states, the server's own of today among them."""
        ...


@runtime_checkable
class TrainsFirst(Protocol):
    """An algorithm whose messages are known only after training, so that all participants train before the network plays.

    Its exchange says what an allocator may expect; on the air go the bits of the messages.
    """

    trains_first: bool


@runtime_checkable
class Telling(Protocol):
    """An algorithm whose state tells what the last round did to it, beyond accuracies."""

    def told(self, state: State) -> Mapping[str, float]:
        """Return numbers by the names of their columns (``wflsim.records.columns.INSIGHTS``)."""
        ...


@runtime_checkable
class Masked(Protocol):
    """An algorithm that can also be evaluated on devices' models as they were pruned last."""

    def masked_model_for(self, state: State, device: int) -> "Mapping[str, torch.Tensor] | None":
        """Return the parameters of a device's own model without what it pruned last; None where nothing is remembered."""
        ...


@runtime_checkable
class Priced(Protocol):
    """An algorithm whose server weighs what it asks for by what that costs: the turns of its updates have ``prices``."""

    priced: bool


@dataclass(frozen=True)
class Reckoning:
    """What a round cost by the rule by which an algorithm's authors count.

    Attributes:
        bits: Bits in both directions, over all whose updates were taken.
        macs: Operations that they computed.
    """

    bits: float
    macs: float


@runtime_checkable
class Reckoned(Protocol):
    """An algorithm whose authors count costs by a rule of their own, which stands beside what was played."""

    def reckoned(
        self, anatomy: Anatomy, samples: IntArray, devices: IntArray, state: State
    ) -> Reckoning:
        """Return what a round cost by that rule.

        Args:
            anatomy: The model's layers.
            samples: Number of training samples of each device, shape (N,).
            devices: Whose updates were taken, each once, shape (K,).
            state: The state after the round.
        """
        ...
