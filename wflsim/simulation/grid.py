"""From divisible bandwidth to whole resource blocks, for any allocator's answer."""

import numpy as np

from optimizers.certificate import Allocation
from optimizers.frontier import kept
from optimizers.problem import RoundProblem
from wflsim.contracts import FloatArray, IntArray


def on_grid(problem: RoundProblem, allocation: Allocation, block_hz: float) -> Allocation:
    """Return an answer in whole blocks: those nearest to the plan, and no more kept than comes in time on them.

    Args:
        problem: The round.
        allocation: The answer with divisible bandwidth.
        block_hz: Bandwidth of a block.
    """
    total = int(problem.bandwidth_hz / block_hz * (1 + 1e-12))
    blocks = whole_blocks(allocation.bandwidth_hz / block_hz, total)
    bandwidth_hz = blocks * block_hz
    keep, power_w = allocation.keep, allocation.power_w
    if problem.limited:
        keep = np.minimum(keep, kept(problem, bandwidth_hz))
    if np.isfinite(problem.energy_j).any():
        power_w = problem.power_w(keep, bandwidth_hz)  # what the budget allows on another band
    return problem.allocation(
        keep=keep, bandwidth_hz=bandwidth_hz, power_w=np.where(blocks > 0, power_w, 0.0)
    )


def whole_blocks(share: FloatArray, total: int) -> IntArray:
    """Return whole numbers of blocks near to some shares, their sum not above the total: one each before anybody's second.

    Blocks that are missing are taken from those who are furthest above their share, those that are left are given to those
    who are furthest below; among equals to those of lower index. Who asks for nothing gets nothing.

    >>> whole_blocks(np.array([1.6, 2.7, 0.7]), 5).tolist(), whole_blocks(np.array([1.9, 0.1, 0.0]), 2).tolist()
    ([1, 3, 1], [1, 1, 0])
    """
    blocks = np.where(share > 0.0, np.maximum(np.floor(share * (1 + 1e-12)), 1), 0).astype(np.int64)
    total = max(min(total, int(np.rint(share.sum()))), min(total, int((share > 0.0).sum())))
    while (spare := total - int(blocks.sum())) < 0:
        above = np.where(blocks > 1, blocks - share, -np.inf)
        if not np.isfinite(above).any():  # more devices than blocks
            break
        blocks[np.argmax(above)] -= 1
    missing = np.where(share > 0.0, blocks - share, np.inf)
    blocks[np.argsort(missing, kind="stable")[: max(spare, 0)]] += 1
    return blocks
