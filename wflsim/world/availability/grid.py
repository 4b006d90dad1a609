"""What all availability shares: numbered streams, and changes that fall on whole nanoseconds."""

from collections.abc import Callable
from typing import Annotated

import numpy as np

from wflsim.clock import NANOSECONDS
from wflsim.contracts import FloatArray

Draws = Callable[[int], np.random.Generator]
"""From a number to a stream of its own, in which device k has the k-th value."""

Lasting = Annotated[float, ("least", 0.001)]
"""Seconds that are long beside the grid's nanosecond."""


def on_grid_s(instant_s: FloatArray | float) -> FloatArray:
    """Return instants to the nearest nanosecond, in seconds, any shape.

    A clock that counts nanoseconds then meets each change and never falls a hair before it.

    >>> float(on_grid_s(0.1234567891))
    0.123456789
    """
    return np.asarray(np.rint(np.asarray(instant_s) * NANOSECONDS) / NANOSECONDS)


def later_s(instant_s: FloatArray, length_s: FloatArray) -> FloatArray:
    """Return instants a length later, a nanosecond at least, shape (K,)."""
    return on_grid_s(instant_s + np.maximum(length_s, 1.0 / NANOSECONDS))


def cycle_at(now_s: float, phase_s: FloatArray | float, period_s: float) -> FloatArray:
    """Return the number of the cycle that runs at an instant, of the shape of ``phase_s``.

    Cycle j runs from the grid's point at phase + j · period on. The quotient may be off by its rounding; the instants
    themselves decide.

    >>> cycle_at(20.0, np.array([0.0, 5.0, 15.0]), 10.0)
    array([2., 1., 0.])
    """
    cycle = np.floor((now_s - np.asarray(phase_s)) / period_s)
    cycle = cycle + (on_grid_s(phase_s + (cycle + 1.0) * period_s) <= now_s)
    return np.asarray(cycle - (on_grid_s(phase_s + cycle * period_s) > now_s))
