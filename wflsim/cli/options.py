"""The arguments that several commands share."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def _root(ctx: click.Context, param: click.Parameter, folder: str | None) -> None:
    """Make a folder the data root."""
    if folder is not None:
        from wflsim.learning.data.files import set_root

        set_root(folder)


data_option = click.option(
    "--data",
    metavar="DIR",
    callback=_root,
    expose_value=False,
    help="Data root, where data sets lie; else WFLSIM_DATA, else a cache.",
)


def scenario_options(command: Command) -> Command:
    """Add SCENARIO, --set, --seed and --data to a command."""
    command = data_option(command)
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
