"""Runs that are over, read from their folders: one, its large tables column by column when they are asked for, or many at once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from wflsim.records.columns import ENDINGS, EVERY_TABLE, TABLES
from wflsim.records.folder import RunFolder
from wflsim.records.recorder import Columns

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, eq=False)
class Shelved(Mapping[str, npt.NDArray[Any]]):
    """A variant's rows of a table whose columns stay on the disk until they are read.

    Attributes:
        folder: The run.
        table: The table.
        variant: The variant.
    """

    folder: RunFolder
    table: str
    variant: str

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        """Return a column."""
        return self.folder.read(self.table, [name], self.variant)[name]

    def __iter__(self) -> Iterator[str]:
        """Yield the names of the columns."""
        return (column.name for column in TABLES[self.table])

    def __len__(self) -> int:
        """Return the number of columns."""
        return len(TABLES[self.table])


def tables(folder: RunFolder) -> dict[str, dict[str, Columns]]:
    """Return variant → table → columns of a run."""
    rounds = folder.read("rounds")
    found: dict[str, dict[str, Columns]] = {}
    for variant in folder.told()["variants"]:
        rows = rounds["variant"] == variant
        own = {name: values[rows] for name, values in rounds.items()}
        found[variant] = {"rounds": own, "clients": Shelved(folder, "clients", variant)}
    return found


def of_variant(folder: RunFolder, variant: str) -> dict[str, Columns]:
    """Return table → columns of a variant, without what it did not leave behind when it ended."""
    there = [name for name in ENDINGS if (folder.path / f"{name}.parquet").is_file()]
    found = {name: folder.read(name, variant=variant) for name in (*TABLES, *there)}
    return {name: of for name, of in found.items() if name in TABLES or len(of["variant"])}


@dataclass(frozen=True, eq=False)
class Encoded:
    """Texts, each kept once.

    Attributes:
        codes: Place of each row's text, −1 where it is not known, shape (rows,).
        texts: The texts.
    """

    codes: npt.NDArray[np.int32]
    texts: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Gathered:
    """A table of many runs, one under another.

    Attributes:
        rows: Number of rows of each run.
        columns: Column → its values; texts are encoded.
    """

    rows: tuple[int, ...]
    columns: Mapping[str, npt.NDArray[Any] | Encoded]


def gathered(folders: Sequence[RunFolder], name: str, wanted: Sequence[str]) -> Gathered:
    """Return a table of many runs, read file by file into its place, so that nothing is held twice.

    A column that some run has not recorded is not a number there; one that none has is left out.

    Args:
        folders: The runs; all have the table.
        name: The table.
        wanted: Its columns.
    """
    shapes = [folder.shape(name) for folder in folders]
    rows = tuple(count for count, _ in shapes)
    room, texts = _room(name, wanted, shapes)
    begin = 0
    for folder, (count, there) in zip(folders, shapes, strict=True):
        part = folder.arrow(name, [column for column in room if column in there])
        for column in part.column_names:
            own = part[column]
            found = _codes(own, texts[column]) if column in texts else own.to_numpy()
            room[column][begin : begin + count] = found
        begin += count
    told = {key: Encoded(room[key], tuple(known)) for key, known in texts.items()}
    return Gathered(rows, {**room, **told})


def _room(
    name: str, wanted: Sequence[str], shapes: Sequence[tuple[int, frozenset[str]]]
) -> tuple[dict[str, npt.NDArray[Any]], dict[str, dict[str, int]]]:
    """Return room for the values of every column that some run has, and for the texts of those that have any."""
    types = {column.name: column.type for column in EVERY_TABLE[name]}
    rows = sum(count for count, _ in shapes)
    room: dict[str, npt.NDArray[Any]] = {}
    texts: dict[str, dict[str, int]] = {}
    for column in wanted:
        there = [column in names for _, names in shapes]
        if any(there) and types[column] == "str":
            room[column], texts[column] = np.full(rows, -1, np.int32), {}
        elif any(there):
            room[column] = np.zeros(rows, types[column]) if all(there) else np.full(rows, np.nan)
    return room, texts


def _codes(column: "pa.ChunkedArray", known: dict[str, int]) -> npt.NDArray[np.int32]:
    """Return texts as places among those that are known, which grow."""
    found = column.combine_chunks().dictionary_encode()
    places = [known.setdefault(str(text), len(known)) for text in found.dictionary.to_pylist()]
    return np.array(places, np.int32)[found.indices.to_numpy()] if places else np.zeros(0, np.int32)
