"""How many weights go and come in a pruning step, what is left of a model, and what that costs; no torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import floor

import numpy as np

from wflsim.contracts import Exchange, IntArray, Load
from wflsim.learning.anatomy import BITS_PER_VALUE, Anatomy, bitmap_bits, step_macs
from wflsim.learning.clustering.gathering import gathering, tuning
from wflsim.learning.exploration.remains import Remains
from wflsim.learning.pruning.sparse import dense_slope_macs, sparse

HARD = 0.01
"""How far below its first sparsity a layer is cut at once (arXiv 2603.01739 [C])."""


@dataclass(frozen=True)
class Pace:
    """How fast layers are pruned (arXiv 2603.01739 [C]).

    Attributes:
        start: Sparsity s₀ to which a layer is cut at once.
        churn: Share ρ of the active weights that is exchanged in every later step.
    """

    start: float
    churn: float

    def moves(self, size: int, active: int, target: float, left: int) -> tuple[int, int]:
        """Return how many weights of a layer go, and how many come: active − q + g are left.

        What may come is counted before anything goes, so that a layer that is whole takes nothing in [C]. A layer that becomes
        less sparse than s₀ is cut to its target alone, or it would be cut again after every step [X].

        Args:
            size: All weights of the layer.
            active: Those that are there.
            target: Sparsity s* after the last step.
            left: Steps up to then, this one included.

        >>> Pace(0.5, 0.05).moves(1000, 1000, 0.7, 4), Pace(0.5, 0.05).moves(1000, 500, 0.7, 3)
        ((500, 0), (92, 25))
        """
        zeros, start = size - active, min(self.start, target)
        if start - zeros / size > HARD:
            return min(active, round(start * size - zeros)), 0
        push, exchanged = round((target * size - zeros) / left), round(self.churn * active)
        gone = exchanged + max(push, 0)
        come = exchanged - min(push, 0)
        return min(active, gone), min(zeros, come)

    def after(self, size: int, target: float, steps: int, of: int) -> int:
        """Return how many weights of a layer are there after some of all steps."""
        active = size
        for step in range(steps):
            gone, come = self.moves(size, active, target, of - step)
            active += come - gone
        return active


@dataclass(frozen=True, eq=False)
class Left:
    """What is left of the models that devices receive.

    Attributes:
        kept: Weights that each device's model has, shape (N,).
        owed_bits: Size of the bitmap that each has to be told, shape (N,).
        step_macs: Operations of a step on one sample, shape (N,).
        slope_macs: Operations of one sample's slopes of all weights, shape (N,).
    """

    kept: IntArray
    owed_bits: IntArray
    step_macs: IntArray
    slope_macs: IntArray

    @classmethod
    def of(
        cls, anatomy: Anatomy, kept: Sequence[Mapping[str, int]], which: IntArray, owes: IntArray
    ) -> "Left":
        """Return what is left of some models.

        Args:
            anatomy: The model.
            kept: How many weights of each tensor each of them has, by name.
            which: Which of them each device has, shape (N,).
            owes: Whether it has to be told where weights are, shape (N,).
        """
        thin = [sparse(anatomy, dict(each)) for each in kept]
        return cls(
            np.array([sum(each.values()) for each in kept])[which],
            bitmap_bits(anatomy.weights) * owes,
            np.array([step_macs(each, each)[0] for each in thin])[which],
            np.array([dense_slope_macs(anatomy, each) for each in thin])[which],
        )

    def training(self, anatomy: Anatomy, samples: IntArray, seen: IntArray) -> Exchange:
        """Return the exchange of what is left, both ways; up goes no bitmap, since the server decides the mask.

        Args:
            anatomy: The whole model.
            samples: Number of training samples of each device, shape (N,).
            seen: How many each sees in its steps, shape (N,).
        """
        bits = BITS_PER_VALUE * (self.kept + anatomy.others)
        remains = Remains(bits, self.kept, self.owed_bits, self.step_macs)
        return remains.exchange(anatomy, samples, seen)

    def grouping(
        self, anatomy: Anatomy, samples: IntArray, seen: IntArray, *, told: int
    ) -> Exchange:
        """Return the dense exchange in which everybody is grouped; arguments as of ``training``, and bits that each tells besides."""
        found = gathering(anatomy, samples, seen * step_macs(anatomy, anatomy)[0])
        up_bits = replace(found.up_bits, fixed=found.up_bits.fixed + told)
        return replace(found, up_bits=up_bits)

    def pruning(
        self, anatomy: Anatomy, samples: IntArray, batch_size: int, *, everybody: bool
    ) -> Exchange:
        """Return the exchange in which members send their models and the slopes of all weights at one batch."""
        found = self.training(anatomy, samples, np.zeros_like(samples))
        more = float(BITS_PER_VALUE * anatomy.weights)
        up_bits = replace(found.up_bits, fixed=found.up_bits.fixed + more)
        macs = replace(found.macs, fixed=found.macs.fixed + batch_size * self.slope_macs)
        return replace(found, up_bits=up_bits, macs=macs, purpose="prune", open=everybody)

    def scoring(self, anatomy: Anatomy, samples: IntArray, batch_size: int) -> Exchange:
        """Return the exchange in which everybody sends a score of each weight of the model that it received, after one batch."""
        found = self.training(anatomy, samples, np.full_like(samples, batch_size))
        none, every = np.zeros(len(samples)), np.ones(len(samples))
        up_bits = Load(none, every * BITS_PER_VALUE * anatomy.weights)
        return replace(
            found, up_bits=up_bits, keep_min=every, keep_max=every, purpose="score", open=True
        )

    def tuning(
        self, anatomy: Anatomy, samples: IntArray, seen: IntArray, *, masked: bool
    ) -> Exchange:
        """Return the silent exchange in which everybody trains what is left, or all; arguments as of ``training``."""
        each = self.step_macs if masked else step_macs(anatomy, anatomy)[0]
        return tuning(anatomy, samples, seen * each)


@lru_cache(maxsize=64)
def expected(anatomy: Anatomy, pace: Pace, target: float, steps: tuple[int, int]) -> dict[str, int]:
    """Return how many weights of each tensor are there after some steps of all, of which ``moves`` tells.

    Args:
        anatomy: The model.
        pace: How fast it is pruned.
        target: Sparsity after the last step.
        steps: Steps that are done, and the number of all.
    """
    tensors = [tensor for tensor in anatomy.every() if tensor.role == "weight"]
    return {tensor.name: pace.after(tensor.size, target, *steps) for tensor in tensors}


def above(anatomy: Anatomy, share: float) -> dict[str, int]:
    """Return how many weights of each tensor lie strictly above a quantile of all, if it takes of all tensors alike.

    Args:
        anatomy: The model.
        share: Share of the quantile, which lies between two weights where no weight is just there.
    """
    tensors = [tensor for tensor in anatomy.every() if tensor.role == "weight"]
    kept = anatomy.weights - 1 - floor(share * (anatomy.weights - 1))
    ends = np.cumsum([tensor.size for tensor in tensors]) * kept // anatomy.weights
    return dict(zip([t.name for t in tensors], np.diff(ends, prepend=0).tolist(), strict=True))
