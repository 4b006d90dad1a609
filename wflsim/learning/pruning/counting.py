"""What is left of a model: weights, other entries, operations and bits, counted exactly and without torch."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from wflsim.contracts import IntArray
from wflsim.learning.anatomy import BITS_PER_VALUE, Anatomy, Layer, Space, Tensor, bitmap_bits

if TYPE_CHECKING:
    from wflsim.learning.pruning.masks import Masks

Widths = Mapping[str, IntArray]


@dataclass(frozen=True, eq=False)
class Counts:
    """What is left of a model on each of K devices.

    Attributes:
        weights: Number of weights, shape (K,).
        others: Number of all other entries, shape (K,).
        macs: Multiply-accumulate operations of one sample's forward pass, shape (K,).
        bits: Size of a message of it, with the bitmap of what is kept, shape (K,).
    """

    weights: IntArray
    others: IntArray
    macs: IntArray
    bits: IntArray


def free_spaces(part: Anatomy) -> tuple[Space, ...]:
    """Return the spaces of which units may be pruned when a part of a model is sent: those that its layers make."""
    return tuple(
        space for space in part.spaces.values() if space.free and any(makers(part, space.name))
    )


def makers(anatomy: Anatomy, space: str) -> tuple[Layer, ...]:
    """Return the layers that make the units of a space: whose weights begin with them."""
    return tuple(
        layer
        for layer in anatomy.layers
        if any(tensor.role == "weight" and makes(tensor, space) for tensor in layer.tensors)
    )


def convolved(anatomy: Anatomy, space: str) -> bool:
    """Return whether the units of a space are a convolution's: whose weights see more than one place of each input."""
    return any(
        len(tensor.shape) > 2
        for layer in makers(anatomy, space)
        for tensor in layer.tensors
        if tensor.role == "weight"
    )


def makes(tensor: Tensor, space: str) -> bool:
    """Return whether the first dimension of a tensor runs over the units of a space."""
    return bool(tensor.axes) and tensor.axes[0] is not None and tensor.axes[0].space == space


def thinned(anatomy: Anatomy, widths: Mapping[str, int]) -> Anatomy:
    """Return what is left of a model when so many units of some spaces are kept."""
    layers = []
    for layer in anatomy.layers:
        tensors = tuple(replace(t, shape=_shape(t, widths)) for t in layer.tensors)
        thin = replace(layer, tensors=tensors)
        macs = layer.macs * thin.weights // layer.weights if layer.weights else layer.macs
        layers.append(replace(thin, macs=macs))
    spaces = {
        name: replace(space, units=widths.get(name, space.units))
        for name, space in anatomy.spaces.items()
    }
    return Anatomy(tuple(layers), spaces)


def bits_of(part: Anatomy, widths: Widths) -> IntArray:
    """Return the size of a message of a part of a model at some widths: what is kept, and a bitmap of its units.

    Widths may have any shape, the same for all spaces; so has the result.
    """
    return BITS_PER_VALUE * _left(part.every(), widths) + unit_bits(part)


def weights_of(part: Anatomy, widths: Widths) -> IntArray:
    """Return how many weights are left of a part of a model at some widths, which may have any shape."""
    return _left([tensor for tensor in part.every() if tensor.role == "weight"], widths)


def unit_bits(part: Anatomy) -> int:
    """Return the size of the bitmap over the units that may be pruned."""
    return bitmap_bits(sum(space.units for space in free_spaces(part)))


def counts(anatomy: Anatomy, masks: "Masks") -> Counts:
    """Return what is left of a model, or of a part of one, on each device.

    Operations of a layer are those of its kept weights: exact for units, and for weights what hardware that skips every
    pruned weight would compute.
    """
    none = np.zeros(masks.devices, dtype=np.int64)
    weights, others, macs = none, none, none
    for layer in anatomy.layers:
        left = sum((masks.kept(t) for t in layer.tensors if t.role == "weight"), none)
        weights = weights + left
        others = others + sum((masks.kept(t) for t in layer.tensors if t.role != "weight"), none)
        macs = macs + (layer.macs * left // layer.weights if layer.weights else layer.macs)
    bitmap = unit_bits(anatomy) if masks.units else bitmap_bits(_masked(anatomy, masks))
    return Counts(weights, others, macs, BITS_PER_VALUE * (weights + others) + bitmap)


def _masked(anatomy: Anatomy, masks: "Masks") -> int:
    return sum(tensor.size for tensor in anatomy.every() if tensor.name in masks.entries)


def _left(tensors: Iterable[Tensor], widths: Widths) -> IntArray:
    """Return how many entries are left of some tensors."""
    return np.asarray(sum(prod(_shape(tensor, widths)) for tensor in tensors))


def _shape(tensor: Tensor, widths: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the shape of what is left of a tensor; widths may be numbers or arrays."""
    axes = tensor.axes or (None,) * len(tensor.shape)
    return tuple(
        size
        if axis is None or axis.space not in widths
        else axis.before * axis.after * widths[axis.space]
        for size, axis in zip(tensor.shape, axes, strict=True)
    )
