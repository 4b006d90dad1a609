"""What sweeping promises: the points of an axis."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np


class Axis(Protocol):
    """Some keys of a scenario, and the values that they take together."""

    def points(self, rng: np.random.Generator) -> tuple[Mapping[str, Any], ...]:
        """Return the points in order, each from key to value.

        Args:
            rng: The stream of the axis; two axes have different ones.
        """
        ...
