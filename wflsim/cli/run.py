"""`wflsim run`: play a scenario, write a run folder, say what came out."""

import json
from contextlib import nullcontext
from functools import partial
from typing import Any

import click

from wflsim.cli.options import scenario_options


@click.command("run")
@scenario_options
@click.option(
    "--out", metavar="DIR", help="Folder for the results; runs/NAME-1, runs/NAME-2, ... by default."
)
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True
)
@click.option(
    "--trace",
    is_flag=True,
    help="Also write trace.json, which the Perfetto viewer (ui.perfetto.dev) opens.",
)
@click.option("--quiet", is_flag=True, help="No progress line and no table.")
def command(
    scenario: str,
    assignments: tuple[str, ...],
    seed: int | None,
    out: str | None,
    form: str,
    trace: bool,
    quiet: bool,
) -> None:
    """Play SCENARIO, a file or the name of a shipped scenario, and write a run folder.

    Exit code 0: the run succeeded; 2: a mistake that you can mend; 1: anything else.
    """
    from wflsim.scenario.loading import load
    from wflsim.simulation.preflight import refuse
    from wflsim.simulation.setting import settle

    loaded = load(scenario, assignments, seed)
    refuse(loaded.scenario.world, loaded.scenario.systems)
    setting = settle(loaded.scenario.world, loaded.blaming)
    from wflsim.records.folder import new_folder
    from wflsim.simulation.run import Run

    run = Run(loaded, setting, new_folder(out, loaded.scenario.world.name), partial(_draw, trace))
    try:
        with nullcontext(lambda *_: None) if quiet else _progress(loaded) as watch:
            run.play(watch)
    except KeyboardInterrupt:
        raise click.ClickException(
            f"interrupted; what was played so far is in {run.folder.path}"
        ) from None
    _tell(run, form, quiet)


def _tell(run: Any, form: str, quiet: bool) -> None:
    """Print what came out; a run of which nothing is left to play is no success."""
    from wflsim.records.folder import finite

    if form == "json":
        click.echo(json.dumps(finite(run.account()), ensure_ascii=False))
    elif not quiet:
        from wflsim.cli.tables import summary_table

        summary_table(run)
        for what, path in run.made.items():
            click.echo(f"{what}: {path}")
    if all(variant.reason for variant in run.variants.values()):
        raise click.ClickException("every variant ended early; the manifest says why")


def _progress(loaded: Any) -> Any:
    from wflsim.cli.progress import progress

    return progress(loaded)


def _draw(trace: bool, run: Any) -> dict[str, str]:
    from wflsim.figures import anatomy, overview
    from wflsim.records.trace import write

    name, tables = run.loaded.scenario.world.name, run.tables()
    made = {
        what: str(overview.save(figure.draw(name, tables), run.folder, what))
        for what, figure in (("overview", overview), ("anatomy", anatomy))
    }
    if trace:
        made["trace"] = str(run.folder.write("trace.json", lambda path: write(path, tables)))
    return made
