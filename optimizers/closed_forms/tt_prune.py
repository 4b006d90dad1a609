"""Time-triggered rounds: tiers of devices by how long they take, each with its own deadline [X]."""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt

from optimizers.arrays import FloatArray, IndexArray
from optimizers.certificate import Allocation
from optimizers.frontier import kept
from optimizers.kkt import solve_kkt
from optimizers.problem import RoundProblem

Coupling = Literal["all", "window"]
_CEILING_SLACK = 1e-12


@dataclass(frozen=True)
class TtPrune:
    """The joint optimum under the deadlines of time-triggered tiers, after arXiv 2511.04653.

    m = ⌈t(r_max, B/K)/ΔT⌉,   deadline min(T, m ΔT),   a' ∝ α_m a/A_m (1 + ν (m − 1))

    with A_m = Σ a over a tier. Tiers, the latency limit and the choice of ratio and bandwidth are the
    paper's [V]; formulas and tier weights are a reconstruction [X]. α follows the reversed counts of
    updates [R: FedAT-style] for tiers that report once in m intervals. If the tier deadlines or the
    slots leave no answer in time, the round's own deadlines count alone. Slots and energy limits
    together are met at the largest power, on the bandwidths that are best without energy limits.

    Attributes:
        interval_s: Interval ΔT between triggers.
        coupling: Who shares the band: "all" devices at all times, or those that upload in the last
            interval before their trigger, the "window", which is then the longest upload.
        staleness: Weight ν by which devices of a slow tier count more for each interval of age.
    """

    interval_s: Annotated[float, ("above", 0.0)] = 0.5
    coupling: Coupling = "all"
    staleness: Annotated[float, ("least", 0.0)] = 0.0

    paper_verified = False

    def allocate(self, problem: RoundProblem, rng: np.random.Generator) -> Allocation:
        """Return the answer under the tiers' deadlines; nothing is drawn.

        Args:
            problem: The round; without deadlines the tiers' alone count.
            rng: Unused.
        """
        tier = tiers(problem, self.interval_s)
        if not np.isfinite(tier).all():
            return _own(problem, solve_kkt(problem))
        updates = 1.0 / np.arange(1.0, tier.max() + 1.0)
        weight = tiered_weights(problem.weight, tier, tier_weights(updates), self.staleness)
        weighed = problem.changed(weight=weight)
        answer = _answered(weighed, tier, self.interval_s, self.coupling)
        return _own(problem, answer if answer.certificate.feasible else solve_kkt(problem))


def tiers(problem: RoundProblem, interval_s: float) -> FloatArray:
    """Return the tier m = ⌈t(r_max, B/K)/ΔT⌉ of each device, at least 1, shape (K,).

    t is the time of the whole model on an even share at the largest power; a device without a rate
    has tier infinity.

    Args:
        problem: The round in which devices are profiled.
        interval_s: Interval ΔT between triggers.
    """
    even_hz = np.full(problem.devices, problem.bandwidth_hz / problem.devices)
    taken = problem.finish_s(problem.keep_max, even_hz) / interval_s
    return np.maximum(np.ceil(taken * (1.0 - _CEILING_SLACK)), 1.0)


def tier_weights(updates: npt.ArrayLike) -> FloatArray:
    """Return α_m proportional to the updates received from tier M + 1 − m, summing to 1, shape (M,).

    Reversed counts keep fast tiers from drowning out slow ones [R: FedAT-style; the paper's own rule
    is not known].

    Args:
        updates: Updates received from tiers 1 to M, shape (M,).

    >>> tier_weights([6, 3, 1]).tolist()
    [0.1, 0.3, 0.6]
    """
    counts = np.asarray(updates, dtype=np.float64)[::-1]
    total = float(counts.sum())
    return counts / total if total > 0.0 else np.full_like(counts, 1.0 / counts.size)


def tiered_weights(
    weight: FloatArray, tier: FloatArray, tier_weight: FloatArray, staleness: float
) -> FloatArray:
    """Return α_m a/A_m (1 + ν (m − 1)), scaled to the sum of a, shape (K,).

    Args:
        weight: Weight a of each device, shape (K,).
        tier: Its tier m, from 1, shape (K,).
        tier_weight: α of tiers 1 to M, shape (M,).
        staleness: Weight ν.
    """
    index: IndexArray = tier.astype(np.intp) - 1
    within = np.bincount(index, weights=weight, minlength=tier_weight.size)[index]
    share = np.divide(weight, within, out=np.zeros_like(weight), where=within > 0.0)
    raw = tier_weight[index] * share * (1.0 + staleness * (tier - 1.0))
    total = float(raw.sum())
    return np.asarray(raw * (float(weight.sum()) / total) if total > 0.0 else weight)


def time_triggered(
    problem: RoundProblem, tier: FloatArray, interval_s: float, coupling: Coupling = "all"
) -> RoundProblem:
    """Return the round under tier deadlines: T = min(T, m ΔT), and slots of ΔT for "window".

    Energy limits and slots exclude each other, so that "window" leaves the energies out.

    Args:
        problem: The round of the devices that share the band: all of them, or for "window" those
            whose tier divides the number of the interval.
        tier: Tier m of each device, from 1, shape (K,).
        interval_s: Interval ΔT between triggers.
        coupling: "all" or "window".
    """
    deadline_s = np.minimum(problem.deadline_s, tier * interval_s)
    if coupling == "all":
        return problem.changed(deadline_s=deadline_s)
    return problem.changed(
        deadline_s=deadline_s,
        slot_s=np.minimum(problem.slot_s, interval_s),
        energy_j=np.inf,
        slope_j=0.0,
    )


def _answered(
    problem: RoundProblem, tier: FloatArray, interval_s: float, coupling: Coupling
) -> Allocation:
    """Return the answer under tiers; with slots and energy limits both, at the largest power."""
    answer = solve_kkt(time_triggered(problem, tier, interval_s, coupling))
    if coupling == "all" or np.isinf(problem.energy_j).all():
        return answer
    loud = time_triggered(problem, tier, interval_s).changed(full_power=True)
    keep = np.minimum(answer.keep, kept(loud, answer.bandwidth_hz))
    return loud.allocation(keep=keep, bandwidth_hz=answer.bandwidth_hz)


def _own(problem: RoundProblem, answer: Allocation) -> Allocation:
    """Return an answer to a round under tiers as an answer to the round itself."""
    price = answer.certificate.price
    return problem.allocation(
        keep=answer.keep,
        bandwidth_hz=answer.bandwidth_hz,
        power_w=answer.power_w,
        price=float(price) if np.isfinite(price) else None,
        iterations=answer.certificate.iterations,
    )
