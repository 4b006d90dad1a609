"""Masks of K devices: entry by entry, or following from units that are kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch

from wflsim.contracts import BoolArray, IntArray
from wflsim.learning.anatomy import Anatomy, Axis, Tensor

Stacked = Mapping[str, torch.Tensor]


@dataclass(frozen=True, eq=False)
class Masks:
    """What each of K devices keeps; what has no mask is kept whole.

    Attributes:
        entries: Tensor name → which of its entries are kept, booleans, shape (K, …).
        units: Space name → which of its units are kept, booleans, shape (K, n); empty where entries are pruned one by
            one.
    """

    entries: Stacked
    units: Stacked

    @classmethod
    def unstructured(cls, entries: Stacked) -> Self:
        """Return masks of single entries, shapes (K, …)."""
        return cls(dict(entries), {})

    @classmethod
    def structured(cls, anatomy: Anatomy, units: Stacked) -> Self:
        """Return masks of units: an entry is kept where all units that it belongs to are kept.

        Args:
            anatomy: The layers whose entries follow, of whatever role.
            units: Space name → which of its units are kept, booleans, shape (K, n).
        """
        entries = {
            tensor.name: followed(tensor, units).expand(-1, *tensor.shape)
            for tensor in touched(anatomy, units)
        }
        return cls(entries, dict(units))

    @classmethod
    def from_tensors(cls, anatomy: Anatomy, tensors: Stacked) -> Self:
        """Return masks from what ``to_tensors`` made of them."""
        shapes = {tensor.name: tensor.shape for tensor in anatomy.every()}
        entries: dict[str, torch.Tensor] = {}
        units: dict[str, torch.Tensor] = {}
        for key, packed in tensors.items():
            kind, name = key.split(".", 1)
            if kind == "units":
                units[name] = unpacked(packed, (anatomy.spaces[name].units,))
            else:
                entries[name] = unpacked(packed, shapes[name])
        return cls.structured(anatomy, units) if units else cls.unstructured(entries)

    def to_tensors(self) -> dict[str, torch.Tensor]:
        """Return the masks as bytes of eight bits, a row a device, shapes (K, bytes), which a store can hold."""
        kind, masks = ("units", self.units) if self.units else ("entries", self.entries)
        return {f"{kind}.{name}": packed(mask) for name, mask in masks.items()}

    @property
    def devices(self) -> int:
        """Number of devices; one where nothing has a mask."""
        return max((len(mask) for mask in (self.units or self.entries).values()), default=1)

    @property
    def widths(self) -> dict[str, IntArray]:
        """Number of units that each device keeps of each space, shapes (K,)."""
        return {name: mask.sum(1).numpy() for name, mask in self.units.items()}

    def kept(self, tensor: Tensor) -> IntArray | int:
        """Return how many of a tensor's entries each device keeps, shape (K,)."""
        mask = self.entries.get(tensor.name)
        return tensor.size if mask is None else mask.flatten(1).sum(1).numpy()

    def only(self, rows: IntArray) -> "Masks":
        """Return the masks of some of the devices, by their rows."""
        chosen = torch.from_numpy(rows)
        return Masks(
            {name: mask[chosen] for name, mask in self.entries.items()},
            {name: mask[chosen] for name, mask in self.units.items()},
        )

    def applied(self, params: Stacked) -> dict[str, torch.Tensor]:
        """Return stacked tensors, shapes (K, …), with zero in place of what is pruned."""
        return {
            name: torch.where(self.entries[name], tensor, 0) if name in self.entries else tensor
            for name, tensor in params.items()
        }

    def within(self, other: "Masks") -> BoolArray:
        """Return whether all that a device keeps is kept in other masks of the same tensors too, shape (K,)."""
        found = torch.ones(self.devices, dtype=torch.bool)
        for name, mask in other.entries.items():
            revived = self.entries[name] & ~mask if name in self.entries else ~mask
            found = found & ~revived.flatten(1).any(1)
        return found.numpy()


def followed(tensor: Tensor, units: Stacked) -> torch.Tensor:
    """Return which entries of a tensor are kept when some units are, to be broadcast to shape (K, …).

    It is the outer product over the tensor's axes; a dimension whose units have no mask is kept whole.
    """
    kept = torch.ones((1,) * (len(tensor.shape) + 1), dtype=torch.bool)
    for dim, axis in enumerate(tensor.axes):
        if axis is not None and axis.space in units:
            kept = kept & at_dim(spread(units[axis.space], axis), dim, len(tensor.shape))
    return kept


def spread(units: torch.Tensor, axis: Axis) -> torch.Tensor:
    """Return which entries along a dimension belong to kept units, shape (K, before · n · after)."""
    return units.repeat_interleave(axis.after, 1).repeat(1, axis.before)


def at_dim(along: torch.Tensor, dim: int, dims: int) -> torch.Tensor:
    """Return values along one of some dimensions, shape (K, w), as a tensor of shape (K, 1, …, w, …, 1)."""
    shape = [1] * dims
    shape[dim] = along.shape[1]
    return along.view(len(along), *shape)


def touched(anatomy: Anatomy, units: Stacked) -> tuple[Tensor, ...]:
    """Return the tensors that run over some of the units."""
    return tuple(
        tensor
        for tensor in anatomy.every()
        if any(axis is not None and axis.space in units for axis in tensor.axes)
    )


def both(one: Stacked, other: Stacked) -> dict[str, torch.Tensor]:
    """Return what both keep: of entries or of units; what has no mask is kept whole."""
    every = {**one, **other}
    return {
        name: one[name] & other[name] if name in one and name in other else every[name]
        for name in every
    }


def either(one: Stacked, other: Stacked) -> dict[str, torch.Tensor]:
    """Return what at least one of them keeps: of entries or of units; what has no mask is kept whole."""
    return {name: one[name] | other[name] for name in one if name in other}


def packed(mask: torch.Tensor) -> torch.Tensor:
    """Return booleans, shape (K, …), as a row of bytes a device."""
    return torch.from_numpy(np.packbits(mask.flatten(1).numpy(), axis=1))


def unpacked(rows: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    """Return booleans, shape (K, *shape), from a row of bytes a device."""
    count = int(np.prod(shape))
    bits = np.unpackbits(rows.numpy(), axis=1, count=count).astype(bool)
    return torch.from_numpy(bits.reshape(len(rows), *shape))
