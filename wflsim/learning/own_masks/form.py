"""What of a model devices may prune, single weights and whole channels, and what is then left to send and compute; without torch."""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from wflsim.contracts import FloatArray, IntArray
from wflsim.errors import UserError
from wflsim.learning.anatomy import BITS_PER_VALUE, Anatomy, Space, Tensor, bitmap_bits, step_macs
from wflsim.learning.pruning.counting import free_spaces, makers, makes


@dataclass(frozen=True)
class Form:
    """The tensors of which weights may go one by one, and the spaces of which units go with all that belongs to them.

    Attributes:
        anatomy: The model.
        weights: Names of the tensors.
        spaces: Names of the spaces.
    """

    anatomy: Anatomy
    weights: tuple[str, ...]
    spaces: tuple[str, ...] = ()

    @cached_property
    def masked(self) -> tuple[Tensor, ...]:
        """The tensors of which entries may be missing, in the model's order."""
        return tuple(
            tensor
            for tensor in self.anatomy.every()
            if tensor.name in self.weights
            or any(axis is not None and axis.space in self.spaces for axis in tensor.axes)
        )

    @property
    def units(self) -> tuple[Space, ...]:
        """The spaces themselves."""
        return tuple(self.anatomy.spaces[name] for name in self.spaces)

    @property
    def sizes(self) -> IntArray:
        """Number of entries of each masked tensor, shape (T,)."""
        return np.array([tensor.size for tensor in self.masked], dtype=np.int64)

    @cached_property
    def bitmap_bits(self) -> int:
        """Size of the bitmaps that a message carries: one of weights, one of units."""
        singles = sum(t.size for t in self.masked if t.name in self.weights)
        return bitmap_bits(singles) + bitmap_bits(sum(space.units for space in self.units))

    def value_bits(self, counts: IntArray) -> IntArray:
        """Return the size of what is left, given how many entries of each masked tensor are, shape (K, T); shape (K,)."""
        whole = self.anatomy.weights + self.anatomy.others - int(self.sizes.sum())
        return np.asarray(BITS_PER_VALUE * (whole + counts.sum(1)))

    def macs(self, counts: IntArray) -> FloatArray:
        """Return the operations of one sample's forward pass, a layer's as many as its weights that are left, shape (K,)."""
        return self._operations(counts, np.array([layer.macs for layer in self.anatomy.layers]))

    def step_macs(self, counts: IntArray) -> FloatArray:
        """Return the operations of one sample's step, counted alike, shape (K,)."""
        return self._operations(counts, np.array(_steps(self.anatomy)))

    def density(self, counts: IntArray) -> float:
        """Return the mean over devices and masked tensors of weights of the share that is left."""
        weights = np.array([tensor.role == "weight" for tensor in self.masked])
        return float((counts / self.sizes)[:, weights].mean())

    def _operations(self, counts: IntArray, whole: IntArray) -> FloatArray:
        """Return operations, given those of each layer when nothing is pruned."""
        column = {tensor.name: place for place, tensor in enumerate(self.masked)}
        total = np.zeros(len(counts))
        for layer, macs in zip(self.anatomy.layers, whole.tolist(), strict=True):
            weights = [tensor for tensor in layer.tensors if tensor.role == "weight"]
            gone = sum(
                (t.size - counts[:, column[t.name]] for t in weights if t.name in column),
                np.zeros(len(counts)),
            )
            total += macs * (1.0 - gone / layer.weights) if layer.weights else macs
        return total


@lru_cache(maxsize=32)
def _steps(anatomy: Anatomy) -> tuple[int, ...]:
    """Return the operations of one sample's step, layer by layer."""
    return tuple(step_macs(anatomy, anatomy, (layer,))[1] for layer in anatomy.layers)


@lru_cache(maxsize=32)
def single_weights(anatomy: Anatomy) -> Form:
    """Return the form in which all weights may go one by one."""
    return Form(anatomy, anatomy.prunable)


@lru_cache(maxsize=32)
def channels_and_weights(anatomy: Anatomy) -> Form:
    """Return the form in which channels of convolutions go where batch norms scale them, and weights of linear layers one by one."""
    spaces = [space.name for space in free_spaces(anatomy) if _scaled(anatomy, space.name)]
    if not spaces:
        raise UserError(
            "algorithm.pruning: hybrid prunes channels by the scales of batch norms, and the model has no convolution with one; "
            "take a model with norm: batch, or write pruning: unstructured"
        )
    linear = tuple(t.name for t in anatomy.every() if t.role == "weight" and len(t.shape) == 2)
    return Form(anatomy, linear, tuple(spaces))


def _scaled(anatomy: Anatomy, space: str) -> bool:
    """Return whether convolutions make the units of a space, and a batch norm scales them."""
    made = [t for layer in makers(anatomy, space) for t in layer.tensors if t.role == "weight"]
    norms = [layer for layer in anatomy.layers if any(t.role == "statistic" for t in layer.tensors)]
    scales = [t for layer in norms for t in layer.tensors if t.role == "scale"]
    return all(len(t.shape) > 2 for t in made) and any(makes(t, space) for t in scales)
