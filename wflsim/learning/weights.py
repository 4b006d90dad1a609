"""The final weights as a file: safetensors, which carries no code; written as it comes, a model in memory at once."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby
from math import prod
from pathlib import Path
from typing import Any

import torch

from wflsim.contracts import Algorithm

_TYPES = {
    torch.int64: "I64",
    torch.float64: "F64",
    torch.float32: "F32",
    torch.int32: "I32",
    torch.bfloat16: "BF16",
    torch.float16: "F16",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
"""Names of types in the file, in the order in which the format's own library writes tensors."""

_RANKS = {dtype: rank for rank, dtype in enumerate(_TYPES)}


@dataclass(frozen=True, order=True)
class _Entry:
    """A tensor of the file; they are sorted by type and then by name, as the format's own library does.

    Attributes:
        rank: Place of its type.
        name: Its name in the file.
        tensor: Its name in the model.
        device: Whose it is; -1 for the global model.
        shape: Its shape.
        dtype: Its type.
    """

    rank: int
    name: str
    tensor: str
    device: int
    shape: tuple[int, ...]
    dtype: torch.dtype


def write_weights(path: Path, algorithm: Algorithm, state: Any, devices: int) -> str:
    """Write the global model's weights, and of each device those that differ from them; return the file's SHA-256."""
    digest = sha256()
    with path.open("wb") as file:
        for chunk in _chunks(algorithm, state, devices):
            file.write(chunk)
            digest.update(chunk)
    return digest.hexdigest()


def _chunks(algorithm: Algorithm, state: Any, devices: int) -> Iterator[bytes | memoryview]:
    """Yield the file: the length of its head, the head, which names every tensor, and the tensors' bytes in that order."""
    whole = algorithm.model_for(state, None)
    entries = sorted(
        [_entry(f"global.{name}", name, -1, tensor) for name, tensor in whole.items()]
        + [
            _entry(f"device{device}.{name}", name, device, tensor)
            for device in range(devices)
            for name, tensor in algorithm.model_for(state, device).items()
            if tensor is not whole[name] and not torch.equal(tensor, whole[name])
        ]
    )
    head = _head(entries)
    yield len(head).to_bytes(8, "little")
    yield head
    for device, group in groupby(entries, key=lambda entry: entry.device):
        model = whole if device < 0 else algorithm.model_for(state, device)
        for entry in group:
            yield (
                model[entry.tensor].detach().reshape(-1).contiguous().view(torch.uint8).numpy().data
            )


def _entry(name: str, own: str, device: int, tensor: torch.Tensor) -> _Entry:
    return _Entry(_RANKS[tensor.dtype], name, own, device, tuple(tensor.shape), tensor.dtype)


def _head(entries: list[_Entry]) -> bytes:
    """Return the table of tensors as JSON, filled up with spaces to a multiple of eight bytes."""
    table, begin = {}, 0
    for entry in entries:
        end = begin + prod(entry.shape) * entry.dtype.itemsize
        table[entry.name] = {
            "dtype": _TYPES[entry.dtype],
            "shape": entry.shape,
            "data_offsets": (begin, end),
        }
        begin = end
    text = json.dumps(table, separators=(",", ":"), ensure_ascii=False).encode()
    return text + b" " * (-len(text) % 8)
