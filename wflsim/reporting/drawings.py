"""The figures of `wflsim plot` in the report; what cannot be drawn of some runs is told with the reason."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from wflsim.errors import UserError
from wflsim.figures.catalogue import FIGURES, Drawing
from wflsim.figures.drawing import drawn
from wflsim.figures.inline import Inline, inline
from wflsim.figures.layout import Wanted
from wflsim.figures.lines import framed, names
from wflsim.results import Played, Results

REPEATS: Mapping[str, str] = {"summary": "its panels are those of progress, pareto, cdf and phases"}
"""Figures whose panels are all in others."""
MOST_LINES = 28
"""Lines that can be told apart in a figure: colours times styles."""
OF_ONE = ("tables", "run")
"""What figures of a single run are handed."""
LARGEST = 900_000
"""Letters of a figure up to which it has room in the file."""


@dataclass(frozen=True)
class Shown:
    """A figure of the report.

    Attributes:
        name: Its name in the catalogue.
        about: What it shows.
        drawing: How it stands on the page.
        command: The command that draws it for a paper.
    """

    name: str
    about: str
    drawing: Inline
    command: str


@dataclass(frozen=True)
class Gallery:
    """The figures of a report.

    Attributes:
        shown: Those that are there.
        missing: Name → why it is not there.
    """

    shown: Sequence[Shown]
    missing: Mapping[str, str]


def gallery(
    results: Results,
    runs: Sequence[str],
    variants: Sequence[str] = (),
    measure: str = "",
    *,
    mixed: bool = False,
) -> Gallery:
    """Return the figures of what was played.

    Args:
        results: What was played.
        runs: The folders as they were named, for the commands.
        variants: Those to show, in this order; none for all.
        measure: What is progress; empty for the usual one.
        mixed: Whether the runs are of several versions, which the commands then have to allow.
    """
    allowed = [*runs, "--mixed"] if mixed else runs
    shown, missing = [], dict[str, str]()
    lines = len(names(framed(results, {"finals": ()}, variants)["finals"]))
    for name, drawing in FIGURES.items():
        try:
            _refuse(name, drawing, lines)
            found = _shown(name, drawing, results, allowed, variants, measure=measure)
        except UserError as error:
            missing[name] = str(error).removeprefix(f"--figure {name}: ")
            continue
        if len(found.drawing.svg) > LARGEST:
            missing[name] = f"it is too large for this file; draw it with {found.command}"
        else:
            shown.append(found)
    return Gallery(shown, missing)


def _refuse(name: str, drawing: Drawing, lines: int) -> None:
    """Refuse a figure that others repeat, that shows no run, or in which nobody could be told from others."""
    if name in REPEATS:
        raise UserError(REPEATS[name])
    if drawing.of == "nothing":
        raise UserError("it shows no run; `wflsim calibrate` draws it")
    if drawing.of == "lines" and lines > MOST_LINES:
        raise UserError(
            f"{lines} systems cannot be told apart in it; choose some by --variant, or name fewer runs"
        )


def _shown(
    name: str,
    drawing: Drawing,
    results: Results,
    runs: Sequence[str],
    variants: Sequence[str],
    *,
    measure: str,
) -> Shown:
    """Return a figure; one of a single run is of the first that has any of the variants where there are several."""
    alone = drawing.of in OF_ONE and len(results.played) > 1
    first = next(one for one in results.played if _has(one, variants))
    of = replace(results, played=(first,)) if alone else results
    there = [each for each in variants if not alone or each in first.told["variants"]]
    chosen = measure if "measure" in drawing.takes else ""
    wanted = Wanted(measure=chosen) if chosen else Wanted()
    figure = drawn(name, of, wanted, there)
    about = f"{drawing.about} The run is {first.name}." if alone else drawing.about
    words = [str(first.folder.path)] if alone else runs
    said = command(name, words, there, chosen)
    return Shown(name, about, inline(figure, name, about), said)


def _has(one: Played, variants: Sequence[str]) -> bool:
    """Return whether a run has any of the variants; none for all."""
    return not variants or any(each in one.told["variants"] for each in variants)


def command(name: str, runs: Sequence[str], variants: Sequence[str], measure: str = "") -> str:
    """Return the command that draws a figure.

    >>> command("pareto", ["runs/a b"], ["fedavg"])
    "wflsim plot 'runs/a b' --figure pareto --out pareto.pdf --variant fedavg"
    """
    words = ["wflsim", "plot", *runs, "--figure", name, "--out", f"{name}.pdf"]
    words += ["--measure", measure] if measure else []
    return shlex.join([*words, *(word for each in variants for word in ("--variant", each))])
