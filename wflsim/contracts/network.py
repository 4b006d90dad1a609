"""What the network promises: the procedures that an update goes through, and how the server ends a round."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from wflsim.clock import Instants
from wflsim.contracts.exchange import BoolArray, FloatArray, IntArray


class Paging(Protocol):
    """How long the server takes to wake the devices that it invites."""

    def heard(self, start: Instants, offset: FloatArray) -> Instants:
        """Return when each device listens.

        Args:
            start: When the server calls, shape (K,).
            offset: Each device's own place in any cycle, between 0 and 1, shape (K,).
        """
        ...


class Access(Protocol):
    """How a device without a connection wins one; the network holds the contention."""

    @property
    def attempts(self) -> int:
        """Attempts before a device gives up; 0 where nobody needs access."""
        ...

    @property
    def expected_s(self) -> float:
        """Seconds that a device which needs access takes when nobody else asks, on average."""
        ...

    def needed(self, silent_s: FloatArray) -> BoolArray:
        """Return who has lost its connection after some seconds of silence, shape (K,)."""
        ...

    def occasion_ns(self, ready_ns: IntArray) -> IntArray:
        """Return the first occasion not before these instants, shape (K,)."""
        ...

    def answered_ns(self, occasion_ns: int) -> int:
        """Return when those who asked at an occasion know what became of it."""
        ...

    def draw(self, devices: int, rng: np.random.Generator) -> tuple[IntArray, FloatArray]:
        """Return the preamble of each attempt and the seconds to wait after it, shapes (K, attempts)."""
        ...

    def heard(self, preamble: IntArray) -> BoolArray:
        """Return who of those that ask at one occasion is admitted, shape (n,)."""
        ...


class Grant(Protocol):
    """How long a connected device takes from asking for the uplink to its grant."""

    @property
    def expected_s(self) -> float:
        """Seconds that it takes on average."""
        ...

    def granted(self, asked: Instants, offset: FloatArray) -> Instants:
        """Return when each device may send.

        Args:
            asked: When each device has something to send, shape (K,).
            offset: Each device's own place in any cycle, between 0 and 1, shape (K,).
        """
        ...


class Background(Protocol):
    """What else a device has to send, before which an update waits."""

    def wait_s(
        self, rate_bps: FloatArray, *, device: IntArray, rng: np.random.Generator
    ) -> FloatArray:
        """Return how long an update waits behind what was there before it, shape (K,).

        Args:
            rate_bps: Rate of each device's grant, shape (K,).
            device: Index of each device, its row in every draw, shape (K,).
            rng: Where all chance is drawn.
        """
        ...


@dataclass(frozen=True, eq=False)
class Sent:
    """How K uploads went.

    Attributes:
        done: When each ended, or was given up, shape (K,).
        airtime_s: Seconds in which the device was on the air, shape (K,).
        delivered: Whether all of it was decoded, shape (K,).
        blocks: Transport blocks of the message, shape (K,).
        attempts: Transport blocks that were sent, repeats included, shape (K,).
    """

    done: Instants
    airtime_s: FloatArray
    delivered: BoolArray
    blocks: IntArray
    attempts: IntArray


class Uplink(Protocol):
    """How a granted band carries a message."""

    @property
    def share(self) -> float:
        """Share of the time in which the band carries uplink."""
        ...

    @property
    def block_hz(self) -> float:
        """Bandwidth of the blocks in which the band is granted; 0 where any width will do."""
        ...

    @property
    def expected_s(self) -> float:
        """Seconds beyond bits / (share · rate) that an upload without errors takes on average."""
        ...

    def send(
        self,
        granted: Instants,
        bits: FloatArray,
        rate_bps: FloatArray,
        errors: FloatArray | None,
        *,
        device: IntArray,
        rng: np.random.Generator,
    ) -> Sent:
        """Return how the uploads go.

        Args:
            granted: When each device may send, shape (K,).
            bits: Bits of each message, shape (K,).
            rate_bps: Bits per second of uplink time that are delivered in the long run, repeats taken off, shape (K,).
            errors: How likely each attempt at a block fails after those before failed, shape (K, A); None for never.
            device: Index of each device, its row in every draw, so that nobody's chance depends on who else sends, shape (K,).
            rng: Where all chance is drawn.
        """
        ...


@runtime_checkable
class Lossy(Protocol):
    """An uplink on which messages are lost by the ratio of signal to noise, whatever blocks the link would repeat."""

    def message_errors(self, snr: FloatArray) -> FloatArray:
        """Return how likely each attempt at a message fails, shapes (K,) → (K, A).

        Args:
            snr: Ratio of signal to noise on the band that is sent over, linear, shape (K,); 0 without a grant.
        """
        ...


class Backhaul(Protocol):
    """What carries a cell's message to the cloud."""

    def relay_s(self, bits: FloatArray) -> FloatArray:
        """Return how long the message of each cell that relays takes, shape (C,)."""
        ...


class Lateness(Protocol):
    """What becomes of an update that is not there when the server closes its round."""

    @property
    def goes_on(self) -> bool:
        """Whether the device goes on, and its update counts in the round in which it comes."""
        ...

    def weight(self, age: IntArray) -> FloatArray:
        """Return how much an update counts that began some rounds ago, shape (K,); one for age 0."""
        ...


@dataclass
class Tally:
    """What a policy knows when it is asked whether to close: counts of this round.

    Attributes:
        awaited: Devices that may still arrive.
        arrived: Updates that came since the server closed last.
        expired: Whether the time is up.
    """

    awaited: int
    arrived: int = 0
    expired: bool = False


class Policy(Protocol):
    """How the server ends a round."""

    @property
    def late(self) -> Lateness:
        """What becomes of updates that are not there by then."""
        ...

    def closes(self, tally: Tally) -> bool:
        """Return whether the round is over; asked when all that happens at an instant has happened."""
        ...

    def limit_s(self, deadline_s: float) -> float:
        """Return after how many seconds the time is up, given the round's deadline; infinite for never."""
        ...


@runtime_checkable
class Tiered(Protocol):
    """A policy that gives slow devices several rounds."""

    @property
    def profile(self) -> float:
        """Share of the prunable part that a device is taken to keep when its rounds are counted."""
        ...

    def windows(self, profile_s: FloatArray) -> IntArray:
        """Return over how many rounds m each device's update may take, shape (K,); it begins every m-th round.

        Args:
            profile_s: Time of each device's update on an equal share of the band, at that share, shape (K,).
        """
        ...


@runtime_checkable
class Weighing(Protocol):
    """A policy that says how much devices count beside each other that have different numbers of rounds."""

    def tier_shares(self, tiers: IntArray) -> FloatArray | None:
        """Return what part of the next model each tier makes up when it reports; None where only samples count.

        Args:
            tiers: Numbers of rounds that the updates at work may take, each once, rising, shape (J,).
        """
        ...


@runtime_checkable
class Relaying(Protocol):
    """A policy whose server lies behind the cells."""

    def relayed_s(self, cell: IntArray, came_s: FloatArray, bits: FloatArray) -> float:
        """Return when the server has everything, in seconds after the round's start.

        Args:
            cell: The cell of each device, shape (K,).
            came_s: When the cell was done with the device, in seconds after the round's start, shape (K,).
            bits: Size of what the cell has to hand on for each device, 0 where that is nothing, shape (K,).
        """
        ...
