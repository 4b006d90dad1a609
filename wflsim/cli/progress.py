"""The live line of a run: variant, round, simulated time, accuracy, time left."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from wflsim.records.report import Report
from wflsim.scenario.loading import Loaded


@contextmanager
def progress(
    loaded: Loaded, played: int = 0, label: str = ""
) -> Iterator[Callable[[str, int, Report], None]]:
    """Yield a function that takes every round's report; the line goes to standard error.

    Args:
        loaded: The scenario.
        played: Rounds that were played before, of all variants.
        label: What stands before the variant's name.
    """
    total = sum(system.rounds for system in loaded.scenario.systems.values())
    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[said]}"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        line = bar.add_task(loaded.scenario.world.name, total=total, completed=played, said="")

        def watch(variant: str, rounds: int, report: Report) -> None:
            accuracy = f"  accuracy {report.scores.mean:.3f}" if report.scores else ""
            said = f"round {report.round_ + 1}/{rounds}  simulated {report.end_s:.2f} s{accuracy}  left"
            bar.update(line, advance=1, description=f"{label}{variant}", said=said)

        yield watch
