"""Output units that have a threshold each: where they stand in a row, and what is computed when some are pruned; no torch."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Literal

import numpy as np

from wflsim.contracts import BoolArray, FloatArray, IntArray
from wflsim.errors import UserError
from wflsim.learning.anatomy import Anatomy, Layer, Tensor
from wflsim.learning.blueprint.flow import INPUT

Divisor = Literal["fan_in", "kernel_area"]
Moves = Literal["weights", "both", "thresholds"]


@dataclass(frozen=True)
class Units:
    """The V output units of the weight tensors of some layers, in a row: tensor by tensor, by their first dimension.

    Attributes:
        anatomy: The whole model.
        bare: Names of the layers without thresholds.
    """

    anatomy: Anatomy
    bare: tuple[str, ...] = ()

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """The L layers whose units have thresholds."""
        return tuple(
            layer
            for layer in self.anatomy.layers
            if layer.weights and layer.name not in frozenset(self.bare)
        )

    @cached_property
    def tensors(self) -> tuple[Tensor, ...]:
        """The tensors whose rows are the units."""
        return tuple(t for layer in self.layers for t in layer.tensors if t.role == "weight")

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Number of units of each tensor."""
        return tuple(tensor.shape[0] for tensor in self.tensors)

    @cached_property
    def by_layer(self) -> tuple[int, ...]:
        """Number of units of each layer."""
        return tuple(
            sum(tensor.shape[0] for tensor in layer.tensors if tensor.role == "weight")
            for layer in self.layers
        )

    @property
    def count(self) -> int:
        """Number of units, V."""
        return sum(self.sizes)

    @property
    def weights(self) -> int:
        """Number of their weights."""
        return sum(tensor.size for tensor in self.tensors)

    @cached_property
    def fan_in(self) -> FloatArray:
        """Weights of each unit, shape (V,)."""
        return self._each([prod(tensor.shape[1:]) for tensor in self.tensors])

    def divisor(self, kind: Divisor) -> FloatArray:
        """Return what a change of thresholds is divided by: weights of a unit, or the kernel's area alone where it has one.

        The paper has the former [M], the code the latter for convolutions [C]; of linear layers both are the same.
        """
        if kind == "fan_in":
            return self.fan_in
        return self._each([prod(t.shape[2:]) if t.shape[2:] else t.shape[1] for t in self.tensors])

    def kept_of(self, kept: BoolArray) -> IntArray:
        """Return how many units of each layer are kept, shape (K, L), of kept units, shape (K, V)."""
        begins = np.cumsum([0, *self.by_layer[:-1]])
        return np.add.reduceat(kept.astype(np.int64), begins, axis=1)

    def operations(self, kept: BoolArray, moves: Moves = "weights") -> FloatArray:
        """Return the operations of one sample's training step within the mask of kept units, shape (K, V); shape (K,).

        A pruned unit's product is not computed. What it would feed is spared as well, but only where it stays silent, which
        takes away nothing: where no bias and no norm stands behind it. Thresholds learn from the slopes at pruned units,
        too, so that while they move the slopes of weights are those of all units, and those of values reach all inputs.

        Args:
            kept: Which units are kept.
            moves: What is trained: weights within the mask, thresholds with them, or thresholds alone.
        """
        total, behind = np.zeros(len(kept)), False
        every = moves != "weights"
        for layer in self.anatomy.layers:
            own = layer.name in self._rows
            out = self._share(kept, [self._rows[layer.name]]) if own else 1.0
            fed, moved = self._fed(kept, layer), own or moves != "thresholds"
            total += layer.mixing * (1 + moved + behind)
            products = layer.macs - layer.mixing
            total += products * out * fed
            if moved:
                total += products * (1.0 if every and own else out) * fed
            if behind:
                total += products * out * (1.0 if every else fed)
            behind = behind or moved
        return total

    def forward(self, kept: IntArray) -> FloatArray:
        """Return Σ r MACs over the layers, as the authors count a sample's pass, shape (K,) [C].

        Args:
            kept: How many units of each layer are kept, shape (K, L).
        """
        total = np.zeros(len(kept))
        column = {layer.name: index for index, layer in enumerate(self.layers)}
        for layer in self.anatomy.layers:
            total += layer.mixing
            products = layer.macs - layer.mixing
            if layer.name in column:
                index = column[layer.name]
                total += products * kept[:, index] / self.by_layer[index]
            else:
                total += products
        return total

    def reckoned(self, kept: IntArray, samples: IntArray, epochs: int, size: int) -> FloatArray:
        """Return a round's operations as the authors count them: 3 E |D| Σ r MACs + V batches + weights, shape (K,) [C].

        Thresholds are charged for the batches of one epoch.

        Args:
            kept: How many units of each layer were kept at the end, shape (K, L).
            samples: Number of training samples of each device, shape (K,).
            epochs: Local epochs E.
            size: Samples of a batch.
        """
        batches = -(-samples // size)
        return 3 * epochs * samples * self.forward(kept) + self.count * batches + self.weights

    @cached_property
    def _rows(self) -> dict[str, slice]:
        """Where the units of each layer stand."""
        ends = np.cumsum(self.by_layer).tolist()
        return {
            layer.name: slice(end - size, end)
            for layer, size, end in zip(self.layers, self.by_layer, ends, strict=True)
        }

    @cached_property
    def _makers(self) -> dict[str, list[slice]]:
        """For each space whose pruned units are silent, where the units stand that make it."""
        spaces = {axis.space for tensor in self.anatomy.every() for axis in tensor.axes if axis}
        found = {space: list(self._made(space)) for space in spaces if self._silent(space)}
        return {space: makers for space, makers in found.items() if makers}

    def _silent(self, space: str) -> bool:
        """Return whether nothing but products with weights ever stands in a space, and all that make it have thresholds."""
        if space == INPUT:
            return False
        for layer in self.anatomy.layers:
            for tensor in layer.tensors:
                runs = [axis is not None and axis.space == space for axis in tensor.axes]
                if tensor.role != "weight" and any(runs):
                    return False
                first = tensor.axes[0] if tensor.axes else None
                makes = tensor.role == "weight" and first is not None and first.space == space
                alone = layer.name in self._rows and len(layer.tensors) == 1
                if makes and not alone:
                    return False
        return True

    def _made(self, space: str) -> Iterator[slice]:
        for layer in self.layers:
            axes = layer.tensors[0].axes
            if axes and axes[0] is not None and axes[0].space == space:
                yield self._rows[layer.name]

    def _fed(self, kept: BoolArray, layer: Layer) -> FloatArray | float:
        """Return the share of a layer's inputs that are not silent, shape (K,)."""
        axes = [t.axes[1] for t in layer.tensors if t.role == "weight" and len(t.axes) > 1]
        makers = [self._makers.get(axis.space) if axis else None for axis in axes]
        if len(makers) != 1 or makers[0] is None:
            return 1.0
        return self._share(kept, makers[0])

    def _share(self, kept: BoolArray, makers: list[slice]) -> FloatArray:
        """Return the share of units that at least one of those who make them keeps, shape (K,)."""
        some = np.any([kept[:, rows] for rows in makers], axis=0)
        return np.asarray(some.sum(1) / some.shape[1])

    def _each(self, values: list[int]) -> FloatArray:
        return np.repeat(np.array(values, dtype=np.float64), self.sizes)


def units_of(anatomy: Anatomy, unmasked: str) -> Units:
    """Return the units of a model's layers, but for those that are named.

    Args:
        anatomy: The model.
        unmasked: The layers without thresholds, as ``Anatomy.split`` takes them.
    """
    masked, bare = anatomy.split(unmasked, "unmasked")
    if not masked.weights:
        raise UserError(
            f"algorithm.unmasked: '{unmasked}' leaves no layer whose units could have thresholds; name fewer layers"
        )
    return Units(anatomy, tuple(layer.name for layer in bare.layers))
