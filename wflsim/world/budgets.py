"""How much energy a device may spend on an exchange: as much as it takes, joules, a share of its free use, or a mean in the long run.

Where an algorithm exchanges several times a round, each exchange has the budget of its own.
"""

from dataclasses import dataclass
from math import inf
from typing import Annotated, ClassVar

import numpy as np

from channel_models.units import Positive
from wflsim.contracts import FloatArray


@dataclass(frozen=True)
class NoBudget:
    """As much as a round takes."""

    mean_j: ClassVar[float] = inf
    compares: ClassVar[bool] = False

    def round_j(self, free_j: FloatArray) -> FloatArray:
        """Return infinity, shape (K,)."""
        return np.full_like(free_j, inf)


@dataclass(frozen=True)
class PerRound:
    """The same energy for every device in every round, for all that it does in it.

    Attributes:
        limit_j: Most energy of a device in a round.
    """

    mean_j: ClassVar[float] = inf
    compares: ClassVar[bool] = False

    limit_j: Positive

    def round_j(self, free_j: FloatArray) -> FloatArray:
        """Return the limit, shape (K,)."""
        return np.full_like(free_j, self.limit_j)


@dataclass(frozen=True)
class ShareOfFree:
    """A share of the energy that the device would spend in this round, under the same allocator, if it had no budget.

    Attributes:
        share: The share; 0.5 asks every device for half.
    """

    mean_j: ClassVar[float] = inf
    compares: ClassVar[bool] = True

    share: Annotated[float, ("above", 0.0), ("most", 1.0)]

    def round_j(self, free_j: FloatArray) -> FloatArray:
        """Return the share of each device's free use, shape (K,)."""
        return self.share * free_j


@dataclass(frozen=True)
class LongTerm:
    """A mean over the rounds: what a device overdraws now, it saves later.

    A queue of overdrawn joules a device, max(Z + e − allowance, 0) after every round, tells the allocator how dear energy
    is to whom; `lyapunov` is one that listens. The mean use exceeds the allowance by no more than Z/n after n rounds.

    Attributes:
        allowance_j: Energy of a device in the mean of rounds.
    """

    compares: ClassVar[bool] = False

    allowance_j: Positive

    @property
    def mean_j(self) -> float:
        """The allowance."""
        return self.allowance_j

    def round_j(self, free_j: FloatArray) -> FloatArray:
        """Return infinity, shape (K,): no single round has a limit."""
        return np.full_like(free_j, inf)
