"""What following a run promises: whoever wants to is told every round of every variant while it is played."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

Note = Callable[[str, int, Mapping[str, float]], None]
"""Takes a variant, a round, and the quantities of that round by the names of their columns."""


@dataclass(frozen=True)
class Followed:
    """A run that is followed.

    Attributes:
        name: Its name: the scenario's, and what tells it from others.
        folder: Where it is written.
        group: The scenario, by which runs belong together.
        settings: Path of a key of the scenario → plain value.
    """

    name: str
    folder: Path
    group: str
    settings: Mapping[str, Any]


class Tracker(Protocol):
    """Where runs are followed."""

    def follow(self, run: Followed) -> AbstractContextManager[Note]:
        """Give what notes rounds, each variant's in their order and from the first; an exception says that the run was cut short."""
        ...
