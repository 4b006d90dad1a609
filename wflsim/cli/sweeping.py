"""The live table of a sweep: what runs, how many are done and failed, and the time left."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from wflsim.sweep.plan import Plan
from wflsim.sweep.runner import Tally

_SHOWN = 8  # runs under way that are shown


class Board:
    """What is shown of a sweep while it goes on.

    Attributes:
        plan: The sweep.
        tally: How far it has come.
        rounds: Key of a run under way → rounds played so far.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.tally = Tally()
        self.rounds: dict[str, int] = {}
        self._items = {item.key: item for item in plan.items}
        self._bar = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("rounds  left"),
            TimeRemainingColumn(),
        )
        self._line = self._bar.add_task(plan.name, total=sum(item.rounds for item in plan.items))

    def watch(self, key: str, rounds: int) -> None:
        """Hear how many rounds of a run are played."""
        self.rounds[key] = rounds

    def see(self, tally: Tally) -> None:
        """Hear how far the sweep has come."""
        self.tally = tally
        for key in [*tally.done, *tally.failed]:
            self.rounds.pop(key, None)

    def __rich__(self) -> Group:
        """Return the table."""
        over = sum(self._items[key].rounds for key in [*self.tally.done, *self.tally.failed])
        self._bar.update(self._line, completed=over + sum(self.rounds.values()))
        table = Table(box=None, pad_edge=False, show_header=False)
        for key, rounds in list(self.rounds.items())[:_SHOWN]:
            item = self._items[key]
            table.add_row("  running", item.label, f"round {rounds} of {item.rounds}")
        return Group(self._bar, table, told(self.plan, self.tally, len(self.rounds)))


def told(plan: Plan, tally: Tally, running: int = 0) -> str:
    """Return how far a sweep has come, in a line."""
    waits = len(plan.items) - len(tally.done) - len(tally.failed) - running
    parts = {
        "done": len(tally.done),
        "running": running,
        "failed": len(tally.failed),
        "waiting": waits,
    }
    return "  ".join(f"{count} {what}" for what, count in parts.items() if count)


@contextmanager
def board(plan: Plan, quiet: bool) -> Iterator[Board]:
    """Yield what hears of a sweep, and show it on a terminal."""
    made = Board(plan)
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield made
        return
    with Live(made, console=console, refresh_per_second=4, transient=True):
        yield made
