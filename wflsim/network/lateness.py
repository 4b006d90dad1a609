"""What becomes of updates that are not there when the server closes a round."""

from dataclasses import dataclass

import numpy as np

from channel_models.units import NonNegative
from wflsim.contracts import FloatArray, IntArray


@dataclass(frozen=True)
class Dropped:
    """The server tells the device to stop; its work is lost."""

    @property
    def goes_on(self) -> bool:
        """No."""
        return False

    def weight(self, age: IntArray) -> FloatArray:
        """Return one: whatever is taken is fresh."""
        return np.ones(len(age))


@dataclass(frozen=True)
class Kept:
    """The device goes on, and its update counts in full in the round in which it comes."""

    @property
    def goes_on(self) -> bool:
        """Yes."""
        return True

    def weight(self, age: IntArray) -> FloatArray:
        """Return one, however old."""
        return np.ones(len(age))


@dataclass(frozen=True)
class Aged:
    """The device goes on, and its update counts the less the older it is: (1 + age)^(−exponent).

    Attributes:
        exponent: How fast age takes weight away; 0 counts every update in full, 0.5 is the usual polynomial weight.

    Reference:
        Xie, Koyejo and Gupta, Asynchronous federated optimization, arXiv 1903.03934, polynomial staleness;
        Nguyen et al., Federated learning with buffered asynchronous aggregation, arXiv 2106.06639, takes 0.5 [S].

    >>> Aged().weight(np.array([0, 3]))
    array([1. , 0.5])
    """

    exponent: NonNegative = 0.5

    @property
    def goes_on(self) -> bool:
        """Yes."""
        return True

    def weight(self, age: IntArray) -> FloatArray:
        """Return (1 + age)^(−exponent), shape (K,)."""
        return np.asarray((1.0 + age) ** -self.exponent)
