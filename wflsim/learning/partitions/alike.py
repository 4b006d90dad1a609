"""Partitions in which all devices draw from the same mix of classes: equal sizes, or sizes that differ."""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np

from channel_models.units import Count, FloatArray
from wflsim.contracts import Division, Samples
from wflsim.learning.partitions.dealing import divided, raised, refuse_too_few, whole


@dataclass(frozen=True)
class Iid:
    """Every device draws from the same mix."""

    def split(self, samples: Samples, position_m: FloatArray, rng: np.random.Generator) -> Division:
        """Return equal shares of a shuffled data set; the first devices hold one more where it does not divide."""
        return divided(samples, np.array_split(rng.permutation(samples.count), len(position_m)))


@dataclass(frozen=True)
class Quantity:
    """Every device draws from the same mix, but their numbers of samples n_k = N·w_k/Σw differ.

    The weights w are drawn independently with the mean one and the standard deviation ``spread``; spread 0 makes all
    sizes equal. Sizes below ``least`` are raised to it, and the largest come down for that.

    Attributes:
        law: Law of the weights: gamma, with which the shares are Dirichlet(1/spread²); log_normal; or pareto, whose
            tail is heaviest.
        spread: Standard deviation of a weight over its mean; √2 is the Dirichlet(0.5) of the literature.
        least: Least number of samples of a device.

    Reference:
        Li, Diao, Chen and He, arXiv 2102.02079: quantity skew by a Dirichlet distribution [V, official code]; the
        other laws, one measure of spread for all, and raising instead of drawing anew are ours [X].

    >>> samples = Samples(np.zeros((100, 1), np.float32), np.arange(100) % 10)
    >>> found = Quantity().split(samples, np.zeros((4, 2)), np.random.default_rng(1))
    >>> [len(part) for part in found.parts]
    [15, 5, 75, 5]
    """

    law: Literal["gamma", "log_normal", "pareto"] = "gamma"
    spread: Annotated[float, ("least", 0.0), ("most", 30.0)] = 1.0
    least: Count = 5

    def split(self, samples: Samples, position_m: FloatArray, rng: np.random.Generator) -> Division:
        """Return shares of a shuffled data set whose sizes follow the law."""
        devices = len(position_m)
        refuse_too_few(samples, devices, self.least)
        weights = self.weights(devices, rng)
        sizes = raised(whole(weights / weights.sum(), samples.count), self.least)
        shuffled = rng.permutation(samples.count)
        return divided(samples, np.split(shuffled, np.cumsum(sizes)[:-1]))

    def weights(self, devices: int, rng: np.random.Generator) -> FloatArray:
        """Return weights in proportion to the devices' numbers of samples, shape (K,)."""
        if self.spread == 0.0:
            return np.ones(devices)
        square = self.spread**2
        if self.law == "gamma":
            return rng.gamma(1.0 / square, square, devices) + np.finfo(float).tiny
        if self.law == "log_normal":
            return rng.lognormal(-0.5 * np.log1p(square), np.sqrt(np.log1p(square)), devices)
        # A Pareto variable of shape a has the squared coefficient of variation 1/(a(a − 2)).
        shape = 1.0 + np.sqrt(1.0 + 1.0 / square)
        pareto: FloatArray = (1.0 + rng.pareto(shape, devices)) * (shape - 1.0) / shape
        return pareto
