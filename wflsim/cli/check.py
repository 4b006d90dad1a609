"""`wflsim check`: what a scenario means, and whether it can work, before an hour is spent on it."""

import json
from math import isfinite
from typing import TYPE_CHECKING, Any

import click

from wflsim.cli.options import form_option, scenario_options

if TYPE_CHECKING:
    from wflsim.scenario.loading import Loaded
    from wflsim.simulation.outlook import Budget, Outlook
    from wflsim.simulation.setting import Setting


@click.command("check")
@scenario_options
@form_option
def command(scenario: str, assignments: tuple[str, ...], seed: int | None, form: str) -> None:
    """Print the resolved SCENARIO with the origin of every value, its link budget, and its prospects.

    Everything is computed at the mean channel, with the devices of the scenario's seed.
    """
    from wflsim.claims.preflight import examine
    from wflsim.scenario.loading import load
    from wflsim.simulation.outlook import budget, outlook
    from wflsim.simulation.preflight import refuse
    from wflsim.simulation.setting import settle

    loaded = load(scenario, assignments, seed)
    examine(loaded)
    refuse(loaded.scenario.world, loaded.scenario.systems)
    setting = settle(loaded.scenario.world, loaded.blaming)
    outlooks = {name: outlook(setting, system) for name, system in loaded.scenario.systems.items()}
    task = _task(setting)
    if form == "json":
        told = _as_json(loaded, budget(setting), outlooks) | {"task": task}
        click.echo(json.dumps(told, ensure_ascii=False))
    else:
        _print(loaded, budget(setting), outlooks)
        click.echo(f"\n{_sentence(task)}")


def _task(setting: "Setting") -> dict[str, Any]:
    """Return what is trained: sizes, samples of each device, and how that is done on a processor."""
    anatomy = setting.holdings.anatomy
    return {
        "parameters": anatomy.weights + anatomy.others,
        "macs": anatomy.macs,
        "samples": setting.holdings.samples.tolist(),
        "engine": setting.way("cuda" if setting.world.device == "cuda" else "cpu").told,
    }


def _sentence(task: dict[str, Any]) -> str:
    samples = task["samples"]
    return (
        f"training: {task['parameters']:,} parameters, {task['macs']:,} operations a sample forward; "
        f"{sum(samples):,} samples, {min(samples):,} to {max(samples):,} a device\n  {task['engine']}"
    )


def _as_json(loaded: "Loaded", links: "Budget", outlooks: dict[str, "Outlook"]) -> dict[str, Any]:
    from dataclasses import asdict

    from wflsim.records.folder import finite
    from wflsim.scenario.describe import origins

    found: dict[str, Any] = finite(
        {
            "scenario": [
                {"key": key, "value": value, "origin": origin}
                for key, value, origin in origins(loaded)
            ],
            "links": {name: values.tolist() for name, values in asdict(links).items()},
            "variants": {
                name: {
                    "deadline_s": seen.deadline_s,
                    "dense_s": seen.dense_s,
                    "sparsest_s": seen.sparsest_s,
                    "length_s": seen.length_s,
                    "keep": seen.keep.tolist(),
                    "budget_j": seen.budget_j.tolist(),
                    "binding": dict(seen.binding),
                    "feasible": seen.feasible,
                    "met": seen.met,
                    "status": seen.certificate.status,
                    "reason": seen.certificate.reason,
                }
                for name, seen in outlooks.items()
            },
        }
    )
    return found


def _print(loaded: "Loaded", links: "Budget", outlooks: dict[str, "Outlook"]) -> None:
    from rich.markup import escape

    from wflsim.cli.tables import show, table
    from wflsim.scenario.describe import origins

    values = table("scenario", "key", "value", "origin")
    for key, value, origin in origins(loaded):
        values.add_row(escape(key), escape(str(value)), escape(origin))
    show(values, _links(links))
    for name, seen in outlooks.items():
        rounds = loaded.scenario.systems[name].rounds
        click.echo(f"\n{name}: {_verdict(seen)}")
        click.echo(
            f"  least round time: {seen.dense_s:.4g} s with nothing pruned, {seen.sparsest_s:.4g} s at the sparsest"
        )
        alike = not loaded.scenario.systems[name].policy.late.goes_on
        said = f", {rounds} rounds {rounds * seen.length_s:.4g} s" if alike else ", the first one"
        click.echo(f"  expected round: {seen.length_s:.4g} s{said}")
        click.echo(
            f"  kept share: {seen.keep.min():.3f} to {seen.keep.max():.3f}, mean {seen.keep.mean():.3f}"
        )
        if isfinite(seen.budget_j.min()):
            click.echo(
                f"  energy of a device: at most {seen.budget_j.min():.4g} to {seen.budget_j.max():.4g} J"
            )
        for what, count in seen.binding.items():
            click.echo(f"  {count} devices are held by {what}")


def _links(found: "Budget") -> Any:
    from wflsim.cli.tables import table

    columns = (
        "device",
        "distance [m]",
        "loss [dB]",
        "power [dBm]",
        "array [dB]",
        "noise [dBm]",
        "SNR [dB]",
    )
    made = table(
        "link budget at the mean channel, equal shares of the bandwidth",
        *columns,
        "expected rate [Mbit/s]",
    )
    parts = (
        found.distance_m,
        found.loss_db,
        found.power_dbm,
        found.array_db,
        found.noise_dbm,
        found.snr_db,
    )
    for device, row in enumerate(zip(*parts, found.rate_bps / 1e6, strict=True)):
        made.add_row(str(device), *(f"{value:.1f}" for value in row[:-1]), f"{row[-1]:.3f}")
    return made


def _verdict(seen: "Outlook") -> str:
    if not isfinite(seen.deadline_s):
        return "no deadline"
    margin_s = seen.deadline_s - seen.planned_s
    less = f", of which {margin_s:.4g} s are margin," if margin_s > 1e-9 * seen.deadline_s else ""
    if not seen.feasible:
        return f"the deadline of {seen.deadline_s:.4g} s{less} cannot be met: {seen.certificate.reason}"
    if not seen.met:
        missed = seen.certificate.reason or "the broadcast and computing take too long"
        return f"the deadline of {seen.deadline_s:.4g} s{less} could be met, but this allocator misses it: {missed}"
    return f"the deadline of {seen.deadline_s:.4g} s{less} can be met"
