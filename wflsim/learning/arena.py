"""Rows of bytes in bounded memory: the oldest move to a temporary file, and a row that nobody holds is forgotten."""

import os
from collections import OrderedDict, deque
from collections.abc import Sequence
from tempfile import TemporaryFile, gettempdir
from threading import RLock
from typing import NoReturn
from weakref import finalize

import numpy as np
import numpy.typing as npt

from wflsim.errors import UserError

Bytes = npt.NDArray[np.uint8]


class Row:
    """A row of an arena, which is kept there for as long as anybody refers to this object."""

    __slots__ = ("_released", "key")

    def __init__(self, key: int, released: deque[int]) -> None:
        self.key = key
        self._released = released

    def __del__(self) -> None:
        # This may run at any moment, in the middle of an arena's work too: the arena looks when it suits it.
        self._released.append(self.key)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a row stays in its process; hand over what it holds")


class Arena:
    """Rows of one length, which never change: up to a budget in memory, the others in a file that dies with the process.

    A row is written once and read in place, wherever it lies. Who reads in order to train writes a new row, and who
    evaluates reads everybody's: bringing rows back to memory when they are read would only push out younger ones.

    Attributes:
        row_bytes: Length of a row.
        budget_bytes: Memory for rows; at least one row has room.
    """

    def __init__(self, row_bytes: int, budget_bytes: int) -> None:
        self.row_bytes = row_bytes
        self.budget_bytes = budget_bytes
        self._room = max(1, budget_bytes // max(1, row_bytes))
        self._memory: Bytes = np.empty((0, row_bytes), dtype=np.uint8)
        self._young: OrderedDict[int, int] = OrderedDict()
        self._old: dict[int, int] = {}
        self._free: list[int] = []
        self._gaps: list[int] = []
        self._released: deque[int] = deque()
        self._keys = 0
        self._file = -1
        self._owner = os.getpid()
        self._lock = RLock()

    @property
    def rows(self) -> tuple[int, int]:
        """Number of rows in memory and in the file that somebody holds."""
        with self._lock:
            self._forget()
            return len(self._young), len(self._old)

    @property
    def file_bytes(self) -> int:
        """Length of the file; 0 where there is none."""
        return os.fstat(self._file).st_size if self._file >= 0 else 0

    def put(self, block: Bytes) -> list[Row]:
        """Return new rows that hold the records of a block, shape (K, row_bytes)."""
        with self._lock:
            self._forget()
            return [self._put(record) for record in block]

    def read(self, rows: Sequence[Row]) -> Bytes:
        """Return what rows hold, shape (K, row_bytes)."""
        block = np.empty((len(rows), self.row_bytes), dtype=np.uint8)
        with self._lock:
            for record, row in zip(block, rows, strict=True):
                slot = self._young.get(row.key)
                if slot is None:
                    self._load(self._old[row.key], record)
                else:
                    record[:] = self._memory[slot]
        return block

    def _put(self, record: Bytes) -> Row:
        if not len(self._memory):
            # Pages that were never written cost nothing, so that the whole budget can be asked for at once.
            self._memory = np.empty((self._room, self.row_bytes), dtype=np.uint8)
        if len(self._young) == self._room:
            self._spill()
        slot = self._free.pop() if self._free else len(self._young)
        self._memory[slot] = record
        self._keys += 1
        self._young[self._keys] = slot
        return Row(self._keys, self._released)

    def _spill(self) -> None:
        """Move the row that was written first from memory to the file."""
        key, slot = next(iter(self._young.items()))
        place = self._gaps[-1] if self._gaps else len(self._old)
        self._save(place, self._memory[slot])
        if self._gaps:
            self._gaps.pop()
        del self._young[key]
        self._old[key] = place
        self._free.append(slot)

    def _forget(self) -> None:
        """Give the places of rows that nobody holds any more to others."""
        while self._released:
            key = self._released.popleft()
            if key in self._young:
                self._free.append(self._young.pop(key))
            else:
                self._gaps.append(self._old.pop(key))

    def _save(self, place: int, record: Bytes) -> None:
        if os.getpid() != self._owner:
            raise RuntimeError(
                "a forked process cannot write to its parent's arena; hand it a copy"
            )
        try:
            if self._file < 0:
                file = TemporaryFile(buffering=0)  # noqa: SIM115, it lives as long as the arena
                finalize(self, file.close)
                self._file = file.fileno()
            written = os.pwrite(self._file, record.data, place * self.row_bytes)
        except OSError as error:
            raise UserError(f"{_full()}: {error}") from error
        if written != self.row_bytes:
            raise UserError(f"{_full()}: the disk is full")

    def _load(self, place: int, record: Bytes) -> None:
        if os.preadv(self._file, [record.data], place * self.row_bytes) != self.row_bytes:
            raise RuntimeError("the file of an arena is shorter than what was written to it")


def _full() -> str:
    return (
        f"temporary folder {gettempdir()}: cannot hold what devices keep between rounds; "
        "set TMPDIR to a disk with more room"
    )
