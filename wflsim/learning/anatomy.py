"""A model told without torch: its layers, their tensors and units, their operations, and how it is split in two."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from math import ceil, prod
from typing import Annotated, Literal

import numpy as np

from wflsim.contracts import Exchange, FloatArray, IntArray, Load
from wflsim.errors import UserError

BITS_PER_VALUE = 32
_SAYS = ": output, input, norms, adapters, none, or names of layers between commas"
Split = Annotated[str, ("pattern", r"^[\w.*, -]+$"), ("saying", _SAYS)]
Role = Literal["weight", "bias", "scale", "shift", "statistic"]


@dataclass(frozen=True)
class Space:
    """Units that are kept or pruned together wherever they occur: the channels that a layer makes.

    Attributes:
        name: The layer that makes them.
        units: Their number.
        group: Units that can only be pruned together, as a group norm's channels.
        free: Whether they may be pruned at all; inputs, classes and what is normalised over all units may not.
    """

    name: str
    units: int
    group: int = 1
    free: bool = True


@dataclass(frozen=True)
class Axis:
    """A dimension of a tensor that runs over units: entry (b · units + u) · after + a belongs to unit u.

    Attributes:
        space: Name of the space of the units.
        before: How often the units are repeated as a whole, as by the four gates of a recurrent layer.
        after: How many entries a unit has in a row, as the pixels of a channel that was flattened.
    """

    space: str
    before: int = 1
    after: int = 1


@dataclass(frozen=True)
class Tensor:
    """A tensor of a layer.

    Attributes:
        name: Its name in the module.
        shape: Its shape.
        role: What it is; weights may be pruned one by one, statistics are not trained.
        axes: For each dimension the units it runs over, or None.
    """

    name: str
    shape: tuple[int, ...]
    role: Role
    axes: tuple[Axis | None, ...] = ()

    @property
    def size(self) -> int:
        """Number of entries."""
        return prod(self.shape)


@dataclass(frozen=True)
class Layer:
    """A layer with tensors.

    Attributes:
        name: Its name in the module.
        tensors: Its tensors, in the module's order, statistics last.
        macs: Multiply-accumulate operations of one sample's forward pass.
        norm: Whether it normalises.
        mixing: Those of the operations that no weight takes part in, as attention's scores.
    """

    name: str
    tensors: tuple[Tensor, ...]
    macs: int
    norm: bool = False
    mixing: int = 0

    @property
    def weights(self) -> int:
        """Number of weights, which may be pruned."""
        return sum(tensor.size for tensor in self.tensors if tensor.role == "weight")

    @property
    def others(self) -> int:
        """Number of all other entries, which are never pruned one by one."""
        return sum(tensor.size for tensor in self.tensors if tensor.role != "weight")


@dataclass(frozen=True)
class Anatomy:
    """The layers of a model, from input to output.

    Attributes:
        layers: The layers with tensors.
        spaces: Name → units that are pruned together.
    """

    layers: tuple[Layer, ...]
    spaces: Mapping[str, Space] = field(default_factory=dict, hash=False)

    @property
    def weights(self) -> int:
        """Number of weights, which may be pruned."""
        return sum(layer.weights for layer in self.layers)

    @property
    def others(self) -> int:
        """Number of all other entries."""
        return sum(layer.others for layer in self.layers)

    @property
    def macs(self) -> int:
        """Multiply-accumulate operations of one sample's forward pass."""
        return sum(layer.macs for layer in self.layers)

    @property
    def bits(self) -> int:
        """Size of all tensors when they are sent dense."""
        return BITS_PER_VALUE * (self.weights + self.others)

    @property
    def tensors(self) -> tuple[str, ...]:
        """Names of all tensors, in order."""
        return tuple(tensor.name for tensor in self.every())

    @property
    def prunable(self) -> tuple[str, ...]:
        """Names of the tensors whose entries may be pruned."""
        return tuple(tensor.name for tensor in self.every() if tensor.role == "weight")

    @property
    def statistics(self) -> tuple[str, ...]:
        """Names of the tensors that follow from the data and are not trained."""
        return tuple(tensor.name for tensor in self.every() if tensor.role == "statistic")

    @property
    def trained(self) -> dict[str, int]:
        """Name → number of entries of the tensors that are trained, in order: all but statistics."""
        return {tensor.name: tensor.size for tensor in self.every() if tensor.role != "statistic"}

    def every(self) -> tuple[Tensor, ...]:
        """Return all tensors, in order."""
        return tuple(tensor for layer in self.layers for tensor in layer.tensors)

    def split(self, personal: str, key: str = "personal") -> tuple["Anatomy", "Anatomy"]:
        """Return the shared and the personal part.

        ``output`` makes the last layer with weights personal, ``input`` the first, ``norms`` every layer that
        normalises (arXiv 2102.07623), ``adapters`` those whose names speak of adapters (arXiv 2204.03809), ``none``
        nothing. Anything else is a list of layer names, between commas, in which * stands for any text.

        Args:
            personal: Which layers are personal.
            key: The field that says so, for a model that has none of them.
        """
        own = self._personal(personal, key)
        return (
            Anatomy(tuple(layer for layer in self.layers if layer.name not in own), self.spaces),
            Anatomy(tuple(layer for layer in self.layers if layer.name in own), self.spaces),
        )

    def _personal(self, personal: str, key: str) -> set[str]:
        """Return the names of the personal layers."""
        weighted = [layer.name for layer in self.layers if layer.weights]
        presets = {
            "output": lambda: weighted[-1:],
            "input": lambda: weighted[:1],
            "norms": lambda: [layer.name for layer in self.layers if layer.norm],
            "adapters": lambda: [layer.name for layer in self.layers if "adapter" in layer.name],
        }
        if personal == "none":
            return set()
        patterns = [pattern.strip() for pattern in personal.split(",")]
        found = (
            set(presets[personal]())
            if personal in presets
            else {
                layer.name
                for layer in self.layers
                if any(fnmatchcase(layer.name, p) for p in patterns)
            }
        )
        if not found:
            raise UserError(
                f"algorithm.{key}: the model has no layers '{personal}', but "
                f"{', '.join(layer.name for layer in self.layers)}; name some of them, or write none"
            )
        return found

    def first(self, count: int, key: str) -> str:
        """Return the names of the first layers with weights and of what follows each, as ``split`` takes them.

        Args:
            count: How many of them.
            key: The field that says so, for a model that has fewer.
        """
        begins = [*self._begins(count, key), len(self.layers)]
        return ", ".join(layer.name for layer in self.layers[: begins[count]])

    def last(self, count: int, key: str) -> str:
        """Return the names of the last layers with weights and of what follows each, as ``split`` takes them.

        Arguments as of ``first``.
        """
        begin = self._begins(count, key)[-count]
        return ", ".join(layer.name for layer in self.layers[begin:])

    def _begins(self, count: int, key: str) -> list[int]:
        """Return the places of the layers with weights, of which there are at least as many as asked for."""
        found = [place for place, layer in enumerate(self.layers) if layer.weights]
        if count > len(found):
            raise UserError(
                f"algorithm.{key}: the model has {len(found)} layers with weights, got {count}; take fewer"
            )
        return found

    def dense_exchange(self, samples: IntArray, macs: FloatArray | IntArray | float) -> Exchange:
        """Return the exchange in which every device receives and sends these layers as they are.

        Args:
            samples: Number of training samples of each device, shape (K,).
            macs: Operations of each device, one number or shape (K,).
        """
        return self.pruned_exchange(samples, (macs, 0.0), keep_min=1.0, mask=False)

    def pruned_exchange(
        self,
        samples: IntArray,
        macs: tuple[FloatArray | IntArray | float, float],
        *,
        keep_min: float,
        mask: bool = True,
    ) -> Exchange:
        """Return the exchange in which every device receives these layers and sends what it keeps of their weights.

        Args:
            samples: Number of training samples of each device, shape (K,).
            macs: Operations of each device that pruning leaves, and those that it scales.
            keep_min: Least share of weights that a device keeps; rounded up to whole weights.
            mask: Whether the message carries a bitmap of what was kept.
        """
        devices = len(samples)
        least = ceil(keep_min * self.weights - 1e-9) / self.weights if self.weights else keep_min
        every, none = np.ones(devices), np.zeros(devices)
        mask_bits = float(bitmap_bits(self.weights)) if mask else 0.0
        return Exchange(
            participants=np.arange(devices),
            down_bits=Load(every * self.bits, none),
            macs=Load(every * macs[0], every * macs[1]),
            up_bits=Load(
                every * (BITS_PER_VALUE * self.others + mask_bits),
                every * (BITS_PER_VALUE * self.weights),
            ),
            mask_bits=every * mask_bits,
            keep_min=every * least,
            keep_max=every,
            weight=every,
            units=self.weights,
        )


def step_macs(model: Anatomy, trained: Anatomy, pruned: Collection[Layer] = ()) -> tuple[int, int]:
    """Return the operations of one sample's training step: those that pruning leaves, and those that it scales.

    A step runs every layer forward, forms the weight gradients of the trained layers, and carries the error back
    through every layer that has a trained layer before it; where nothing is trained there is no step. Operations of a layer are taken as proportional to its
    kept weights, which is optimistic for unstructured masks on common hardware (docs/papers.md).
    """
    if not trained.layers:
        return 0, 0
    fixed = scaled = 0
    behind_trained = False
    for layer in model.layers:
        passes = 1 + (layer in trained.layers) + behind_trained
        behind_trained = behind_trained or layer in trained.layers
        if layer in pruned:
            scaled += passes * layer.macs
        else:
            fixed += passes * layer.macs
    return fixed, scaled


def bitmap_bits(weights: int) -> int:
    """Return the size of a bitmap over a number of weights, in whole bytes.

    >>> bitmap_bits(8), bitmap_bits(9)
    (8, 16)
    """
    return 8 * -(-weights // 8)
