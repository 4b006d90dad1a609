"""Uploads one after another over the whole band, once all have computed, beside those side by side.

For a given total time τ of the uploads this is the joint problem again: what device k gets is the
part B t of B τ hertz-seconds, and on it s bits take the energy e = p t,

    s ≤ B t log2(1 + γ e/(B t)),   e₁ r + e ≤ E,   e ≤ p_max t  ⇔  s ≤ B t log2(1 + γ p_max/B),

which is a unit window with the band B τ and a ceiling of the spectral efficiency, and with the
largest ratio (T − τ − c)/β that leaves τ. The whole is jointly convex, so its value is convex in τ
[X]. Without slots and rent it is never below the value side by side: the same energy over the longer
window T − c − β r with the band B t/(T − c − β r) carries the same bits with less power [X, proved].
"""

from dataclasses import dataclass

import numpy as np

from optimizers.arrays import FloatArray
from optimizers.certificate import Allocation
from optimizers.frontier import needed_hz
from optimizers.kkt import solve_kkt, solve_many
from optimizers.lambert import LN2
from optimizers.objectives.batches import least_point
from optimizers.problem import RoundProblem

_POINTS = 16
_FIT = 1e-9


@dataclass(frozen=True, eq=False)
class Schedule:
    """Who sends when, with which power, over the whole band.

    Attributes:
        keep: Keep ratio r, shape (K,).
        start_s: When each upload starts, shape (K,).
        upload_s: How long it takes, shape (K,).
        power_w: Transmit power, shape (K,).
        objective: Σ a φ(1 − r).
        transmission_s: Time τ from the end of all computing to the deadline.
        reason: Why it is infeasible, otherwise empty.
    """

    keep: FloatArray
    start_s: FloatArray
    upload_s: FloatArray
    power_w: FloatArray
    objective: float
    transmission_s: float
    reason: str


def tdma(problem: RoundProblem) -> Schedule:
    """Return the best schedule of uploads one after another.

    With several deadlines the earliest counts for all. The rent of bandwidth is left out, since
    everyone has the whole band. Without a deadline all keep their largest ratio and send as fast as
    power and energy allow. Devices send in the order in which they have computed.

    Args:
        problem: The round, without slots, and without energy budgets where `full_power` holds.
    """
    _refuse(problem)
    deadline_s = float(problem.deadline_s.min())
    keep = problem.keep_min if problem.limited else problem.keep_max
    least_hz_s = needed_hz(_unit(problem, problem.bandwidth_hz, keep), keep)
    ready_s = problem.fixed_s + problem.slope_s * keep
    shortest_s = float(least_hz_s.sum()) / problem.bandwidth_hz
    if not np.isfinite(shortest_s):
        mute = int(np.argmax(np.isinf(least_hz_s)))
        return _schedule(problem, keep, np.zeros(keep.size), f"device {mute} cannot send its bits")
    longest_s = deadline_s - float(ready_s.max())
    if not problem.limited:
        return _schedule(problem, keep, least_hz_s / problem.bandwidth_hz, "")
    if shortest_s > longest_s * (1.0 + _FIT):
        least_s = float(ready_s.max()) + shortest_s
        reason = f"the smallest ratios are sent by {least_s * (1.0 + 6e-6):.6g} s at the earliest"
        return _schedule(problem, keep, least_hz_s / problem.bandwidth_hz, reason)
    answer = _best(problem, deadline_s, min(shortest_s, longest_s), longest_s)
    return _schedule(problem, answer.keep, answer.bandwidth_hz / problem.bandwidth_hz, "")


def violations(problem: RoundProblem, schedule: Schedule) -> dict[str, float]:
    """Return the largest relative violation of each constraint, recomputed from the problem.

    Args:
        problem: The round.
        schedule: A schedule, from wherever.
    """
    keep, start_s, upload_s = schedule.keep, schedule.start_s, schedule.upload_s
    bits, power_w = problem.bits(keep), schedule.power_w
    order = np.lexsort((upload_s, start_s))
    end_s = start_s + upload_s
    last_s = float(end_s.max())
    sent = upload_s * _rate_bps(problem, power_w)
    used_j = problem.slope_j * keep + power_w * upload_s
    scale_j = np.where(np.isfinite(problem.energy_j), np.maximum(problem.energy_j, 1e-300), np.inf)
    ready_s = problem.fixed_s + problem.slope_s * keep
    excess = {
        "deadline": (end_s - problem.deadline_s)[np.isfinite(problem.deadline_s)] / last_s,
        "overlap": (end_s[order][:-1] - start_s[order][1:]) / last_s,
        "computing": (ready_s - start_s) / last_s,
        "payload": (bits - sent) / np.maximum(bits, 1.0),
        "power": np.maximum(power_w / problem.power_max_w - 1.0, -power_w),
        "energy": (used_j - np.minimum(problem.energy_j, used_j)) / scale_j,
        "keep": np.maximum(problem.keep_min - keep, keep - problem.keep_max),
    }
    return {name: max(0.0, float(np.max(value, initial=0.0))) for name, value in excess.items()}


def _best(
    problem: RoundProblem, deadline_s: float, shortest_s: float, longest_s: float
) -> Allocation:
    """Return the joint optimum in hertz-seconds at the best total time of the uploads."""

    def given(transmission_s: float) -> RoundProblem:
        left_s = deadline_s - transmission_s - problem.fixed_s
        with np.errstate(divide="ignore", invalid="ignore"):
            reach = np.where(problem.slope_s > 0.0, left_s / problem.slope_s, 1.0)
        most = np.clip(reach, problem.keep_min, problem.keep_max)
        return _unit(problem, problem.bandwidth_hz * transmission_s, most)

    def values(transmissions_s: FloatArray) -> FloatArray:
        answers = solve_many([given(float(seconds)) for seconds in transmissions_s])
        return np.array([a.objective if a.certificate.feasible else np.inf for a in answers])

    shortest_s = max(shortest_s, 1e-12 * longest_s)
    return solve_kkt(given(least_point(values, np.linspace(shortest_s, longest_s, _POINTS))))


def _unit(problem: RoundProblem, hertz_seconds: float, keep_max: FloatArray) -> RoundProblem:
    """Return the joint problem in hertz-seconds and joules over a unit window."""
    whole_s = hertz_seconds / problem.bandwidth_hz
    ceiling = _rate_bps(problem, problem.power_max_w) / problem.bandwidth_hz
    # Over the noise of a narrower band the ceiling is reached on less than the whole resource.
    heard = max(1.0, problem.bandwidth_hz / (problem.noise_band_hz or np.inf))
    return problem.changed(
        bandwidth_hz=hertz_seconds,
        power_max_w=problem.power_max_w * (whole_s * heard),
        fixed_s=0.0,
        slope_s=0.0,
        deadline_s=1.0,
        keep_max=keep_max,
        efficiency_max=np.maximum(ceiling, np.finfo(np.float64).tiny),
        rent=0.0,
        noise_band_hz=None,
        full_power=False,
    )


def _rate_bps(problem: RoundProblem, power_w: FloatArray) -> FloatArray:
    """Return the rate over the whole band, shape (K,)."""
    heard_hz = problem.bandwidth_hz if problem.noise_band_hz is None else problem.noise_band_hz
    efficiency = np.log1p(problem.snr_hz(power_w) / heard_hz) / LN2
    return problem.bandwidth_hz * np.minimum(efficiency, problem.efficiency_max)


def _schedule(
    problem: RoundProblem, keep: FloatArray, share_s: FloatArray, reason: str
) -> Schedule:
    """Return uploads of given lengths, one after another from when the last has computed."""
    bits, whole_hz = problem.bits(keep), problem.bandwidth_hz
    heard_hz = whole_hz if problem.noise_band_hz is None else problem.noise_band_hz
    safe_s = np.where(share_s > 0.0, share_s, 1.0)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        snr = np.expm1(LN2 * np.where(share_s > 0.0, bits / (safe_s * whole_hz), 0.0))
        enough_w = np.where(snr > 0.0, snr * heard_hz / problem.snr_hz(1.0), 0.0)
    power_w = (
        problem.power_max_w if problem.full_power else np.minimum(enough_w, problem.power_max_w)
    )
    rate = _rate_bps(problem, power_w)
    upload_s = np.where(bits > 0.0, bits / np.where(rate > 0.0, rate, np.nan), 0.0)
    upload_s = np.where(np.isnan(upload_s), np.inf, upload_s)
    ready_s = problem.fixed_s + problem.slope_s * keep
    order = np.argsort(ready_s, kind="stable")
    start_s = np.empty(keep.size)
    start_s[order] = ready_s.max() + np.append(0.0, np.cumsum(upload_s[order])[:-1])
    lost = problem.weight * problem.error.value(1.0 - keep)
    return Schedule(
        keep=keep,
        start_s=start_s,
        upload_s=upload_s,
        power_w=np.where(bits > 0.0, power_w, 0.0),
        objective=float(lost.sum()),
        transmission_s=float(problem.deadline_s.min() - ready_s.max()),
        reason=reason,
    )


def _refuse(problem: RoundProblem) -> None:
    if np.isfinite(problem.slot_s).any():
        raise ValueError(
            f"RoundProblem.slot_s: got {problem.slot_s.min()}, but uploads one after another make "
            "their own slots; leave out slot_s"
        )
    if problem.full_power and np.isfinite(problem.energy_j).any():
        raise ValueError(
            f"RoundProblem.energy_j: got {problem.energy_j.min()} with full_power, and this is not "
            "solved for uploads one after another; leave out energy_j"
        )
