"""A workload without a model: messages and operations as numbers, for studies of the network alone."""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from channel_models.units import NonNegative, Positive, Share
from wflsim.contracts import Exchange, FloatArray, IntArray, Load, Turn, Updates
from wflsim.errors import UserError


@dataclass(frozen=True)
class Workload:
    """Every device receives, computes and sends as much as is said, a part of it in proportion to what it keeps.

    Attributes:
        down_bits: Size of the server's message.
        up_bits: Size of a device's message when everything is kept.
        macs: Multiply-accumulate operations of a device when everything is kept.
        prunable: Share of message and operations that pruning takes away at most.
        keep_min: Least share of the prunable part that may be kept.
    """

    down_bits: NonNegative = 1e6
    up_bits: Positive = 1e6
    macs: NonNegative = 1e9
    prunable: Share = 0.0
    keep_min: Annotated[float, ("above", 0.0), ("most", 1.0)] = 1.0

    def plan(self, anatomy: Any, samples: IntArray, turn: Turn, state: Any) -> Exchange | None:
        """Return one exchange of what was said; every device counts by its samples."""
        if turn.step:
            return None
        every = np.ones(len(samples))

        def load(whole: float, prunable: float) -> Load:
            return Load(every * whole * (1.0 - prunable), every * whole * prunable)

        return Exchange(
            participants=np.arange(len(samples)),
            down_bits=load(self.down_bits, 0.0),
            macs=load(self.macs, self.prunable),
            up_bits=load(self.up_bits, self.prunable),
            mask_bits=0.0 * every,
            keep_min=every * (self.keep_min if self.prunable else 1.0),
            keep_max=every,
            weight=samples / samples.sum(),
            units=0,
        )

    def init(self, task: Any) -> Any:
        """Refuse: there is nothing to train."""
        raise UserError(
            "algorithm: a workload trains nothing; write learning: none, or a surrogate"
        )

    def train(self, state: Any, cohort: Any, keep: FloatArray) -> Updates:
        """Refuse."""
        raise AssertionError("a workload trains nothing")

    def fuse(self, state: Any, updates: Updates) -> Any:
        """Refuse."""
        raise AssertionError("a workload trains nothing")

    def model_for(self, state: Any, device: int | None) -> Any:
        """Refuse."""
        raise AssertionError("a workload trains nothing")
