"""What grouping promises: who belongs together, by which rule, and what a method tells of it."""

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from wflsim.contracts.exchange import FloatArray, IntArray

State = Any  # the algorithm's own


class Clustering(Protocol):
    """Which devices belong together."""

    def labels(self, cosine: FloatArray, rng: np.random.Generator) -> IntArray:
        """Return the group of each device, numbered from 0 in the order of their first members, shape (K,).

        Args:
            cosine: How alike every two devices are, from −1 to 1, shape (K, K).
            rng: The stream of the grouping.
        """
        ...


@dataclass(frozen=True, eq=False)
class Grouping:
    """Which devices belong together, and how alike they are.

    Attributes:
        label: The group of each device, −1 for one of which that is not known, shape (N,).
        cosine: How alike every two devices were when they were grouped last, not a number where that is not known, shape (N, N).
    """

    label: IntArray
    cosine: FloatArray


@runtime_checkable
class Grouped(Protocol):
    """An algorithm whose devices belong to groups, which are recorded as they are in the end."""

    def grouping(self, state: State) -> Grouping:
        """Return who belongs to which group."""
        ...
