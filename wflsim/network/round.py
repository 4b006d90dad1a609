"""One round as discrete events: updates arrive or fail, devices contend for access, the server closes.

Events stand at decisions only; what lies between them is arithmetic on arrays. Time is integer nanoseconds and comes
from the event queue alone. All that happens at an instant has happened before anything is concluded from it, so that no
tie needs to be broken: whoever arrives at the deadline is on time, and whoever asks at an occasion asks together.
"""

from collections.abc import Callable
from dataclasses import replace
from math import inf
from typing import Any

import numpy as np
import simpy

from wflsim.clock import NANOSECONDS, NEVER, ceiled_ns, rounded_ns
from wflsim.contracts import BoolArray, FloatArray, IntArray, Policy, Relaying, Tally
from wflsim.errors import UserError
from wflsim.network.launch import Network
from wflsim.network.timeline import Flights, Outcome, Timeline, account

SETTLED, ASKED, EXPIRED = range(3)


class _Game:
    """The moving parts of a round: the event queue, the updates, and what the policy is told."""

    def __init__(
        self, now_ns: int, flights: Flights, network: Network, round_: int, limit_ns: int
    ) -> None:
        self.env = simpy.Environment(initial_time=now_ns)
        self.flights, self.network = flights, network
        self.log: list[tuple[int, int, int]] = []
        # What came while the server was busy with the round before is there; what takes no time comes now.
        ahead = (flights.final_ns > now_ns) | (
            (flights.final_ns == now_ns) & (flights.round_ == round_)
        )
        there = ~ahead & (flights.fate == Outcome.ON_TIME)
        self.tally = Tally(awaited=int(ahead.sum()), arrived=int(there.sum()))
        self.asking: dict[int, list[int]] = {}
        self.stopped: frozenset[int] = frozenset()
        self._await(np.flatnonzero(ahead & (flights.final_ns < NEVER)))
        self._enlist(np.flatnonzero(flights.occasion_ns < NEVER))
        if limit_ns < NEVER:
            self._at(limit_ns, self._expire, limit_ns)

    def run(self, policy: Policy) -> int:
        """Handle events until the policy closes the round, and return that instant."""
        while not policy.closes(self.tally):
            instant = self.env.peek()
            if instant == inf:
                never = self.flights.plan.device[self.flights.final_ns == NEVER].tolist()
                raise UserError(
                    f"the round cannot end: devices {never[:20]} can never send; set a deadline or give bandwidth"
                )
            while self.env.peek() == instant:
                self.env.step()
        return int(self.env.now)

    def play_on(self, goes_on: BoolArray, until_ns: int) -> None:
        """Handle the events of those who go on until the server is done with what it has taken in."""
        self.stopped = frozenset(self.flights.plan.device[~goes_on].tolist())
        while self.env.peek() <= until_ns:
            self.env.step()

    def _at(self, instant_ns: int, action: Callable[[Any], None], value: object) -> None:
        self.env.timeout(instant_ns - self.env.now, value).callbacks.append(action)

    def _await(self, rows: IntArray) -> None:
        """Look forward to the instants at which it is settled what becomes of some updates."""
        flights = self.flights
        arrives = (flights.fate[rows] == Outcome.ON_TIME).tolist()
        devices, finals_ns = flights.plan.device[rows].tolist(), flights.final_ns[rows].tolist()
        for told in zip(finals_ns, devices, arrives, strict=True):
            self._at(told[0], self._settle, told)

    def _settle(self, event: Any) -> None:
        final_ns, device, arrives = event.value
        if device in self.stopped:
            return
        self.log.append((final_ns, SETTLED, device))
        self.tally.awaited -= 1
        self.tally.arrived += arrives

    def _expire(self, event: Any) -> None:
        self.log.append((event.value, EXPIRED, -1))
        self.tally.expired = True

    def _enlist(self, rows: IntArray) -> None:
        """Put devices that ask for access on the list of their occasion; each occasion is one event."""
        for row, occasion_ns in zip(
            rows.tolist(), self.flights.occasion_ns[rows].tolist(), strict=True
        ):
            if occasion_ns not in self.asking:
                self.asking[occasion_ns] = []
                self._at(occasion_ns, self._contend, occasion_ns)
            self.asking[occasion_ns].append(row)

    def _contend(self, event: Any) -> None:
        """Let those who ask together contend: some are admitted, some ask again, some give up."""
        occasion_ns: int = event.value
        flights, access = self.flights, self.network.procedures.access
        rows: IntArray = np.array(self.asking.pop(occasion_ns), dtype=np.int64)
        rows = rows[[device not in self.stopped for device in flights.plan.device[rows].tolist()]]
        if not len(rows):
            return
        self.log.append((occasion_ns, ASKED, len(rows)))
        preamble, cell = flights.preamble[rows, flights.tries[rows]], flights.plan.cell[rows]
        heard = np.zeros(len(rows), dtype=np.bool_)
        for one in np.unique(cell):
            heard[cell == one] = access.heard(preamble[cell == one])
        self.network.answer(flights, rows, heard, occasion_ns)
        self._await(rows[flights.final_ns[rows] < NEVER])
        self._enlist(rows[flights.occasion_ns[rows] < NEVER])


def play(
    now_ns: int,
    flights: Flights,
    network: Network,
    policy: Policy,
    *,
    round_: int,
    limit_s: float = inf,
    relayed_bits: float | None = None,
) -> tuple[Timeline, Flights]:
    """Return what happened in a round, and the updates that go on beyond it.

    Args:
        now_ns: When the round begins.
        flights: All updates under way, those of devices that begin now among them.
        network: The rules by which they travel.
        policy: How the server ends the round.
        round_: The round's number.
        limit_s: Seconds after which its time is up; infinite for never.
        relayed_bits: What every cell at work hands on to a server behind it, 0 for nothing; None for as much as the largest
            message that it gathered.
    """
    flights = flights.own()
    limit_ns = int(ceiled_ns(now_ns, np.array(limit_s)))
    game = _Game(now_ns, flights, network, round_, limit_ns)
    close_ns = game.run(policy)
    goes_on = _going_on(flights, policy, round_, close_ns)
    gathered = _gathered_bits(flights, goes_on, close_ns, relayed_bits)
    end_ns = _end_ns(flights, gathered, (now_ns, close_ns), policy)
    end_ns += round(network.procedures.aggregation_s * NANOSECONDS)
    game.play_on(goes_on, end_ns)
    settled, log = flights.only(~goes_on), np.array(game.log, dtype=np.int64).reshape(-1, 3)
    timeline = account(settled, (now_ns, close_ns, end_ns), network.power_w(settled), log)
    return timeline, flights.only(goes_on)


def stop(now_ns: int, flights: Flights, network: Network) -> Timeline:
    """Return the time line of updates that are under way when the run ends."""
    log = np.zeros((0, 3), dtype=np.int64)
    there = flights.fate == Outcome.ON_TIME  # and nobody will take it in
    flights = replace(flights, fate=np.where(there, Outcome.UNFINISHED, flights.fate))
    instants_ns = (now_ns, now_ns, now_ns)
    return account(flights, instants_ns, network.power_w(flights), log, Outcome.UNFINISHED)


def _going_on(flights: Flights, policy: Policy, round_: int, close_ns: int) -> BoolArray:
    """Return which updates are not settled: under way with leave to go on, or there before their time.

    Who has no grant would be under way for ever, and does not go on.
    """
    done, due = flights.final_ns <= close_ns, flights.due <= round_
    early = done & (flights.fate == Outcome.ON_TIME) & ~due
    hopeless = (flights.final_ns == NEVER) & (flights.occasion_ns == NEVER)
    return np.asarray(early | (~done & ~hopeless & (~due | policy.late.goes_on)))


def _gathered_bits(
    flights: Flights, goes_on: BoolArray, close_ns: int, relayed_bits: float | None
) -> FloatArray:
    """Return what a cell has to hand on for each of its devices, shape (F,): its message, or what is said."""
    if relayed_bits is not None:
        return np.full(len(flights), relayed_bits)
    there = (flights.final_ns <= close_ns) & (flights.fate == Outcome.ON_TIME) & ~goes_on
    return np.where(there, flights.plan.bits, 0.0)


def _end_ns(
    flights: Flights, bits: FloatArray, instants_ns: tuple[int, int], policy: Policy
) -> int:
    """Return when the server has everything: at the close, or when the last cell has relayed what it gathered."""
    now_ns, close_ns = instants_ns
    if not isinstance(policy, Relaying):
        return close_ns
    came_s = (np.clip(flights.final_ns, now_ns, close_ns) - now_ns) / NANOSECONDS
    relayed_s = policy.relayed_s(flights.plan.cell, came_s, bits)
    there_ns = int(rounded_ns(now_ns, np.array(relayed_s)))
    if there_ns == NEVER:
        raise UserError(
            f"policy.backhaul: a message takes {relayed_s:.3g} s to the cloud; give a faster backhaul"
        )
    return max(close_ns, there_ns)
