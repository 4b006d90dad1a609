"""What happened in a round, as columns: instants in integer nanoseconds, outcomes, joules."""

from dataclasses import dataclass
from enum import IntEnum
from math import ceil

import numpy as np

from wflsim.contracts import BoolArray, FloatArray, IntArray

NANOSECONDS = 1_000_000_000
NEVER = int(np.iinfo(np.int64).max)
LONGEST_NS = 2**56  # more than two years: a phase that is longer ends never


class Outcome(IntEnum):
    """What became of a device's update."""

    ON_TIME = 0
    LATE = 1
    LOST = 2


@dataclass(frozen=True)
class Plan:
    """What every participant is going to do, decided before the round is played.

    Attributes:
        broadcast_s: Length of the pilots and the server's message.
        compute_s: Computing time of each participant, shape (K,).
        upload_s: Time on the air of each participant, shape (K,).
        deadline_s: Length that the round may have; infinity for none.
        compute_w: Power while computing, shape (K,).
        transmit_w: Power while sending, shape (K,).
    """

    broadcast_s: float
    compute_s: FloatArray
    upload_s: FloatArray
    deadline_s: float
    compute_w: FloatArray
    transmit_w: FloatArray

    @property
    def deadline_ns(self) -> int:
        """The deadline after the round's start, rounded up; ``NEVER`` for none."""
        ends = self.deadline_s * NANOSECONDS
        return ceil(ends) if ends < LONGEST_NS else NEVER

    def offsets_ns(self) -> IntArray:
        """Return when broadcast, computing and upload would end after the round's start, shape (3, K).

        The sums are rounded, not the terms, so that a plan that ends at its deadline ends at its deadline.
        A phase that cannot end (an upload without bandwidth), or not in two years, ends never.
        """
        lengths = np.vstack(
            [np.full_like(self.compute_s, self.broadcast_s), self.compute_s, self.upload_s]
        )
        ends = np.rint(np.cumsum(lengths, axis=0) * NANOSECONDS)
        possible = ends < LONGEST_NS
        return np.where(possible, np.where(possible, ends, 0).astype(np.int64), NEVER)


@dataclass(frozen=True)
class Timeline:
    """A played round.

    Attributes:
        start_ns: Instant of the round's start.
        end_ns: Instant at which the server closed the round.
        broadcast_ns: Time spent receiving, shape (K,).
        compute_ns: Time spent computing, shape (K,).
        upload_ns: Time spent sending, shape (K,).
        outcome: What became of each update, shape (K,), values of ``Outcome``.
        events: Number of events that the simulation handled.
    """

    start_ns: int
    end_ns: int
    broadcast_ns: IntArray
    compute_ns: IntArray
    upload_ns: IntArray
    outcome: IntArray
    events: int

    @property
    def wait_ns(self) -> IntArray:
        """Time spent waiting for the round to end, shape (K,)."""
        return self.end_ns - self.start_ns - self.broadcast_ns - self.compute_ns - self.upload_ns

    @property
    def arrived(self) -> BoolArray:
        """Whether the server took the update in, shape (K,)."""
        return np.not_equal(self.outcome, Outcome.LOST)


def energy_j(plan: Plan, timeline: Timeline) -> tuple[FloatArray, FloatArray]:
    """Return the joules of computing and of sending, shapes (K,): power times the time that was really spent."""
    compute = plan.compute_w * timeline.compute_ns / NANOSECONDS
    return compute, plan.transmit_w * timeline.upload_ns / NANOSECONDS
