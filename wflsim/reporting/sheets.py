"""Tables of the report: texts as everywhere, and beside each what rows are sorted by."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isnan
from typing import Any

from wflsim.errors import UserError
from wflsim.results import Results
from wflsim.tables.grid import Grid
from wflsim.tables.measures import measure
from wflsim.tables.outcomes import VARIANT, grid, outcomes, with_best

MEASURES = (
    "accuracy_personal",
    "accuracy_global",
    "accuracy_decile",
    "simulated_s",
    "target_s",
    "energy_j",
    "up_bits",
    "missed_deadlines",
)
"""What the table of outcomes tells, of what the runs know."""
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*(?:e[-+]?\d+)?|∞)")


@dataclass(frozen=True)
class Place:
    """A place in a sheet.

    Attributes:
        text: What stands there.
        key: Number by which rows are sorted; None where words are, or nothing is known.
        best: Whether it is among the best of its column.
        bar: Length of a bar beside it, from -1 to 1; None for no bar.
    """

    text: str
    key: float | None = None
    best: bool = False
    bar: float | None = None

    @property
    def order(self) -> str:
        """Its key as scripts read it."""
        return json.dumps(self.key)


@dataclass(frozen=True)
class Sheet:
    """A table of the report.

    Attributes:
        caption: What it shows.
        header: What stands above each column.
        rows: Its rows, of as many places.
        texts: Number of columns, from the left, that hold words.
        notes: What is to be said below it.
        first: Column by column -1 if its largest value is to come first when rows are sorted by it, else 1; none for a table
            that is not sorted.
        foot: A row that stays below the others; none for no such row.
    """

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[Place]]
    texts: int = 1
    notes: Sequence[str] = ()
    first: Sequence[int] = ()
    foot: Sequence[Place] = ()


def number(text: str) -> float | None:
    """Return the number that a text begins with; None if it begins with none.

    >>> number("93.3 ± 1.2"), number("-∞"), number("+1.2e-05"), number("–"), number("1 MHz")
    (93.3, -inf, 1.2e-05, None, 1.0)
    """
    found = _NUMBER.match(text)
    if not found:
        return None
    told = found.group()
    return (-inf if told[0] == "-" else inf) if told.endswith("∞") else float(told)


def sheet(
    found: Grid, caption: str, *, sortable: bool = True, bars: Sequence[float | None] = ()
) -> Sheet:
    """Return a table of texts as a sheet; numbers are read off the texts, which in a column have one unit.

    Args:
        found: The table.
        caption: What it shows.
        sortable: Whether rows may be sorted.
        bars: Lengths of bars in the last column, row by row; none for no bars.
    """
    rows = [
        [
            Place(cell.text, number(cell.text) if place >= found.texts else None, cell.bold)
            for place, cell in enumerate(row)
        ]
        for row in found.rows
    ]
    for row, bar in zip(rows, bars, strict=False):
        row[-1] = Place(row[-1].text, row[-1].key, row[-1].best, bar)
    first = [1] * len(found.header) if sortable else []
    return Sheet(caption, found.header, rows, found.texts, found.notes, first)


def told(results: Results, chosen: str = "") -> list[str]:
    """Return the measures that a table of outcomes tells: what was chosen, and the usual ones of which anything but 0 is known."""
    finals = results.finals
    wanted = dict.fromkeys([*([chosen] if chosen else []), *MEASURES])
    return [
        name
        for name in wanted
        if name in finals and (finals[name].notna() & (finals[name] != 0.0)).any()
    ]


def outcome_sheet(results: Results, variants: Sequence[str], chosen: str = "") -> Sheet:
    """Return what every system came to, with the same numbers as `wflsim table --best`.

    Args:
        results: What was played.
        variants: Those to show.
        chosen: A measure that is told first; empty for the usual order.
    """
    names = told(results, chosen)
    if not names:
        raise UserError(f"{results.path}: no variant has come to its end; play on, and ask again")
    every = outcomes(results, names)
    rows = with_best([row for row in every if row.about[VARIANT] in variants])
    printed = grid(rows)
    body = [
        [
            *(
                Place(cell.text, _own(value))
                for cell, value in zip(line, row.about.values(), strict=False)
            ),
            *(
                Place(cell.text, _known(outcome.mean), cell.bold)
                for cell, outcome in zip(line[printed.texts :], row.outcomes.values(), strict=True)
            ),
        ]
        for row, line in zip(rows, printed.rows, strict=True)
    ]
    better = [-1 if measure(name).better > 0 else 1 for name in names]
    first = [*([1] * printed.texts), *better]
    return Sheet(
        "Every system at its end", printed.header, body, printed.texts, printed.notes, first
    )


def _own(value: Any) -> float | None:
    """Return a value of the scenario by which rows are sorted, if it is a number."""
    known = isinstance(value, int | float) and not isinstance(value, bool)
    return _known(float(value)) if known else None


def _known(value: float) -> float | None:
    return None if isnan(value) else value


def listed(values: Mapping[str, Sequence[str]], header: Sequence[str], caption: str) -> Sheet:
    """Return a table of texts that tells of each name several things."""
    rows = [[Place(name), *(Place(each) for each in own)] for name, own in values.items()]
    return Sheet(caption, header, rows, len(header))
