"""The joint optimum with one freedom less: every device sends with its largest power."""

from dataclasses import dataclass

import numpy as np

from optimizers.baselines.pricing import best_price
from optimizers.certificate import Allocation
from optimizers.kkt import solve_kkt
from optimizers.problem import RoundProblem


@dataclass(frozen=True)
class FullPower:
    """The optimal ratios and bandwidths if power is no variable: p = p_max for all devices.

    Without energy limits that is the joint optimum. With them it is what giving up power costs: an
    upload at full power is short and spends p_max t, which a slower one on the same band saves.
    """

    def allocate(self, problem: RoundProblem, rng: np.random.Generator) -> Allocation:
        """Return the optimum at full power; nothing is drawn.

        Args:
            problem: The round.
            rng: Unused.
        """
        answer = solve_kkt(problem.changed(full_power=True))
        return problem.allocation(
            keep=answer.keep,
            bandwidth_hz=answer.bandwidth_hz,
            power_w=answer.power_w,
            price=best_price(problem),
            iterations=answer.certificate.iterations,
        )
