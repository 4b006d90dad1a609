"""The answers at the limits, where nothing is to be weighed: no deadline, and none in time."""

from optimizers import physics
from optimizers.certificate import Allocation
from optimizers.least_latency import least_latency
from optimizers.problem import RoundProblem


def unhurried(problem: RoundProblem) -> Allocation:
    """Return the answer without a deadline: every largest ratio, in the least time.

    Args:
        problem: The round.
    """
    _, bands_hz = least_latency(problem, problem.keep_max)
    return problem.allocation(
        keep=problem.keep_max, bandwidth_hz=bands_hz, price=0.0, status="optimal"
    )


def overdue(problem: RoundProblem) -> Allocation:
    """Return the answer where none is in time: every smallest ratio, in the least time.

    Args:
        problem: The round.
    """
    _, bands_hz = least_latency(problem, problem.keep_min)
    power_w = physics.spending_power_w(problem, problem.keep_min, bands_hz)
    return problem.allocation(keep=problem.keep_min, bandwidth_hz=bands_hz, power_w=power_w)
