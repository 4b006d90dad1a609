"""`wflsim export`: the frames of what was played, for other programs."""

from pathlib import Path

import click

from wflsim.cli.options import listed, runs_argument


@click.command("export")
@runs_argument
@click.option(
    "--out",
    required=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Where to; ends with .csv, .parquet, .mat or .dat.",
)
@click.option(
    "--table",
    "name",
    type=click.Choice(["rounds", "clients", "finals", "runs", "groups"]),
    default="rounds",
    show_default=True,
)
@click.option("--columns", metavar="A,B", default="", help="Only these, beside what tells the run.")
def command(runs: tuple[str, ...], out: Path, name: str, columns: str) -> None:
    """Write a table of RUNS, run folders or folders of them, as CSV, Parquet, MAT, or columns for pgfplots."""
    from wflsim.exports import chosen, write
    from wflsim.results import load

    frame = chosen(load(*runs), name, listed(columns))
    write(frame, out, name)
    click.echo(f"{out}: {len(frame)} rows, {len(frame.columns)} columns")
