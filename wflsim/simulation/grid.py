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
    keep = allocation.keep
    if problem.limited:
        keep = np.minimum(keep, kept(problem, bandwidth_hz))
    return problem.allocation(
        keep=keep, bandwidth_hz=bandwidth_hz, power_w=np.where(blocks > 0, allocation.power_w, 0.0)
    )


def whole_blocks(share: FloatArray, total: int) -> IntArray:
    """Return whole numbers of blocks near to some shares, by the largest remainders, their sum not above the total.

    >>> whole_blocks(np.array([1.6, 2.7, 0.7]), 5).tolist()
    [1, 3, 1]
    """
    least = np.floor(share * (1 + 1e-12)).astype(np.int64)
    left = max(min(total, int(np.rint(share.sum()))) - int(least.sum()), 0)
    order = np.argsort(least - share, kind="stable")
    least[order[:left]] += 1
    return least
