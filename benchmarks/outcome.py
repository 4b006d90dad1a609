"""What a benchmark tells: a table, ratios, and for every claim the value beside its limit."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Bar:
    """A claim that is met when a value is on the right side of its limit.

    Attributes:
        value: What was measured.
        limit: What was promised.
        at_most: Whether the limit is an upper one.
    """

    value: float
    limit: float
    at_most: bool = True

    @property
    def met(self) -> bool:
        """Whether the claim holds; a value that is not a number meets nothing."""
        return self.value <= self.limit if self.at_most else self.value >= self.limit


@dataclass(frozen=True)
class Outcome:
    """The result of a benchmark.

    Attributes:
        name: Its name.
        header: Names of the table's columns.
        rows: The table.
        ratios: Ratios of one run, by name.
        bars: Claim → value and limit.
    """

    name: str
    header: Sequence[str]
    rows: Sequence[Sequence[Any]]
    ratios: Mapping[str, float]
    bars: Mapping[str, Bar] = field(default_factory=dict)

    def table(self) -> str:
        """Return the table as text, columns aligned."""
        lines = [[_shown(cell) for cell in row] for row in (self.header, *self.rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
            for line in lines
        )

    def line(self) -> str:
        """Return the one JSON line that ends a benchmark's output."""
        bars = {
            claim: {"value": bar.value, "limit": bar.limit, "met": bar.met}
            for claim, bar in self.bars.items()
        }
        return json.dumps({"name": self.name, "ratios": dict(self.ratios), "bars": bars})


def _shown(cell: Any) -> str:
    return f"{cell:.4g}" if isinstance(cell, float) else str(cell)
