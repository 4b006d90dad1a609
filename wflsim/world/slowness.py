"""How much slower than planned devices compute: factors of mean one on computing time."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from channel_models.units import NonNegative
from wflsim.contracts import FloatArray


@dataclass(frozen=True)
class Punctual:
    """Every device computes exactly as fast as planned.

    >>> Punctual().factors(2, np.random.default_rng(1))
    array([1., 1.])
    """

    def factors(self, devices: int, rng: np.random.Generator) -> FloatArray:
        """Return ones, shape (K,); nothing is drawn."""
        return np.ones(devices)


@dataclass(frozen=True)
class LogNormal:
    """Many small causes that multiply: the factor is exp(σ n − σ²/2) with n standard normal.

    Its mean is one and its median exp(−σ²/2): most devices are a little faster than planned, and few much slower.

    Attributes:
        sigma: Standard deviation σ of the factor's logarithm; 0 is punctual.

    Reference:
        That computing times have a heavy tail is common in measurements; the form and the default are ours [X].

    >>> LogNormal(sigma=0.0).factors(2, np.random.default_rng(1))
    array([1., 1.])
    """

    sigma: NonNegative = 0.5

    def factors(self, devices: int, rng: np.random.Generator) -> FloatArray:
        """Return the factor on each device's computing time, shape (K,)."""
        return np.asarray(np.exp(self.sigma * rng.standard_normal(devices) - self.sigma**2 / 2))


@dataclass(frozen=True)
class Pareto:
    """A power-law tail: the factor is above x with probability (m / x)^a, from m = (a − 1) / a on.

    Its mean is one. The largest of K factors grows as K^(1/a), so that a round that waits for all of many devices waits
    for one of them. At a shape of 2 and below the variance is infinite.

    Attributes:
        shape: Exponent a of the tail; the smaller, the heavier.

    Reference:
        Our choice of a heavier tail than the log-normal one's, and our default [X].

    >>> bool(Pareto(shape=2.0).factors(1000, np.random.default_rng(1)).min() >= 0.5)
    True
    """

    shape: Annotated[float, ("above", 1.0)] = 3.0

    def factors(self, devices: int, rng: np.random.Generator) -> FloatArray:
        """Return the factor on each device's computing time, shape (K,)."""
        least = (self.shape - 1.0) / self.shape
        return np.asarray(least * (1.0 - rng.random(devices)) ** (-1.0 / self.shape))
