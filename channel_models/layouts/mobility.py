"""Mobility: how devices move between two looks at them."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from channel_models.units import FloatArray


class Mobility(Protocol):
    """A rule of motion; its state is opaque to the caller and never mutated."""

    def init(self, placed_m: FloatArray, rng: np.random.Generator) -> tuple[Any, FloatArray]:
        """Return the state and the first positions in m, shape (K, 2), from where a placement has put the devices."""
        ...

    def step(
        self, state: Any, elapsed_s: float, rng: np.random.Generator
    ) -> tuple[Any, FloatArray]:
        """Return the state after some seconds and the positions then in m, shape (K, 2)."""
        ...


@dataclass(frozen=True)
class Static:
    """Devices stay where they were placed.

    >>> Static().init(np.array([[3.0, 4.0]]), np.random.default_rng(1))[1]
    array([[3., 4.]])
    """

    def init(self, placed_m: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        """Return the positions, as state and as positions; nothing is drawn."""
        return placed_m, placed_m

    def step(
        self, state: FloatArray, elapsed_s: float, rng: np.random.Generator
    ) -> tuple[FloatArray, FloatArray]:
        """Return the very same arrays; nothing is drawn."""
        return state, state
