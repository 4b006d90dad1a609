"""How an update gets under way: arithmetic from the call to the grant, as far as nobody else has a say in it."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from wflsim.clock import NANOSECONDS, NEVER, Instants, ceiled_ns, rounded_ns
from wflsim.contracts import BoolArray, Electronics, FloatArray, IntArray, Paging
from wflsim.network.timeline import (
    ACCESS,
    COMPUTE,
    GRANT,
    QUEUE,
    UPLOAD,
    WAIT,
    Flights,
    Outcome,
    Plan,
)
from wflsim.scenario.schema import Procedures
from wflsim.world.batteries import exhausted_s

Draw = Callable[[str, int], np.random.Generator]
"""From a purpose and a round to the stream that the updates begun in that round draw from."""


@dataclass(frozen=True, eq=False)
class Network:
    """The rules by which updates travel, the same for all rounds of a system.

    Attributes:
        procedures: What an update goes through.
        electronics: What the radios of the devices draw.
        paging_offset: Each device's place in the paging cycle, between 0 and 1, shape (N,).
        grant_offset: Its place in the cycle of scheduling requests, shape (N,).
        draw: The random streams.
    """

    procedures: Procedures
    electronics: Electronics
    paging_offset: FloatArray
    grant_offset: FloatArray
    draw: Draw

    def nobody(self) -> Flights:
        """Return no updates."""
        none, nobody = np.zeros(0), np.zeros(0, dtype=np.int64)
        columns: dict[str, Any] = {f.name: none for f in fields(Plan)}
        columns |= {"device": nobody, "cell": nobody, "rounds": nobody, "errors": None}
        columns |= {"held": np.zeros(0, dtype=np.str_), "together": True, "silent": False}
        return self.launch(Plan(**columns), 0, 0)

    def launch(self, plan: Plan, round_: int, now_ns: int) -> Flights:
        """Return the updates of devices that begin now; those that need access have not been granted anything yet."""
        steps, asks = self._until_ready(plan, now_ns)
        tries = self.procedures.access.attempts
        fleet = int(plan.device.max(initial=-1)) + 1
        preamble, wait_s = (
            self.procedures.access.draw(fleet, self.draw("access", round_))
            if asks.any()
            else (np.zeros((fleet, tries), dtype=np.int64), np.zeros((fleet, tries)))
        )
        many = len(plan.device)
        start_ns = np.full(many, now_ns)
        ends_s = np.full((many, WAIT), np.inf)
        ends_s[:, : COMPUTE + 1] = np.column_stack([step.after_s for step in steps])
        flights = Flights(
            plan=plan,
            round_=np.full(many, round_),
            due=round_ + plan.rounds - 1,
            start_ns=start_ns,
            due_ns=ceiled_ns(now_ns, plan.deadline_s),
            preamble=preamble[plan.device],
            wait_s=wait_s[plan.device],
            ends_s=ends_s,
            airtime_s=np.zeros(many),
            delivered=np.zeros(many, dtype=np.bool_),
            blocks=np.zeros(many, dtype=np.int64),
            attempts=np.zeros(many, dtype=np.int64),
            tries=np.zeros(many, dtype=np.int64),
            occasion_ns=np.full(many, NEVER),
            final_ns=np.full(many, NEVER),
            fate=np.full(many, int(Outcome.ON_TIME)),
        )
        ready = steps[-1]
        flights.occasion_ns[asks] = self.procedures.access.occasion_ns(ready.ns[asks])
        at_once = np.flatnonzero(~asks)
        goes_on = self._stay if plan.silent else self.connect
        goes_on(flights, at_once, ready.only(at_once))
        self.decide(flights, np.arange(many))
        return flights

    def _until_ready(self, plan: Plan, now_ns: int) -> tuple[tuple[Instants, ...], BoolArray]:
        """Return when devices are awake, have heard and have computed, and who then needs access."""
        offset = self.paging_offset[plan.device]
        awake = listening(self.procedures.paging, now_ns, offset, together=plan.together)
        awake = replace(awake, after_s=np.maximum(awake.after_s, plan.called_s))
        if plan.silent:
            awake = replace(awake, after_s=np.zeros_like(awake.after_s))
        heard = awake.later(plan.receive_s)
        ready = heard.later(plan.compute_s)
        asks = self.procedures.access.needed(plan.compute_s) & np.isfinite(ready.after_s)
        return (awake, heard, ready), asks & (not plan.silent)

    def _stay(self, flights: Flights, rows: IntArray, ready: Instants) -> None:
        """Fill in that some devices have nothing to send, and are done when they have computed."""
        flights.ends_s[rows, ACCESS:] = ready.after_s[:, None]
        flights.delivered[rows] = np.isfinite(ready.after_s)

    def connect(self, flights: Flights, rows: IntArray, admitted: Instants) -> None:
        """Fill in what follows from the instants at which some devices have a connection and something to send."""
        granted = self.procedures.grant.granted(
            admitted, self.grant_offset[flights.plan.device[rows]]
        )
        for round_ in np.unique(flights.round_[rows]).tolist():
            of = flights.round_[rows] == round_
            which, at = rows[of], granted.only(of)
            flights.ends_s[which, ACCESS] = admitted.after_s[of]
            flights.ends_s[which, GRANT] = at.after_s
            self._send(flights, which, at, round_)

    def _send(self, flights: Flights, which: IntArray, granted: Instants, round_: int) -> None:
        """Fill in the uploads of some devices that began in the same round, from their grants on."""
        plan, device = flights.plan, flights.plan.device[which]
        behind_s = self.procedures.background.wait_s(
            plan.rate_bps[which] * self.procedures.uplink.share,
            device=device,
            rng=self.draw("background", round_),
        )
        first = granted.later(behind_s)
        sent = self.procedures.uplink.send(
            first,
            plan.bits[which],
            plan.rate_bps[which],
            None if plan.errors is None else plan.errors[which],
            device=device,
            rng=self.draw("uplink", round_),
        )
        flights.ends_s[which, QUEUE], flights.ends_s[which, UPLOAD] = (
            first.after_s,
            sent.done.after_s,
        )
        flights.airtime_s[which], flights.delivered[which] = sent.airtime_s, sent.delivered
        flights.blocks[which], flights.attempts[which] = sent.blocks, sent.attempts

    def answer(self, flights: Flights, rows: IntArray, heard: BoolArray, occasion_ns: int) -> None:
        """Fill in what follows from an attempt at access: a connection, another attempt, or none any more."""
        access = self.procedures.access
        answer_ns = access.answered_ns(occasion_ns)
        wait_s = flights.wait_s[rows, flights.tries[rows]]
        flights.tries[rows] += 1
        again = ~heard & (flights.tries[rows] < access.attempts)
        later_ns = rounded_ns(answer_ns, wait_s[again])
        flights.occasion_ns[rows] = NEVER
        # A device never asks twice at one occasion, however fast the answer.
        flights.occasion_ns[rows[again]] = access.occasion_ns(np.maximum(later_ns, occasion_ns + 1))
        lost, admitted = rows[~heard & ~again], rows[heard]
        known_s = (answer_ns - flights.start_ns) / NANOSECONDS
        flights.ends_s[lost, ACCESS:] = known_s[lost, None]
        self.connect(flights, admitted, Instants(flights.start_ns[admitted], known_s[admitted]))
        self.decide(flights, rows)

    def decide(self, flights: Flights, rows: IntArray) -> None:
        """Fill in when it is settled what becomes of some updates, as far as that is known.

        A device that runs empty or leaves in the nanosecond in which its upload ends has sent it.
        """
        start_ns, ends_s = flights.start_ns[rows], flights.ends_s[rows]
        occasion_ns, asking = flights.occasion_ns[rows], flights.occasion_ns[rows] < NEVER
        power_w, charge_j = self.power_w(flights, rows)[:, :WAIT], flights.plan.charge_j[rows]
        empty_ns = rounded_ns(start_ns, exhausted_s(ends_s, power_w, charge_j))
        left_ns = rounded_ns(start_ns, flights.plan.leaves_s[rows])
        done_ns, cut_ns = rounded_ns(start_ns, ends_s[:, UPLOAD]), np.minimum(empty_ns, left_ns)
        # Before the next occasion nothing else can happen to a device that asks for access.
        cut = cut_ns < np.where(asking, occasion_ns, done_ns)
        arrives = np.where(flights.delivered[rows], Outcome.ON_TIME, Outcome.LOST)
        gone = np.where(empty_ns <= left_ns, Outcome.EMPTY, Outcome.LEFT)
        flights.fate[rows] = np.where(cut, gone, arrives)
        flights.final_ns[rows] = np.where(cut, cut_ns, np.where(asking, NEVER, done_ns))
        flights.occasion_ns[rows] = np.where(cut, NEVER, occasion_ns)

    def power_w(self, flights: Flights, rows: IntArray | slice = slice(None)) -> FloatArray:
        """Return the power of some updates' phases, shape (F, 8)."""
        ends_s, plan = flights.ends_s[rows], flights.plan
        with np.errstate(invalid="ignore", divide="ignore"):
            share = flights.airtime_s[rows] / (ends_s[:, UPLOAD] - ends_s[:, QUEUE])
        # An upload that takes no time costs nothing; one that never ends is on the air whenever it may be.
        share = np.where(np.isfinite(share), share, self.procedures.uplink.share)
        return self.electronics.phase_power_w(plan.compute_w[rows], plan.transmit_w[rows], share)


def listening(paging: Paging, now_ns: int, offset: FloatArray, *, together: bool) -> Instants:
    """Return when devices that are called now listen; who shares a broadcast waits for the others.

    Args:
        paging: How they are woken.
        now_ns: When the server calls.
        offset: Each device's place in the paging cycle, shape (K,).
        together: Whether all receive one broadcast.
    """
    called = Instants(np.full(len(offset), now_ns), np.zeros(len(offset)))
    awake = paging.heard(called, offset)
    if not together:
        return awake
    return replace(awake, after_s=np.full_like(awake.after_s, awake.after_s.max(initial=0.0)))
