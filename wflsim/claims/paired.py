"""What seeds say together: a mean, its interval, and how both are told."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isnan, nan, sqrt

import numpy as np
from scipy.special import stdtr, stdtrit

from wflsim.contracts import Judgement

SURE = 0.95
ROUNDING = 1e-6
"""By how much, relatively, a ratio may pass its bar: simulated time is in whole nanoseconds. Shares: a thousandth of it."""


@dataclass(frozen=True)
class Interval:
    """A mean over seeds, and between which values it lies with 95 % confidence.

    Attributes:
        mean: The mean.
        low: Lower end; minus infinity from one seed.
        high: Upper end; infinity from one seed.
    """

    mean: float
    low: float
    high: float

    def told(self, scale: float = 1.0, form: str = "+.3g") -> str:
        """Return the interval in words, in another unit."""
        if self.low == -inf:
            return "no interval from one seed"
        return f"95 % interval {self.low * scale:{form}} to {self.high * scale:{form}}"

    def beside(self, bar: float, unit: str = "") -> str:
        """Return in words on which side of a bar the interval lies."""
        if self.low == -inf:
            return "one seed has no interval"
        where = "above" if self.low > bar else "below" if self.high < bar else "on both sides of"
        return f"the 95 % interval lies {where} {bar:g}{unit}"


def interval(values: Sequence[float]) -> Interval:
    """Return the mean of one value a seed, with Student's interval [V: any textbook].

    >>> found = interval([1.0, 2.0, 3.0])
    >>> found.mean, round(found.high - found.mean, 3)
    (2.0, 2.484)
    """
    mean, count = float(np.mean(values)), len(values)
    if count < 2:
        return Interval(mean, -inf, inf)
    quantile = float(stdtrit(count - 1, (1.0 + SURE) / 2.0))
    half = quantile * float(np.std(values, ddof=1)) / sqrt(count)
    return Interval(mean, mean - half, mean + half)


def p_value(differences: Sequence[float]) -> float:
    """Return how likely a mean at least so far from 0 were if it was 0, by Student's t; not a number from one value.

    >>> round(p_value([1.0, 2.0, 3.0]), 4), p_value([0.0, 0.0]), p_value([1.0])
    (0.0742, 1.0, nan)
    """
    count = len(differences)
    if count < 2:
        return nan
    mean, deviation = float(np.mean(differences)), float(np.std(differences, ddof=1))
    if deviation == 0.0:
        return 0.0 if mean else 1.0
    return 2.0 * float(stdtr(count - 1, -abs(mean) * sqrt(count) / deviation))


def spread(values: Sequence[float]) -> str:
    """Return the least and the largest of several values in words."""
    return f"seeds {min(values):.3g} to {max(values):.3g}" if len(values) > 1 else "one seed"


def unknown(values: Sequence[float], what: str) -> Judgement | None:
    """Return that a claim cannot be told where a seed has no value; None where all have one."""
    gaps = sum(map(isnan, values))
    if not gaps:
        return None
    return Judgement("not comparable", f"{what} in {gaps} of {len(values)} seeds")
