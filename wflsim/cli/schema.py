"""`wflsim schema`: the JSON Schema of a scenario."""

import json

import click


@click.command("schema")
def command() -> None:
    """Print the JSON Schema of a scenario, installed plug-ins included, for completion in editors."""
    from wflsim.scenario.json_schema import json_schema

    click.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))
