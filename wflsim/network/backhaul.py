"""What lies between edge and cloud."""

from dataclasses import dataclass

from channel_models.units import NonNegative, Positive
from wflsim.contracts import FloatArray


@dataclass(frozen=True)
class Wired:
    """A line of its own for every cell: delay + bits / rate.

    Attributes:
        rate_bps: Bits per second of a line.
        delay_s: Seconds that a bit is on its way.
    """

    rate_bps: Positive = 1e9
    delay_s: NonNegative = 0.005

    def relay_s(self, bits: FloatArray) -> FloatArray:
        """Return how long each cell's message takes, shape (C,)."""
        return self.delay_s + bits / self.rate_bps


@dataclass(frozen=True)
class Wireless:
    """A radio link to the cloud that the cells share in equal parts: delay + C · bits / rate.

    Attributes:
        rate_bps: Bits per second of the link.
        delay_s: Seconds that a bit is on its way.
    """

    rate_bps: Positive = 100e6
    delay_s: NonNegative = 0.001

    def relay_s(self, bits: FloatArray) -> FloatArray:
        """Return how long each cell's message takes, shape (C,)."""
        return self.delay_s + len(bits) * bits / self.rate_bps
