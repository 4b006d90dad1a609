"""Tables for the terminal."""

from math import isnan
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from wflsim.simulation.run import Run


UNKNOWN = "–"


def table(title: str, *columns: str) -> Table:
    """Return an empty table whose first column is text and whose others are numbers."""
    made = Table(title=title, title_justify="left")
    for index, column in enumerate(columns):
        made.add_column(escape(column), justify="left" if index == 0 else "right")
    return made


def show(*parts: Any) -> None:
    """Print tables and texts, as wide as they need to be when the output is not a terminal."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=200)
    for part in parts:
        console.print(part)


def summary_table(run: "Run") -> None:
    """Print a row a variant: accuracy and how evenly devices have it, time, energy, bits."""
    finals = run.finals()
    target = max((final.target_accuracy for final in finals.values()), default=0.0)
    made = table(
        run.loaded.scenario.world.name,
        "variant", "accuracy, own", "deviation", "worst tenth", "Jain", "global", f"time to {_share(target)} [s]", "simulated [s]",
        "energy [J]", "sent [Mbit]", "kept", "missed deadlines",
    )  # fmt: skip
    for name, final in finals.items():
        account = run.variants[name].account(final)
        reached = "never" if isnan(final.target_s) else f"{final.target_s:.3f}"
        reached = UNKNOWN if isnan(final.accuracy_personal) else reached
        made.add_row(
            name, _share(final.accuracy_personal), _share(final.accuracy_std), _share(final.accuracy_decile),
            UNKNOWN if isnan(final.accuracy_jain) else f"{final.accuracy_jain:.3f}", _share(final.accuracy_global), reached,
            f"{account['simulated_s']:.3f}", f"{account['energy_j']:.3f}", f"{final.up_bits / 1e6:.1f}",
            UNKNOWN if isnan(final.keep_mean) else f"{final.keep_mean:.2f}", str(final.missed_deadlines),
        )  # fmt: skip
    show(made)
    for name, variant in run.variants.items():
        if variant.reason:
            show(f"{escape(name)} ended after {variant.rounds} rounds: {escape(variant.reason)}")


def _share(value: float) -> str:
    return UNKNOWN if isnan(value) else f"{value:.1%}"
