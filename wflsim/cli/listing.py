"""`wflsim list`: every kind of every family, with its fields."""

import json
from typing import Any

import click

from wflsim.cli.options import form_option


@click.command("list")
@click.argument("family", required=False)
@form_option
def command(family: str | None, form: str) -> None:
    """Show every kind of every FAMILY of components (or of one), with fields, units and defaults."""
    from wflsim.catalog import FAMILY_OF
    from wflsim.errors import UserError
    from wflsim.scenario.remedies import did_you_mean

    families = sorted(FAMILY_OF.values())
    if family and family not in families:
        raise UserError(f"unknown family '{family}'; {did_you_mean(family, families, 'families')}")
    rows = [row for name in ([family] if family else families) for row in kind_rows(name)]
    if form == "json":
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        _print(rows)


def kind_rows(family: str) -> list[dict[str, Any]]:
    """Return a family's kinds as plain data: kind, what it is, and its fields."""
    from wflsim.catalog import component, fields_of, kinds, summary

    return [
        {
            "family": family,
            "kind": kind,
            "about": summary(component(family, kind)),
            "fields": [_field_row(found) for found in fields_of(component(family, kind))],
        }
        for kind in kinds(family)
    ]


def _field_row(found: Any) -> dict[str, Any]:
    from dataclasses import MISSING

    from wflsim.scenario.describe import plain
    from wflsim.scenario.quantities import unit_of
    from wflsim.scenario.structure import describe

    needed = found.default is MISSING
    return {
        "name": found.name,
        "unit": unit_of(found.name),
        "accepts": describe(found),
        "required": needed,
        "default": None if needed else plain(found.default, found.hint),
        "meaning": found.meaning,
    }


def _print(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        click.secho(f"{row['family']}: {row['kind']}", bold=True)
        click.echo(f"  {row['about']}")
        for found in row["fields"]:
            default = "required" if found["required"] else f"default {found['default']!r}"
            click.echo(f"    {found['name']}: {found['accepts']}; {default}")
            click.echo(f"        {found['meaning']}")
        click.echo()
