"""How fast a device computes, and at what power."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

import numpy as np

from channel_models.units import NonNegative, Positive
from wflsim.contracts import FloatArray, IntArray

Range = Annotated[tuple[Positive, Positive], ("order", "rising")]

_MACS_PER_GMAC = 1e9


@dataclass(frozen=True)
class Kappa:
    """Switched-capacitance model: n operations take n c / f seconds at power κ f³.

    The energy of n operations is κ f² c n, the form of most of the literature; arXiv 2605.27601 reports errors of such
    models up to 959 % against measured phones, so read its joules as relative.

    Attributes:
        cycles_per_mac: Clock cycles c of one multiply-accumulate operation.
        kappa: Effective switched capacitance κ, in J s²; 1e-28 is the literature's usual value.
        start_s: Seconds before the first operation, for loading and serialisation.
    """

    cycles_per_mac: Positive = 2.0
    kappa: NonNegative = 1e-28
    start_s: NonNegative = 0.0

    def seconds_per_mac(self, cpu_hz: FloatArray) -> FloatArray:
        """Return c / f, shape (K,)."""
        return self.cycles_per_mac / cpu_hz

    def power_w(self, cpu_hz: FloatArray) -> FloatArray:
        """Return κ f³, shape (K,)."""
        return self.kappa * cpu_hz**3


@dataclass(frozen=True)
class Cmos:
    """Power of a processor whose voltage follows its clock: C V(f)² f for switching, V(f) I for leakage.

    The voltage rises linearly between the ends of the clock's range and keeps its value beyond them. An operation takes
    c (C V² + V I / f) joules: leakage punishes a slow clock, voltage a fast one, and the cheapest clock lies between.
    Where V is in proportion to f and nothing leaks, this is the switched-capacitance model with κ = C (V/f)².

    Attributes:
        cycles_per_mac: Clock cycles c of one multiply-accumulate operation.
        capacitance_f: Effective switched capacitance C, in F; the default draws as much as `kappa` does at 2 GHz.
        leakage_a: Leakage current I, in A.
        clock_hz: Least and largest clock rate between which the voltage rises.
        supply_v: Voltage at the least and at the largest clock rate, in V.
        start_s: Seconds before the first operation, for loading and serialisation.

    Reference:
        arXiv 2605.27601 reports errors below 10 % for a CMOS model, where models of the form κ f³ were up to 959 % off [S].
        The defaults are our own choice of a phone's core [X].

    >>> Cmos(leakage_a=0.0).power_w(np.array([2e9])).round(3)
    array([0.8])
    """

    cycles_per_mac: Positive = 2.0
    capacitance_f: NonNegative = 4e-10
    leakage_a: NonNegative = 0.1
    clock_hz: Range = (0.5e9, 2e9)
    supply_v: Range = (0.6, 1.0)
    start_s: NonNegative = 0.0

    def __post_init__(self) -> None:
        """Refuse a range without a width, in which the voltage would have two values."""
        _refuse_unless_rising(self.clock_hz)

    def seconds_per_mac(self, cpu_hz: FloatArray) -> FloatArray:
        """Return c / f, shape (K,)."""
        return self.cycles_per_mac / cpu_hz

    def power_w(self, cpu_hz: FloatArray) -> FloatArray:
        """Return C V² f + V I, shape (K,)."""
        volt = np.interp(cpu_hz, self.clock_hz, self.supply_v)
        return np.asarray(self.capacitance_f * volt**2 * cpu_hz + volt * self.leakage_a)


@dataclass(frozen=True)
class Table:
    """Measured modes, one a row: clock, seconds for 1e9 operations, power.

    A device runs in the fastest mode that is not above its clock, or in the slowest where its clock is below all.
    Nothing is interpolated: power modes are discrete, and between two of them a device cannot run.

    Attributes:
        clock_hz: Clock rate of each mode, the slowest first.
        seconds_per_gmac: Seconds that 1e9 multiply-accumulate operations take in each mode.
        active_w: Power while computing in each mode.
        start_s: Seconds before the first operation, for loading and serialisation.

    Reference:
        arXiv 2308.08270: a constant energy per sample is an over-simplification, for it changes with power mode and
        load [S]. Each row is a measurement of its user's own.

    >>> Table((1e9, 2e9), (0.5, 0.3), (2.0, 5.0)).power_w(np.array([0.9e9, 1.9e9, 2e9]))
    array([2., 2., 5.])
    """

    clock_hz: tuple[Positive, ...]
    seconds_per_gmac: tuple[Positive, ...]
    active_w: tuple[NonNegative, ...]
    start_s: NonNegative = 0.0

    def __post_init__(self) -> None:
        """Refuse columns that are not a table."""
        if not self.clock_hz:
            raise ValueError("clock_hz must have a mode, got none; give the clock of each mode")
        _refuse_unless_rising(self.clock_hz)
        for name, column in (
            ("seconds_per_gmac", self.seconds_per_gmac),
            ("active_w", self.active_w),
        ):
            if len(column) != len(self.clock_hz):
                raise ValueError(
                    f"{name} must have a number for each of the {len(self.clock_hz)} modes of clock_hz, "
                    f"got {len(column)}; give columns of equal length"
                )

    def seconds_per_mac(self, cpu_hz: FloatArray) -> FloatArray:
        """Return the time of an operation in each device's mode, shape (K,)."""
        return np.asarray(np.array(self.seconds_per_gmac)[self._mode(cpu_hz)] / _MACS_PER_GMAC)

    def power_w(self, cpu_hz: FloatArray) -> FloatArray:
        """Return the power of each device's mode, shape (K,)."""
        return np.asarray(np.array(self.active_w)[self._mode(cpu_hz)])

    def _mode(self, cpu_hz: FloatArray) -> IntArray:
        """Return the number of each device's mode, shape (K,)."""
        return np.maximum(np.searchsorted(self.clock_hz, cpu_hz, side="right") - 1, 0)


def _refuse_unless_rising(clock_hz: tuple[float, ...]) -> None:
    """Raise ValueError unless each clock rate is above the one before."""
    if any(after <= before for before, after in pairwise(clock_hz)):
        raise ValueError(f"clock_hz must rise, got {list(clock_hz)}; give the slowest clock first")
