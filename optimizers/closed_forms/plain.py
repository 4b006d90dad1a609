"""The plain round of the closed forms, the price that clears its band, and the way back from it.

A plain round has φ = ρ, noise per hertz, p = p_max, and no energy limit, slot, rent or ceiling. With
T' = T − c and Θ = S T' + β σ a device between its bounds gains from one more hertz [X]

    a dr/db = a Θ h(z)/(ln 2 (S + β R)²),   h(z) = ln(1 + z) − z/(1 + z).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from optimizers.arrays import BoolArray, FloatArray
from optimizers.baselines.pricing import fitted
from optimizers.certificate import Allocation
from optimizers.errors import Linear
from optimizers.frontier import kept, needed_hz
from optimizers.lambert import LN2, marginal_nats, rate_bps
from optimizers.problem import RoundProblem
from optimizers.roots import increasing_root

Ask = Callable[[float], tuple[FloatArray, FloatArray]]
_BAND_TOLERANCE = 1e-13
_LOG_PRICE_STEP = 1e-15


@dataclass(frozen=True, kw_only=True, eq=False)
class Plain:
    """A plain round with what its price equation needs.

    Attributes:
        problem: The round, made plain.
        snr_hz: Received power over noise density γ p_max, shape (K,).
        theta: Θ = S T' + β σ, shape (K,).
        least_hz: Bandwidth that r_min needs, shape (K,).
        top_hz: Bandwidth that r_max needs, or the whole band if that is less, shape (K,).
        valued: Devices for which more bandwidth means more of the objective, shape (K,).
        scarce: Whether the band cannot give every valued device what r_max needs.
    """

    problem: RoundProblem
    snr_hz: FloatArray
    theta: FloatArray
    least_hz: FloatArray
    top_hz: FloatArray
    valued: BoolArray
    scarce: bool

    def worth(self, bandwidth_hz: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return a dr/db and its relative fall per relative rise of b, each of shape (K,).

        Args:
            bandwidth_hz: Bandwidth b > 0, shape (K,).
        """
        problem = self.problem
        snr = self.snr_hz / bandwidth_hz
        nats = marginal_nats(snr)
        rate = rate_bps(self.snr_hz, bandwidth_hz)
        load = np.where(self.valued, problem.prunable_bits + problem.slope_s * rate, 1.0)
        worth = np.where(self.valued, problem.weight * self.theta, 0.0) * nats / (LN2 * load**2)
        computing = 2.0 * problem.slope_s * bandwidth_hz * nats / (LN2 * load)
        return worth, (snr / (1.0 + snr)) ** 2 / nats + computing


def plain(problem: RoundProblem) -> Plain:
    """Return a round without what the closed forms do not know.

    Args:
        problem: The round, with a deadline that its band carries.
    """
    simple = problem.changed(
        energy_j=np.inf,
        slope_j=0.0,
        error="linear",
        efficiency_max=np.inf,
        slot_s=np.inf,
        rent=0.0,
        noise_band_hz=None,
        full_power=False,
    )
    left_s = simple.deadline_s - simple.fixed_s
    theta = simple.prunable_bits * left_s + simple.slope_s * simple.fixed_bits
    valued = (theta > 0.0) & (simple.weight > 0.0)
    least_hz = needed_hz(simple, simple.keep_min)
    wanted_hz = np.where(valued, needed_hz(simple, simple.keep_max), least_hz)
    top_hz = np.maximum(np.minimum(wanted_hz, simple.bandwidth_hz), least_hz)
    short = bool(np.any(wanted_hz > simple.bandwidth_hz))
    return Plain(
        problem=simple,
        snr_hz=simple.snr_hz(),
        theta=theta,
        least_hz=least_hz,
        top_hz=top_hz,
        valued=valued,
        scarce=short or float(top_hz.sum()) > simple.bandwidth_hz,
    )


def is_plain(problem: RoundProblem) -> bool:
    """Return whether a round is plain as it stands, so that its closed forms are exact.

    Args:
        problem: The round.
    """
    unlimited = (problem.energy_j, problem.efficiency_max, problem.slot_s)
    return (
        all(bool(np.all(np.isinf(limit))) for limit in unlimited)
        and not problem.rent.any()
        and isinstance(problem.error, Linear)
        and problem.noise_band_hz is None
    )


def cleared(world: Plain, ask: Ask) -> tuple[float, FloatArray, int]:
    """Return the price at which the devices ask for the whole band, what they ask for, and the steps.

    ln(B/Σ b) rises with ln λ; its root is found by Newton's method inside a bracket.

    Args:
        world: The plain round.
        ask: Maps a price λ to the bandwidths asked for and their relative fall per relative rise of
            the price, each of shape (K,).
    """
    if not world.scarce:
        return 0.0, world.top_hz, 0
    total_hz, valued = world.problem.bandwidth_hz, world.valued
    lowest = float(world.worth(np.where(valued, world.top_hz, 1.0))[0][valued].min())
    highest = float(world.worth(np.where(valued, world.least_hz, 1.0))[0][valued].max())
    if float(world.least_hz.sum()) >= total_hz:
        return highest, world.least_hz, 0

    def excess(log_price: FloatArray) -> tuple[FloatArray, FloatArray]:
        asked_hz, fall = ask(float(np.exp(log_price)))
        sum_hz = asked_hz.sum()
        return np.log(total_hz / sum_hz), (asked_hz * fall).sum() / sum_hz

    low, high = np.log(np.asarray(lowest)), np.log(np.asarray(highest))
    root, count = increasing_root(
        excess,
        low=low,
        high=high,
        start=0.5 * (low + high),
        value_tolerance=_BAND_TOLERANCE,
        step_tolerance=_LOG_PRICE_STEP,
    )
    price = float(np.exp(root))
    return price, ask(price)[0], count


def answered(
    problem: RoundProblem,
    bandwidth_hz: FloatArray,
    *,
    price: float,
    exact: bool,
    iterations: int = 0,
) -> Allocation:
    """Return the answer of a closed form to the round as it is.

    The bandwidths are fitted to the band, and every device keeps the largest ratio that it can
    really send in time and with its energy. The price of the closed form bounds what that loses.

    Args:
        problem: The round.
        bandwidth_hz: Bandwidths of the closed form, shape (K,).
        price: Its price λ of bandwidth.
        exact: Whether the closed form knows everything about the round.
        iterations: Iterations of the closed form.
    """
    bands_hz = fitted(problem, bandwidth_hz)
    return problem.allocation(
        keep=kept(problem, bands_hz),
        bandwidth_hz=bands_hz,
        price=price,
        status="optimal" if exact else None,
        iterations=iterations,
    )
