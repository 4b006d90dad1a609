"""The entry point: a group whose commands are imported when they are called, so that help is quick."""

import sys
import warnings
from importlib import import_module
from typing import Any

import click

from wflsim import __version__
from wflsim.errors import UserError

COMMANDS = {
    "run": ("wflsim.cli.run", "Play a scenario and write a run folder."),
    "check": (
        "wflsim.cli.check",
        "Say what a scenario means and whether it can work, before it is played.",
    ),
    "sweep": (
        "wflsim.cli.sweep",
        "Play a scenario at many points and seeds, once each.",
    ),
    "reproduce": (
        "wflsim.cli.reproduce",
        "Play what a paper claims for several seeds, and judge every claim.",
    ),
    "plot": ("wflsim.cli.plot", "Draw figures for papers from finished runs."),
    "report": (
        "wflsim.cli.report",
        "Write one HTML file of finished runs, with all that is worth a look.",
    ),
    "table": (
        "wflsim.cli.table",
        "Print what was played as a paper's table, or a scenario's parameters.",
    ),
    "compare": (
        "wflsim.cli.compare",
        "Say how two systems differ in accuracy, seconds and joules, and why.",
    ),
    "export": (
        "wflsim.cli.export",
        "Write what was played as CSV, Parquet, MAT, or columns for pgfplots.",
    ),
    "partition": ("wflsim.cli.partition", "Show which data lie on which device."),
    "fit": (
        "wflsim.cli.fit",
        "Fit a surrogate of accuracy over rounds to a run, for studies of the network alone.",
    ),
    "list": (
        "wflsim.cli.listing",
        "Show every kind of component, with fields, units and defaults.",
    ),
    "data": (
        "wflsim.cli.data",
        "Show the data sets that come as files, and fetch them.",
    ),
    "schema": (
        "wflsim.cli.schema",
        "Print the JSON Schema of a scenario, for completion in editors.",
    ),
    "calibrate": (
        "wflsim.cli.calibrate",
        "Hold the radio against the curves that 3GPP's companies agreed on.",
    ),
    "init": ("wflsim.cli.init", "Write a commented scenario to start from."),
}


class LateGroup(click.Group):
    """A group that knows its commands' names and one-line helps, and imports a command when it is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of a user's day."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, importing it."""
        if cmd_name not in COMMANDS:
            return None
        command = import_module(COMMANDS[cmd_name][0]).command
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; warnings are told in a line, and what the user can mend as it is, with exit code 2."""
        try:
            with warnings.catch_warnings():
                warnings.showwarning = _tell
                return super().invoke(ctx)
        except UserError as error:
            click.echo(str(error), err=True)
            ctx.exit(2)


def _tell(message: Warning | str, *_: Any, **__: Any) -> None:
    click.echo(f"warning: {message}", err=True)


@click.group(cls=LateGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="wflsim")
def main() -> None:
    """Play federated learning and the radio network that carries it, side by side.

    Start with `wflsim run quickstart`, then `wflsim init DIR` for a scenario of your own.
    """


if __name__ == "__main__":
    sys.exit(main())
