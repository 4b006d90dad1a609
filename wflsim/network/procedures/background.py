"""Background: what else devices have to send, before which an update waits."""

from dataclasses import dataclass
from math import log
from typing import Annotated

import numpy as np

from channel_models.units import FloatArray, IntArray, Positive


@dataclass(frozen=True)
class Silent:
    """Devices send updates and nothing else."""

    def wait_s(
        self, rate_bps: FloatArray, *, device: IntArray, rng: np.random.Generator
    ) -> FloatArray:
        """Return no wait, shape (K,)."""
        return np.zeros(np.shape(rate_bps))


@dataclass(frozen=True)
class Poisson:
    """Equal packets that come as a Poisson process and are sent in turn: W = Σ_{i ≤ N} U_i D, P(N = n) = (1 − ρ) ρⁿ.

    An update that joins this queue waits for what a packet would wait for, ρ D / (2 (1 − ρ)) on average, where one
    packet lasts D = bits / rate on the granted band. Packets that come after the update wait behind it. The queue is
    stationary: it has forgotten how the band of earlier rounds was shared.

    Attributes:
        load: Share ρ of the granted band that the packets fill. The work of a draw grows as 1 / (1 − ρ), so the most is
            0.999, where an update waits for 500 packets on average.
        packet_bits: Size of a packet in bits.

    Reference:
        Pollaczek and Khinchine's sum for the queue M/D/1, with Poisson arrivals seeing time averages; Kleinrock,
        Queueing Systems, volume 1, 1975, chapter 5 [S].

    >>> rate_bps = np.full(4, 12e6)
    >>> wait_s = Poisson(load=0.5).wait_s(rate_bps, device=np.arange(4), rng=np.random.default_rng(1))
    >>> wait_s.shape
    (4,)
    """

    load: Annotated[float, ("least", 0.0), ("most", 0.999)] = 0.3
    packet_bits: Positive = 12_000.0

    def wait_s(
        self, rate_bps: FloatArray, *, device: IntArray, rng: np.random.Generator
    ) -> FloatArray:
        """Return how long an update waits behind what was there before it, shape (K,).

        Nothing without a rate: the update itself then takes for ever.
        """
        rows = int(device.max(initial=-1)) + 1
        count_rng, part_rng = rng.spawn(2)
        packets = self._waiting(count_rng.random(rows)[device])
        parts = np.zeros(packets.shape)
        for number, child in enumerate(part_rng.spawn(int(packets.max(initial=0)))):
            parts += np.where(packets > number, child.random(rows)[device], 0.0)
        bits = self.packet_bits * parts
        return np.divide(bits, rate_bps, out=np.zeros(bits.shape), where=rate_bps > 0.0)

    def _waiting(self, uniform: FloatArray) -> IntArray:
        """Return N by inversion, the largest n with ρⁿ ≥ 1 − u, shape (K,)."""
        if self.load == 0.0:
            return np.zeros(uniform.shape, dtype=np.int64)
        return np.floor(np.log1p(-uniform) / log(self.load)).astype(np.int64)
