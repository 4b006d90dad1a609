"""Bandwidth in whole resource blocks, exactly: each next block to the device that gains most."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from optimizers.arrays import FloatArray, IndexArray
from optimizers.certificate import Allocation
from optimizers.frontier import kept, needed_hz
from optimizers.kkt import solve_kkt
from optimizers.least_latency import least_latency
from optimizers.problem import RoundProblem

_WHOLE = 1e-9
_HALVINGS = 50


@dataclass(frozen=True, eq=False)
class Blocks:
    """An answer in whole blocks.

    Attributes:
        blocks: Number of blocks of each device, shape (K,).
        block_hz: Bandwidth of a block.
        allocation: The answer; infeasible where whole blocks do not bring all devices in time.
        loss: Objective above that of the joint optimum with divisible bandwidth, not a number where
            either is infeasible.
        spare: Number of blocks that nobody gains from, or that do not fill the band.
    """

    blocks: IndexArray
    block_hz: float
    allocation: Allocation
    loss: float
    spare: int


@dataclass(frozen=True)
class WholeBlocks:
    """The joint optimum in whole resource blocks — min Σ a φ(1 − r), b = n W with n whole.

    Attributes:
        block_hz: Bandwidth W of a block; 180 kHz are twelve subcarriers of 15 kHz.
    """

    block_hz: Annotated[float, ("above", 0.0)] = 180e3

    def allocate(self, problem: RoundProblem, rng: np.random.Generator) -> Allocation:
        """Return the best answer in whole blocks; nothing is drawn.

        Args:
            problem: The round.
            rng: Unused.
        """
        return on_blocks(problem, self.block_hz).allocation


def on_blocks(problem: RoundProblem, block_hz: float) -> Blocks:
    """Return the best answer in which every bandwidth is a whole number of blocks.

    Every device first gets the fewest blocks that carry its smallest ratio. A device's error is
    convex in its bandwidth, so each further block gains it less than the last; giving the remaining
    blocks to the largest gains among all devices and blocks is therefore exact [X; checked against
    dynamic programming]. Without a deadline, or where the smallest ratios do not fit, the answer is
    the fastest in whole blocks, at the largest or the smallest ratios.

    Args:
        problem: The round.
        block_hz: Bandwidth of a block, above 0.
    """
    if not (np.isfinite(block_hz) and block_hz > 0.0):
        raise ValueError(f"block_hz: {block_hz} must be finite and above 0")
    total = int(np.floor(problem.bandwidth_hz / block_hz * (1.0 + _WHOLE)))
    best = solve_kkt(problem)
    if not problem.limited:
        return _told(
            problem, block_hz, total, _fastest(problem, problem.keep_max, block_hz, total), best
        )
    least = _whole(needed_hz(problem, problem.keep_min), block_hz)
    if not least.sum() <= total:
        blocks = _fastest(problem, problem.keep_min, block_hz, total)
        return _told(problem, block_hz, total, blocks, best)
    blocks = least.astype(np.intp)
    gains = _gains(problem, blocks, block_hz, total - int(blocks.sum()))
    worth = np.flatnonzero(gains.ravel() > 0.0)
    room = total - int(blocks.sum())
    if worth.size > room:
        worth = worth[np.argsort(-gains.ravel()[worth], kind="stable")[:room]]
    blocks = blocks + np.bincount(worth % problem.devices, minlength=problem.devices)
    return _told(problem, block_hz, total, blocks.astype(np.intp), best)


def _gains(problem: RoundProblem, blocks: IndexArray, block_hz: float, room: int) -> FloatArray:
    """Return what the next, the second next … block gains each device, never rising, shape (J, K)."""
    ratios = np.array([kept(problem, (blocks + more) * block_hz) for more in range(room + 1)])
    cost = problem.weight * problem.error.value(1.0 - ratios)
    gains = cost[:-1] - cost[1:] - problem.rent * block_hz
    return np.minimum.accumulate(gains, axis=0) if room else gains


def _whole(bandwidth_hz: FloatArray, block_hz: float) -> FloatArray:
    """Return the fewest whole blocks that are no less, but for rounding, shape (K,)."""
    return np.asarray(np.ceil(bandwidth_hz / block_hz * (1.0 - _WHOLE)))


def _fastest(problem: RoundProblem, keep: FloatArray, block_hz: float, total: int) -> IndexArray:
    """Return the blocks with which the last device finishes soonest at given ratios, shape (K,).

    The blocks that all need for a time fall with it; the least time is found by bisection, from
    the least latency with divisible bandwidth on.
    """
    seconds, bands_hz = least_latency(problem, keep)
    talks = problem.bits(keep) > 0.0
    if not np.isfinite(seconds) or talks.sum() > total:
        order = np.argsort(-bands_hz, kind="stable")
        blocks = np.zeros(problem.devices, dtype=np.intp)
        blocks[order[:total]] = 1
        return blocks

    def needed(time_s: float) -> FloatArray:
        return _whole(needed_hz(problem.changed(deadline_s=time_s), keep), block_hz)

    low = high = seconds
    while needed(high).sum() > total and high < 1e6 * seconds:
        low, high = high, 2.0 * high
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if needed(middle).sum() <= total else (middle, high)
    most = needed(high)
    return np.minimum(np.where(np.isfinite(most), most, 0.0), total).astype(np.intp)


def _told(
    problem: RoundProblem, block_hz: float, total: int, blocks: IndexArray, best: Allocation
) -> Blocks:
    """Return whole blocks as an answer, with what the joint optimum says of it."""
    bands_hz = blocks * block_hz
    keep = kept(problem, bands_hz) if problem.limited else problem.keep_max
    price = best.certificate.price if best.certificate.feasible else np.nan
    answer = problem.allocation(
        keep=keep, bandwidth_hz=bands_hz, price=float(price) if np.isfinite(price) else None
    )
    both = best.certificate.feasible and answer.certificate.feasible
    return Blocks(
        blocks=blocks,
        block_hz=block_hz,
        allocation=answer,
        loss=answer.objective - best.objective if both else float("nan"),
        spare=total - int(blocks.sum()),
    )
