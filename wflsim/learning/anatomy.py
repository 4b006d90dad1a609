"""A model told without torch: its layers, their sizes, their operations, and how it is split in two."""

from collections.abc import Collection
from dataclasses import dataclass
from math import ceil, prod
from typing import Literal

import numpy as np

from wflsim.contracts import Exchange, IntArray, Load

BITS_PER_VALUE = 32
Split = Literal["output", "input", "none"]


@dataclass(frozen=True)
class Layer:
    """A layer with weights.

    Attributes:
        name: Name of the layer in the module; its tensors are ``name.weight`` and ``name.bias``.
        weight_shape: Shape of the weights, which may be pruned.
        biases: Number of biases, which are never pruned.
        macs: Multiply-accumulate operations of one sample's forward pass.
    """

    name: str
    weight_shape: tuple[int, ...]
    biases: int
    macs: int

    @property
    def weights(self) -> int:
        """Number of weights."""
        return prod(self.weight_shape)

    @property
    def tensors(self) -> tuple[str, ...]:
        """Names of the layer's tensors."""
        return (
            (f"{self.name}.weight", f"{self.name}.bias")
            if self.biases
            else (f"{self.name}.weight",)
        )


@dataclass(frozen=True)
class Anatomy:
    """The layers of a model, from input to output.

    Attributes:
        layers: The layers with weights.
    """

    layers: tuple[Layer, ...]

    @property
    def weights(self) -> int:
        """Number of weights."""
        return sum(layer.weights for layer in self.layers)

    @property
    def biases(self) -> int:
        """Number of biases."""
        return sum(layer.biases for layer in self.layers)

    @property
    def bits(self) -> int:
        """Size of all tensors when they are sent dense."""
        return BITS_PER_VALUE * (self.weights + self.biases)

    @property
    def tensors(self) -> tuple[str, ...]:
        """Names of all tensors, in order."""
        return tuple(name for layer in self.layers for name in layer.tensors)

    def split(self, personal: Split) -> tuple["Anatomy", "Anatomy"]:
        """Return the shared and the personal part.

        ``output`` makes the last layer personal, ``input`` the first, ``none`` nothing.
        """
        cut = {"output": len(self.layers) - 1, "input": 1, "none": len(self.layers)}[personal]
        front, back = Anatomy(self.layers[:cut]), Anatomy(self.layers[cut:])
        return (back, front) if personal == "input" else (front, back)

    def dense_exchange(self, samples: IntArray, macs: float) -> Exchange:
        """Return the exchange in which every device receives and sends these layers as they are.

        Args:
            samples: Number of training samples of each device, shape (K,).
            macs: Operations of each device.
        """
        return self.pruned_exchange(samples, (macs, 0.0), keep_min=1.0, mask=False)

    def pruned_exchange(
        self, samples: IntArray, macs: tuple[float, float], *, keep_min: float, mask: bool = True
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
                every * (BITS_PER_VALUE * self.biases + mask_bits),
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
