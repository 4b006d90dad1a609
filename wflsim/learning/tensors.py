"""Tensors taken apart for a checkpoint, and put together with the strides they had."""

from collections.abc import Mapping
from typing import Any

import torch

_ALIGNED = 64  # elements, after which memory is aligned alike


def saved(tensor: torch.Tensor) -> Mapping[str, Any]:
    """Return a tensor's values in order, each once, and how it lies in memory.

    How far it begins behind an aligned address is kept, since fast arithmetic may begin with what is before one.
    """
    if type(tensor) is not torch.Tensor or tensor.layout is not torch.strided:
        raise ValueError("it is no plain dense tensor")
    if tensor.requires_grad:
        raise ValueError("it hangs on a gradient, from which detach() frees it")
    tensor = tensor.resolve_conj().resolve_neg()
    once = tensor[_once(tensor.stride())].cpu()
    flat = once.clone(memory_format=torch.contiguous_format).reshape(-1)
    return {
        "dtype": str(tensor.dtype).removeprefix("torch."),
        "shape": tuple(tensor.shape),
        "strides": tensor.stride(),
        "offset": tensor.storage_offset() % _ALIGNED,
        "device": str(tensor.device),
        "values": flat.view(torch.uint8).numpy(),
    }


def restored(parts: Mapping[str, Any]) -> torch.Tensor:
    """Return the tensor, in memory of its own.

    >>> rows = torch.arange(6.0).reshape(2, 3).T
    >>> again = restored(saved(rows))
    >>> bool((again == rows).all()), again.stride()
    (True, (1, 3))
    """
    dtype, shape, strides = getattr(torch, parts["dtype"]), parts["shape"], parts["strides"]
    if 0 in shape:
        return torch.empty_strided(shape, strides, dtype=dtype, device=parts["device"])
    last = sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
    memory = torch.empty(parts["offset"] + last + 1, dtype=dtype)
    found = memory.as_strided(shape, strides, parts["offset"])
    once = found[_once(strides)]
    once.copy_(torch.from_numpy(parts["values"]).view(dtype).reshape(once.shape))
    return found.to(parts["device"])


def _once(strides: tuple[int, ...]) -> tuple[slice, ...]:
    """Return where each value stands once: axes along which nothing moves are cut to their first place."""
    return tuple(slice(0, 1) if stride == 0 else slice(None) for stride in strides)
