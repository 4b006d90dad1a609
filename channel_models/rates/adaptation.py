"""Adaptation: the outer loop that corrects a link's estimate of its signal-to-noise ratio from what arrived."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from channel_models.units import BoolArray, FloatArray, Positive


@dataclass(frozen=True)
class OuterLoop:
    """Outer-loop link adaptation: a step up after a block that arrived, a larger step down after one that did not.

    up = down · ε/(1 − ε), so that the offset stays where it is exactly if the share ε of blocks is lost: whatever the
    bias of the estimate, the errors settle at the target as long as a scheme fits and the limit is not reached.

    Attributes:
        target_error: Share of blocks ε that may be lost.
        down_db: Step down after a lost block, in dB.
        limit_db: Largest offset in either direction, in dB; it keeps the offset from running away where the best or
            worst scheme is in use.

    Reference:
        Sampath, Sarath Kumar and Holtzman, On setting reverse link target SIR in a CDMA system, VTC 1997 [S]; the
        same rule in Sionna 2.2, whose test asks for the target within 0.005 [1].

    >>> loop = OuterLoop()
    >>> loop.step(loop.init(2), np.array([True, False])).round(3)
    array([ 0.111, -1.   ])
    """

    target_error: Annotated[float, ("above", 0.0), ("below", 1.0)] = 0.1
    down_db: Positive = 1.0
    limit_db: Positive = 20.0

    @property
    def up_db(self) -> float:
        """Step up after a block that arrived, in dB."""
        return self.down_db * self.target_error / (1.0 - self.target_error)

    def init(self, devices: int) -> FloatArray:
        """Return the offset in dB before anything was heard: 0, shape (K,)."""
        return np.zeros(devices)

    def step(self, offset_db: FloatArray, arrived: BoolArray) -> FloatArray:
        """Return the offset in dB after one block of each device, shape (K,).

        Args:
            offset_db: What was added to the estimate before, in dB, shape (K,).
            arrived: Whether the block of each device was decoded, shape (K,).
        """
        moved_db = offset_db + np.where(arrived, self.up_db, -self.down_db)
        return np.clip(moved_db, -self.limit_db, self.limit_db)
