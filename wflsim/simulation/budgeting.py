"""Energy budgets: from the joules that a device may spend on a round to those that pruning and sending may use."""

from dataclasses import dataclass

import numpy as np

from optimizers.certificate import Allocation
from optimizers.problem import RoundProblem
from wflsim.contracts import Electronics, FloatArray
from wflsim.network.timeline import ACCESS, COMPUTE, GRANT, PAGE, QUEUE, RECEIVE, UPLOAD, WAIT

_ROUNDING_S = 2e-9


@dataclass(frozen=True, eq=False)
class Spending:
    """What a device spends at a kept share r and a radiated energy p t: fixed + slope · r + radiated · p t; shapes (K,).

    Attributes:
        fixed_j: What neither changes.
        slope_j: What the whole prunable part adds.
        radiated: Joules that a joule takes which is planned as radiated over the whole upload.
        most_w: Sum of all powers beside what is radiated.
    """

    fixed_j: FloatArray
    slope_j: FloatArray
    radiated: FloatArray
    most_w: FloatArray

    def of(self, allocation: Allocation) -> FloatArray:
        """Return what each device is going to spend, shape (K,)."""
        sent_j = allocation.power_w * allocation.upload_s
        sent_j = np.where(allocation.upload_s > 0.0, sent_j, 0.0)
        return np.asarray(self.fixed_j + self.slope_j * allocation.keep + self.radiated * sent_j)

    def left_j(self, problem: RoundProblem, budget_j: FloatArray) -> FloatArray:
        """Return what budgets leave for r and for radiation, below 0 where what is fixed exceeds them, shape (K,).

        A few nanoseconds are kept back, since the network rounds every instant to one.

        Args:
            problem: The round.
            budget_j: What each device may spend in all, shape (K,).
        """
        rounding_j = _ROUNDING_S * (self.most_w + self.radiated * problem.power_max_w)
        return np.asarray(budget_j - self.fixed_j - rounding_j)

    def within(self, problem: RoundProblem, budget_j: FloatArray) -> RoundProblem:
        """Return the problem with budgets, in which a radiated joule counts as one.

        Args:
            problem: The round.
            budget_j: What each device may spend in all, shape (K,).
        """
        left_j = np.maximum(self.left_j(problem, budget_j), 0.0) / self.radiated
        return problem.changed(energy_j=left_j, slope_j=self.slope_j / self.radiated)


def spending(
    problem: RoundProblem,
    electronics: Electronics,
    compute_w: FloatArray,
    *,
    receive_s: FloatArray,
    computing_s: FloatArray,
    until_s: FloatArray,
    airtime_share: float = 1.0,
) -> Spending:
    """Return what the devices of a round spend, as far as it can be planned.

    Procedures are charged at the dearest of their powers. After computing a device sends or waits until the round is over,
    both charged at the dearer of the two beside what is radiated; exact where circuits and waiting draw nothing, and more
    than is spent where circuits draw much [X]. What cannot be planned comes on top: slowness, repeats, a backhaul.

    Args:
        problem: The round.
        electronics: What the radio draws.
        compute_w: Power while computing, shape (K,).
        receive_s: Time of receiving, shape (K,).
        computing_s: Computing that no ratio changes, loading included, shape (K,).
        until_s: Length of the round for each device, shape (K,).
        airtime_share: Share of an upload in which a device is on the air.
    """
    silent, loud = np.zeros_like(compute_w), np.ones_like(compute_w)
    share = airtime_share * loud
    power_w = electronics.phase_power_w(compute_w, silent, share)
    radiated = electronics.phase_power_w(compute_w, loud, share)[:, UPLOAD] - power_w[:, UPLOAD]
    around_w = power_w[:, [PAGE, ACCESS, GRANT, QUEUE]].max(axis=1)
    late_w = power_w[:, [UPLOAD, WAIT]].max(axis=1)
    around_s = np.maximum(problem.fixed_s - receive_s - computing_s, 0.0)
    late_s = np.maximum(until_s - problem.fixed_s, 0.0)
    before_j = receive_s * power_w[:, RECEIVE] + computing_s * power_w[:, COMPUTE]
    # The tail exists only where something is drawn in it, which a round without a limit has for ever.
    after_j = np.where(late_w > 0.0, late_w * np.where(late_w > 0.0, late_s, 0.0), 0.0)
    slope_j = problem.slope_s * np.maximum(power_w[:, COMPUTE] - late_w, 0.0)
    fixed_j = before_j + around_s * around_w + after_j
    return Spending(fixed_j, slope_j, radiated, power_w.sum(axis=1))
