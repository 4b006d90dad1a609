"""Rounds that cannot be served: who stands in the way, what would help, and whom to leave out."""

from dataclasses import replace

import numpy as np

from optimizers.arrays import FloatArray, IndexArray
from optimizers.certificate import FEASIBLE, Certificate, Point, Remedy
from optimizers.curves import curves
from optimizers.frontier import admitted, needed_hz
from optimizers.lambert import LN2
from optimizers.least_latency import least_latency
from optimizers.round import Round
from optimizers.stack import stacked

# Remedies are a little more than the least, so that rounding does not take them back.
_SPARE = 1e-9


def remedy(problem: Round) -> Remedy | None:
    """Return what would make a round feasible, or nothing if it is.

    Args:
        problem: The round, with a deadline.
    """
    least_hz = needed_hz(problem, problem.keep_min)
    total_hz = float(least_hz.sum())
    if admitted(least_hz, problem.bandwidth_hz).all():
        return None
    hopeless = np.flatnonzero(np.isinf(least_hz))
    order = np.argsort(-least_hz, kind="stable")
    with np.errstate(invalid="ignore"):
        share = np.cumsum(least_hz[order]) / total_hz
    greedy = np.sort(order[: 1 + np.argmax(share > 0.5)])
    least_s, _ = least_latency(problem, problem.keep_min)
    return Remedy(
        devices=hopeless if hopeless.size else greedy,
        deadline_s=least_s * (1.0 + _SPARE),
        bandwidth_hz=total_hz * (1.0 + _SPARE),
        energy_j=_least_energy_j(problem),
        leave_out=leave_out(problem),
    )


def leave_out(problem: Round) -> IndexArray:
    """Return the devices to drop so that the others can be served, sorted.

    Devices go in falling order of the bandwidth that they need at least per weight, until the rest
    fits: those for whom nothing is enough first [X].

    Args:
        problem: The round, with a deadline.
    """
    least_hz = needed_hz(problem, problem.keep_min)
    with np.errstate(divide="ignore", invalid="ignore"):
        burden = np.where(least_hz > 0.0, least_hz / problem.weight, 0.0)
    order = np.lexsort((-least_hz, -burden))
    order = np.concatenate([order[np.isinf(least_hz[order])], order[np.isfinite(least_hz[order])]])
    finite = np.where(np.isfinite(least_hz[order]), least_hz[order], 0.0)
    left_hz = finite.sum() - np.concatenate([[0.0], np.cumsum(finite)])
    enough = left_hz <= problem.bandwidth_hz
    enough[: np.count_nonzero(np.isinf(least_hz))] = False
    return np.sort(order[: int(np.argmax(enough))])


def _least_energy_j(problem: Round) -> FloatArray:
    """Return the energy that the smallest ratios take at least, on unlimited bandwidth, shape (K,).

    The rate tends to γp/ln 2, so that sending s bits takes at least s ln 2/γ₁ joules.
    """
    bits = problem.bits(problem.keep_min)
    if problem.noise_band_hz is not None:
        # Where noise does not grow with the band, an upload takes no time on an endless one.
        return problem.slope_j * problem.keep_min
    with np.errstate(divide="ignore", invalid="ignore"):
        sent_j = np.where(bits > 0.0, bits * LN2 / curves(stacked([problem])).watt_hz[0], 0.0)
    return np.asarray(problem.slope_j * problem.keep_min + sent_j)


def explained(problem: Round, point: Point, told: Certificate) -> Certificate:
    """Return a certificate of an infeasible answer with the reason, and what would help.

    Args:
        problem: The round.
        point: The answer, shape (K,).
        told: Its certificate so far.
    """
    help_ = remedy(problem) if problem.limited else None
    if help_ is not None:
        unbounded = bool(np.isinf(help_.bandwidth_hz))
        status = "unbounded" if unbounded else "infeasible"
        return replace(told, status=status, reason=_advice(problem, help_), remedy=help_)
    finish_s = problem.finish_s(point.keep, point.bandwidth_hz, point.power_w)
    late = np.flatnonzero(~(finish_s <= problem.deadline_s * (1.0 + FEASIBLE)))
    if late.size and problem.limited:
        worst = int(late[np.argmax((finish_s / problem.deadline_s)[late])])
        reason = (
            f"{_names(late)} would miss the deadline, device {worst} by "
            f"{finish_s[worst] - problem.deadline_s[worst]:.3g} s; another allocation meets it"
        )
        return replace(told, reason=reason)
    broken = [name for name, value in told.violation.items() if value > FEASIBLE]
    return replace(told, reason=f"the limits on {' and '.join(broken)} are exceeded")


def _advice(problem: Round, help_: Remedy) -> str:
    """Return which devices no allocation brings in time, and the least change that helps."""
    mute = (problem.snr_hz() <= 0.0) & (problem.bits(problem.keep_min) > 0.0)
    if mute.any():
        return f"{_names(np.flatnonzero(mute))} cannot send at all (no gain or no power) and must be left out"
    hopeless = np.isinf(needed_hz(problem, problem.keep_min))
    starved = np.flatnonzero((help_.energy_j >= problem.energy_j) & hopeless)
    if starved.size:
        with np.errstate(divide="ignore"):  # of nothing, anything is infinitely much
            worst = int(starved[np.argmax((help_.energy_j / problem.energy_j)[starved])])
        return (
            f"{_names(starved)} cannot compute and send on the energy left, even at keep_min on any bandwidth: "
            f"device {worst} needs more than {_round_up(float(help_.energy_j[worst]))} J of "
            f"{problem.energy_j[worst]:.6g} J; leave out {_names(help_.leave_out)}, or raise energy_j"
        )
    remedy_text = f"the least deadline for all is {_round_up(help_.deadline_s)} s"
    if np.isinf(help_.bandwidth_hz):
        return (
            f"{_names(help_.devices)} cannot meet the deadline at any bandwidth, even at keep_min; "
            f"{remedy_text}"
        )
    return (
        f"at keep_min the devices need {_round_up(help_.bandwidth_hz)} Hz of "
        f"{problem.bandwidth_hz:.6g} Hz, most of it {_names(help_.devices)}; "
        f"{remedy_text}, the least bandwidth {_round_up(help_.bandwidth_hz)} Hz"
    )


def _round_up(value: float) -> str:
    """Return a number that is not below the value, with six significant digits."""
    return f"{value * (1.0 + 6e-6):.6g}"


def _names(devices: IndexArray) -> str:
    listed = ", ".join(str(device) for device in devices[:8])
    more = f" and {devices.size - 8} more" if devices.size > 8 else ""
    return f"{'device' if devices.size == 1 else 'devices'} {listed}{more}"
