"""A run that is over, read from its folder: small tables at once, large ones column by column when they are asked for."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from wflsim.records.columns import TABLES
from wflsim.records.folder import RunFolder
from wflsim.records.recorder import Columns


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
