"""How the server ends a round."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class WaitForAll:
    """The server waits for everyone; whoever comes after the deadline is late and still taken."""

    def closes(self, arrivals: Sequence[Any], deadline: Any) -> Any:
        """Return the event that everyone has arrived."""
        return deadline.env.all_of(arrivals)


@dataclass(frozen=True)
class AtDeadline:
    """The server stops waiting at the deadline; whoever has not arrived is lost for the round."""

    def closes(self, arrivals: Sequence[Any], deadline: Any) -> Any:
        """Return whichever comes first."""
        return deadline.env.all_of(arrivals) | deadline
