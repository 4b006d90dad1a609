"""One round as discrete events: the server broadcasts, devices compute and send, the policy closes.

Events stand at decisions only (broadcast heard, computing done, upload done, deadline); what lies between them is
arithmetic on arrays. Time is integer nanoseconds and comes from the event queue alone.
"""

from collections.abc import Generator
from dataclasses import dataclass
from math import inf

import numpy as np
import simpy

from wflsim.contracts import IntArray, Policy
from wflsim.errors import UserError
from wflsim.network.timeline import NEVER, Outcome, Plan, Timeline

UPLOAD = 2  # third row of the phases: broadcast, computing, upload


@dataclass
class _Round:
    """The moving parts of a round: the clock, and when each phase of each device ended."""

    env: simpy.Environment
    ends_ns: IntArray
    events: int = 0

    def device(self, index: int, offsets_ns: list[int]) -> Generator[simpy.Event, None, None]:
        """Play one device: receive, compute, send."""
        before = 0
        for phase, offset_ns in enumerate(offsets_ns):
            if offset_ns == NEVER:
                yield self.env.event()
            yield self.env.timeout(offset_ns - before)
            before = offset_ns
            self.ends_ns[phase, index] = self.env.now

    def run(self, closed: simpy.Event) -> int:
        """Handle events until the round is closed and return that instant.

        Whatever else happens at that very instant still counts, so that a device that arrives at the deadline is on
        time whichever of the two events was scheduled first.
        """
        while not closed.processed:
            if self.env.peek() == inf:
                never = np.flatnonzero(self.ends_ns[UPLOAD] < 0).tolist()
                raise UserError(
                    f"the round cannot end: devices {never} can never send; set a deadline or give bandwidth"
                )
            self._step()
        end_ns = int(self.env.now)
        while self.env.peek() == end_ns:
            self._step()
        return end_ns

    def _step(self) -> None:
        self.env.step()
        self.events += 1


def play(start_ns: int, plan: Plan, policy: Policy) -> Timeline:
    """Return what happened when a plan was played from an instant on."""
    devices = len(plan.compute_s)
    env = simpy.Environment(initial_time=start_ns)
    unfinished = np.full((3, devices), -1, dtype=np.int64)
    game = _Round(env, unfinished)
    deadline = env.event()
    if plan.deadline_ns != NEVER:
        deadline = env.timeout(plan.deadline_ns)
    offsets = plan.offsets_ns().T.tolist()
    arrivals = [
        env.process(game.device(index, offsets_ns)) for index, offsets_ns in enumerate(offsets)
    ]
    end_ns = game.run(policy.closes(arrivals, deadline))
    return _timeline(start_ns, end_ns, game, plan)


def _timeline(start_ns: int, end_ns: int, game: _Round, plan: Plan) -> Timeline:
    """Return the columns of a played round; a phase that was cut ends when the server closed the round."""
    ends = np.where(game.ends_ns < 0, end_ns, game.ends_ns)
    broadcast, compute, upload = np.diff(ends, axis=0, prepend=start_ns)
    arrived = game.ends_ns[UPLOAD] >= 0
    on_time = arrived & (ends[UPLOAD] - start_ns <= plan.deadline_ns)
    outcome = np.select([on_time, arrived], [Outcome.ON_TIME, Outcome.LATE], Outcome.LOST)
    return Timeline(start_ns, end_ns, broadcast, compute, upload, outcome, game.events)
