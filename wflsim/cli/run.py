"""`wflsim run`: play a scenario, write a run folder, say what came out."""

import json
from contextlib import nullcontext
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
@click.option("--quiet", is_flag=True, help="No progress line and no table.")
def command(
    scenario: str,
    assignments: tuple[str, ...],
    seed: int | None,
    out: str | None,
    form: str,
    quiet: bool,
) -> None:
    """Play SCENARIO, a file or the name of a shipped scenario, and write a run folder.

    Exit code 0: the run succeeded; 2: a mistake that you can mend; 1: anything else.
    """
    from wflsim.scenario.loading import load
    from wflsim.simulation.setting import settle

    loaded = load(scenario, assignments, seed)
    setting = settle(loaded.scenario.world, loaded.blaming)
    from wflsim.records.folder import finite, new_folder
    from wflsim.simulation.run import Run

    run = Run(loaded, setting, new_folder(out, loaded.scenario.world.name), _figure)
    try:
        with nullcontext(lambda *_: None) if quiet else _progress(loaded) as watch:
            run.play(watch)
    except KeyboardInterrupt:
        raise click.ClickException(
            f"interrupted; what was played so far is in {run.folder.path}"
        ) from None
    if form == "json":
        click.echo(json.dumps(finite(run.account()), ensure_ascii=False))
    elif not quiet:
        from wflsim.cli.tables import summary_table

        summary_table(run)
        click.echo(f"figure: {run.figure}")


def _progress(loaded: Any) -> Any:
    from wflsim.cli.progress import progress

    return progress(loaded)


def _figure(run: Any) -> str:
    from wflsim.figures.overview import draw, save

    tables = {
        name: {t: v.recorder.table(t) for t in ("rounds", "clients")}
        for name, v in run.variants.items()
    }
    return str(save(draw(run.loaded.scenario.world.name, tables), run.folder, "overview"))
