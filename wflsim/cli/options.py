"""The arguments that several commands share."""

import os
from collections.abc import Callable
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def _root(ctx: click.Context, param: click.Parameter, folder: str | None) -> None:
    """Make a folder the data root."""
    if folder is not None:
        from wflsim.learning.data.files import set_root

        set_root(folder)


def _workers(ctx: click.Context, param: click.Parameter, count: int | None) -> None:
    """Say to this process and its children how many train at the same time."""
    if count is not None:
        os.environ["WFLSIM_WORKERS"] = str(count)


def _trackers(ctx: click.Context, param: click.Parameter, names: tuple[str, ...]) -> Any:
    """Refuse trackers that do not exist or lack their library; name each once."""
    if names:
        from wflsim.trackers.following import refuse_unable

        refuse_unable(names)
    return tuple(dict.fromkeys(names))


data_option = click.option(
    "--data",
    metavar="DIR",
    callback=_root,
    expose_value=False,
    help="Data root, where data sets lie; else WFLSIM_DATA, else a cache.",
)

form_option = click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True
)

runs_argument = click.argument("runs", nargs=-1, required=True, metavar="RUN...")

set_option = click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="KEY.PATH=VALUE",
    help="Override a value, read as YAML; repeatable.",
)
workers_option = click.option(
    "--workers",
    type=click.IntRange(min=1),
    callback=_workers,
    expose_value=False,
    help="Chunks of devices that are trained at the same time; all cores by default. It changes no result.",
)


track_option = click.option(
    "--track",
    multiple=True,
    metavar="NAME",
    callback=_trackers,
    help="Follow every round in tensorboard, mlflow or wandb (offline); repeatable.",
)


def scenario_options(command: Command) -> Command:
    """Add SCENARIO, --set, --seed and --data to a command."""
    command = data_option(command)
    command = click.option("--seed", type=click.IntRange(min=0), help="Seed of every random draw.")(
        command
    )
    return click.argument("scenario")(set_option(command))


def listed(text: str) -> list[str]:
    """Return the names of a list with commas."""
    return [name.strip() for name in text.split(",") if name.strip()]
