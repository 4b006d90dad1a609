"""`wflsim data`: which data sets are here, and how to get the others."""

import json
from typing import Any

import click

from wflsim.cli.options import data_option, form_option

# What a set's number counts where that is not samples: how many samples they make is up to the scenario.
COUNTED = {"wisdm_raw": "records"}


@click.group("data", invoke_without_command=True)
@data_option
@form_option
@click.pass_context
def command(ctx: click.Context, form: str) -> None:
    """Show the data sets that come as files: whether they are here and whole, where, and under what terms."""
    if ctx.invoked_subcommand is not None:
        return
    rows = set_rows()
    if form == "json":
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        _print(rows)


@command.command("fetch")
@click.argument("name")
@data_option
def fetch_set(name: str) -> None:
    """Fetch the data set NAME from its publisher into the data root."""
    from wflsim.errors import UserError
    from wflsim.learning.data.fetching import fetch
    from wflsim.learning.data.files import UNCHECKED
    from wflsim.learning.data.registry import SETS
    from wflsim.scenario.remedies import did_you_mean

    if name not in SETS:
        raise UserError(f"unknown data set '{name}'; {did_you_mean(name, list(SETS), 'data sets')}")
    held = fetch(SETS[name])
    if held.checked:
        click.echo(f"{name} is complete in {held.place}")
    else:
        click.echo(f"{name} is in {held.place}, unchecked: {UNCHECKED}")


def set_rows() -> list[dict[str, Any]]:
    """Return the data sets as plain data: what they are, how they stand, and under what terms."""
    from wflsim.learning.data.files import state
    from wflsim.learning.data.registry import SETS

    rows = []
    for name, published in SETS.items():
        found = state(published)
        rows.append(
            {
                "name": name,
                "samples": published.samples,
                "counted": COUNTED.get(name, "samples"),
                "classes": published.classes,
                "state": found.condition,
                "place": str(found.place),
                "bytes": found.size,
                "remark": found.remark,
                "licence": published.licence,
                "citation": published.citation,
                "page": published.page,
            }
        )
    return rows


def _print(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        click.secho(f"{row['name']}: {row['state']}", bold=True)
        click.echo(f"  {row['samples']:,} {row['counted']}, {row['classes']} classes")
        size = f" ({row['bytes'] / 1e6:.1f} MB)" if row["bytes"] else ""
        click.echo(f"  {row['place']}{size}")
        click.echo(f"  {row['citation']}; licence: {row['licence']}")
        if row["remark"]:
            click.echo(f"  {row['remark']}")
        click.echo()
