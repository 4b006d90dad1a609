"""The exchange: what an algorithm and the network agree on, and when it happens."""

from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from wflsim.randomness import Streams

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Prices:
    """What work and air cost the participants of an exchange, each on an equal share of the band.

    Attributes:
        mac_s: Seconds of a multiply-accumulate operation, shape (K,).
        bit_s: Seconds of a bit to the server, infinite where nothing is heard, shape (K,).
        rest_s: Seconds that pass besides: pages, pilots, the server's message, procedures, shape (K,).
    """

    mac_s: FloatArray
    bit_s: FloatArray
    rest_s: FloatArray


@dataclass(frozen=True)
class Turn:
    """When something happens, and the random streams that belong to that moment.

    Attributes:
        round_: The round, counted from 0.
        step: The exchange within the round, counted from 0.
        streams: The scenario's random streams.
        cell: The cell that serves each device of the fleet in this round, shape (N,); None where that is not known, as in
            ``wflsim check``.
        prices: What the exchange of this turn costs by operation and bit, for algorithms that ask (``Priced``).
        heard: Which devices hear the server's message of this exchange, where it is for others than those who begin, too,
            shape (N,); None for all.
        began: Indices of the devices that begin in this exchange; None where that is not known yet.
    """

    round_: int
    step: int
    streams: Streams
    cell: IntArray | None = field(default=None, compare=False)
    prices: Prices | None = field(default=None, compare=False)
    heard: BoolArray | None = field(default=None, compare=False)
    began: IntArray | None = field(default=None, compare=False)

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


RUNG_SLACK = 1e-11
"""How far below a rung a share may lie that a solver meant to be on it: far less than a nanosecond of a round."""


@dataclass(frozen=True, eq=False)
class Rungs:
    """The kept shares that can be had, where not every one can, and what each costs exactly.

    Attributes:
        share: Kept shares, rising to one, shape (L,).
        bits: Size of a message at each, shape (L,).
        macs: Operations of each participant at each, shape (K, L).
    """

    share: FloatArray
    bits: FloatArray
    macs: FloatArray

    def at(self, keep: FloatArray) -> IntArray:
        """Return the highest rung that keeps no more than a share, or else the lowest, shape (K,)."""
        found = np.searchsorted(self.share, keep * (1 + RUNG_SLACK), side="right") - 1
        return np.asarray(np.maximum(found, 0))


@dataclass(frozen=True, eq=False)
class Curve:
    """What pruning takes away, as each participant has measured it.

    Attributes:
        pruning: Pruning ratios ρ, rising from 0 to 1, shape (J,).
        error: Error φ at each, rising, as it was measured: an allocator makes it convex, shape (K, J).
    """

    pruning: FloatArray
    error: FloatArray


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
        rungs: The shares that can be had, where whole units of many layers come and go together; the loads above are
            then no less than what they cost. None where every whole number of units can be kept.
        curve: What pruning takes away, where the devices have measured it.
        relayed_bits: What a cell hands on to a server behind it when all its devices are settled: so many bits, 0 where it
            keeps what it gathered to itself for now; None for as much as the largest message that it gathered.
        listeners: Indices of the devices that the server's message is for, participants among them; None for participants
            alone. Who is there and idle hears it.
        open: Whether all participants are asked to begin, however few a system invites to a round: in waves, where the band
            has no room for all at once.
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
    rungs: Rungs | None = None
    curve: Curve | None = None
    relayed_bits: float | None = None
    listeners: IntArray | None = None
    open: bool = False

    @property
    def silent(self) -> bool:
        """Whether nothing travels, so that nobody is called and nobody asks for anything."""
        return not (self.down_bits.at(1.0).any() or self.up_bits.at(1.0).any())

    def sent_bits(self, keep: FloatArray) -> FloatArray:
        """Return the size of each message at shares in whole units, a whole number of bits, shape (K,).

        Where shares are not whole numbers of units, it is rounded down: half a bit more would arrive after the deadline.
        """
        if self.rungs is not None:
            return self.rungs.bits[self.rungs.at(keep)]
        bits = self.up_bits.at(keep)
        return np.rint(bits) if self.units else np.floor(bits * (1 + 1e-12))

    def computed_macs(self, keep: FloatArray) -> FloatArray:
        """Return the operations of each participant at shares in whole units, shape (K,)."""
        if self.rungs is None:
            return self.macs.at(keep)
        return np.asarray(self.rungs.macs[np.arange(len(keep)), self.rungs.at(keep)])

    def whole_units(self, keep: FloatArray) -> FloatArray:
        """Return the largest shares not above ``keep`` that are whole numbers of units, at least one, shape (K,).

        Rounding goes down, since one weight more than the plan would arrive after the deadline.
        """
        if self.rungs is not None:
            return self.rungs.share[self.rungs.at(keep)]
        if self.units == 0:
            return keep
        kept = np.floor(keep * self.units * (1 + 1e-12))
        return np.clip(kept, 1, self.units) / self.units

    def telling(self, bits: float) -> "Exchange":
        """Return the exchange whose pruned messages carry so many bits more about what was pruned."""
        rungs = self.rungs and replace(self.rungs, bits=self.rungs.bits + bits)
        up_bits = replace(self.up_bits, fixed=self.up_bits.fixed + bits)
        return replace(self, up_bits=up_bits, mask_bits=self.mask_bits + bits, rungs=rungs)

    def only(self, rows: BoolArray | IntArray) -> "Exchange":
        """Return the exchange with some of its participants, by their rows."""
        changed: dict[str, Any] = {}
        for column in fields(self):
            value = getattr(self, column.name)
            if isinstance(value, Load):
                changed[column.name] = Load(value.fixed[rows], value.prunable[rows])
            elif isinstance(value, Rungs):
                changed[column.name] = replace(value, macs=value.macs[rows])
            elif isinstance(value, Curve):
                changed[column.name] = replace(value, error=value.error[rows])
            elif isinstance(value, np.ndarray) and column.name != "listeners":
                changed[column.name] = value[rows]
        return replace(self, **changed)

    @property
    def audience(self) -> IntArray:
        """Indices of the devices that the server's message is for."""
        return self.participants if self.listeners is None else self.listeners
