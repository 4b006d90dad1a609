"""Devices, edges and a cloud: every edge has its deadline, and its own band or a common one [X]."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from optimizers.arrays import FloatArray, IndexArray
from optimizers.certificate import Allocation
from optimizers.kkt import solve_kkt, solve_many
from optimizers.problem import RoundProblem


@dataclass(frozen=True, eq=False)
class Hierarchy:
    """What the devices of all edges do.

    Attributes:
        deadline_s: Deadline T_e of each edge, shape (E,).
        keep: Keep ratio r of each device, shape (K,).
        bandwidth_hz: Bandwidth of each device, shape (K,).
        power_w: Transmit power of each device, shape (K,).
        answers: The answer of each band: one for every edge, or one in all for a common band.
    """

    deadline_s: FloatArray
    keep: FloatArray
    bandwidth_hz: FloatArray
    power_w: FloatArray
    answers: tuple[Allocation, ...]

    @property
    def objective(self) -> float:
        """Σ a φ(1 − r) over all devices."""
        return float(sum(answer.objective for answer in self.answers))


def edge_deadlines_s(threshold_s: float, cloud_s: npt.ArrayLike, edge_rounds: int) -> FloatArray:
    """Return T_e = (T_th − t_ec)/κ₂, the deadline of one edge round, shape (E,).

    A cloud round of κ₂ edge rounds lasts max_e(κ₂ T_e + t_ec) [X, after arXiv 2305.09042].

    Args:
        threshold_s: Latency threshold T_th of a cloud round.
        cloud_s: Time t_ec from each edge to the cloud, shape (E,).
        edge_rounds: Edge rounds κ₂ in a cloud round.

    >>> edge_deadlines_s(10.0, [1.0, 2.0], 4).tolist()
    [2.25, 2.0]
    """
    if edge_rounds < 1:
        raise ValueError(f"edge_rounds: {edge_rounds} must be at least 1")
    left_s = threshold_s - np.atleast_1d(np.asarray(cloud_s, dtype=np.float64))
    if np.any(left_s <= 0.0):
        raise ValueError(
            f"threshold_s: {threshold_s} leaves no time after the way to the cloud; raise it above "
            f"{float(threshold_s - left_s.min())}"
        )
    return np.asarray(left_s / edge_rounds)


def hierarchical(
    problem: RoundProblem,
    edge: npt.ArrayLike,
    deadline_s: npt.ArrayLike,
    band_hz: Sequence[float] | None = None,
) -> Hierarchy:
    """Return the joint optimum of every edge under its deadline.

    With own bands (spatial reuse) the problem splits into one for each edge; with a common band it
    stays one whose devices have the deadlines of their edges [X]. That ratio and bandwidth follow in
    closed form after such a split is the paper's [V], the form itself is a reconstruction.

    Args:
        problem: One edge round of all devices; its deadlines are replaced.
        edge: Edge of each device, from 0, shape (K,).
        deadline_s: Deadline T_e of each edge, shape (E,), as from `edge_deadlines_s`.
        band_hz: Own band of each edge, shape (E,); none for the round's band in common.
    """
    at = np.asarray(edge, dtype=np.intp)
    limit_s = np.atleast_1d(np.asarray(deadline_s, dtype=np.float64))
    if at.shape != (problem.devices,) or at.min() < 0 or at.max() >= limit_s.size:
        raise ValueError(
            f"edge: must give each of {problem.devices} devices an edge from 0 to {limit_s.size - 1}, "
            f"got {at.tolist()}"
        )
    whole = problem.changed(deadline_s=limit_s[at])
    if band_hz is None:
        return _joined(limit_s, [np.arange(problem.devices)], [solve_kkt(whole)])
    if len(band_hz) != limit_s.size:
        raise ValueError(f"band_hz: {len(band_hz)} bands for {limit_s.size} edges; give one each")
    groups = [np.flatnonzero(at == index) for index in range(limit_s.size)]
    busy = [index for index, group in enumerate(groups) if group.size]
    members = [groups[index] for index in busy]
    rounds = [whole.picked(groups[index]).changed(bandwidth_hz=band_hz[index]) for index in busy]
    return _joined(limit_s, members, solve_many(rounds))


def least_pruning(problem: RoundProblem, bandwidth_hz: FloatArray) -> FloatArray:
    """Return ρ = [1 − (T − c)/(β + S/R)]⁺, the least pruning that is in time for σ = 0, shape (K,).

    The form that this literature gives [R]: the window over the dense computing and upload time.

    Args:
        problem: The round.
        bandwidth_hz: Bandwidths b, shape (K,).
    """
    with np.errstate(divide="ignore"):
        dense_s = problem.slope_s + problem.prunable_bits / problem.rate_bps(bandwidth_hz)
        share = (problem.deadline_s - problem.fixed_s) / dense_s
    return np.asarray(np.maximum(1.0 - share, 0.0))


def _joined(
    deadline_s: FloatArray, groups: Sequence[IndexArray], answers: Sequence[Allocation]
) -> Hierarchy:
    order = np.argsort(np.concatenate(groups), kind="stable")
    keep, bands_hz, power_w = (
        np.concatenate([getattr(answer, name) for answer in answers])[order]
        for name in ("keep", "bandwidth_hz", "power_w")
    )
    return Hierarchy(deadline_s, keep, bands_hz, power_w, tuple(answers))
