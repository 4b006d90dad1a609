"""`wflsim reproduce`: play what a paper claims for several seeds, and judge every claim."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wflsim.cli.options import data_option, form_option, set_option, workers_option

if TYPE_CHECKING:
    from wflsim.claims.findings import Account, Finding
    from wflsim.scenario.loading import Loaded


@click.command("reproduce")
@click.argument("name")
@click.option("--quick", is_flag=True, help="The quick form: fewer seeds, smaller settings.")
@form_option
@click.option(
    "--out",
    metavar="DIR",
    help="Folder for a run folder a seed and the results; runs/reproduce-NAME by default.",
)
@set_option
@click.option("--results", metavar="DIR", help="Write the small result files there, too.")
@data_option
@workers_option
@click.option("--quiet", is_flag=True, help="No progress line and no table.")
def command(
    name: str,
    quick: bool,
    form: str,
    out: str | None,
    assignments: tuple[str, ...],
    results: str | None,
    quiet: bool,
) -> None:
    """Play the scenario NAME for the seeds of its paper, and say of every claim whether it is met.

    NAME is a shipped scenario or a file with a section `paper:`. All variants of a seed share channels, data and initial
    weights. Seeds that were played before are not played again; one that was cut short is resumed.

    Exit code 0: everything was played, whatever the verdicts; 2: a mistake that you can mend; 1: anything else.
    """
    from wflsim.claims.preflight import refuse as refuse_claims
    from wflsim.scenario.loading import load
    from wflsim.simulation.preflight import refuse

    loaded = load(name, assignments)
    if quick:
        assignments = (*loaded.scenario.world.paper.quick, *assignments)
        loaded = load(name, assignments)
    refuse_claims(loaded)
    world = loaded.scenario.world
    refuse(world, loaded.scenario.systems)
    folder = Path(out or Path("runs", f"reproduce-{world.name}{'-quick' if quick else ''}"))
    played = {}
    for number, seed in enumerate(seeds := world.paper.played(quick), 1):
        path = played[seed] = folder / f"seed-{seed}"
        label = f"seed {seed} ({number} of {len(seeds)})  "
        _play(load(name, assignments, seed), path, quiet, label)
    account, told = _account(loaded, played, quick, assignments)
    findings = account.findings
    for place in (folder, *([Path(results)] if results else [])):
        _write(place, account, findings, told)
    _tell(account, findings, folder, form, quiet)


def _play(loaded: "Loaded", path: Path, quiet: bool, label: str) -> None:
    """Play a seed, unless it is there."""
    from wflsim.cli.playing import play
    from wflsim.records.opening import opened, over
    from wflsim.simulation.run import Run, same
    from wflsim.simulation.setting import settle

    mark = same(loaded)
    if over(path, mark):
        return
    setting = settle(loaded.scenario.world, loaded.blaming)
    with opened(str(path), loaded.scenario.world.name, mark) as folder:
        play(Run(loaded, setting, folder), quiet, "play the same again to go on", label)


def _account(
    loaded: "Loaded", played: dict[int, Path], quick: bool, assignments: tuple[str, ...]
) -> "tuple[Account, dict[str, Any]]":
    """Return what was played, and the manifest of it: no paths, no dates."""
    from wflsim.claims.findings import Account
    from wflsim.contracts import Evidence
    from wflsim.records.folder import RunFolder
    from wflsim.records.stored import tables
    from wflsim.scenario.describe import resolved
    from wflsim.simulation.run import same

    world, systems = loaded.scenario.world, loaded.scenario.systems
    folders = {seed: RunFolder(path) for seed, path in played.items()}
    evidence = Evidence({seed: tables(folder) for seed, folder in folders.items()})
    rounds = {name: system.rounds for name, system in systems.items()}
    told = {seed: folder.told()["variants"] for seed, folder in folders.items()}
    account = Account(world.name, world.paper, evidence, rounds, quick, _early(told))
    kept = ("status", "reason", "rounds", "records_sha256")
    return account, {
        "name": world.name,
        "paper_verified": world.paper.verified,
        "quick": quick,
        "seeds": list(played),
        "overrides": list(assignments),
        "versions": same(loaded)["versions"],
        "records": {
            str(seed): {
                name: {key: said[key] for key in kept if key in said}
                for name, said in variants.items()
            }
            for seed, variants in told.items()
        },
        "resolved": resolved(loaded),
    }


def _early(told: dict[int, dict[str, Any]]) -> dict[str, str]:
    """Return variant → in which seeds it ended early, and why."""
    found: dict[str, str] = {}
    for seed, variants in told.items():
        for name, said in variants.items():
            if "reason" in said:
                before = f"{found[name]}; " if name in found else ""
                found[name] = f"{before}seed {seed} after {said['rounds']} rounds, {said['reason']}"
    return found


def _write(
    place: Path, account: "Account", findings: "list[Finding]", told: dict[str, Any]
) -> None:
    from wflsim.claims.results import write
    from wflsim.errors import UserError
    from wflsim.records.folder import RunFolder

    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{place}: cannot be made: {error}; name another folder") from error
    write(RunFolder(place), account, findings, told)


def _tell(
    account: "Account", findings: "list[Finding]", folder: Path, form: str, quiet: bool
) -> None:
    """Print every verdict."""
    from wflsim.claims.findings import UNKNOWN, as_json, heading

    if form == "json":
        click.echo(json.dumps(as_json(account.name, findings), ensure_ascii=False))
    elif not quiet:
        click.secho(account.name, bold=True)
        for line in heading(account):
            click.echo(f"  {line}")
        for found in findings:
            row = found.row
            click.echo()
            click.secho(f"{row['verdict']}: {row['claim']}", bold=True)
            click.echo(f"  paper: {row['paper']}")
            click.echo(f"  ours: {row['ours'] or UNKNOWN}")
            if row["difference"]:
                click.echo(f"  difference: {row['difference']}")
            click.echo(f"  {row['reason']}")
        click.echo(f"\ntable: {folder / 'table.md'}")
