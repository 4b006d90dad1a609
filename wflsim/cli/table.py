"""`wflsim table`: what came out, or what was played, as a paper prints it."""

from pathlib import Path

import click

from wflsim.cli.options import listed, runs_argument, set_option

ENDINGS = {".tex": "latex", ".md": "markdown", ".csv": "csv"}


@click.command("table")
@runs_argument
@click.option(
    "--measure",
    "measures",
    metavar="A,B",
    default="accuracy_personal,simulated_s,energy_j,up_bits",
    show_default=True,
    help="Columns of the table of finals.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["latex", "markdown", "text", "csv"]),
    help="By the ending of --out if it is not given (.tex, .md, .csv), else text.",
)
@click.option("--best", is_flag=True, help="Mark what is best, and what is not surely worse.")
@click.option("--out", metavar="FILE", type=click.Path(path_type=Path), help="Where to.")
@click.option(
    "--parameters", is_flag=True, help="The parameters of a scenario, named in place of RUN."
)
@set_option
def command(
    runs: tuple[str, ...],
    measures: str,
    form: str | None,
    best: bool,
    out: Path | None,
    parameters: bool,
    assignments: tuple[str, ...],
) -> None:
    """Print a row a variant of RUNS, run folders or folders of them: means and 95 % intervals over seeds.

    With --parameters instead what a scenario consists of, for the table that begins a paper's section of results.
    """
    if assignments and not parameters:
        raise click.UsageError("--set belongs to --parameters; what was played stays as it is")
    form = form or ENDINGS.get(out.suffix if out else "", "text")
    if parameters:
        text = _parameters(runs, form, assignments)
    else:
        text = _outcomes(runs, listed(measures), form, best)
    if out is None:
        click.echo(text, nl=False)
        return
    from wflsim.records.folder import RunFolder

    RunFolder(out.parent).write(out.name, lambda path: path.write_text(text, encoding="utf-8"))


def _outcomes(runs: tuple[str, ...], measures: list[str], form: str, best: bool) -> str:
    from wflsim.results import load
    from wflsim.tables import grid
    from wflsim.tables.outcomes import grid as printed
    from wflsim.tables.outcomes import outcomes, plain, with_best

    rows = outcomes(load(*runs), measures)
    rows = with_best(rows) if best else rows
    return grid.comma_separated(*plain(rows)) if form == "csv" else grid.FORMS[form](printed(rows))


def _parameters(names: tuple[str, ...], form: str, assignments: tuple[str, ...]) -> str:
    from wflsim.scenario.loading import load
    from wflsim.tables import grid
    from wflsim.tables.parameters import parameters

    if len(names) > 1:
        raise click.UsageError("--parameters takes one scenario; ask for each on its own")
    found = parameters(load(names[0], assignments))
    if form == "csv":
        return grid.comma_separated(found.header, [[c.text for c in row] for row in found.rows])
    return grid.FORMS[form](found)
