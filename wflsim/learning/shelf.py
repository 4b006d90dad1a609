"""What devices keep for themselves between rounds: one record a device, for populations far larger than a cohort."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import count
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from wflsim.contracts import IntArray
from wflsim.learning.arena import Arena, Bytes, Row

BUDGET_BYTES = 2**29
"""Memory for records unless somebody says otherwise; the others lie in a temporary file."""

_BLOCK_BYTES = 2**25  # of records that are looked at together

Tensors = Mapping[str, torch.Tensor]


@dataclass(frozen=True, eq=False)
class Layout:
    """How a record's tensors lie in a row of bytes: one after another, in order.

    Attributes:
        default: The record of a device that has never taken part, which gives names, shapes and types.
    """

    default: Tensors

    @cached_property
    def row_bytes(self) -> int:
        """Length of a row."""
        return sum(tensor.nbytes for tensor in self.default.values())

    @cached_property
    def record(self) -> Bytes:
        """The default record as a row, shape (row_bytes,)."""
        if not self.default:
            return np.empty(0, dtype=np.uint8)
        row: Bytes = self.packed({name: tensor[None] for name, tensor in self.default.items()})[0]
        return row

    def packed(self, values: Tensors) -> Bytes:
        """Return stacked tensors, shapes (K, …), as rows, shape (K, row_bytes)."""
        pieces = [
            values[name].detach().cpu().reshape(len(values[name]), like.numel()).contiguous()
            for name, like in self.default.items()
        ]
        rows: Bytes = np.concatenate([piece.view(torch.uint8).numpy() for piece in pieces], axis=1)
        return rows

    def unpacked(self, rows: Bytes) -> dict[str, torch.Tensor]:
        """Return rows, shape (K, row_bytes), as stacked tensors of their own, shapes (K, …)."""
        found, begin = {}, 0
        for name, like in self.default.items():
            piece = torch.from_numpy(rows[:, begin : begin + like.nbytes].copy())
            found[name] = piece.view(like.dtype).reshape(len(rows), *like.shape)
            begin += like.nbytes
        return found

    def refuse(self, values: Tensors, devices: int) -> None:
        """Raise ValueError for tensors that are not those of so many records."""
        for name, tensor in values.items():
            if name not in self.default:
                raise ValueError(
                    f"{name}: no part of a record; its parts are {', '.join(self.default)}"
                )
            like = self.default[name]
            expected = (devices, *like.shape)
            if tuple(tensor.shape) != expected or tensor.dtype != like.dtype:
                raise ValueError(
                    f"{name}: must be {like.dtype} of shape {expected}, got {tensor.dtype} of {tuple(tensor.shape)}; "
                    "bring one record a device"
                )


@dataclass(frozen=True, eq=False)
class Shelf:
    """A record of every device, of which those that differ from the default are stored.

    An update returns a new shelf and leaves the old one as it was; both share what has not changed, and what no shelf
    refers to any more is forgotten. Memory for records is bounded, whatever the number of devices and of shelves.

    Attributes:
        layout: What a record is made of.
        devices: Number of devices K.
        held: Device → its row, for those that have ever taken part.
        arena: Where rows lie.
        known: The devices that may be asked for; None for all.

    >>> old = Shelf.of_default({"w": torch.zeros(2)}, devices=1000)
    >>> new = old.replaced(np.array([7]), {"w": torch.ones(1, 2)})
    >>> new.rows(np.array([6, 7]))["w"].tolist(), old.row(7)["w"].tolist()
    ([[0.0, 0.0], [1.0, 1.0]], [0.0, 0.0])
    """

    layout: Layout
    devices: int
    held: Mapping[int, Row]
    arena: Arena
    known: frozenset[int] | None = None

    @classmethod
    def of_default(
        cls, default: Tensors, devices: int, budget_bytes: int = BUDGET_BYTES
    ) -> "Shelf":
        """Return the shelf on which every device has the same record."""
        layout = Layout(dict(default))
        return cls(layout, devices, {}, Arena(layout.row_bytes, budget_bytes))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parts of a record."""
        return tuple(self.layout.default)

    @property
    def touched(self) -> IntArray:
        """The devices that have ever taken part, in rising order; none where records are empty."""
        return np.array(sorted(self.held), dtype=np.int64)

    def rows(self, devices: IntArray | Sequence[int]) -> dict[str, torch.Tensor]:
        """Return the records of some devices, in their order, as tensors of their own, shapes (K, …)."""
        who = self._checked(devices)
        block = np.empty((len(who), self.layout.row_bytes), dtype=np.uint8)
        own = [place for place, device in enumerate(who) if device in self.held]
        if len(own) < len(who):
            block[:] = self.layout.record
        if own:
            block[own] = self._stored([who[place] for place in own])
        return self.layout.unpacked(block)

    def row(self, device: int) -> dict[str, torch.Tensor]:
        """Return the record of a device; one that has never taken part has the default's tensors themselves."""
        (who,) = self._checked([device])
        if who not in self.held:
            return dict(self.layout.default)
        return {
            name: tensor[0] for name, tensor in self.layout.unpacked(self._stored([who])).items()
        }

    def replaced(self, devices: IntArray, values: Tensors) -> "Shelf":
        """Return the shelf on which some devices have other records; parts that are not given stay as they are.

        Args:
            devices: Indices of the devices, shape (K,), each once.
            values: What they have now, shapes (K, …).
        """
        who = self._checked(devices)
        self.layout.refuse(values, len(who))
        if not self.names or not who:
            return self
        if len(values) < len(self.names):
            values = {**self.rows(devices), **values}
        rows = self.arena.put(self.layout.packed(values))
        return replace(self, held={**self.held, **dict(zip(who, rows, strict=True))})

    def mean(self) -> dict[str, torch.Tensor]:
        """Return the mean record over all devices: the mean of blocks' means, which is torch's where one block holds all.

        Parts that are not floating point (masks, counters) are averaged in float64.
        """
        total = {
            name: torch.zeros(like.shape, dtype=torch.float64)
            for name, like in self.layout.default.items()
        }
        own = self.touched
        for block in self._blocks(range(self.devices)):
            first, last = np.searchsorted(own, (block[0], block[-1] + 1))
            if first < last:
                each = {name: _mean(tensor) for name, tensor in self.rows(block).items()}
            else:
                each = dict(self.layout.default)
            for name, tensor in each.items():
                total[name] += tensor.double() * (len(block) / self.devices)
        return {
            name: total[name].to(like.dtype) if like.is_floating_point() else total[name]
            for name, like in self.layout.default.items()
        }

    def only(self, devices: IntArray) -> "Shelf":
        """Return a shelf of its own, all in memory, that knows just these devices; it is what a worker is sent."""
        known = frozenset(self._checked(devices))
        own = sorted(known & self.held.keys())
        arena = Arena(self.layout.row_bytes, self.layout.row_bytes * max(1, len(own)))
        held = dict(zip(own, arena.put(self._stored(own)), strict=True))
        return Shelf(self.layout, self.devices, held, arena, known)

    def parts(self) -> Iterator[tuple[str, npt.NDArray[Any]]]:
        """Yield the shelf as named arrays, a few megabytes of records at once, from which ``restored`` makes it again."""
        yield "devices", np.array(self.devices)
        yield "budget_bytes", np.array(self.arena.budget_bytes)
        if self.known is not None:
            yield "known", np.array(sorted(self.known), dtype=np.int64)
        for index, (name, tensor) in enumerate(self.layout.default.items()):
            yield f"default.{index}.{name}", tensor.detach().numpy()
        yield "touched", self.touched
        for index, block in enumerate(self._blocks(self.touched.tolist())):
            yield f"rows.{index}", self._stored(block)

    def saved(self) -> dict[str, npt.NDArray[Any]]:
        """Return the shelf as named arrays, all in memory."""
        return dict(self.parts())

    @classmethod
    def restored(
        cls, saved: Mapping[str, npt.NDArray[Any]], budget_bytes: int | None = None
    ) -> "Shelf":
        """Return the shelf that was saved; arrays are asked for one by one, and may be loaded when they are."""
        default = {
            key.split(".", 2)[2]: torch.from_numpy(np.array(saved[key]))
            for key in sorted(saved, key=_index)
            if key.startswith("default.")
        }
        budget = int(saved["budget_bytes"]) if budget_bytes is None else budget_bytes
        shelf = cls.of_default(default, int(saved["devices"]), budget)
        rows: list[Row] = []
        for index in count():
            if f"rows.{index}" not in saved:
                break
            rows += shelf.arena.put(saved[f"rows.{index}"])
        held = dict(zip(saved["touched"].tolist(), rows, strict=True))
        known = frozenset(saved["known"].tolist()) if "known" in saved else None
        return replace(shelf, held=held, known=known)

    def __reduce__(self) -> tuple[Any, ...]:
        return Shelf.restored, (self.saved(),)

    def _checked(self, devices: Iterable[Any]) -> list[int]:
        """Return devices as a list; raise IndexError for one that is not there."""
        who: list[int] = np.asarray(devices, dtype=np.int64).tolist()
        everybody = range(self.devices) if self.known is None else self.known
        for device in who:
            if device not in everybody:
                raise IndexError(
                    f"device {device}: this shelf knows {len(everybody)} devices of {self.devices}, and not this one"
                )
        return who

    def _stored(self, devices: Iterable[int]) -> Bytes:
        return self.arena.read([self.held[device] for device in devices])

    def _blocks(self, devices: Sequence[int]) -> Iterator[Sequence[int]]:
        """Yield devices in their order, as many at once as may be looked at together; none where records are empty."""
        if self.names:
            size = max(1, _BLOCK_BYTES // max(1, self.layout.row_bytes))
            for begin in range(0, len(devices), size):
                yield devices[begin : begin + size]


def _mean(tensor: torch.Tensor) -> torch.Tensor:
    return (tensor if tensor.is_floating_point() else tensor.double()).mean(0)


def _index(key: str) -> tuple[str, int]:
    """Return what puts numbered keys in the order of their numbers."""
    head, _, rest = key.partition(".")
    number = rest.partition(".")[0]
    return head, int(number) if number else -1
