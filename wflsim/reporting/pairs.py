"""The first system of the report beside each of the others: how they differ, and where seconds and joules come from."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from wflsim.comparison.causes import Causes
from wflsim.comparison.compared import Comparison, compare
from wflsim.comparison.sides import Side, side_of
from wflsim.comparison.telling import (
    LENGTH,
    differ,
    measures_grid,
    paired,
    parts_grid,
    sentence,
    settings_grid,
)
from wflsim.errors import UserError
from wflsim.reporting.sheets import Sheet, number, sheet
from wflsim.results import Results
from wflsim.tables.grid import Grid

MOST = 240
"""Runs that are read at most, so that a report of a large sweep does not take minutes."""


@dataclass(frozen=True)
class Cause:
    """A difference of seconds or joules, and what it is made of.

    Attributes:
        sentence: It in words.
        parts: Its parts; a bar a part.
    """

    sentence: str
    parts: Sheet


@dataclass(frozen=True)
class Pair:
    """Two systems beside each other.

    Attributes:
        a: One of them.
        b: The other.
        seeds: The seeds of the pairs of runs, one a pair.
        paired: Which runs are paired, in words.
        measures: Measure by measure what they came to.
        seconds: What the difference of simulated seconds is made of.
        joules: The same of joules.
        settings: What they were told differently.
    """

    a: str
    b: str
    seeds: Sequence[int]
    paired: str
    measures: Sheet
    seconds: Cause
    joules: Cause
    settings: Sheet


def pairs(
    results: Results, variants: Sequence[str], measure: str
) -> tuple[list[Pair], Mapping[str, str]]:
    """Return the first variant beside each of the others, and variant → why one is not there.

    Args:
        results: What was played.
        variants: The variants, of which the first is compared with the others.
        measure: Which accuracy of the table of rounds.
    """
    found, missing = [], dict[str, str]()
    first = side_of(results, variants[0])
    for name in variants[1:]:
        other = side_of(results, name)
        try:
            _refuse_many([first, other], len(variants) - 1)
            found.append(_pair(compare(first, other, measure)))
        except UserError as error:
            missing[name] = str(error)
    return found, missing


def _refuse_many(sides: Sequence[Side], times: int) -> None:
    count = times * sum(len(side.runs) for side in sides)
    if count > MOST:
        raise UserError(
            f"{count} runs would have to be read again; ask `wflsim compare` about a point of the sweep"
        )


def _pair(found: Comparison) -> Pair:
    a, b = found.a, found.b
    measures = measures_grid(found)
    apart = f"{a} − {b}"
    named = replace(measures, header=["measure", a, b, apart, *measures.header[4:]])
    settings = replace(settings_grid(found), header=["setting", a, b])
    return Pair(
        a,
        b,
        found.seeds,
        _paired(found.seeds),
        sheet(named, f"{a} and {b}, measure by measure", sortable=False),
        _cause(found.seconds, LENGTH, a, b),
        _cause(found.joules, "what devices do", a, b),
        sheet(settings, f"Settings in which {a} and {b} differ", sortable=False),
    )


def _paired(seeds: Sequence[int]) -> str:
    """Return which runs are paired, and that points of a sweep are taken together where there are several."""
    pooled = "; all points of the sweep are taken together" if len(seeds) > len(set(seeds)) else ""
    return f"{paired(seeds)}{pooled}."


def _cause(causes: Causes, what: str, a: str, b: str) -> Cause:
    told = parts_grid(causes, what)
    if not differ(causes):
        return Cause(said(sentence(causes), a, b), sheet(replace(told, rows=[]), ""))
    named = Grid([told.header[0], a, b, f"{a} − {b}"], told.rows[:-1])
    made = sheet(named, f"Where the {WORDS[causes.unit]} of {a} and {b} differ", bars=bars(named))
    whole = sheet(Grid(named.header, told.rows[-1:]), "").rows
    return Cause(said(sentence(causes), a, b), replace(made, foot=whole[0] if whole else ()))


WORDS = {"s": "seconds", "J": "joules"}


def bars(parts: Grid) -> list[float]:
    """Return how long the bars of parts are, of the largest of them."""
    sizes = [number(row[-1].text) or 0.0 for row in parts.rows]
    largest = max(map(abs, sizes), default=0.0)
    return [size / largest if largest else 0.0 for size in sizes]


def said(told: str, a: str, b: str) -> str:
    """Return a sentence about A and B with their names.

    >>> said("A is 3 s longer (5 %): 2 s of it in sending.", "pruned", "fedavg")
    'pruned is 3 s longer (5 %): 2 s of it in sending.'
    """
    names = {"A": a, "B": b}
    return re.sub(r"^(A)( and )?(B)?", lambda m: f"{a}{m[2] or ''}{names.get(m[3], '')}", told)
