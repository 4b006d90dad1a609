"""The exchange: what an algorithm and the network agree on, and when it happens."""

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from wflsim.randomness import Streams

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Turn:
    """When something happens, and the random streams that belong to that moment.

    Attributes:
        round_: The round, counted from 0.
        step: The exchange within the round, counted from 0.
        streams: The scenario's random streams.
    """

    round_: int
    step: int
    streams: Streams

    def draw(self, purpose: str, *indices: int) -> np.random.Generator:
        """Return the stream of a purpose at this moment, and of a device where one is given."""
        return self.streams.stream(purpose, self.round_, self.step, *indices)


@dataclass(frozen=True)
class Load:
    """A quantity per participant that is affine in the kept share r = 1 − ρ: fixed + r · prunable.

    Attributes:
        fixed: What does not depend on pruning, shape (K,).
        prunable: What a device that keeps everything adds, shape (K,).
    """

    fixed: FloatArray
    prunable: FloatArray

    def at(self, keep: FloatArray | float) -> FloatArray:
        """Return the load at a kept share, shape (K,)."""
        return self.fixed + self.prunable * keep


@dataclass(frozen=True)
class Exchange:
    """One thing that algorithm and network agree on: what travels down, is computed, and travels up.

    Attributes:
        participants: Indices of the devices that take part, shape (K,).
        down_bits: Bits from the server to each participant.
        macs: Multiply-accumulate operations that each participant computes.
        up_bits: Bits from each participant to the server.
        mask_bits: The part of ``up_bits.fixed`` that only a pruned message needs, shape (K,).
        keep_min: Least share that may be kept, shape (K,).
        keep_max: Largest share that may be kept, shape (K,); equal to ``keep_min`` when the algorithm chooses itself.
        weight: What pruning a device costs the learning, relative to the others, shape (K,).
        units: Number of prunable units; a kept share is a whole number of them.
        purpose: What the exchange is for, as it stands in the records.
    """

    participants: IntArray
    down_bits: Load
    macs: Load
    up_bits: Load
    mask_bits: FloatArray
    keep_min: FloatArray
    keep_max: FloatArray
    weight: FloatArray
    units: int
    purpose: str = "train"

    def sent_bits(self, keep: FloatArray) -> FloatArray:
        """Return the size of each message at shares in whole units, a whole number of bits, shape (K,).

        Where shares are not whole numbers of units, it is rounded down: half a bit more would arrive after the deadline.
        """
        bits = self.up_bits.at(keep)
        return np.rint(bits) if self.units else np.floor(bits * (1 + 1e-12))

    def whole_units(self, keep: FloatArray) -> FloatArray:
        """Return the largest shares not above ``keep`` that are whole numbers of units, at least one, shape (K,).

        Rounding goes down, since one weight more than the plan would arrive after the deadline.
        """
        if self.units == 0:
            return keep
        kept = np.floor(keep * self.units * (1 + 1e-12))
        return np.clip(kept, 1, self.units) / self.units

    def only(self, rows: BoolArray | IntArray) -> "Exchange":
        """Return the exchange with some of its participants, by their rows."""
        changed: dict[str, Any] = {}
        for column in fields(self):
            value = getattr(self, column.name)
            if isinstance(value, Load):
                changed[column.name] = Load(value.fixed[rows], value.prunable[rows])
            elif isinstance(value, np.ndarray):
                changed[column.name] = value[rows]
        return replace(self, **changed)
