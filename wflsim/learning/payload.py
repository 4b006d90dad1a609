"""What a device sends: kept weights and a bitmap of where they belong, kept units and theirs, or dense tensors."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from wflsim.contracts import Message
from wflsim.learning.anatomy import Anatomy, Axis
from wflsim.learning.pruning.counting import free_spaces
from wflsim.learning.pruning.masks import packed, spread, unpacked

KEPT, BITMAP, UNITS = "kept", "bitmap", "units"

Tensors = Mapping[str, torch.Tensor]


def pruned(params: Tensors, masks: Tensors) -> dict[str, torch.Tensor]:
    """Return what a device sends: its kept weights, their bitmap, and the tensors that no mask covers."""
    if not masks:
        return dict(params)
    mask = torch.cat([masks[name].flatten() for name in masks])
    weights = torch.cat([params[name].flatten() for name in masks])
    bitmap = torch.from_numpy(np.packbits(mask.numpy()))
    whole = {name: tensor for name, tensor in params.items() if name not in masks}
    return {KEPT: weights[mask], BITMAP: bitmap, **whole}


def with_units(part: Anatomy, thin: Tensors, units: Tensors) -> dict[str, torch.Tensor]:
    """Return what a device sends of which it keeps some units: thin tensors, and a bitmap of the units.

    Args:
        part: The layers that are sent.
        thin: Their tensors, cut out of the dense ones (``Thinning.thin``), without zeros in empty places.
        units: Space name → which units of the part's free spaces are kept, shapes (n,); all of those not named.
    """
    spaces = free_spaces(part)
    every = [
        units[s.name] if s.name in units else torch.ones(s.units, dtype=torch.bool) for s in spaces
    ]
    bitmap = {UNITS: packed(torch.cat(every)[None])[0]} if spaces else {}
    return {**{name: thin[name] for name in part.tensors}, **bitmap}


def unpack(
    message: Message, shapes: Mapping[str, torch.Size], part: Anatomy | None = None
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Return what the server makes of a message: the parameters, zero where pruned, and their masks.

    Args:
        message: What was sent.
        shapes: Shape of every tensor that the message speaks of, by name, in the sender's order.
        part: The layers that were sent, without which a bitmap of units cannot be read.
    """
    if UNITS in message.tensors:
        return _from_units(message, shapes, part)
    params = {name: tensor for name, tensor in message.tensors.items() if name in shapes}
    sparse = {name: shape for name, shape in shapes.items() if name not in params}
    masks = {name: torch.ones(shape, dtype=torch.bool) for name, shape in shapes.items()}
    if sparse:
        total = sum(shape.numel() for shape in sparse.values())
        bits = np.unpackbits(message.tensors[BITMAP].numpy(), count=total).astype(bool)
        mask = torch.from_numpy(bits)
        weights = torch.zeros(total, dtype=message.tensors[KEPT].dtype).masked_scatter(
            mask, message.tensors[KEPT]
        )
        sizes = [shape.numel() for shape in sparse.values()]
        for (name, shape), values, kept in zip(
            sparse.items(), torch.split(weights, sizes), torch.split(mask, sizes), strict=True
        ):
            params[name], masks[name] = values.reshape(shape), kept.reshape(shape)
    return params, masks


def units_of(messages: Sequence[Message], part: Anatomy) -> dict[str, torch.Tensor]:
    """Return which units of the free spaces some messages speak of, shapes (K, n)."""
    spaces = free_spaces(part)
    sizes = [space.units for space in spaces]
    flags = unpacked(torch.stack([message.tensors[UNITS] for message in messages]), (sum(sizes),))
    return {s.name: kept for s, kept in zip(spaces, torch.split(flags, sizes, dim=1), strict=True)}


Places = tuple[tuple[int, torch.Tensor], ...]


def places_of(
    messages: Sequence[Message], part: Anatomy
) -> tuple[list[dict[str, Places]], dict[Axis, torch.Tensor]]:
    """Return where the tensors of messages of units belong, and which entries along each axis are kept, shapes (K, size).

    Where they belong is told a message and by name: the dimensions that are cut, and their entries.
    """
    units = units_of(messages, part)
    axes = {axis for tensor in part.every() for axis in tensor.axes if axis is not None}
    kept = {axis: spread(units[axis.space], axis) for axis in axes if axis.space in units}
    whole = {axis: each.all(1).tolist() for axis, each in kept.items()}
    there = {axis: [row.nonzero()[:, 0] for row in each] for axis, each in kept.items()}
    cut = {
        tensor.name: [(dim, axis) for dim, axis in enumerate(tensor.axes) if axis in kept]
        for tensor in part.every()
    }
    found = [
        {
            name: tuple((dim, there[axis][k]) for dim, axis in dims if not whole[axis][k])
            for name, dims in cut.items()
        }
        for k in range(len(messages))
    ]
    return found, kept


def _from_units(
    message: Message, shapes: Mapping[str, torch.Size], part: Anatomy | None
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Return the parameters and masks of a message that carries kept units."""
    if part is None:
        raise ValueError(
            "part: a message of kept units needs the layers that it is of, got none; name them"
        )
    (every,), params, masks = places_of([message], part)[0], {}, {}
    for name, shape in shapes.items():
        thin, kept = message.tensors[name], torch.ones((), dtype=torch.bool)
        params[name] = added_at(thin.new_zeros(shape), every[name], thin)
        for along in kept_along(shape, every[name]):
            kept = kept & along
        masks[name] = kept.expand(shape)
    return params, masks


def added_at(dense: torch.Tensor, places: Places, thin: torch.Tensor) -> torch.Tensor:
    """Add a tensor in place to the entries of another that it was cut from, and return that."""
    if not places:
        return dense.add_(thin)
    (dim, there), *rest = places
    if not rest:
        return dense.index_add_(dim, there, thin)
    part = added_at(dense.index_select(dim, there), tuple(rest), thin)
    return dense.index_copy_(dim, there, part)


def kept_along(shape: torch.Size, places: Places) -> list[torch.Tensor]:
    """Return for each dimension that is cut which entries are kept, to be broadcast to a shape."""
    found = []
    for dim, there in places:
        kept = torch.zeros(shape[dim], dtype=torch.bool)
        kept[there] = True
        found.append(kept.view([-1 if dim == each else 1 for each in range(len(shape))]))
    return found
