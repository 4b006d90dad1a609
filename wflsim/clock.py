"""Simulated time: integer nanoseconds, and instants whose sums are rounded once."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

NANOSECONDS = 1_000_000_000
NEVER = int(np.iinfo(np.int64).max)
LONGEST_NS = (
    2**52
)  # 52 days, in which seconds as floats tell every nanosecond: what takes longer ends never
_ENDLESS_S = 1e12  # keeps products finite

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Instants:
    """An instant of each of K devices, told in seconds since an integer start.

    Lengths are added in seconds and the sum is rounded, not the terms, so that a plan that ends at its deadline ends at
    its deadline. What happens on a grid (slots, occasions) is computed in whole nanoseconds.

    Attributes:
        start_ns: When each device began, shape (K,).
        after_s: Seconds since then, infinite for never, shape (K,).

    >>> start = Instants(np.array([5]), np.array([0.1]))
    >>> start.later(np.array([0.2])).ns.tolist()
    [300000005]
    """

    start_ns: IntArray
    after_s: FloatArray

    @property
    def ns(self) -> IntArray:
        """The instants in nanoseconds, ``NEVER`` for those that are not reached, shape (K,)."""
        return rounded_ns(self.start_ns, self.after_s)

    def later(self, seconds: FloatArray | float) -> "Instants":
        """Return the instants some seconds later."""
        return replace(self, after_s=self.after_s + seconds)

    def at(self, instant_ns: IntArray) -> "Instants":
        """Return other instants of the same devices, given in nanoseconds."""
        after_s = (instant_ns - self.start_ns) / NANOSECONDS
        return replace(self, after_s=np.where(instant_ns >= NEVER, np.inf, after_s))

    def only(self, rows: npt.NDArray[np.bool_] | IntArray) -> "Instants":
        """Return the instants of some devices."""
        return Instants(self.start_ns[rows], self.after_s[rows])


def rounded_ns(start_ns: IntArray | int, after_s: FloatArray) -> IntArray:
    """Return instants some seconds after a start to the nearest nanosecond, ``NEVER`` beyond 52 days; shapes broadcast."""
    return _possible(start_ns, np.rint(np.minimum(after_s, _ENDLESS_S) * NANOSECONDS))


def ceiled_ns(start_ns: IntArray | int, after_s: FloatArray) -> IntArray:
    """Return the first nanosecond not before instants some seconds after a start, ``NEVER`` beyond 52 days; shapes broadcast."""
    return _possible(start_ns, np.ceil(np.minimum(after_s, _ENDLESS_S) * NANOSECONDS))


def _possible(start_ns: IntArray | int, after_ns: FloatArray) -> IntArray:
    possible = after_ns < LONGEST_NS
    return np.where(possible, start_ns + np.where(possible, after_ns, 0).astype(np.int64), NEVER)
