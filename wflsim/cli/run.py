"""`wflsim run`: play a scenario, write a run folder, say what came out."""

import json
from functools import partial
from typing import Any

import click

from wflsim.cli.options import form_option, scenario_options, track_option, workers_option


@click.command("run")
@scenario_options
@click.option(
    "--out", metavar="DIR", help="Folder for the results; runs/NAME-1, runs/NAME-2, ... by default."
)
@form_option
@click.option(
    "--trace",
    is_flag=True,
    help="Also write trace.json, which the Perfetto viewer (ui.perfetto.dev) opens.",
)
@click.option(
    "--checkpoint",
    "every",
    type=click.IntRange(min=0),
    default=10,
    show_default=True,
    metavar="N",
    help="Keep everything after every N rounds and at Ctrl-C, to resume from; 0 for never.",
)
@click.option("--resume", is_flag=True, help="Refuse to play unless --out can be resumed.")
@click.option("--fresh", is_flag=True, help="Refuse to play where --out would be resumed.")
@click.option(
    "--device",
    type=click.Choice(["cpu", "cuda", "auto"]),
    help="Where tensors are computed; short for --set device=...",
)
@workers_option
@track_option
@click.option("--quiet", is_flag=True, help="No progress line and no table.")
def command(
    scenario: str,
    assignments: tuple[str, ...],
    seed: int | None,
    out: str | None,
    form: str,
    trace: bool,
    every: int,
    resume: bool,
    fresh: bool,
    device: str | None,
    track: tuple[str, ...],
    quiet: bool,
) -> None:
    """Play SCENARIO, a file or the name of a shipped scenario, and write a run folder.

    A run that was cut short is resumed when the same scenario is played into its folder again.

    Exit code 0: the run succeeded; 2: a mistake that you can mend; 1: anything else.
    """
    if resume and fresh:
        raise click.UsageError("--resume and --fresh contradict each other; write one of them")
    from wflsim.cli.playing import play
    from wflsim.scenario.loading import load
    from wflsim.simulation.preflight import refuse
    from wflsim.simulation.setting import settle

    chosen = () if device is None else (f"device={device}",)
    loaded = load(scenario, (*assignments, *chosen), seed)
    refuse(loaded.scenario.world, loaded.scenario.systems)
    setting = settle(loaded.scenario.world, loaded.blaming)
    from wflsim.records.opening import Wish, opened
    from wflsim.simulation.run import Run, same

    wish: Wish = "resume" if resume else "fresh" if fresh else "either"
    with opened(out, loaded.scenario.world.name, same(loaded), wish) as folder:
        run = Run(loaded, setting, folder, partial(_draw, trace), every=every)
        play(run, quiet, f"play the same with --out {folder.path} to go on", track=track)
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


def _draw(trace: bool, run: Any) -> dict[str, str]:
    from wflsim.figures import anatomy, groups, overview
    from wflsim.records.trace import write

    name, tables = run.loaded.scenario.world.name, run.tables()
    drawn = {figure: figure.draw(name, tables) for figure in (overview, anatomy, groups)}
    made = {
        (what := figure.__name__.rpartition(".")[2]): str(overview.save(drew, run.folder, what))
        for figure, drew in drawn.items()
        if drew is not None
    }
    if trace:
        made["trace"] = str(run.folder.write("trace.json", lambda path: write(path, tables)))
    return made
