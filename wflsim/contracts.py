"""What rooms promise each other: the exchange of a round, and the protocols that components fill."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from wflsim.randomness import Streams

if TYPE_CHECKING:
    import torch

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

# What algorithms are handed stands in rooms above this one, so it has only a name here.
Anatomy = Any  # wflsim.learning.anatomy.Anatomy
Task = Any  # wflsim.learning.task.Task
Cohort = Any  # wflsim.learning.cohort.Cohort
State = Any  # the algorithm's own


@dataclass(frozen=True)
class Turn:
    """When something happens, and the random streams that belong to that moment.

    Attributes:
        round_: The round, counted from 0.
        step: The exchange within the round, counted from 0.
        streams: The scenario's random streams.
    """

    round_: int
    step: int
    streams: Streams

    def draw(self, purpose: str, *indices: int) -> np.random.Generator:
        """Return the stream of a purpose at this moment, and of a device where one is given."""
        return self.streams.stream(purpose, self.round_, self.step, *indices)


@dataclass(frozen=True)
class Load:
    """A quantity per participant that is affine in the kept share r = 1 − ρ: fixed + r · prunable.

    Attributes:
        fixed: What does not depend on pruning, shape (K,).
        prunable: What a device that keeps everything adds, shape (K,).
    """

    fixed: FloatArray
    prunable: FloatArray

    def at(self, keep: FloatArray | float) -> FloatArray:
        """Return the load at a kept share, shape (K,)."""
        return self.fixed + self.prunable * keep


@dataclass(frozen=True)
class Exchange:
    """One thing that algorithm and network agree on: what travels down, is computed, and travels up.

    Attributes:
        participants: Indices of the devices that take part, shape (K,).
        down_bits: Bits from the server to each participant.
        macs: Multiply-accumulate operations that each participant computes.
        up_bits: Bits from each participant to the server.
        mask_bits: The part of ``up_bits.fixed`` that only a pruned message needs, shape (K,).
        keep_min: Least share that may be kept, shape (K,).
        keep_max: Largest share that may be kept, shape (K,); equal to ``keep_min`` when the algorithm chooses itself.
        weight: What pruning a device costs the learning, relative to the others, shape (K,).
        units: Number of prunable units; a kept share is a whole number of them.
        purpose: What the exchange is for, as it stands in the records.
    """

    participants: IntArray
    down_bits: Load
    macs: Load
    up_bits: Load
    mask_bits: FloatArray
    keep_min: FloatArray
    keep_max: FloatArray
    weight: FloatArray
    units: int
    purpose: str = "train"

    def sent_bits(self, keep: FloatArray) -> FloatArray:
        """Return the size of each message at shares in whole units, a whole number of bits, shape (K,)."""
        return np.rint(self.up_bits.at(keep))

    def whole_units(self, keep: FloatArray) -> FloatArray:
        """Return the largest shares not above ``keep`` that are whole numbers of units, at least one, shape (K,).

        Rounding goes down, since one weight more than the plan would arrive after the deadline.
        """
        if self.units == 0:
            return keep
        kept = np.floor(keep * self.units * (1 + 1e-12))
        return np.clip(kept, 1, self.units) / self.units


@dataclass(frozen=True)
class Message:
    """What one device hands to its radio: tensors by name.

    Attributes:
        tensors: The tensors that are sent.
    """

    tensors: Mapping[str, "torch.Tensor"]

    @property
    def bits(self) -> int:
        """The size of the message on the air, counted from its tensors."""
        return sum(8 * tensor.numel() * tensor.element_size() for tensor in self.tensors.values())

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
        private: State that the devices keep to themselves; the algorithm alone knows its form.
    """

    turn: Turn
    devices: IntArray
    messages: Sequence[Message]
    private: Any = None


class Compute(Protocol):
    """How fast a device computes, and at what power."""

    def seconds_per_mac(self, cpu_hz: FloatArray) -> FloatArray:
        """Return the time of one multiply-accumulate operation, shape (K,)."""
        ...

    def power_w(self, cpu_hz: FloatArray) -> FloatArray:
        """Return the power while computing, shape (K,)."""
        ...


class Deadline(Protocol):
    """How long a round may last."""

    def seconds(self, dense_s: float, sparsest_s: float) -> float:
        """Return the deadline, given the least round times with nothing pruned and with all that may be pruned."""
        ...


class Policy(Protocol):
    """How the server ends an exchange."""

    def closes(self, arrivals: Sequence[Any], deadline: Any) -> Any:
        """Return the event that ends the exchange, made of the arrival of each participant and of the deadline."""
        ...


class Model(Protocol):
    """A network architecture: its layers without torch, and its module with it."""

    def anatomy(self, input_shape: tuple[int, ...], classes: int) -> Anatomy:
        """Return the layers with their shapes and operation counts, without importing torch."""
        ...

    def build(self, input_shape: tuple[int, ...], classes: int) -> "torch.nn.Module":
        """Return a fresh module whose parameters have the anatomy's names and shapes."""
        ...


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

    def load(self) -> tuple[npt.NDArray[np.float32], IntArray]:
        """Return samples, shape (N, *input_shape), normalised, and labels, shape (N,)."""
        ...


class Partition(Protocol):
    """Which sample lies on which device."""

    def split(self, labels: IntArray, devices: int, rng: np.random.Generator) -> list[IntArray]:
        """Return the indices of each device's samples; no sample lies on two devices."""
        ...


class Engine(Protocol):
    """How the devices of a cohort are trained on the host."""

    @property
    def threads(self) -> int:
        """Host threads of one operation; part of the scenario, since it can change a result's last bit."""
        ...

    def gradients(self, loss: Any, stacked: Any = None) -> Any:
        """Return a function from stacked parameters, inputs and labels to stacked gradients.

        ``loss`` is that of one device; ``stacked``, where there is one, gives all devices' losses at once.
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
        """Return what the devices of the cohort send and keep, at their kept shares, shape (K,)."""
        ...

    def fuse(self, state: State, updates: Updates) -> State:
        """Return the state after the server has taken in the updates."""
        ...

    def model_for(self, state: State, device: int | None) -> Mapping[str, "torch.Tensor"]:
        """Return the parameters of a device's own model, or of the global model (None)."""
        ...
