"""How fast a device computes, and at what power."""

from dataclasses import dataclass

from channel_models.units import NonNegative, Positive
from wflsim.contracts import FloatArray


@dataclass(frozen=True)
class Kappa:
    """Switched-capacitance model: n operations take n c / f seconds at power κ f³.

    The energy of n operations is κ f² c n, the form of most of the literature; arXiv 2605.27601 reports errors of such
    models up to 959 % against measured phones, so read its joules as relative.

    Attributes:
        cycles_per_mac: Clock cycles c of one multiply-accumulate operation.
        kappa: Effective switched capacitance κ, in J s²; 1e-28 is the literature's usual value.
    """

    cycles_per_mac: Positive = 2.0
    kappa: NonNegative = 1e-28

    def seconds_per_mac(self, cpu_hz: FloatArray) -> FloatArray:
        """Return c / f, shape (K,)."""
        return self.cycles_per_mac / cpu_hz

    def power_w(self, cpu_hz: FloatArray) -> FloatArray:
        """Return κ f³, shape (K,)."""
        return self.kappa * cpu_hz**3
