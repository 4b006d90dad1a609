"""Drawing a figure of the catalogue, and what its file tells of the runs that it shows."""

from collections.abc import Sequence
from hashlib import sha256
from importlib import import_module
from typing import Any

from matplotlib.figure import Figure

from wflsim import __version__
from wflsim.errors import UserError
from wflsim.figures.catalogue import named
from wflsim.figures.layout import Wanted
from wflsim.figures.lines import framed, shown
from wflsim.figures.paper import WIDTHS_IN, styled
from wflsim.records.stored import of_variant
from wflsim.results import Played, Results

LISTED = 64
"""Digests of so many variants stand in a file; of more there is one of all."""


def drawn(
    name: str, results: Results | None, wanted: Wanted, variants: Sequence[str] = ()
) -> Figure:
    """Return a figure of what was played.

    Args:
        name: Its name in the catalogue.
        results: What was played; None for a figure of nothing that was.
        wanted: How it shall be drawn.
        variants: Those to show, in this order; none for all.
    """
    drawing = named(name)
    if not drawing.narrow and wanted.width_in < WIDTHS_IN["two"]:
        raise UserError(f"--width one: the figure '{name}' needs two columns; leave it out")
    draw = import_module(drawing.module).draw
    with styled(wanted.style):
        figure: Figure = (
            draw(wanted) if results is None else _of(name, draw, results, wanted, variants)
        )
    return figure


def _of(name: str, draw: Any, results: Results, wanted: Wanted, variants: Sequence[str]) -> Any:
    """Return a figure of what it is handed of the runs."""
    drawing = named(name)
    if drawing.of == "lines":
        return draw(framed(results, drawing.tables, variants), wanted)
    if drawing.of == "runs":
        return draw(results, wanted, shown(results, variants))
    one, chosen = _alone(name, results), shown(results, variants)
    if drawing.of == "run":
        return draw(one, wanted, chosen)
    tables = {variant: of_variant(one.folder, variant) for variant in chosen}
    figure = draw(str(one.told.get("scenario", one.name)), tables, wanted.style)
    if figure is None:
        raise UserError(
            f"{one.folder.path}: nothing is told of who was alike; play a method that groups devices by that"
        )
    return figure


def _alone(name: str, results: Results) -> Played:
    """Return the one run that a figure is of."""
    if len(results.played) != 1:
        count = len(results.played)
        raise UserError(
            f"--figure {name}: is of one run, and {results.path} holds {count}; name one of these: "
            f"{', '.join(str(one.folder.path) for one in results.played[:4])}{', ...' if count > 4 else ''}"
        )
    return results.played[0]


def provenance(
    command: str, results: Results | None, variants: Sequence[str] = ()
) -> dict[str, str]:
    """Return what a figure's file tells: the command, and the digests of the records that it shows.

    Args:
        command: The command line.
        results: What was played; None for a figure of nothing that was.
        variants: Those that are shown; none for all.
    """
    if results is None:
        return {"Subject": command, "Keywords": f"wflsim {__version__}"}
    chosen = shown(results, variants)
    told = [
        f"{one.name}/{variant} {said.get('records_sha256', 'unknown')}"
        for one in results.played
        for variant, said in one.told["variants"].items()
        if variant in chosen
    ]
    if len(told) > LISTED:
        digest = sha256("\n".join(told).encode()).hexdigest()
        told = [f"all {len(told)} variants of {len(results.played)} runs {digest}"]
    return {
        "Subject": command,
        "Keywords": f"wflsim {__version__}; records_sha256: {'; '.join(told)}",
    }
