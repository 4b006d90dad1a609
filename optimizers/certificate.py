"""The answer to a round and the evidence for it, as values."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from optimizers.arrays import BoolArray, FloatArray, IndexArray

FEASIBLE = 1e-9
OPTIMAL_GAP = 1e-6


@dataclass(frozen=True, eq=False)
class Remedy:
    """What would make a hopeless round feasible; each change helps alone.

    Attributes:
        devices: The devices that stand in the way, shape (J,).
        deadline_s: Least deadline for all; infinite if time does not help.
        bandwidth_hz: Least band; infinite if bandwidth does not help.
        energy_j: Least budgets at the smallest ratios within the deadline and any band, shape (K,).
        leave_out: Devices without which the others are served, shape (J,).
    """

    devices: IndexArray
    deadline_s: float
    bandwidth_hz: float
    energy_j: FloatArray
    leave_out: IndexArray


@dataclass(frozen=True, eq=False)
class Certificate:
    """What is known about an answer, recomputed from the problem.

    Attributes:
        status: "optimal" (claimed, and the gap bound confirms it to 1e-6), "feasible", "inaccurate"
            (claimed optimal, feasible, not confirmed), "infeasible", or "unbounded" (infeasible, and
            some device would not be in time on any bandwidth).
        objective: Σ a φ(1 − r) + Σ ν b.
        gap: Bound on how far the objective lies above the optimum; not a number without a price or
            where the answer is infeasible.
        violation: Largest relative violation of each constraint: deadline, bandwidth, power, energy,
            keep, slot.
        stationarity: Largest relative distance of what a device pays for a hertz from what the last
            and the next hertz are worth to it; not a number without a price.
        complementarity: Price times bandwidth that nobody needs, in units of the objective.
        price: Price of bandwidth, loss of objective per hertz.
        active: Which constraints hold each device: "deadline", "power", "energy", "efficiency",
            "slot", "keep_min" and "keep_max", each of shape (K,).
        iterations: Iterations of the allocator.
        reason: Why the answer is infeasible and what would help; otherwise empty.
        remedy: What would help, if the round has no feasible answer.
    """

    status: str
    objective: float
    gap: float
    violation: Mapping[str, float]
    stationarity: float
    complementarity: float
    price: float
    active: Mapping[str, BoolArray]
    iterations: int
    reason: str = ""
    remedy: Remedy | None = None

    @property
    def feasible(self) -> bool:
        """Whether every constraint holds to 1e-9."""
        return self.status not in {"infeasible", "unbounded"}

    @property
    def held(self) -> tuple[str, ...]:
        """What holds each device in one word: "keep_min", "keep_max", "deadline" or "slack"."""
        cases = ("keep_max", "keep_min", "deadline")
        chosen = np.select([self.active[case] for case in cases], cases, "slack")
        return tuple(chosen.tolist())


@dataclass(frozen=True, eq=False)
class Allocation:
    """What each device keeps, and on which bandwidth with which power it sends that.

    Attributes:
        keep: Keep ratio r, shape (K,).
        bandwidth_hz: Bandwidth, shape (K,).
        power_w: Transmit power, shape (K,).
        upload_s: Time of the upload, shape (K,).
        objective: Σ a φ(1 − r) + Σ ν b.
        certificate: The evidence.
    """

    keep: FloatArray
    bandwidth_hz: FloatArray
    power_w: FloatArray
    upload_s: FloatArray
    objective: float
    certificate: Certificate

    @property
    def pruning(self) -> FloatArray:
        """Pruning ratio ρ = 1 − r, shape (K,)."""
        return 1.0 - self.keep


@dataclass(frozen=True, eq=False)
class Point:
    """An answer without its evidence.

    Attributes:
        keep: Keep ratio r, shape (K,) or (N, K).
        bandwidth_hz: Bandwidth, shape (K,) or (N, K).
        power_w: Transmit power, shape (K,) or (N, K).
    """

    keep: FloatArray
    bandwidth_hz: FloatArray
    power_w: FloatArray
