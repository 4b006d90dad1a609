"""What happens to updates, as columns: those under way, and what became of those that are settled."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from enum import IntEnum
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from wflsim.clock import NANOSECONDS, NEVER, rounded_ns
from wflsim.contracts import BoolArray, FloatArray, IntArray

PHASES = ("page", "receive", "compute", "access", "grant", "queue", "upload", "wait")
PAGE, RECEIVE, COMPUTE, ACCESS, GRANT, QUEUE, UPLOAD, WAIT = range(len(PHASES))


class Outcome(IntEnum):
    """What became of a device's update."""

    ON_TIME = 0
    LATE = 1  # came after its deadline and was taken
    DROPPED = 2  # the server closed the round before it came
    LOST = 3  # given up on the air: access refused too often, or blocks not decoded
    EMPTY = 4  # the battery ran empty
    LEFT = 5  # the device left its cell
    UNFINISHED = 6  # under way when the run ended


@dataclass(frozen=True, eq=False)
class Plan:
    """What devices that begin together are going to do, decided before anything is played; a row a device.

    Attributes:
        device: Index of each device, shape (K,).
        cell: The cell that serves it, shape (K,).
        receive_s: Time of receiving the server's message, pilots before included, shape (K,).
        compute_s: Time of computing as it turns out, shape (K,).
        bits: Size of the message that it sends, shape (K,).
        rate_bps: Bits per second of uplink that its grant delivers, repeats taken off, shape (K,).
        errors: How likely each attempt at a block fails, shape (K, A); None for links without repeats.
        keep: Kept share in whole units, shape (K,).
        bandwidth_hz: Bandwidth of the grant, shape (K,).
        compute_w: Power while computing, shape (K,).
        transmit_w: Power on the air, shape (K,).
        deadline_s: Time until which the update is on time, infinite for ever, shape (K,).
        rounds: Number of rounds that the update may take, at least 1, shape (K,).
        charge_j: Energy in the battery, infinite on mains, shape (K,).
        leaves_s: Seconds after the beginning at which the device cannot be reached any more, shape (K,).
        gain: Uplink power gain after combining, for the records, shape (K,).
        held: What holds the device in its allocation, for the records, shape (K,).
        budget_j: What each device may spend, infinite for no limit, for the records, shape (K,).
        macs: Multiply-accumulate operations that it computes, for the records, shape (K,).
        called_s: Time before which the server's message does not begin, since others are called too, shape (K,).
        together: Whether all receive one broadcast, for which they wait for each other.
        silent: Whether nothing travels: they are not called, and ask for nothing.
    """

    device: IntArray
    cell: IntArray
    receive_s: FloatArray
    compute_s: FloatArray
    bits: FloatArray
    rate_bps: FloatArray
    errors: FloatArray | None
    keep: FloatArray
    bandwidth_hz: FloatArray
    compute_w: FloatArray
    transmit_w: FloatArray
    deadline_s: FloatArray
    rounds: IntArray
    charge_j: FloatArray
    leaves_s: FloatArray
    gain: FloatArray
    held: npt.NDArray[np.str_]
    budget_j: FloatArray
    macs: FloatArray
    called_s: FloatArray
    together: bool = True
    silent: bool = False

    def only(self, rows: BoolArray | IntArray) -> "Plan":
        """Return the plan of some of the devices."""
        return _mapped(lambda column: column[rows], self)


Table = TypeVar("Table", Plan, "Flights")


@dataclass(frozen=True, eq=False)
class Flights:
    """Updates under way, a row each.

    Attributes:
        plan: What the devices do.
        round_: The round in which each began, shape (F,).
        due: The last round by whose end it must be there, shape (F,).
        start_ns: When it began, shape (F,).
        due_ns: Until when it is on time, shape (F,).
        preamble: Preamble of each attempt at access, shape (F, A).
        wait_s: Seconds to wait after it, shape (F, A).
        ends_s: When each phase but the last ends, in seconds after the beginning, infinite while unknown, shape (F, 7).
        airtime_s: Seconds on the air, shape (F,).
        delivered: Whether the upload is decoded when it ends, shape (F,).
        blocks: Transport blocks of the message, shape (F,).
        attempts: Transport blocks that are sent, repeats included, shape (F,).
        tries: Attempts at access so far, shape (F,).
        occasion_ns: When the device asks for access next, ``NEVER`` if it does not, shape (F,).
        final_ns: When it is settled what becomes of the update, ``NEVER`` while unknown, shape (F,).
        fate: What becomes of it then, values of ``Outcome``; ``ON_TIME`` for any arrival, shape (F,).
    """

    plan: Plan
    round_: IntArray
    due: IntArray
    start_ns: IntArray
    due_ns: IntArray
    preamble: IntArray
    wait_s: FloatArray
    ends_s: FloatArray
    airtime_s: FloatArray
    delivered: BoolArray
    blocks: IntArray
    attempts: IntArray
    tries: IntArray
    occasion_ns: IntArray
    final_ns: IntArray
    fate: IntArray

    def __len__(self) -> int:
        """Return the number of updates."""
        return len(self.round_)

    def only(self, rows: BoolArray | IntArray) -> "Flights":
        """Return some of the updates."""
        return _mapped(lambda column: column[rows], self)

    def and_also(self, others: "Flights") -> "Flights":
        """Return these updates and others after them."""
        if not (len(self) and len(others)):
            return others if len(others) else self
        return _mapped(lambda *columns: np.concatenate(columns), self, others)

    def own(self) -> "Flights":
        """Return the same updates in arrays of their own, which a round may change."""
        return _mapped(np.copy, self)

    def held_hz(self, now_ns: int) -> float:
        """Return the bandwidth that is still granted."""
        return float(self.plan.bandwidth_hz[self.final_ns > now_ns].sum())

    def leaving(self, rows: BoolArray, now_ns: int) -> "Flights":
        """Return the updates, some of which leave their cell now."""
        return replace(
            self,
            final_ns=np.where(rows, now_ns, self.final_ns),
            fate=np.where(rows, Outcome.LEFT, self.fate),
            occasion_ns=np.where(rows, NEVER, self.occasion_ns),
        )


def _mapped(change: Callable[..., Any], *tables: Table) -> Table:
    """Return a table whose columns are made of the columns of others, tables within tables too."""
    first = tables[0]
    made: dict[str, Any] = {}
    for column in fields(first):
        values = [getattr(table, column.name) for table in tables]
        if isinstance(values[0], Plan):
            made[column.name] = _mapped(change, *values)
        elif isinstance(values[0], np.ndarray):
            made[column.name] = change(*values)
    return replace(first, **made)


@dataclass(frozen=True, eq=False)
class Timeline:
    """A played round: what became of the updates that were settled in it.

    Attributes:
        start_ns: Instant of the round's start.
        close_ns: Instant at which the server closed the round.
        end_ns: Instant at which the server had everything and the round was over.
        settled: The updates, a row each; those that were not settled before the close are cut there.
        outcome: What became of each, shape (S,), values of ``Outcome``.
        phase_ns: Time spent in each phase, shape (S, 8).
        phase_j: Energy spent in each phase, shape (S, 8).
        log: What happened at which instant to which device, shape (E, 3): nanoseconds, kind, device.
    """

    start_ns: int
    close_ns: int
    end_ns: int
    settled: Flights
    outcome: IntArray
    phase_ns: IntArray
    phase_j: FloatArray
    log: IntArray

    @property
    def device(self) -> IntArray:
        """Index of each device, shape (S,)."""
        return self.settled.plan.device

    @property
    def taken(self) -> BoolArray:
        """Whether the server took the update in, shape (S,)."""
        return self.outcome <= Outcome.LATE

    @property
    def delivered_bits(self) -> FloatArray:
        """Bits that the server has of each message, shape (S,)."""
        return np.where(self.taken, self.settled.plan.bits, 0.0)

    @property
    def events(self) -> int:
        """Number of events that the simulation handled."""
        return len(self.log)


def account(
    flights: Flights,
    instants_ns: tuple[int, int, int],
    power_w: FloatArray,
    log: IntArray,
    cut: Outcome = Outcome.DROPPED,
) -> Timeline:
    """Return the time line of updates that are settled; who is under way is cut at the close.

    A device waits after its upload until the round is over, on what its battery has left; a device that is empty or has
    left is gone.

    Args:
        flights: The updates.
        instants_ns: When the round began, when the server closed it, and when it was over.
        power_w: Power of each phase, shape (S, 8).
        log: The round's events.
        cut: What became of those who are cut.
    """
    _, close_ns, end_ns = instants_ns
    settled = flights.final_ns <= close_ns
    arrived = settled & (flights.fate == Outcome.ON_TIME)
    outcome = np.where(settled, flights.fate, cut)
    outcome = np.where(arrived & (flights.final_ns > flights.due_ns), Outcome.LATE, outcome)
    final_ns = np.minimum(flights.final_ns, close_ns)
    last_ns = np.where(np.isin(outcome, (Outcome.EMPTY, Outcome.LEFT)), final_ns, end_ns)
    ends_ns = rounded_ns(flights.start_ns[:, None], flights.ends_s)
    edges_ns = np.column_stack([flights.start_ns, np.minimum(ends_ns, final_ns[:, None]), last_ns])
    phase_ns = np.diff(edges_ns, axis=1)
    phase_j = power_w * phase_ns / NANOSECONDS
    left_j = flights.plan.charge_j - phase_j[:, :WAIT].sum(axis=1)
    phase_j[:, WAIT] = np.minimum(phase_j[:, WAIT], np.maximum(left_j, 0.0))
    # A battery that runs empty is empty, though the instant has been rounded to a nanosecond.
    empty = np.flatnonzero(outcome == Outcome.EMPTY)
    last = np.argmax(ends_ns[empty] > final_ns[empty, None], axis=1)
    phase_j[empty, last] += left_j[empty]
    return Timeline(*instants_ns, flights, outcome, phase_ns, phase_j, log)
