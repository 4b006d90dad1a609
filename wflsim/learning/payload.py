"""What a device sends: kept weights and a bitmap of where they belong, or dense tensors."""

from collections.abc import Mapping

import numpy as np
import torch

from wflsim.contracts import Message

KEPT, BITMAP = "kept", "bitmap"


def pruned(
    params: Mapping[str, torch.Tensor], masks: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Return what a device sends: its kept weights, their bitmap, and the tensors that no mask covers."""
    if not masks:
        return dict(params)
    mask = torch.cat([masks[name].flatten() for name in masks])
    weights = torch.cat([params[name].flatten() for name in masks])
    bitmap = torch.from_numpy(np.packbits(mask.numpy()))
    whole = {name: tensor for name, tensor in params.items() if name not in masks}
    return {KEPT: weights[mask], BITMAP: bitmap, **whole}


def unpack(
    message: Message, shapes: Mapping[str, torch.Size]
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Return what the server makes of a message: the parameters, zero where pruned, and their masks.

    Args:
        message: What was sent.
        shapes: Shape of every tensor that the message speaks of, by name, in the sender's order.
    """
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
