"""CPU frequencies as a further variable, by successive convex approximation: a local optimum only.

Keeping r takes A + B r cycles, in τ seconds with the energy κ (A + B r)³/τ², which is jointly convex in
(r, τ). With w = b t the payload σ + S r ≤ w log2(1 + γ e/w) is jointly convex in (r, w, e), and the
window t + τ ≤ T − c is linear. Only the band Σ w/t ≤ B is not convex; around a point (w₀, t₀) it is
majorised by ½ b₀ ((w/w₀)² + (t₀/t)²), exact there, which is convex. Each step therefore keeps within
the band, and never loses [X].
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from optimizers.arrays import FloatArray, column
from optimizers.certificate import Allocation
from optimizers.convex.solver import run
from optimizers.convex.terms import carried, cost
from optimizers.kkt import solve_kkt, solve_many
from optimizers.lambert import LN2
from optimizers.problem import RoundProblem

_STARTS = (1.0, 0.8, 0.6, 0.45, 0.3, 0.2, 0.1)
_TINY = 1e-300


@dataclass(frozen=True, eq=False)
class Processors:
    """What computing takes on the processors of K devices.

    Attributes:
        cycles_fixed: Cycles A that no ratio changes, shape (K,).
        cycles_slope: Cycles B of the whole model, so that keeping r takes A + B r, shape (K,).
        frequency_max_hz: Largest frequency f_max, shape (K,).
        kappa: Effective capacitance κ, so that a cycle takes κ f² joules, shape (K,).
    """

    cycles_fixed: FloatArray
    cycles_slope: FloatArray
    frequency_max_hz: FloatArray
    kappa: FloatArray


@runtime_checkable
class Clocking(Protocol):
    """An allocator that also chooses how fast devices compute."""

    def clock_hz(self, problem: RoundProblem, processors: Processors) -> FloatArray:
        """Return the clock rate of each device, shape (K,).

        Args:
            problem: The round before computing.
            processors: What computing takes.
        """
        ...


@dataclass(frozen=True)
class CpuFrequency:
    """Ratios, bandwidths, powers and CPU frequencies together, which matter where energy is limited.

    After PHFL, arXiv 2308.01562, which chooses ratio, frequency and power under delay and energy limits by successive
    convex approximation [V, abstract]; the steps here are ours [X]. Without a budget the largest frequencies are best.

    Attributes:
        iterations: Largest number of steps.
        tolerance: Relative gain of a step below which to stop.
    """

    iterations: Annotated[int, ("least", 0)] = 20
    tolerance: Annotated[float, ("above", 0.0)] = 1e-6

    paper_verified = False

    def clock_hz(self, problem: RoundProblem, processors: Processors) -> FloatArray:
        """Return frequencies that no small change improves, shape (K,).

        Args:
            problem: The round before computing.
            processors: What computing takes.
        """
        if not np.isfinite(problem.energy_j).any():
            return processors.frequency_max_hz
        return solve_with_frequencies(
            problem, processors, iterations=self.iterations, tolerance=self.tolerance
        ).frequency_hz

    def allocate(self, problem: RoundProblem, rng: np.random.Generator) -> Allocation:
        """Return the joint optimum at the frequencies of the problem; nothing is drawn.

        Args:
            problem: The round.
            rng: Unused.
        """
        return solve_kkt(problem)


@dataclass(frozen=True, eq=False)
class FrequencyPlan:
    """Frequencies and the joint optimum at them.

    Attributes:
        allocation: The joint optimum of the round at the frequencies, with its certificate.
        frequency_hz: Frequency f, shape (K,).
        history: Objective at the start and after each step, falling; empty if nothing is in time.
    """

    allocation: Allocation
    frequency_hz: FloatArray
    history: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class _Point:
    """Where a step starts: bandwidths and times of uploads, and times of computing, shape (K,)."""

    keep: FloatArray
    bandwidth_hz: FloatArray
    upload_s: FloatArray
    power_w: FloatArray
    compute_s: FloatArray


def at_frequencies(
    problem: RoundProblem, processors: Processors, frequency_hz: npt.ArrayLike
) -> RoundProblem:
    """Return the round at given frequencies.

    Its fixed time is that of the problem and A/f, its slope in time B/f, its slope in energy κ B f²,
    and its budget that of the problem without κ A f², not below 0.

    Args:
        problem: The round before computing; its slope_s and slope_j are not used.
        processors: What computing takes.
        frequency_hz: Frequency f above 0, shape (K,).
    """
    speed = column("frequency_hz", frequency_hz, problem.devices)
    per_cycle_j = processors.kappa * speed**2
    return problem.changed(
        fixed_s=problem.fixed_s + processors.cycles_fixed / speed,
        slope_s=processors.cycles_slope / speed,
        slope_j=per_cycle_j * processors.cycles_slope,
        energy_j=np.maximum(problem.energy_j - per_cycle_j * processors.cycles_fixed, 0.0),
    )


def solve_with_frequencies(
    problem: RoundProblem,
    processors: Processors,
    start_hz: npt.ArrayLike | None = None,
    iterations: int = 20,
    tolerance: float = 1e-6,
) -> FrequencyPlan:
    """Return ratios, bandwidths, powers and CPU frequencies that no small change improves.

    From the joint optimum at the start each step solves a conic program in all variables, takes its
    frequencies, and polishes the rest by `solve_kkt`; a step that does not gain is not taken. The
    result is never worse than the joint optimum at the start, but it need not be the best of all.

    Args:
        problem: The round before computing: `fixed_s` is the time that frequencies do not change,
            `energy_j` the budget for computing and upload, and `slope_s` and `slope_j` are not used.
            It has a deadline, no slots and no fixed power.
        processors: What computing takes.
        start_hz: First frequencies, shape (K,); the best of a few fractions of the largest if none.
        iterations: Largest number of steps.
        tolerance: Relative gain of a step below which to stop.
    """
    _refuse(problem)
    limit_hz = processors.frequency_max_hz
    starts = [limit_hz * part for part in _STARTS] if start_hz is None else [start_hz]
    plan = _best(problem, processors, starts)
    for _ in range(iterations if plan.history else 0):
        try:
            wanted = _step(problem, processors, _point(problem, processors, plan))
        except ArithmeticError:
            break
        found = _best(problem, processors, [wanted, np.sqrt(wanted * plan.frequency_hz)])
        gain = plan.history[-1] - _value(found.allocation)
        if gain <= 0.0:
            break
        history = plan.history + found.history
        plan = FrequencyPlan(found.allocation, found.frequency_hz, history)
        if gain <= tolerance * abs(history[-2]):
            break
    return plan


def _best(
    problem: RoundProblem, processors: Processors, speeds: Sequence[npt.ArrayLike]
) -> FrequencyPlan:
    """Return the best of the joint optima at several frequencies."""
    answers = solve_many([at_frequencies(problem, processors, speed) for speed in speeds])
    best = min(range(len(answers)), key=lambda index: _value(answers[index]))
    speed = column("start_hz", speeds[best], problem.devices)
    history = (answers[best].objective,) if answers[best].certificate.feasible else ()
    return FrequencyPlan(answers[best], speed, history)


def _value(answer: Allocation) -> float:
    return answer.objective if answer.certificate.feasible else np.inf


def _point(problem: RoundProblem, processors: Processors, plan: FrequencyPlan) -> _Point:
    answer, speed = plan.allocation, plan.frequency_hz
    now = at_frequencies(problem, processors, speed)
    cycles = processors.cycles_fixed + processors.cycles_slope * answer.keep
    return _Point(
        keep=answer.keep,
        bandwidth_hz=answer.bandwidth_hz,
        upload_s=now.upload_s(answer.keep, answer.bandwidth_hz, answer.power_w),
        power_w=answer.power_w,
        compute_s=cycles / speed,
    )


def _step(problem: RoundProblem, processors: Processors, here: _Point) -> FloatArray:
    """Return the frequencies of the convex approximation around a point, shape (K,)."""
    import cvxpy as cp

    works = processors.cycles_fixed + processors.cycles_slope > 0.0
    spans_s = problem.deadline_s - problem.fixed_s
    unit_s = np.where(works, np.maximum(here.compute_s, 1e-6 * spans_s), spans_s)
    keep, compute = cp.Variable(problem.devices), cp.Variable(problem.devices, nonneg=True)
    cycles = processors.cycles_fixed + cp.multiply(processors.cycles_slope, keep)
    fastest = np.where(works, processors.frequency_max_hz * unit_s, 1.0)
    rows = [
        problem.keep_min <= keep,
        keep <= problem.keep_max,
        cp.multiply(1.0 / fastest, cycles) <= compute,
    ]
    spent = _computing(problem, processors, here, (unit_s, cycles, compute), rows)
    total = cp.multiply(unit_s / spans_s, compute)
    objective = cost(problem, keep)
    talks = np.flatnonzero(problem.bits(here.keep) > 0.0)
    if talks.size:
        sent_s, sent_j, rent, more = _uploads(problem, talks, here, keep)
        spread = np.zeros((problem.devices, talks.size))
        spread[talks, np.arange(talks.size)] = 1.0
        total = total + cp.multiply(1.0 / spans_s, spread @ sent_s)
        spent, objective, rows = spent + spread @ sent_j, objective + rent, rows + more
    limited = np.flatnonzero(np.isfinite(problem.energy_j))
    if limited.size:
        budget_j = np.maximum(problem.energy_j[limited], _TINY)
        rows += [cp.multiply(1.0 / budget_j, spent[limited]) <= 1.0]
    unit = float(problem.weight.max()) or 1.0
    run(cp.Problem(cp.Minimize(objective / unit), [*rows, total <= 1.0]), 1e-9)
    done = processors.cycles_fixed + processors.cycles_slope * np.asarray(keep.value)
    speed = done / np.maximum(np.asarray(compute.value) * unit_s, _TINY)
    # Without a budget, or without work, nothing speaks against the largest frequency.
    free = np.isinf(problem.energy_j) | ~works
    return np.where(free, processors.frequency_max_hz, np.fmin(speed, processors.frequency_max_hz))


def _computing(
    problem: RoundProblem,
    processors: Processors,
    here: _Point,
    work: tuple[FloatArray, Any, Any],
    rows: list[Any],
) -> Any:
    """Return the energy of computing κ cycles³/τ² in joules, shape (K,), and add its rows."""
    import cvxpy as cp

    unit_s, cycles, compute = work
    near = processors.cycles_fixed + processors.cycles_slope * here.keep
    scale = np.where(near > 0.0, near, 1.0)
    effort = cp.Variable(problem.devices, nonneg=True)
    rows += [cp.PowCone3D(effort, compute, cp.multiply(1.0 / scale, cycles), 1.0 / 3.0)]
    return cp.multiply(processors.kappa * scale**3 / unit_s**2, effort)


def _uploads(
    problem: RoundProblem, talks: npt.NDArray[np.intp], here: _Point, keep: Any
) -> tuple[Any, Any, Any, list[Any]]:
    """Return times and energies of the uploads, shape (J,), the majorised rent, and the rows."""
    import cvxpy as cp

    one = problem.picked(talks)
    bands_hz, unit_s, power_w = (
        column[talks] for column in (here.bandwidth_hz, here.upload_s, here.power_w)
    )
    snr = one.snr_hz(power_w) / bands_hz
    full = bands_hz * unit_s * np.log1p(snr) / LN2
    parts, times, energies = (cp.Variable(talks.size, nonneg=True) for _ in range(3))
    bits = one.fixed_bits / full + cp.multiply(one.prunable_bits / full, keep[talks])
    # The bandwidth w/t in units of the last one, from above.
    needed = 0.5 * (cp.square(parts) + cp.square(cp.inv_pos(times)))
    rows = [
        bits <= carried(parts, energies, snr),
        energies <= cp.multiply(one.power_max_w / power_w, times),
        (bands_hz / problem.bandwidth_hz) @ needed <= 1.0,
    ]
    ceiled = np.flatnonzero(np.isfinite(one.efficiency_max))
    if ceiled.size:
        most = (one.efficiency_max * bands_hz * unit_s / full)[ceiled]
        rows += [bits[ceiled] <= cp.multiply(most, parts[ceiled])]
    sent_j = cp.multiply(power_w * unit_s, energies)
    return cp.multiply(unit_s, times), sent_j, (one.rent * bands_hz) @ needed, rows


def _refuse(problem: RoundProblem) -> None:
    if not problem.limited or np.isfinite(problem.slot_s).any() or problem.full_power:
        raise ValueError(
            "problem: CPU frequencies need a deadline, no slot_s, and no full_power; change these"
        )
