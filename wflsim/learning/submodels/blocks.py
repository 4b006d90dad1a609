"""Blocks of a model, its output units with their biases, and which of them fit a budget; known without torch."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from wflsim.contracts import BoolArray, FloatArray, IntArray
from wflsim.errors import UserError
from wflsim.learning.anatomy import Anatomy, Layer, Tensor, step_macs


@dataclass(frozen=True)
class Strip:
    """A layer's tensors that are cut into the same blocks: entry by entry of their first dimension.

    Attributes:
        layer: The layer.
        tensors: Its weights, and its biases, of one length.
    """

    layer: Layer
    tensors: tuple[Tensor, ...]

    @property
    def blocks(self) -> int:
        """Number of blocks."""
        return self.tensors[0].shape[0]

    @property
    def size(self) -> int:
        """Entries of a block."""
        return sum(tensor.size for tensor in self.tensors) // self.blocks

    @property
    def share(self) -> float:
        """Share of the layer's weights in all blocks together."""
        weights = sum(tensor.size for tensor in self.tensors if tensor.role == "weight")
        return weights / self.layer.weights


@dataclass(frozen=True)
class Blocks:
    """The blocks of a model, layer by layer; what normalises is in none.

    Attributes:
        anatomy: The model's layers.
    """

    anatomy: Anatomy

    @cached_property
    def strips(self) -> tuple[Strip, ...]:
        """Where the blocks are."""
        return tuple(strip for layer in self.anatomy.layers for strip in _strips(layer))

    @property
    def count(self) -> int:
        """Number of blocks."""
        return sum(strip.blocks for strip in self.strips)

    @cached_property
    def sizes(self) -> IntArray:
        """Entries of each block, shape (B,)."""
        return np.repeat([s.size for s in self.strips], [s.blocks for s in self.strips])

    @cached_property
    def strip(self) -> IntArray:
        """Which strip each block is of, shape (B,)."""
        return np.repeat(np.arange(len(self.strips)), [s.blocks for s in self.strips])

    @cached_property
    def macs(self) -> FloatArray:
        """Operations of one sample's training step that go with each block, shape (B,)."""
        each = [step_macs(self.anatomy, self.anatomy, (s.layer,))[1] * s.share for s in self.strips]
        per_block = [macs / s.blocks for macs, s in zip(each, self.strips, strict=True)]
        return np.repeat(per_block, [s.blocks for s in self.strips])

    @property
    def other_macs(self) -> float:
        """Operations of one sample's training step that go with no block."""
        whole = step_macs(self.anatomy, self.anatomy)[0]
        return max(0.0, float(whole - self.macs.sum()))

    @property
    def others(self) -> tuple[Tensor, ...]:
        """The tensors in no block."""
        cut = {tensor.name for strip in self.strips for tensor in strip.tensors}
        return tuple(tensor for tensor in self.anatomy.every() if tensor.name not in cut)

    def budget(self, share: float) -> int:
        """Return how many entries blocks may have together; refuse so few that a layer would have no block."""
        found = int(share * int(self.sizes.sum()) * (1 + 1e-12))
        least = sum(strip.size for strip in self.strips)
        if found < least:
            raise UserError(
                f"algorithm.share: one block of each layer has {least} entries of {int(self.sizes.sum())}, and {share} of them "
                f"are {found}; keep more"
            )
        return found


def _strips(layer: Layer) -> list[Strip]:
    """Return the strips of a layer; a bias that is as long as no weight is in none."""
    cut = [tensor for tensor in layer.tensors if tensor.role in {"weight", "bias"}]
    lengths = dict.fromkeys(tensor.shape[0] for tensor in cut if tensor.role == "weight")
    return [
        Strip(layer, tuple(tensor for tensor in cut if tensor.shape[0] == length))
        for length in lengths
    ]


def valued(importance: FloatArray) -> IntArray:
    """Return importances in [0, 1] as values of a knapsack: tenths, rounded, at least one."""
    return np.maximum(np.rint(10.0 * importance), 1.0).astype(np.int64)


def packed_blocks(
    importance: FloatArray, sizes: IntArray, strip: IntArray, budget: int
) -> BoolArray:
    """Return blocks of large total value whose sizes fit a budget, shape (K, B).

    The most important block of each strip is taken first. Then every block that still fits is, in the order of value over
    size; of equals the more important, then the earlier. What is gained in all is less than one block's value, so less than
    10, below the most that any choice with those first blocks could gain: a prefix of this order and a part of the block after
    it is the best that fractions of blocks can do.

    Args:
        importance: Importance of each block, in [0, 1], shape (K, B).
        sizes: Entries of each, shape (B,).
        strip: Which strip each is of, rising, shape (B,).
        budget: Entries that all chosen blocks may have together, at least those of one block of each strip.
    """
    ratio = valued(importance) / sizes
    begins = np.flatnonzero(np.diff(strip, prepend=-1))
    for begin, end in zip(begins, [*begins[1:], len(sizes)], strict=True):
        best = begin + importance[:, begin:end].argmax(1)
        ratio[np.arange(len(ratio)), best] = np.inf
    order = np.lexsort((-importance, -ratio), axis=1)
    size = sizes[order]
    taken = size.cumsum(1) <= budget
    left = budget - (size * taken).sum(1)
    for place in range(int(taken.sum(1).min(initial=len(sizes))), len(sizes)):
        if (left < sizes.min()).all():
            break
        fits = ~taken[:, place] & (size[:, place] <= left)
        taken[:, place] |= fits
        left -= size[:, place] * fits
    found = np.zeros_like(taken)
    np.put_along_axis(found, order, taken, axis=1)
    return found
