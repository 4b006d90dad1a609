"""What can be said of a scenario before it is played: link budget, rates, deadline, binding constraints; no torch."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite, isinf

import numpy as np

from channel_models.channel import Links
from channel_models.units import linear_to_db, watt_to_dbm
from optimizers.certificate import Certificate
from wflsim.contracts import FloatArray, Relaying, Tally, Turn
from wflsim.errors import UserError
from wflsim.scenario.schema import System
from wflsim.simulation.agreeing import agree, rates_of
from wflsim.simulation.air import Sensed, sense
from wflsim.simulation.inviting import Past, invited
from wflsim.simulation.posing import Posed, Site, Window, finishes_s
from wflsim.simulation.setting import Setting

DRAWS = 64
BINDING = {
    "keep_min": "the least share that may be kept",
    "keep_max": "nothing: everything is kept",
    "deadline": "the deadline, through bandwidth and power",
    "slack": "nothing: the device is early",
}
TOO_LATE = "nothing, and come too late"


@dataclass(frozen=True)
class Budget:
    """The link budget of every device at its mean channel, with an equal share of the bandwidth; shapes (K,).

    Attributes:
        distance_m: Distance from the base station.
        loss_db: Path loss and shadowing, less the gain of the antenna's pattern.
        power_dbm: Limit of transmit power.
        array_db: Mean gain of combining all antennas.
        noise_dbm: Noise and other cells in an equal share of the bandwidth.
        snr_db: Ratio of the signal to them at the mean gain.
        rate_bps: Expected rate, the mean over draws of the fading.
    """

    distance_m: FloatArray
    loss_db: FloatArray
    power_dbm: FloatArray
    array_db: FloatArray
    noise_dbm: FloatArray
    snr_db: FloatArray
    rate_bps: FloatArray


@dataclass(frozen=True)
class Outlook:
    """The first exchange of a variant at the mean channel.

    Attributes:
        deadline_s: Length that it may have; infinite without a deadline.
        planned_s: Length that a plan may have, the margin taken off.
        dense_s: Least length with nothing pruned.
        sparsest_s: Least length with all pruned that may be.
        length_s: Length under the variant's allocator and policy, if nothing unplanned happens.
        late: Number of devices that come too late in the plan already.
        keep: Kept shares, shape (K,).
        binding: What holds the devices, with the number of devices.
        certificate: The allocation's certificate.
        budget_j: What each device may spend, infinite for no limit, shape (K,).
    """

    deadline_s: float
    planned_s: float
    dense_s: float
    sparsest_s: float
    length_s: float
    late: int
    keep: FloatArray
    binding: Mapping[str, int]
    certificate: Certificate
    budget_j: FloatArray

    @property
    def feasible(self) -> bool:
        """Whether some allocation meets the deadline."""
        return self.sparsest_s <= self.planned_s * (1 + 1e-9)

    @property
    def met(self) -> bool:
        """Whether the variant's own allocation meets the deadline."""
        return not self.late


def draws(setting: Setting) -> list[Sensed]:
    """Return the links of some rounds in which no time passes."""
    radio, state, drawn = setting.world.radio, setting.channel, []
    for draw in range(DRAWS):
        streams = setting.streams.at(draw)
        state, links = setting.world.channel.step(state, 0.0, streams)
        drawn.append(sense(links, radio, streams))
    return drawn


def mean_links(setting: Setting, drawn: Sequence[Sensed]) -> Sensed:
    """Return the links with fading at its mean power on every antenna, and the mean of what other cells add."""
    gain = setting.channel.gain
    mean = Links(
        large_scale_gain=gain,
        fading=np.ones((len(gain), setting.world.channel.antennas), dtype=complex),
        uplink_interference_w_per_hz=np.mean(
            [one.links.uplink_interference_w_per_hz for one in drawn], axis=0
        ),
        downlink_interference_w_per_hz=np.mean(
            [one.links.downlink_interference_w_per_hz for one in drawn], axis=0
        ),
    )
    return sense(mean, setting.world.radio, setting.streams.at())


def budget(setting: Setting) -> Budget:
    """Return the link budget of every device."""
    radio, power_w = setting.world.radio, setting.devices.power_max_w
    drawn, everyone = draws(setting), np.arange(len(power_w))
    sensed = mean_links(setting, drawn)
    uplink = sensed.uplink(radio, everyone)
    share_hz = np.full_like(power_w, radio.bandwidth_hz / len(power_w))
    noise_w = uplink.noise_w_per_hz * share_hz
    rates = [one.uplink(radio, everyone).rate_bps(share_hz, power_w) for one in drawn]
    return Budget(
        distance_m=setting.world.channel.distance_m(setting.channel),
        loss_db=-linear_to_db(sensed.links.large_scale_gain),
        power_dbm=watt_to_dbm(power_w),
        array_db=linear_to_db(uplink.gain / sensed.links.large_scale_gain),
        noise_dbm=watt_to_dbm(noise_w),
        snr_db=linear_to_db(power_w * uplink.gain / noise_w),
        rate_bps=np.mean(rates, axis=0),
    )


def outlook(setting: Setting, system: System) -> Outlook:
    """Return what a variant's first exchange looks like at the mean channel."""
    holdings, turn = setting.holdings, Turn(0, 0, setting.streams)
    exchange = system.algorithm.plan(holdings.anatomy, holdings.samples, turn, None)
    if exchange is None:
        raise UserError("the algorithm plans no exchange; plan at least one")
    site = Site.of(setting.devices, setting.world, system, exchange)
    sensed, band_hz = mean_links(setting, draws(setting)), setting.world.radio.bandwidth_hz
    sharers = site.sharers(len(exchange.participants))
    past = Past.none(len(setting.devices.cpu_hz))
    exchange = exchange.only(
        invited(site, exchange, sensed, turn, past=past, busy=0, band_hz=band_hz)
    )
    rounds = site.rounds(exchange, sensed, sharers)
    posed, allocation = agree(
        site, exchange, sensed, Window(band_hz, rounds), lambda: turn.draw("allocator")
    )
    keep = exchange.whole_units(allocation.keep)
    finish_s = finishes_s(posed.problem, keep, rates_of(posed, allocation))
    late = finish_s > posed.planned_s * (1 + 1e-9)
    held = zip(late, allocation.certificate.held, strict=True)
    return Outlook(
        deadline_s=float(np.max(posed.due_s)),
        planned_s=float(np.max(posed.planned_s)),
        dense_s=posed.dense_s,
        sparsest_s=posed.sparsest_s,
        length_s=_length_s(setting, system, posed, (keep, finish_s)),
        late=int(np.count_nonzero(late)),
        keep=keep,
        binding=Counter(TOO_LATE if missed else BINDING[active] for missed, active in held),
        certificate=allocation.certificate,
        budget_j=posed.budget_j,
    )


def _length_s(
    setting: Setting, system: System, posed: Posed, planned: tuple[FloatArray, FloatArray]
) -> float:
    """Return when the server is done with a first round in which the updates come as planned."""
    policy, who, (keep, finish_s) = system.policy, posed.exchange.participants, planned
    limit_s = policy.limit_s(posed.deadline_s)
    if isinf(limit_s) and isfinite(posed.deadline_s) and np.isfinite(finish_s).any():
        begins = np.isfinite(finish_s)  # the others are not asked to
        who, keep, finish_s = who[begins], keep[begins], finish_s[begins]
        posed = replace(posed, exchange=posed.exchange.only(begins))
    tally, close_s = Tally(awaited=len(who)), 0.0
    for came_s in np.sort(finish_s):
        if policy.closes(tally) or came_s > limit_s * (1 + 1e-9):
            break
        tally.awaited, tally.arrived, close_s = tally.awaited - 1, tally.arrived + 1, float(came_s)
    if not policy.closes(tally):
        close_s = limit_s
    if isinstance(policy, Relaying):
        there = finish_s <= close_s * (1 + 1e-9)
        bits = np.where(there, posed.exchange.sent_bits(keep), 0.0)
        if posed.exchange.relayed_bits is not None:
            bits = np.full(len(who), posed.exchange.relayed_bits)
        came_s = np.minimum(finish_s, close_s)
        close_s = max(close_s, policy.relayed_s(setting.channel.serving[who], came_s, bits))
    return close_s + system.procedures.aggregation_s
