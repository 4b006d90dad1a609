"""A table of texts, set in LaTeX, in Markdown, as plain text, or as CSV."""

import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Cell:
    """A place in a table.

    Attributes:
        text: What stands there; a formula where it is between dollar signs.
        bold: Whether it is among the best.
    """

    text: str
    bold: bool = False


@dataclass(frozen=True)
class Grid:
    """A table.

    Attributes:
        header: What stands above each column.
        rows: Its rows, of as many cells.
        texts: Number of columns, from the left, that hold words and not numbers.
        notes: What is to be said below it.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    texts: int = 1
    notes: Sequence[str] = ()


_LONG = 48
"""Letters of words that LaTeX sets in one line of a column."""
_HALF = 0.45
_ESCAPES = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "µ": r"$\mu$",
    "∞": r"$\infty$",
    "×": r"$\times$",
    "–": "--",
}


def escaped(text: str) -> str:
    r"""Return a text as LaTeX has to be written to print it; a formula between dollar signs stays.

    >>> escaped("ca_afp at 50 %: 3 ± 1 µs"), escaped("$p^{max}$"), escaped("-2e-05 J")
    ('ca\\_afp at 50 \\%: 3 $\\pm$ 1 $\\mu$s', '$p^{max}$', '$-2 \\cdot 10^{-5}$ J')
    """
    if formula(text):
        return text
    parts = re.split(r"((?<![\w.])-?\d+(?:\.\d+)?e[-+]\d+(?!\w)|(?<![\w)])-(?=[\d∞]))", text)
    found = []
    for index, part in enumerate(parts):
        number, _, power = part.partition("e")
        if index % 2 == 0:
            found.append("".join(_ESCAPES.get(letter, letter) for letter in part))
        elif power:
            times = {"1": "", "-1": "-"}.get(number, rf"{number} \cdot ")
            found.append(f"${times}10^{{{int(power)}}}$")
        else:
            found.append("$-$")
    return "".join(found)


def formula(text: str) -> bool:
    """Return whether a text is a formula."""
    return len(text) > 2 and text[0] == text[-1] == "$"


def latex(grid: Grid) -> str:
    """Return a table for LaTeX with the package booktabs."""
    columns = "".join(_aligned(grid, place) for place in range(len(grid.header)))
    lines = [rf"% needs \usepackage{{booktabs}}{''.join(chr(10) + '% ' + n for n in grid.notes)}"]
    lines += [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", _line(map(escaped, grid.header))]
    lines.append(r"\midrule")
    for row in grid.rows:
        texts = [escaped(cell.text) for cell in row]
        bold = [cell.bold for cell in row]
        lines.append(
            _line(rf"\textbf{{{t}}}" if b else t for t, b in zip(texts, bold, strict=True))
        )
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def markdown(grid: Grid) -> str:
    """Return a table for Markdown."""
    rules = ["---" if place < grid.texts else "---:" for place in range(len(grid.header))]
    bold = {True: "**", False: ""}
    lines = [_row(map(_piped, grid.header)), _row(rules)]
    lines += [
        _row(f"{bold[cell.bold]}{_piped(cell.text)}{bold[cell.bold]}" for cell in row)
        for row in grid.rows
    ]
    return "\n".join([*lines, *(f"\n{note}" for note in grid.notes), ""])


def text(grid: Grid) -> str:
    """Return a table for the terminal; a star stands behind what is among the best."""
    starred = [any(row[place].bold for row in grid.rows) for place in range(len(grid.header))]
    mark = [(" ", "*") if star else ("", "") for star in starred]
    rows = [[name + one[0] for name, one in zip(grid.header, mark, strict=True)]]
    rows += [
        [cell.text + one[cell.bold] for cell, one in zip(row, mark, strict=True)]
        for row in grid.rows
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    made = [
        "  ".join(
            part.ljust(width) if place < grid.texts else part.rjust(width)
            for place, (part, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
    return "\n".join([made[0], rule, *made[1:], *grid.notes, ""])


def comma_separated(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return CSV; numbers keep all their digits."""
    told = io.StringIO()
    writer = csv.writer(told, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return told.getvalue()


FORMS: Mapping[str, Callable[[Grid], str]] = {"latex": latex, "markdown": markdown, "text": text}
"""How a table can be set."""


def _aligned(grid: Grid, place: int) -> str:
    """Return how LaTeX sets a column: many words in lines of nearly half a page's width, others in one line, numbers to the right."""
    if place >= grid.texts:
        return "r"
    longest = max((len(row[place].text) for row in grid.rows), default=0)
    return rf"p{{{_HALF}\linewidth}}" if longest > _LONG else "l"


def _line(parts: Iterable[str]) -> str:
    return " & ".join(parts) + r" \\"


def _row(parts: Iterable[str]) -> str:
    return f"| {' | '.join(parts)} |"


def _piped(part: str) -> str:
    return part if formula(part) else re.sub(r"([\\|*_<`])", r"\\\1", part)
