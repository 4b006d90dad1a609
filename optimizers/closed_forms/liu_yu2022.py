"""Pruning with threshold device selection: a device stays while it is worth its rent [X]."""

from dataclasses import dataclass
from typing import Annotated, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from optimizers.admission import leave_out
from optimizers.arrays import FloatArray, IndexArray, column
from optimizers.certificate import Allocation
from optimizers.frontier import needed_hz
from optimizers.kkt import solve_kkt
from optimizers.problem import RoundProblem


@runtime_checkable
class Choosing(Protocol):
    """An allocator that also chooses who takes part."""

    def chosen(self, problem: RoundProblem) -> IndexArray:
        """Return the devices that are to take part, rising, shape (J,).

        Args:
            problem: The round of all that could.
        """
        ...


@dataclass(frozen=True)
class LiuYu2022:
    """The joint optimum of those devices that are worth their rent, after IEEE Trans. Commun. 70(1):231–244.

    Leaving a device out costs C a/Σ a, pruning all of everybody A; see `price_threshold` for the rule, a reconstruction [X].

    Attributes:
        data_cost: Cost C of leaving everybody out.
        pruning_cost: Cost A of pruning everything.
    """

    data_cost: Annotated[float, ("least", 0.0)] = 1.0
    pruning_cost: Annotated[float, ("above", 0.0)] = 1.0

    paper_verified = False

    def chosen(self, problem: RoundProblem) -> IndexArray:
        """Return the devices that are worth their rent; all of them where there is no deadline.

        Args:
            problem: The round of all that could.
        """
        total = float(problem.weight.sum())
        if not problem.limited or total == 0.0:
            return np.arange(problem.devices)
        worth = self.data_cost * problem.weight / total
        return price_threshold(problem, worth, self.pruning_cost).devices

    def allocate(self, problem: RoundProblem, rng: np.random.Generator) -> Allocation:
        """Return the joint optimum of the devices of the round; nothing is drawn.

        Args:
            problem: The round of those that take part.
            rng: Unused.
        """
        return solve_kkt(problem)


@dataclass(frozen=True)
class Dropped:
    """A device that the threshold rule dropped.

    Attributes:
        device: Which device.
        gain: Its gain then; minus infinity where the band could not carry it.
        cost: Cost of the selection that still had it; infinite if that was not in time.
    """

    device: int
    gain: float
    cost: float


@dataclass(frozen=True, eq=False)
class Selected:
    """Which devices take part, and what they do.

    Attributes:
        devices: The devices that take part, rising, shape (J,).
        allocation: The joint optimum of these devices, columns of shape (J,).
        cost: A Σ a φ/Σ a over them, plus Σ C over the others; infinite if they are not in time.
        trail: The devices that the rule dropped, in order; its last ones take part nevertheless if
            the selection was cheaper with them.
    """

    devices: IndexArray
    allocation: Allocation
    cost: float
    trail: tuple[Dropped, ...]


def price_threshold(
    problem: RoundProblem, data_weight: npt.ArrayLike, pruning_weight: float
) -> Selected:
    """Return the devices that are worth their rent, and their joint optimum.

    The cost of a selection s is A Σ s a φ/Σ s a + Σ (1 − s) C. From all devices that the band carries
    on, the one with the least gain C − A a φ/Σ s a − λ b goes, λ in units of that cost, until none is
    negative or one is left; each solve starts from the last price. Of the selections on the way the
    cheapest is returned, because the rule tends to drop too many. A reconstruction [X] of the
    threshold rule that the abstract of IEEE Trans. Commun. 70(1):231–244 names [V]; a heuristic.

    Args:
        problem: The round of all devices.
        data_weight: Cost C of leaving a device out, for instance proportional to its data, shape (K,).
        pruning_weight: Cost A of pruning everything.
    """
    worth = column("data_weight", data_weight, problem.devices)
    devices, trail = _admitted(problem, worth)
    best: tuple[float, IndexArray, Allocation] | None = None
    price: float | None = None
    while True:
        part = problem.picked(devices)
        answer = solve_kkt(part, price=price)
        cost = selection_cost(
            problem, devices, answer, data_weight=worth, pruning_weight=pruning_weight
        )
        if best is None or cost < best[0]:
            best = cost, devices, answer
        gain = _gains(part, answer, worth[devices], pruning_weight)
        worst = int(np.argmin(gain))
        if gain[worst] >= 0.0 or devices.size == 1:
            return Selected(best[1], best[2], best[0], tuple(trail))
        trail.append(Dropped(int(devices[worst]), float(gain[worst]), cost))
        price = answer.certificate.price
        devices = np.delete(devices, worst)


def _admitted(problem: RoundProblem, worth: FloatArray) -> tuple[IndexArray, list[Dropped]]:
    """Return the devices that the band carries, at least one, and the start of the trail."""
    out = leave_out(problem.changed(weight=worth)) if problem.limited else np.arange(0)
    devices = np.setdiff1d(np.arange(problem.devices), out)
    if devices.size == 0:
        devices = np.array([int(np.argmin(needed_hz(problem, problem.keep_min)))])
    return devices, [Dropped(int(device), -np.inf, np.inf) for device in np.setdiff1d(out, devices)]


def selection_cost(
    problem: RoundProblem,
    devices: IndexArray,
    answer: Allocation,
    *,
    data_weight: npt.ArrayLike,
    pruning_weight: float,
) -> float:
    """Return A Σ a φ/Σ a over the devices that take part, plus Σ C over the others.

    Args:
        problem: The round of all devices.
        devices: Those that take part, shape (J,).
        answer: Their allocation; the cost is infinite if it is not in time.
        data_weight: Cost C of leaving a device out, shape (K,).
        pruning_weight: Cost A of pruning everything.
    """
    if not answer.certificate.feasible:
        return float("inf")
    worth = column("data_weight", data_weight, problem.devices)
    part = problem.picked(devices)
    lost = float(part.error.value(1.0 - answer.keep) @ part.weight)
    left_out = float(worth.sum() - worth[devices].sum())
    return pruning_weight * lost / max(float(part.weight.sum()), 1e-300) + left_out


def _gains(
    part: RoundProblem, answer: Allocation, worth: FloatArray, pruning_weight: float
) -> FloatArray:
    """Return C − A a φ/Σ a − λ b of each device that takes part, shape (J,)."""
    unit = pruning_weight / max(float(part.weight.sum()), 1e-300)
    lost = part.weight * part.error.value(1.0 - answer.keep)
    rent = answer.certificate.price * answer.bandwidth_hz
    return np.asarray(worth - unit * (lost + rent))
