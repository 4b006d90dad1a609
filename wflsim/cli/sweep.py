"""`wflsim sweep`: play a scenario at many points and seeds, once each."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wflsim.cli.engines import Crew, crew_options
from wflsim.cli.options import data_option, form_option, set_option, track_option

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wflsim.sweep.plan import Plan
    from wflsim.sweep.runner import Engine, Tally

_SHOWN = 12  # points of a plan that are printed


@click.command("sweep")
@click.argument("scenario")
@click.option(
    "--vary",
    multiple=True,
    metavar="KEY.PATH=A,B,C",
    help="Values of a key, crossed with those of others and with the scenario's `sweep:`; repeatable.",
)
@click.option("--seeds", metavar="N", help="How many seeds, or which: 5, or 3,4,9.")
@click.option("--independent", is_flag=True, help="Give every point seeds of its own.")
@set_option
@click.option("--out", metavar="DIR", help="Folder of the sweep; runs/sweep-NAME by default.")
@crew_options
@click.option(
    "--screen",
    is_flag=True,
    help="Play all points without training first, and train those alone that no other beats in everything.",
)
@click.option(
    "--dry-run", is_flag=True, help="Show the plan, what is there, and how long the rest may take."
)
@form_option
@track_option
@data_option
@click.option("--quiet", is_flag=True, help="No live table and no summary.")
def command(
    scenario: str,
    vary: tuple[str, ...],
    seeds: str | None,
    independent: bool,
    assignments: tuple[str, ...],
    out: str | None,
    crew: Crew,
    screen: bool,
    dry_run: bool,
    form: str,
    track: tuple[str, ...],
    quiet: bool,
) -> None:
    """Play SCENARIO at every point of its `sweep:` and of --vary, for every seed.

    A run is known by the digest of all that determines it: one that is there is not played again, one that was cut short
    goes on. A run that fails is written down, and the rest goes on.

    Exit code 0: all runs are there; 2: a mistake that you can mend; 1: some run failed, or Ctrl-C.
    """
    plan_of = _planner(scenario, assignments, vary, seeds, independent)
    plan = plan_of()
    folder = Path(out or Path("runs", f"sweep-{plan.name}"))
    if dry_run:
        _show(plan, folder, form, crew.at_a_time)
        return
    engine, found = crew.engine(track), None
    if screen:
        plan, found = _screened(plan, plan_of, folder, (crew.engine(), engine), quiet)
    tally = _play(plan, folder, engine, quiet, found=found)
    _tell(plan, folder, tally, form, quiet)


def _planner(
    scenario: str,
    assignments: tuple[str, ...],
    vary: tuple[str, ...],
    seeds: str | None,
    independent: bool,
) -> "Callable[..., Plan]":
    """Return what plans the sweep under more assignments."""
    from wflsim.scenario.loading import load
    from wflsim.sweep.plan import planned
    from wflsim.sweep.varying import varied

    loaded = load(scenario, assignments)
    varying = varied(loaded.sweep, vary, seeds, independent)

    def plan_of(*more: str) -> "Plan":
        return planned(
            lambda values, one: load(scenario, (*assignments, *values, *more), one),
            varying,
            loaded.scenario.world.seed,
        )

    return plan_of


def _screened(
    plan: "Plan",
    plan_of: "Callable[..., Plan]",
    folder: Path,
    engines: "tuple[Engine, Engine]",
    quiet: bool,
) -> "tuple[Plan, Mapping[str, Any]]":
    """Return the points that are worth training, and what was found of all; who plays them without training, and the first with it."""
    from wflsim.sweep.runner import RUNS
    from wflsim.sweep.screening import UNTRAINED, refuse_untrained, screened

    refuse_untrained(plan)
    aside, untrained = folder / "screening", plan_of(UNTRAINED)
    steps = ((untrained, aside, None), (plan, folder, 1))
    for (what, where, first), engine in zip(steps, engines, strict=True):
        tally = _play(what, where, engine, quiet, first=first)
        if tally.failed:
            error = next(iter(tally.failed.values())).error
            raise click.ClickException(f"screening failed: {error}")
    found = screened(plan, untrained, (folder / RUNS, aside / RUNS))
    if not quiet:
        gone = len(plan.items) - len(found.plan.items)
        click.echo(
            f"screening: {gone} of {len(plan.items)} runs are left out; sweep.json says for whose sake",
            err=True,
        )
    return found.plan, found.told


def _play(
    plan: "Plan",
    folder: Path,
    engine: "Engine",
    quiet: bool,
    *,
    found: "Mapping[str, Any] | None" = None,
    first: int | None = None,
) -> "Tally":
    """Play what is not there, before the user's eyes."""
    from wflsim.cli.sweeping import board, told
    from wflsim.sweep.runner import Tally, sweep

    tally = Tally()
    try:
        with board(plan, quiet) as shown:
            for tally in sweep(plan, folder, engine, shown.watch, screening=found, first=first):
                shown.see(tally)
    except KeyboardInterrupt:
        raise click.ClickException(
            f"interrupted: {told(plan, tally)}; sweep the same again to go on"
        ) from None
    return tally


def _show(plan: "Plan", folder: Path, form: str, workers: int) -> None:
    """Print the plan."""
    from wflsim.sweep.estimate import estimate_s
    from wflsim.sweep.runner import tally_of
    from wflsim.sweep.sharing import own_rounds, shared

    tally = tally_of(plan, folder)
    left = [item for item in shared(plan.items, tally.done) if item.key not in tally.done]
    if workers > 1:
        os.environ.setdefault("WFLSIM_WORKERS", "1")  # as each of them plays
    one_s = estimate_s(left[0], tally.took_s) if left else 0.0
    rest_s = one_s * -(-len(left) // workers)
    if (
        left and not tally.took_s
    ):  # a run was tried that takes nothing over, as those do that begin together
        at_once, later = left[:workers], left[workers:]
        own = sum(item.rounds for item in at_once) + sum(map(own_rounds, later))
        rest_s *= own / sum(item.rounds for item in left)
    if form == "json":
        points = [{**item.told, "done": item.key in tally.done} for item in plan.items]
        click.echo(
            json.dumps({"points": points, "run_s": one_s, "rest_s": rest_s}, ensure_ascii=False)
        )
        return
    for item in plan.items[:_SHOWN]:
        click.echo(f"{item.key}  {item.label}{'  (done)' if item.key in tally.done else ''}")
    if len(plan.items) > _SHOWN:
        click.echo(f"... and {len(plan.items) - _SHOWN} more")
    click.echo(f"{len(plan.items)} runs, {len(tally.done)} done")
    if left:
        click.echo(
            f"about {_span(one_s)} a run, {_span(rest_s)} for the rest with {workers} at a time"
        )


def _span(seconds: float) -> str:
    """Return a length of time as a person says it."""
    for unit, size in (("h", 3600.0), ("min", 60.0)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"


def _tell(plan: "Plan", folder: Path, tally: "Tally", form: str, quiet: bool) -> None:
    """Print how the sweep ended; a failed run is no success."""
    from wflsim.cli.sweeping import told

    items = {item.key: item for item in plan.items}
    failed: dict[str, Any] = {key: how.error for key, how in tally.failed.items()}
    if form == "json":
        account = {
            "out": str(folder),
            "runs": len(items),
            "done": len(tally.done),
            "failed": failed,
        }
        click.echo(json.dumps(account, ensure_ascii=False))
    elif not quiet:
        click.echo(f"{told(plan, tally)}: {folder}")
        for key, error in failed.items():
            click.echo(f"failed: {items[key].label}: {error}", err=True)
    if failed:
        raise click.ClickException(
            f"{len(failed)} of {len(items)} runs failed; sweep.json says why"
        )
