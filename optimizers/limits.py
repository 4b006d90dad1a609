"""The answers at the limits, where nothing is to be weighed: no deadline, and not enough for all."""

import numpy as np

from optimizers import physics
from optimizers.admission import leave_out
from optimizers.certificate import Allocation
from optimizers.least_latency import least_latency
from optimizers.problem import RoundProblem


def unhurried(problem: RoundProblem) -> Allocation:
    """Return the answer without a deadline: every largest ratio, in the least time.

    Where hertz cost rent there is no best answer, since less is always cheaper; none is claimed.

    Args:
        problem: The round.
    """
    _, bands_hz = least_latency(problem, problem.keep_max)
    claim = None if problem.rent.any() else "optimal"
    return problem.allocation(keep=problem.keep_max, bandwidth_hz=bands_hz, price=0.0, status=claim)


def overdue(problem: RoundProblem) -> Allocation:
    """Return the answer where not all can be served: every smallest ratio, some devices left out.

    Those whom `optimizers.admission.leave_out` names get no bandwidth, so that the others are in
    time, rather than all a little late.

    Args:
        problem: The round.
    """
    served = np.setdiff1d(np.arange(problem.devices), leave_out(problem))
    bands_hz = np.zeros(problem.devices)
    if served.size:
        rest = problem.picked(served)
        _, bands_hz[served] = least_latency(rest, rest.keep_min)
    power_w = physics.spending_power_w(problem, problem.keep_min, bands_hz)
    return problem.allocation(keep=problem.keep_min, bandwidth_hz=bands_hz, power_w=power_w)
