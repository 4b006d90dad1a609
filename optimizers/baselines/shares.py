"""Bandwidths by a simple rule, and the largest ratio that each device can send in time on its own."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from optimizers.arrays import FloatArray
from optimizers.baselines.pricing import on_bands
from optimizers.certificate import Allocation
from optimizers.problem import RoundProblem, columns_of


@dataclass(frozen=True)
class EqualShare:
    """Equal bandwidths, and the largest ratio that each device can send in time on its own.

    r = clip((T' R − σ)/(S + β R), r_min, r_max) at b = B/K, or less where the energy asks for it.
    """

    def allocate(self, problem: RoundProblem, rng: np.random.Generator) -> Allocation:
        """Return the answer on equal bandwidths; nothing is drawn.

        Args:
            problem: The round.
            rng: Unused.
        """
        return on_bands(problem, _even_hz(problem))


@dataclass(frozen=True)
class Proportional:
    """Bandwidths in proportion to bits over spectral efficiency, so that uploads take alike long.

    b ∝ (σ + S r_max)/η with η the bits per second and hertz at the even share B/K. Weak channels
    get more bandwidth; who computes long gets no more. Devices that cannot send at all get none.
    """

    def allocate(self, problem: RoundProblem, rng: np.random.Generator) -> Allocation:
        """Return the answer on bandwidths in proportion to the load; nothing is drawn.

        Args:
            problem: The round.
            rng: Unused.
        """
        even_hz = _even_hz(problem)
        rate_bps = problem.rate_bps(even_hz)
        talks = rate_bps > 0.0
        bits = problem.bits(problem.keep_max)
        load = np.where(talks, bits / np.where(talks, rate_bps, 1.0), 0.0)
        if not load.any():
            return on_bands(problem, even_hz)
        return on_bands(problem, load * (problem.bandwidth_hz / float(load.sum())))


@dataclass(frozen=True)
class RandomShare:
    """Bandwidths drawn at random, and the largest ratio that each device can send in time.

    b/B follows a symmetric Dirichlet distribution. Draws go to devices in the order of their
    columns, gain first, and not of their positions, so that permuted devices get permuted shares.

    Attributes:
        concentration: Parameter of the distribution; 1 makes all shares equally likely, more brings
            them nearer to equal.
    """

    concentration: Annotated[float, ("above", 0.0)] = 1.0

    def allocate(self, problem: RoundProblem, rng: np.random.Generator) -> Allocation:
        """Return the answer on drawn bandwidths; one draw for each device.

        Args:
            problem: The round.
            rng: Where the shares come from.
        """
        share = np.empty(problem.devices)
        order = np.lexsort(list(columns_of(problem).values())[::-1])
        share[order] = rng.dirichlet(np.full(problem.devices, self.concentration))
        return on_bands(problem, share * problem.bandwidth_hz)


def _even_hz(problem: RoundProblem) -> FloatArray:
    return np.full(problem.devices, problem.bandwidth_hz / problem.devices)
