"""The arguments that several commands share."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def scenario_options(command: Command) -> Command:
    """Add SCENARIO, --set and --seed to a command."""
    command = click.option("--seed", type=click.IntRange(min=0), help="Seed of every random draw.")(
        command
    )
    command = click.option(
        "--set",
        "assignments",
        multiple=True,
        metavar="KEY.PATH=VALUE",
        help="Override a value, read as YAML; repeatable.",
    )(command)
    return click.argument("scenario")(command)
