"""Ratios and bandwidths in turn: the popular descent that stalls near its start."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from optimizers.baselines.pricing import best_price, carried, fitted
from optimizers.certificate import Allocation
from optimizers.frontier import kept, needed_hz
from optimizers.limits import overdue, unhurried
from optimizers.problem import RoundProblem

_STILL = 1e-12


@dataclass(frozen=True)
class Alternating:
    """Ratios for given bandwidths, bandwidths for given ratios, and so on from equal shares.

    The ratio step is the closed form r = clip((T' R − σ)/(S + β R), r_min, r_max). The band step
    can only ask for feasibility, b ≥ b(r), because the objective Σ a φ(1 − r) holds no bandwidth;
    what is left over is shared equally. A device between its bounds needs all that it has, so only
    the slack of devices at r_max moves, and the descent stalls near its start [X]. That is why it
    is a baseline here, although alternating solvers are common: the joint optimum costs less.

    Attributes:
        rounds: Largest number of ratio and band steps.
    """

    rounds: Annotated[int, ("least", 1)] = 100

    def allocate(self, problem: RoundProblem, rng: np.random.Generator) -> Allocation:
        """Return where the steps come to rest; nothing is drawn.

        Args:
            problem: The round.
            rng: Unused.
        """
        if not problem.limited:
            return unhurried(problem)
        if not carried(problem):
            return overdue(problem)
        even_hz = problem.bandwidth_hz / problem.devices
        bands_hz = fitted(problem, np.full(problem.devices, even_hz))
        for count in range(1, self.rounds + 1):  # noqa: B007 (the last count is told)
            keep = kept(problem, bands_hz)
            used_hz = np.minimum(needed_hz(problem, keep), bands_hz)
            spare_hz = problem.bandwidth_hz - float(used_hz.sum())
            still = spare_hz <= _STILL * problem.bandwidth_hz
            if still or np.all(keep >= problem.keep_max):
                break
            bands_hz = used_hz + spare_hz / problem.devices
        return problem.allocation(
            keep=kept(problem, bands_hz),
            bandwidth_hz=bands_hz,
            price=best_price(problem),
            iterations=count,
        )
