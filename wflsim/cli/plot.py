"""`wflsim plot`: figures for papers from finished runs."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from wflsim.errors import UserError


@click.command("plot")
@click.argument("runs", nargs=-1, metavar="RUN...")
@click.option("--figure", metavar="NAME", help="What to draw; without it, the figures are listed.")
@click.option(
    "--out", metavar="FILE", help="Where to: .pdf, .svg, .png, or .pgf where there is TeX."
)
@click.option(
    "--width",
    type=click.Choice(["one", "two"]),
    default="two",
    show_default=True,
    help="Columns of a page that it fills: 3.5 or 7.16 inches.",
)
@click.option("--style", default="", metavar="STYLE", help="A style of matplotlib, laid over ours.")
@click.option("--measure", metavar="COLUMN", help="What is progress; accuracy_personal by default.")
@click.option(
    "--over", type=click.Choice(["round", "s", "j"]), help="Draw progress over one of these alone."
)
@click.option("--variant", "variants", multiple=True, metavar="NAME", help="Show it; repeatable.")
@click.option("--mixed", is_flag=True, help="Let runs of several versions stand side by side.")
def command(
    runs: tuple[str, ...],
    figure: str | None,
    out: str | None,
    width: str,
    style: str,
    measure: str | None,
    over: str | None,
    variants: tuple[str, ...],
    mixed: bool,
) -> None:
    """Draw a figure of RUNs: folders of runs, of sweeps, or of any number of them, all on one page.

    What differs between runs has lines of its own; runs that differ in their seed alone make a mean and its 95 % interval.
    The file tells the command and the digests of what it shows; the same runs give the same bits.
    """
    from wflsim.figures.catalogue import FIGURES, named

    if figure is None:
        _list(FIGURES)
        return
    options = {"measure": measure, "over": over}
    given = {name: value for name, value in options.items() if value is not None}
    drawing = named(figure, list(given))
    _whole(figure, runs, out, of_runs=drawing.of != "nothing")
    chosen = {"figure": figure, "width": width, "style": style, **given}
    words = [*_words(chosen, variants), *(["--mixed"] if mixed else [])]
    said = shlex.join(["wflsim", "plot", *runs, *words])
    _draw(runs, Path(str(out)), chosen, variants, said=said, mixed=mixed)
    click.echo(f"{figure}: {out}")


def _whole(figure: str, runs: Sequence[str], out: str | None, *, of_runs: bool) -> None:
    """Refuse a command that does not say what to draw of, or where to."""
    if out and bool(runs) == of_runs:
        return
    what = "what of, and where to?" if of_runs else "is of no run."
    run = "RUN " if of_runs else ""
    raise UserError(
        f"--figure {figure}: {what} Write `wflsim plot {run}--figure {figure} --out {figure}.pdf`"
    )


def _draw(
    runs: Sequence[str],
    path: Path,
    chosen: Mapping[str, str],
    variants: Sequence[str],
    *,
    said: str,
    mixed: bool,
) -> None:
    """Load the runs, draw them and write the file.

    Args:
        runs: Folders.
        path: The file.
        chosen: Figure, width, style, and what else was chosen.
        variants: Those to show; none for all.
        said: The command line, which the file tells.
        mixed: Whether versions may be mixed.
    """
    from wflsim.figures.drawing import drawn, provenance
    from wflsim.figures.layout import Wanted
    from wflsim.figures.paper import WIDTHS_IN, writable, write
    from wflsim.results import load

    writable(path)
    more = {name: value for name, value in chosen.items() if name not in {"figure", "width"}}
    wanted = Wanted(width_in=WIDTHS_IN[chosen["width"]], **more)
    results = load(*runs, mixed=mixed) if runs else None
    drew = drawn(chosen["figure"], results, wanted, variants)
    _warn(drew, wanted.style)
    write(drew, path, provenance(said, results, variants), wanted.style)


def _words(chosen: Mapping[str, str], variants: Sequence[str]) -> list[str]:
    """Return the options of a command line that say what is drawn."""
    given = [(name, value) for name, value in chosen.items() if value]
    pairs = [*given, *(("variant", name) for name in variants)]
    return [word for name, value in pairs for word in (f"--{name}", value)]


def _warn(figure: Any, style: str) -> None:
    """Tell which texts of a figure cannot be read."""
    from wflsim.figures.legibility import clashes
    from wflsim.figures.paper import styled

    with styled(style):
        found = clashes(figure)
    figure.set_layout_engine("none")  # everything has its place now, in the file as well
    if found:
        told = "; ".join(found[:3])
        click.echo(f"warning: {told}; take --width two, or fewer of them by --variant", err=True)


def _list(figures: Mapping[str, Any]) -> None:
    """Print the figures with a line each."""
    widest = max(map(len, figures))
    for name, drawing in figures.items():
        click.echo(f"{name:{widest}}  {drawing.about}")
