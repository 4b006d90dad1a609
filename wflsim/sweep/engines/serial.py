"""Runs one after another in this process."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from wflsim.sweep.plan import Item
from wflsim.sweep.playing import Begin, Outcome, Watch, play


@dataclass(frozen=True)
class Serial:
    """This process.

    Attributes:
        begin: What plays a run.
    """

    begin: Begin = play

    def outcomes(self, items: Sequence[Item], runs: Path, watch: Watch) -> Iterator[Outcome]:
        """Yield how each run ended, in order."""
        for item in items:
            yield self.begin(item, runs, watch)
