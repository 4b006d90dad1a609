"""What a run makes of learning: devices train, or only the network is studied; no torch."""

from dataclasses import dataclass
from math import nan


@dataclass(frozen=True)
class Training:
    """Devices train real models on real data."""

    @property
    def trains(self) -> bool:
        """Yes."""
        return True

    def accuracy(self, progress: float) -> float:
        """Return not a number: accuracy is measured, not guessed."""
        return nan


@dataclass(frozen=True)
class Nothing:
    """Only the network is studied; nothing is trained and no accuracy is known."""

    @property
    def trains(self) -> bool:
        """No."""
        return False

    def accuracy(self, progress: float) -> float:
        """Return not a number."""
        return nan
