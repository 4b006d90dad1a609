"""Grant: how long connected devices take from asking for the uplink to being allowed to send."""

from dataclasses import dataclass

from channel_models.units import NonNegative, Positive
from wflsim.clock import NANOSECONDS, Instants
from wflsim.contracts import FloatArray
from wflsim.network.procedures.slots import (
    SYMBOLS,
    Numerology,
    next_occasion_ns,
    period_ns,
    slot_ns,
)

_N2_SYMBOLS = (10, 12, 23, 36)


@dataclass(frozen=True)
class Immediate:
    """Devices have their grant as soon as they have something to send."""

    @property
    def expected_s(self) -> float:
        """No time."""
        return 0.0

    def granted(self, asked: Instants, offset: FloatArray) -> Instants:
        """Return the same instants."""
        return asked


@dataclass(frozen=True)
class Request:
    """Devices ask at their own occasions: wait for the next one + the base station's decision + N2 symbols to prepare.

    The occasions count from time 0. Left out: requests that are lost, a buffer status report before the whole grant,
    and the symbols that the request itself takes.

    Attributes:
        period_s: Seconds from one occasion of a device to ask to its next.
        numerology: Numerology μ: a slot of 14 symbols lasts 1 ms / 2^μ.
        decision_s: Seconds from the request until the device has read its grant; two slots at 30 kHz.

    Reference:
        3GPP TS 38.213, section 9.2.4 (scheduling requests); TS 38.214, table 6.4-1: N2 is 10, 12, 23 or 36 symbols for
        μ = 0 … 3 and processing capability 1, that is 0.71, 0.43, 0.41 or 0.32 ms [S]. Period and decision are
        choices of ours [X]; 5G-LENA prepares for two slots [1].

    >>> [round(1e3 * Request(numerology=mu).processing_s, 2) for mu in (0, 1, 2, 3)]
    [0.71, 0.43, 0.41, 0.32]
    """

    period_s: Positive = 0.010
    numerology: Numerology = 1
    decision_s: NonNegative = 0.001

    @property
    def processing_s(self) -> float:
        """Seconds from reading its grant until the device can send."""
        symbols = _N2_SYMBOLS[self.numerology]
        return symbols * slot_ns(self.numerology) / (SYMBOLS * NANOSECONDS)

    @property
    def expected_s(self) -> float:
        """Half a period, the decision, and the processing."""
        return 0.5 * self.period_s + self.decision_s + self.processing_s

    def granted(self, asked: Instants, offset: FloatArray) -> Instants:
        """Return when each device may send after asking at its next occasion."""
        occasion_ns = next_occasion_ns(asked.ns, period_ns(self.period_s), offset)
        return asked.at(occasion_ns).later(self.decision_s + self.processing_s)
