"""Uplink: how a granted band carries a message, as a stream of bits, as one packet, or slot by slot with repeats."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated

import numpy as np
from scipy.special import bdtrik, betaincc

from channel_models.rates.links import lost_share
from channel_models.rates.retransmissions import expected_attempts, residual_error
from channel_models.units import Count, NonNegative
from wflsim.clock import LONGEST_NS, NANOSECONDS, NEVER, Instants
from wflsim.contracts import BoolArray, FloatArray, IntArray, Sent
from wflsim.network.procedures.slots import Numerology, Pattern, slot_ns, whole_ns

_RESOURCE_BLOCK_HZ = 12 * 15e3  # twelve subcarriers of numerology 0


@dataclass(frozen=True)
class Whole:
    """The message is sent at its rate without slots: bits / rate seconds, and not a rounding more.

    Errors cost nothing more, because the rate has repeats taken off.
    """

    @property
    def share(self) -> float:
        """All of the time."""
        return 1.0

    @property
    def block_hz(self) -> float:
        """Any width will do."""
        return 0.0

    @property
    def expected_s(self) -> float:
        """No time."""
        return 0.0

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
        """Return uploads of one block each, which is delivered unless it never ends."""
        some = bits > 0.0
        with np.errstate(over="ignore", divide="ignore"):
            airtime_s = np.divide(bits, rate_bps, out=np.zeros(some.shape), where=some)
        done = granted.later(airtime_s)
        return Sent(
            done, airtime_s, np.isfinite(done.after_s), some.astype(np.int64), some.astype(np.int64)
        )


@dataclass(frozen=True)
class Packet:
    """The message is one packet, sent as the ideal uplink sends it, and lost once for all with probability 1 − exp(−ϑ/z).

    z = p g/(N₀ b) is the ratio of signal to noise on the band that is sent over. What is lost has taken its seconds and
    its joules; nobody sends it again, and the server does without it. On Shannon's link these are the errors that the
    allocator ``ren2022`` weighs.

    Attributes:
        waterfall: Waterfall threshold ϑ, linear.

    Reference:
        Ren, Ni and Tian, arXiv 2205.14271, weigh pruning and packet errors [V]; this form and constant are those of a
        public program for wireless federated learning, which names no unit [V], and their use here is ours [X].

    >>> Packet().message_errors(np.array([0.0, 0.1, 10.0])).round(4).tolist()
    [[1.0], [0.2055], [0.0023]]
    """

    waterfall: NonNegative = 0.023

    @property
    def share(self) -> float:
        """All of the time."""
        return 1.0

    @property
    def block_hz(self) -> float:
        """Any width will do."""
        return 0.0

    @property
    def expected_s(self) -> float:
        """No time."""
        return 0.0

    def message_errors(self, snr: FloatArray) -> FloatArray:
        """Return how likely each packet is lost, shape (K, 1)."""
        return lost_share(snr, self.waterfall)[:, None]

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
        """Return uploads of one block each, some of which are lost when they end."""
        sent = Whole().send(granted, bits, rate_bps, errors, device=device, rng=rng)
        luck = rng.random(int(device.max(initial=-1)) + 1)[device]
        chance = np.zeros(len(bits)) if errors is None else errors[:, 0]
        return replace(sent, delivered=sent.delivered & ((bits == 0.0) | (luck >= chance)))


@dataclass(frozen=True)
class Slots:
    """The message is cut into transport blocks, one an uplink slot; blocks that fail are sent again.

    A slot carries the raw rate of a first attempt, rate · E[attempts] / (1 − residual error), so that the rate is what
    arrives in the long run; the last block is filled up. Blocks are attempted as often as the link allows; what is then
    lost is noticed by the radio link control and sent as new blocks, all of it after one status report; what its
    attempts cannot save either makes the upload fail.

    A repeat of the last block costs a round trip, and those of the others a slot each, since others are sent meanwhile.
    That is exact if the round trip is over by the next uplink slot, as in DDDSU with the defaults. Where several blocks
    are on their way at once, repeats of those just before the last come back after it, which is left out: on a link
    that fails every other time uploads then end too early by less than half a round trip, on average.

    Attributes:
        numerology: Numerology μ: a slot lasts 1 ms / 2^μ, a resource block is 180 kHz · 2^μ wide.
        pattern: A letter a slot, repeated from time 0: D for downlink, S for the switch to uplink, which carries
            nothing, U for uplink; U alone is a band of its own.
        grid: Whether the band is granted in whole resource blocks.
        processes: Blocks of a device that may be on their way at once; they must cover the round trip.
        round_trip_slots: Slots from the beginning of an attempt to that of its repeat, at least: one to send it, one to
            decode it and answer, two for the device to prepare.
        rlc_attempts: How many times blocks are sent anew after all their attempts failed.
        rlc_delay_s: Seconds from the end of a transmission until the device knows which blocks are lost.
        decode_s: Seconds to decode the last block.

    Reference:
        3GPP TS 38.211, section 4.3.2 (slots); TS 38.214, section 6.1 (16 processes); TS 38.322, section 5.3
        (acknowledged mode), with the 35 ms of t-Reassembly in TS 38.331, section 9.2.1 [S]. Decoding in 100 µs and two
        slots of preparation are 5G-LENA's [1]; the round trip made of them is ours [X].

    >>> Slots().share, Slots(grid=False).block_hz, Slots(numerology=0).block_hz
    (0.2, 0.0, 180000.0)
    """

    numerology: Numerology = 1
    pattern: str = "DDDSU"
    grid: bool = True
    processes: Count = 16
    round_trip_slots: Annotated[int, ("least", 1), ("most", 1000)] = 4
    rlc_attempts: Annotated[int, ("least", 0), ("most", 32)] = 3
    rlc_delay_s: NonNegative = 0.035
    decode_s: NonNegative = 100e-6

    def __post_init__(self) -> None:
        underway = self._slots.overlap(self.round_trip_slots)
        if self.processes < underway:
            raise ValueError(
                f"processes must cover the {underway} uplink slots of a round trip of {self.round_trip_slots} slots, "
                f"got {self.processes}; give {underway} or a shorter round trip"
            )

    @property
    def share(self) -> float:
        """Share of the slots that carry uplink."""
        return self._slots.share

    @property
    def block_hz(self) -> float:
        """Bandwidth of a resource block, 0 without a grid."""
        return _RESOURCE_BLOCK_HZ * 2.0**self.numerology if self.grid else 0.0

    @property
    def expected_s(self) -> float:
        """One slot, and the decoding of the last block.

        For an instant and a size that are random over many periods this is exact, whatever the pattern: the wait for
        the first uplink slot and the half block filled up take, on average, what is saved by not waiting out the period
        after the last slot, but for that slot itself. Messages smaller than a period's slots wait longer. Repeats and
        status reports are left out.
        """
        return self._slot_s + self.decode_s

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
        """Return how the uploads go, from the first uplink slot that does not begin before the grant.

        Without bits an upload is over at once; without a rate, or beyond 52 days, it never is.
        """
        chance = np.zeros((len(bits), 1)) if errors is None else errors
        wanted = self._blocks(bits, rate_bps, chance)
        begun = np.isfinite(wanted) & (granted.ns < NEVER)
        blocks = np.where(begun, wanted, 0.0).astype(np.int64)
        start_ns = np.where(begun, granted.ns, 0)
        end_ns, attempts, lost = self._passes(start_ns, blocks, chance, device, rng)
        done = granted.at(np.where(begun, end_ns, NEVER)).later(self.decode_s)
        after_s = np.where(wanted > 0.0, done.after_s, granted.after_s)
        airtime_s = np.where(begun | (wanted == 0.0), attempts * self._slot_s, np.inf)
        delivered = np.isfinite(after_s) & (lost == 0)
        return Sent(Instants(granted.start_ns, after_s), airtime_s, delivered, blocks, attempts)

    def _blocks(self, bits: FloatArray, rate_bps: FloatArray, errors: FloatArray) -> FloatArray:
        """Return the transport blocks of each message, infinite for those that are never sent, shape (K,)."""
        arrives = 1.0 - residual_error(errors)
        usable = (rate_bps > 0.0) & (arrives > 0.0)
        raw_bps = rate_bps * expected_attempts(errors) / np.where(usable, arrives, 1.0)
        with np.errstate(over="ignore", divide="ignore"):
            slots = bits / np.where(bits > 0.0, raw_bps * self._slot_s, 1.0)
        blocks = np.ceil(slots * (1.0 - 1e-12))  # a rounding error is not worth a block
        most = LONGEST_NS / (self._slots.slot_ns * len(self.pattern))
        return np.where((bits > 0.0) & ~(usable & (blocks <= most)), np.inf, blocks)

    def _passes(
        self,
        start_ns: IntArray,
        blocks: IntArray,
        errors: FloatArray,
        device: IntArray,
        rng: np.random.Generator,
    ) -> tuple[IntArray, IntArray, IntArray]:
        """Return when the last slot ended, how many were used, and how many blocks are lost for good, shapes (K,)."""
        rows, columns = int(device.max(initial=-1)) + 1, errors.shape[1]
        end_ns, used, left = start_ns.copy(), np.zeros_like(blocks), blocks.copy()
        for level, level_rng in enumerate(rng.spawn(1 + self.rlc_attempts)):
            # What has gone on for 52 days goes on for ever; this keeps its instants within 64 bits.
            again = np.flatnonzero((left > 0) & (end_ns - start_ns < LONGEST_NS))
            if not again.size:
                break
            drawn = [child.random((rows, 2))[device[again]] for child in level_rng.spawn(columns)]
            from_ns = end_ns[again] + (whole_ns(self.rlc_delay_s) if level else 0)
            ended_ns, made, lost = self._pass(
                from_ns, left[again], errors[again], np.stack(drawn, axis=1)
            )
            end_ns[again], left[again] = ended_ns, lost
            used[again] += made
        return end_ns, used, left

    def _pass(
        self, from_ns: IntArray, blocks: IntArray, errors: FloatArray, uniform: FloatArray
    ) -> tuple[IntArray, IntArray, IntArray]:
        """Return the end of the last slot, slots used and blocks lost when at least one block each is sent, shapes (n,).

        Args:
            from_ns: When sending may begin, shape (n,).
            blocks: Blocks of each device, at least 1, shape (n,).
            errors: How likely each attempt fails, shape (n, A).
            uniform: Chance of the last block and of those before it, shape (n, A, 2).
        """
        failed = uniform[..., 0] < errors
        others = blocks - 1
        used = np.zeros_like(blocks)
        for attempt in range(errors.shape[1]):
            used += others
            others = failures(others, errors[:, attempt], uniform[:, attempt, 1])
        start_ns = self._slots.next_ns(from_ns, used)
        used += 1
        again = failed[:, 0]
        for attempt in range(1, errors.shape[1]):
            repeat_ns = self._slots.next_ns(start_ns + self.round_trip_slots * self._slots.slot_ns)
            start_ns = np.where(again, repeat_ns, start_ns)
            used += again
            again = again & failed[:, attempt]
        return start_ns + self._slots.slot_ns, used, others + again

    @property
    def _slot_s(self) -> float:
        return slot_ns(self.numerology) / NANOSECONDS

    @cached_property
    def _slots(self) -> Pattern:
        return Pattern(self.pattern, slot_ns(self.numerology))


def failures(trials: IntArray, chance: FloatArray, uniform: FloatArray) -> IntArray:
    """Return binomial counts by inversion: the smallest k with P(X ≤ k) ≥ u, shape (K,).

    Args:
        trials: Number of trials n, shape (K,).
        chance: Probability p of each, shape (K,).
        uniform: Numbers u in [0, 1), shape (K,).

    >>> failures(np.array([0, 5, 5, 2]), np.array([0.5, 0.0, 1.0, 0.5]), np.full(4, 0.6)).tolist()
    [0, 0, 5, 1]
    """
    counts = np.where(chance >= 1.0, trials, 0)
    open_ = (trials > 0) & (chance > 0.0) & (chance < 1.0) & (uniform > 0.0)
    if open_.any():
        counts[open_] = _inverted(trials[open_], chance[open_], uniform[open_])
    return counts


def _inverted(trials: IntArray, chance: FloatArray, uniform: FloatArray) -> IntArray:
    """Return the smallest k with P(X ≤ k) ≥ u by bisection from a guess that is nearly always right, shape (n,)."""
    low, high = np.full_like(trials, -1), trials.copy()
    guess = np.nan_to_num(np.ceil(bdtrik(uniform, trials.astype(np.float64), chance)))
    probe = np.clip(guess, 0, trials - 1).astype(np.int64)
    guessing = True
    while np.any(high - low > 1):
        enough: BoolArray = betaincc(probe + 1.0, trials - probe + 0.0, chance) >= uniform
        high, low = np.where(enough, probe, high), np.where(enough, low, probe)
        middle = np.where(enough, probe - 1, probe + 1) if guessing else (low + high) // 2
        probe = np.clip(middle, 0, trials - 1)
        guessing = False
    return high
