"""The closed form by Lambert's W where computing time does not depend on the ratio."""

from dataclasses import dataclass

import numpy as np

from optimizers.arrays import FloatArray
from optimizers.baselines.pricing import carried
from optimizers.certificate import Allocation
from optimizers.closed_forms.plain import Plain, answered, cleared, is_plain, plain
from optimizers.frontier import kept
from optimizers.lambert import LN2, snr_for_marginal
from optimizers.limits import overdue, unhurried
from optimizers.problem import RoundProblem

_LEAST_NATS = 1e-12
_MOST_NATS = 690.0


@dataclass(frozen=True)
class LambertW:
    """The joint optimum for β = 0 by Lambert's W: O(K) a price, O(K log 1/ε) in all.

    h(z) = λ ln 2 S/(a T'),   z = −1/W₀(−e^−(1+h)) − 1,   b = γ p_max/z,   Σ b = B

    with h(z) = ln(1 + z) − z/(1 + z), φ = ρ and no energy limit [X]. Where β > 0 the computing time
    is frozen at the ratios that equal shares carry; the bandwidths are then those of a near-by round,
    and the ratios are what they really carry.
    """

    def allocate(self, problem: RoundProblem, rng: np.random.Generator) -> Allocation:
        """Return the answer at the price that clears the band; nothing is drawn.

        Args:
            problem: The round.
            rng: Unused.
        """
        if not problem.limited:
            return unhurried(problem)
        if not carried(problem):
            return overdue(problem)
        even_hz = np.full(problem.devices, problem.bandwidth_hz / problem.devices)
        computed_s = problem.slope_s * kept(problem, even_hz)
        world = plain(problem.changed(fixed_s=problem.fixed_s + computed_s, slope_s=0.0))
        price, bands_hz, count = cleared(world, lambda price: _asked(world, price))
        exact = is_plain(problem) and not problem.slope_s.any()
        return answered(problem, bands_hz, price=price, exact=exact, iterations=count)


def _asked(world: Plain, price: float) -> tuple[FloatArray, FloatArray]:
    """Return the bandwidths asked for at a price and their relative fall, each of shape (K,)."""
    # With β = 0 the round's Θ is S T', so that S/(a T') = S²/(a Θ).
    gain = np.where(world.valued, world.problem.weight * world.theta, 1.0)
    nats = price * LN2 * world.problem.prunable_bits**2 / gain
    asked_hz = world.snr_hz / snr_for_marginal(np.clip(nats, _LEAST_NATS, _MOST_NATS))
    bands_hz = np.clip(asked_hz, world.least_hz, world.top_hz)
    inside = world.valued & (bands_hz == asked_hz)
    fall = world.worth(np.where(inside, bands_hz, 1.0))[1]
    bands_hz = np.where(world.valued, bands_hz, world.least_hz)
    return bands_hz, np.where(inside, 1.0 / fall, 0.0)
