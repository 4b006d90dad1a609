"""From an exchange and the links of a round to the allocator's problem and its answer; arrays only, so that ``check`` can ask too."""

import sys
from dataclasses import dataclass, replace

import numpy as np

from optimizers.errors import ErrorModel, convex_below, error_model
from optimizers.least_latency import least_latency
from optimizers.problem import RoundProblem
from wflsim.contracts import Exchange, FloatArray, IntArray, Prices, Tiered
from wflsim.errors import UserError
from wflsim.network.launch import listening
from wflsim.scenario.schema import Procedures, Radio, System, World
from wflsim.simulation.air import Air, Sensed
from wflsim.simulation.downlink import multicast_s, unicast_s
from wflsim.world.fleet import Devices

# Plans until every device's link carries what was planned for it; what is late after the last is late.
PLANNINGS = 12
_SPARE = 0.02  # of a gap, more with every planning
SAME = 1e-9
_WORST_GAP = 1e20
_SOONEST_S = 1e-9


@dataclass(frozen=True)
class Posed:
    """A round's problem, and the round times between which its deadline lies.

    Attributes:
        exchange: What is agreed.
        problem: What the allocator answers.
        uplink: What the links of the participants really carry.
        receive_s: Length of the pilots and the server's message, shape (K,).
        deadline_s: Length that the exchange may have, infinite for any.
        planned_s: Time until which the plan has each update there, the margin taken off, shape (K,).
        due_s: Time until which each update is on time, infinite for ever, shape (K,).
        rounds: Number of rounds that each update may take, shape (K,).
        dense_s: Least round time with nothing pruned and no mask sent.
        sparsest_s: Least round time with all pruned that may be.
        budget_j: What each device may spend on the round, infinite for no limit, shape (K,).
        clock_hz: Clock rate at which each computes, shape (K,).
    """

    exchange: Exchange
    problem: RoundProblem
    uplink: Air
    receive_s: FloatArray
    deadline_s: float
    planned_s: FloatArray
    due_s: FloatArray
    rounds: IntArray
    dense_s: float
    sparsest_s: float
    budget_j: FloatArray
    clock_hz: FloatArray

    def only(self, rows: IntArray) -> "Posed":
        """Return the problem of some of the participants, whose deadline stays what it was for all."""
        return replace(
            self,
            exchange=self.exchange.only(rows),
            problem=self.problem.picked(rows),
            uplink=self.uplink.only(rows),
            receive_s=self.receive_s[rows],
            planned_s=self.planned_s[rows],
            due_s=self.due_s[rows],
            rounds=self.rounds[rows],
            budget_j=self.budget_j[rows],
            clock_hz=self.clock_hz[rows],
        )


@dataclass(frozen=True, eq=False)
class Window:
    """When and on which band devices begin together.

    Attributes:
        band_hz: Bandwidth that is free.
        rounds: Number of rounds that each update may take, shape (K,).
        now_ns: When they begin.
        overdrawn_j: What each has spent beyond its mean allowance so far, shape (K,); None for nothing.
    """

    band_hz: float
    rounds: IntArray
    now_ns: int = 0
    overdrawn_j: FloatArray | None = None


@dataclass(frozen=True)
class Site:
    """Where rounds are posed: what is the same for all rounds of a system.

    Attributes:
        devices: The fleet.
        world: What surrounds the system.
        system: How its rounds are run.
    """

    devices: Devices
    world: World
    system: System

    @classmethod
    def of(cls, devices: Devices, world: World, system: System, exchange: Exchange) -> "Site":
        """Return where an exchange is posed; one in which nothing travels goes through no procedures."""
        if exchange.silent:
            system = replace(system, procedures=Procedures())
        if exchange.open:
            system = replace(system, invited=None)
        return cls(devices, world, system)

    @property
    def radio(self) -> Radio:
        """The spectrum and the base station."""
        return self.world.radio

    def paged_s(self, exchange: Exchange, now_ns: int) -> FloatArray:
        """Return how long each participant waits until the server's message begins, shape (K,).

        A broadcast begins when all whom it is for listen.
        """
        procedures, together = self.system.procedures, self.together
        who = exchange.audience if together else exchange.participants
        offset = self.devices.paging_offset[who]
        after_s = listening(procedures.paging, now_ns, offset, together=together).after_s
        return np.full(len(exchange.participants), after_s.max()) if together else after_s

    @property
    def together(self) -> bool:
        """Whether all hear one broadcast."""
        return self.system.procedures.downlink == "multicast"

    def receive_s(self, exchange: Exchange, sensed: Sensed) -> FloatArray:
        """Return how long each participant receives: pilots, and the server's message, shape (K,)."""
        if exchange.silent:
            return np.zeros(len(exchange.participants))
        pilots_s = self.radio.estimation.pilots_s(len(exchange.participants))
        return pilots_s + self.message_s(exchange, sensed)

    def message_s(self, exchange: Exchange, sensed: Sensed) -> FloatArray:
        """Return how long the server's message takes to each participant, shape (K,)."""
        down = multicast_s if self.together else unicast_s
        return down(exchange, sensed, self.radio)

    def rounds(self, exchange: Exchange, sensed: Sensed, sharers: int, now_ns: int = 0) -> IntArray:
        """Return the number of rounds that each participant's update may take, shape (K,).

        Args:
            exchange: What is agreed.
            sensed: The links.
            sharers: Number of devices that share the band.
            now_ns: When the exchange begins.
        """
        who, policy = exchange.participants, self.system.policy
        if not isinstance(policy, Tiered):
            return np.ones(len(who), dtype=np.int64)
        keep = np.clip(policy.profile, exchange.keep_min, exchange.keep_max)
        bits = exchange.up_bits.at(keep) - exchange.mask_bits
        upload_s = _upload_s(bits, self._even_bps(who, sensed, sharers))
        computing_s = exchange.macs.at(keep) * self.devices.seconds_per_mac[who]
        before_s = self.receive_s(exchange, sensed) + self._expected_s(exchange, now_ns)
        return policy.windows(before_s + computing_s + upload_s)

    def prices(self, exchange: Exchange, sensed: Sensed, now_ns: int) -> Prices:
        """Return what operations and bits cost each participant, and what passes besides.

        Args:
            exchange: What is agreed.
            sensed: The links.
            now_ns: When the exchange begins.
        """
        who = exchange.participants
        rate_bps = self._even_bps(who, sensed, self.sharers(len(who)))
        return Prices(
            mac_s=self.devices.seconds_per_mac[who],
            bit_s=_upload_s(np.ones(len(who)), rate_bps),
            rest_s=self.receive_s(exchange, sensed) + self._expected_s(exchange, now_ns),
        )

    def _even_bps(self, who: IntArray, sensed: Sensed, sharers: int) -> FloatArray:
        """Return the bits a second of each device on an equal share of the band, downlink slots included, shape (K,)."""
        share_hz = np.full(len(who), self.radio.bandwidth_hz / max(sharers, 1))
        rate_bps = sensed.uplink(self.radio, who).rate_bps(share_hz, self.devices.power_max_w[who])
        return self.system.procedures.uplink.share * rate_bps

    def sharers(self, participants: int) -> int:
        """Return how many devices share the band when as many are at work as may be."""
        most = participants if self.system.invited is None else self.system.invited
        return min(participants, most, self.blocks(self.radio.bandwidth_hz))

    def blocks(self, band_hz: float) -> int:
        """Return how many devices can have a part of a band at once."""
        block_hz = self.system.procedures.uplink.block_hz
        return int(band_hz / block_hz * (1 + 1e-12)) if block_hz else sys.maxsize

    def pose(self, exchange: Exchange, sensed: Sensed, window: Window) -> Posed:
        """Return the problem of an exchange on the links of a round.

        What procedures cost is planned with as it is on average when nobody collides and no block is repeated.

        Args:
            exchange: What is agreed.
            sensed: The links.
            window: When and on which band.
        """
        share = self.system.procedures.uplink.share
        free, uplink, receive_s = self._free(exchange, sensed, window)
        unmasked_bits = (exchange.up_bits.fixed - exchange.mask_bits) / share
        dense_s, gain = _least_s(free.changed(fixed_bits=unmasked_bits), uplink, exchange.keep_max)
        sparsest_s, _ = _least_s(free, uplink, exchange.keep_min)
        deadline_s = self.system.deadline.seconds(dense_s, sparsest_s) or np.inf
        due_s = np.minimum(deadline_s, window.rounds * self.system.policy.limit_s(deadline_s))
        # The plan's own deadline stays above 0, so that a margin without end is a round that nobody can meet.
        planned_s = np.maximum(due_s - self.system.procedures.margin_s, _SOONEST_S)
        problem = free.changed(gain=gain, deadline_s=planned_s)
        return Posed(
            exchange=exchange,
            problem=problem,
            uplink=uplink,
            receive_s=receive_s,
            deadline_s=deadline_s,
            planned_s=planned_s,
            due_s=due_s,
            rounds=window.rounds,
            dense_s=dense_s,
            sparsest_s=sparsest_s,
            budget_j=np.full(len(exchange.participants), np.inf),
            clock_hz=self.devices.cpu_hz[exchange.participants],
        )

    def _free(
        self, exchange: Exchange, sensed: Sensed, window: Window
    ) -> tuple[RoundProblem, Air, FloatArray]:
        """Return the problem without a deadline, its uplink, and the time of receiving, shape (K,)."""
        who, procedures = exchange.participants, self.system.procedures
        seconds_per_mac = self.devices.seconds_per_mac[who]
        receive_s = self.receive_s(exchange, sensed)
        uplink = sensed.uplink(self.radio, who)
        problem = RoundProblem(
            gain=uplink.gain / self.radio.link.snr_gap,
            noise_w_per_hz=uplink.noise_w_per_hz,
            bandwidth_hz=window.band_hz,
            power_max_w=self.devices.power_max_w[who],
            fixed_s=receive_s
            + self._expected_s(exchange, window.now_ns)
            + exchange.macs.fixed * seconds_per_mac,
            slope_s=exchange.macs.prunable * seconds_per_mac,
            fixed_bits=exchange.up_bits.fixed / procedures.uplink.share,
            prunable_bits=exchange.up_bits.prunable / procedures.uplink.share,
            deadline_s=np.inf,
            weight=exchange.weight,
            keep_min=exchange.keep_min,
            keep_max=exchange.keep_max,
            efficiency_max=uplink.efficiency_max,
            error=self._error(exchange),
        )
        return problem, uplink, receive_s

    def _error(self, exchange: Exchange) -> ErrorModel:
        """Return what pruning is taken to cost the learning."""
        model, curve = self.system.error_model, exchange.curve
        if model != "lorenz":
            return error_model(model)
        if curve is None:
            raise UserError(
                "error_model: lorenz needs an algorithm whose devices measure what pruning takes away, and this one's do "
                "not; write algorithm: {kind: japp, curve_points: 15}, or another error_model"
            )
        return convex_below(curve.pruning, curve.error)

    def _dense_computing_s(self, exchange: Exchange) -> FloatArray:
        """Return how long the operations of each participant take when all is kept that may be, shape (K,)."""
        seconds_per_mac = self.devices.seconds_per_mac[exchange.participants]
        return exchange.macs.at(exchange.keep_max) * seconds_per_mac

    def _expected_s(self, exchange: Exchange, now_ns: int) -> FloatArray:
        """Return what procedures and loading cost beyond receiving, operations, and bits over rate, shape (K,)."""
        procedures = self.system.procedures
        start_s = self.devices.compute.start_s
        silent_s = start_s + self._dense_computing_s(exchange)
        access_s = np.where(procedures.access.needed(silent_s), procedures.access.expected_s, 0.0)
        others_s = start_s + procedures.grant.expected_s
        return self.paged_s(exchange, now_ns) + access_s + others_s + procedures.uplink.expected_s


def _least_s(problem: RoundProblem, uplink: Air, keep: FloatArray) -> tuple[float, FloatArray]:
    """Return the least round time at given kept shares on what the links carry, and the gains of the plan that takes it."""
    gap, best_s, gain = uplink.gain / problem.gain, np.inf, problem.gain
    for planning in range(PLANNINGS):
        planned_s, bandwidth_hz = least_latency(problem, keep)
        needed = uplink.gap(bandwidth_hz, problem.power_max_w)
        agreed = np.allclose(needed, gap, rtol=SAME, atol=0.0)
        finish_s = finishes_s(problem, keep, uplink.rate_bps(bandwidth_hz, problem.power_max_w))
        found_s = planned_s if agreed else float(np.max(finish_s))
        if found_s < best_s:
            best_s, gain = found_s, problem.gain
        if agreed:
            break
        gap = next_gap(gap, needed, planning)
        problem = problem.changed(gain=uplink.gain / gap)
    return best_s, gain


def _upload_s(bits: FloatArray, rate_bps: FloatArray) -> FloatArray:
    """Return the time of each upload, 0 without bits and infinite without rate, shape (K,)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(bits == 0.0, 0.0, bits / rate_bps)


def next_gap(gap: FloatArray, needed: FloatArray, planning: int) -> FloatArray:
    """Return the gaps to plan with next, shape (K,): those needed at first, then half the way, with a little to spare."""
    enough = np.minimum(needed, _WORST_GAP)
    return enough if planning == 0 else np.sqrt(gap * enough) * (1.0 + _SPARE * planning)


def finishes_s(problem: RoundProblem, keep: FloatArray, rate_bps: FloatArray) -> FloatArray:
    """Return when each upload ends at some rates, as far as that can be planned, shape (K,)."""
    upload_s = _upload_s(problem.bits(keep), rate_bps)
    return np.asarray(problem.fixed_s + problem.slope_s * keep + upload_s)
