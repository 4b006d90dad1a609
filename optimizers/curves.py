"""How much a device keeps on a bandwidth: curves r(b) in pieces, each limited by one thing.

With the whole window t = T' − β r used, T' = T − c, a device that keeps r needs the rate x = (σ + S r)/t
[X]. Its bandwidth follows from its signal-to-noise ratio z, b = x ln 2/ln(1 + z), and z is limited by
power, by energy, or by the largest spectral efficiency η [X]:

    power   z = γp/b,                              dr/db = t H/(S + β x),   H = h(z)/ln 2
    energy  ln(1 + z)/(z ln 2) = (σ + S r)/(γ₁ (E − e₁ r)),
                                                   dr/db = t H/(S + β b H + γ₁ e₁/((1 + z) ln 2))
    ceiling z = 2^η − 1,                           dr/db = t η/(S + β x)

with h(z) = ln(1 + z) − z/(1 + z), γp the received power over noise density, γ₁ that of one watt. All
are increasing and concave, and so is the smallest of them. Where power is no variable, an energy
budget is a second window, t ≤ (E − e₁ r)/p, and so is a slot, t ≤ t_max.
"""

import functools
from dataclasses import dataclass

import numpy as np

from optimizers.arrays import BoolArray, FloatArray
from optimizers.errors import NegLog, Quadratic
from optimizers.lambert import LN2, marginal_nats, snr_allowed, snr_for_share
from optimizers.stack import Stack

# Less pruning than this is none: the worth of a hertz must not fall to nothing.
_UNPRUNED = 1e-11
_LATE = 1e-14


@dataclass(frozen=True, eq=False)
class Window:
    """A time T' − β r for uploading, Θ = S T' + β σ and the weight a; each of shape (N, K)."""

    span_s: FloatArray
    slope_s: FloatArray
    theta: FloatArray
    weight: FloatArray

    @functools.cached_property
    def span_nats(self) -> FloatArray:
        """T'/ln 2."""
        return self.span_s / LN2

    @functools.cached_property
    def slope_nats(self) -> FloatArray:
        """β/ln 2."""
        return self.slope_s / LN2

    @functools.cached_property
    def double_nats(self) -> FloatArray:
        """2 β/ln 2."""
        return 2.0 * self.slope_nats

    @functools.cached_property
    def worth_nats(self) -> FloatArray:
        """Weight times Θ/ln 2."""
        return self.weight * self.theta / LN2

    def left_s(self, keep: FloatArray) -> FloatArray:
        """Return T' − β r.

        Args:
            keep: Keep ratio r, shape (..., N, K).
        """
        return self.span_s - self.slope_s * keep


@dataclass(frozen=True, eq=False)
class Pieces:
    """Which piece of its curve each device is on, and where that ends.

    The position v on a piece is ln z, or −ln b where the efficiency is at its ceiling; it falls as b
    rises.

    Attributes:
        low: Smallest v, at the end with the largest ratio.
        high: Largest v.
        second: Where the second window is the shorter one; none without second windows.
        energy: Where energy limits; none without budgets.
        ceiled: Where the ceiling limits; none without ceilings.
        steep: dF/dr = φ' of a measured error curve; none for other error models.
    """

    low: FloatArray
    high: FloatArray
    second: BoolArray | None
    energy: BoolArray | None
    ceiled: BoolArray | None
    steep: FloatArray | None


@dataclass(frozen=True, eq=False)
class Place:
    """Where a device is on its curve.

    Attributes:
        keep: Keep ratio r.
        bandwidth_hz: Bandwidth b.
        log_worth: ln of a φ'(1 − r) dr/db, what one more hertz is worth.
        slope: Its derivative in v.
        fall: −d ln b/dv.
    """

    keep: FloatArray
    bandwidth_hz: FloatArray
    log_worth: FloatArray
    slope: FloatArray
    fall: FloatArray | float


@dataclass(frozen=True, kw_only=True, eq=False)
class Curves:
    """The curves of all devices of a stack.

    Attributes:
        stack: The rounds.
        snr_hz: γp, infinite where the signal-to-noise ratio is fixed, shape (N, K).
        watt_hz: γ₁, shape (N, K).
        window: The time until the deadline.
        second: The second window, none without.
        efficiency: Ceiling η in bit/s/Hz, none without, shape (N, K).
        snr_cap: 2^η − 1, shape (N, K).
        energy_j: Energy budgets E, infinite where a ceiling stands for them, shape (N, K).
        budgeted: Whether energy budgets limit a power that is a variable.
    """

    stack: Stack
    snr_hz: FloatArray
    watt_hz: FloatArray
    window: Window
    second: Window | None
    efficiency: FloatArray | None
    snr_cap: FloatArray
    energy_j: FloatArray
    budgeted: bool

    def rate_bps(self, keep: FloatArray) -> FloatArray:
        """Return the rate x that a ratio needs: 0 without bits, infinite without time.

        Args:
            keep: Keep ratio r, shape (..., N, K).
        """
        bits, left_s = self.stack.bits(keep), self.window.left_s(keep)
        if self.second is not None:
            left_s = np.minimum(left_s, self.second.left_s(keep))
        with np.errstate(divide="ignore", invalid="ignore"):
            rate = np.where(left_s > 0.0, bits / left_s, np.inf)
        # Ratios that use up the window to rounding are in time.
        in_time = left_s >= -_LATE * np.abs(self.window.span_s)
        return np.where((bits == 0.0) & in_time, 0.0, rate)

    def needed(self, keep: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the least bandwidth for a ratio, infinite if none is enough, and ln z there.

        Args:
            keep: Keep ratio r, shape (..., N, K).
        """
        rate = self.rate_bps(keep)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            idle = rate == 0.0
            share = np.where(idle, 0.0, LN2 * rate / self.snr_hz)
            if self.budgeted:
                share = np.maximum(share, self.energy_share(keep))
            possible = share < 1.0
            solved = (share > 0.0) & (share < 1.0)
            snr = snr_for_share(np.where(solved, share, 0.5))
            if self.efficiency is not None:
                snr = np.minimum(np.where(solved, snr, self.snr_cap), self.snr_cap)
            bandwidth_hz = rate * LN2 / np.log1p(snr)
            bandwidth_hz = np.where(idle, 0.0, bandwidth_hz)
            log_snr = np.log(snr)
        return np.where(possible & np.isfinite(rate), bandwidth_hz, np.inf), log_snr

    def energy_share(self, keep: FloatArray) -> FloatArray:
        """Return ln(1 + z)/z at which the energy is just enough; infinite if none is.

        Args:
            keep: Keep ratio r, shape (..., N, K).
        """
        left_j = self.energy_j - self.stack.slope_j * keep
        bits = self.stack.bits(keep)
        share = np.where(left_j > 0.0, LN2 * bits / (self.watt_hz * left_j), np.inf)
        within = left_j >= -_LATE * self.energy_j
        return np.where((bits == 0.0) & within, 0.0, share)

    def window_of(self, second: BoolArray | None) -> Window:
        """Return the window that limits each device.

        Args:
            second: Where it is the second one.
        """
        if second is None or self.second is None:
            return self.window
        one, two = self.window, self.second
        return Window(
            np.where(second, two.span_s, one.span_s),
            np.where(second, two.slope_s, one.slope_s),
            np.where(second, two.theta, one.theta),
            one.weight,
        )

    def at(self, position: FloatArray, on: Pieces) -> Place:
        """Return where the devices are at positions v on their pieces.

        Args:
            position: Position v, shape (..., N, K).
            on: The pieces.
        """
        place = self._at_rate_limit(position, on)
        if on.energy is None or not on.energy.any():
            return place
        other = self._at_energy_limit(position, on)
        return Place(
            np.where(on.energy, other.keep, place.keep),
            np.where(on.energy, other.bandwidth_hz, place.bandwidth_hz),
            np.where(on.energy, other.log_worth, place.log_worth),
            np.where(on.energy, other.slope, place.slope),
            np.where(on.energy, other.fall, place.fall),
        )

    def _at_rate_limit(self, position: FloatArray, on: Pieces) -> Place:
        """Return the places on pieces limited by power or by the ceiling."""
        window, stack = self.window_of(on.second), self.stack
        # In natural units: ln 2 goes with the windows, which do not change along a piece.
        snr = np.exp(position)
        log_snr, ratio = np.log1p(snr), snr / (1.0 + snr)
        nats = marginal_nats(snr, log_snr, ratio)
        bend, bandwidth_hz = ratio * ratio / nats, self.snr_hz / snr
        rate = bandwidth_hz * log_snr
        if on.ceiled is not None and self.efficiency is not None:
            ceiling = self.efficiency * LN2
            bandwidth_hz = np.where(on.ceiled, np.exp(-position), bandwidth_hz)
            rate = np.where(on.ceiled, bandwidth_hz * ceiling, rate)
            nats = np.where(on.ceiled, ceiling, nats)
            bend = np.where(on.ceiled, 0.0, bend)
        load = stack.prunable_bits + window.slope_nats * rate
        keep = (window.span_nats * rate - stack.fixed_bits) / load
        brought = bandwidth_hz * nats / load
        slope = bend + window.double_nats * brought
        worth = np.log(window.worth_nats * nats / (load * load))
        log_steep, curvature = self._error(keep, on)
        if log_steep is not None:
            worth = worth + log_steep
        if curvature is not None:
            slope = slope - curvature * (window.theta / LN2) * brought / load
        return Place(keep, bandwidth_hz, worth, slope, 1.0)

    def _at_energy_limit(self, position: FloatArray, on: Pieces) -> Place:
        """Return the places on pieces limited by energy."""
        stack, snr = self.stack, np.exp(position)
        log_snr = np.log1p(snr)
        nats = marginal_nats(snr, log_snr)
        per_joule = self.watt_hz * log_snr / (snr * LN2)
        drain = self.watt_hz * stack.slope_j
        spent = stack.prunable_bits + per_joule * stack.slope_j
        keep = (per_joule * self.energy_j - stack.fixed_bits) / spent
        left_s, bits = self.window.left_s(keep), stack.bits(keep)
        bandwidth_hz = bits / left_s * LN2 / log_snr
        gain, gain_slope = nats / LN2, (snr / (1.0 + snr)) ** 2 / LN2
        load = stack.prunable_bits + stack.slope_s * bandwidth_hz * gain
        load = load + drain / ((1.0 + snr) * LN2)
        theta = self.energy_j * stack.prunable_bits + stack.slope_j * stack.fixed_bits
        drop = -self.watt_hz * theta * nats / (snr * LN2) / (spent * spent)
        relative = stack.prunable_bits / bits + stack.slope_s / left_s
        fall = snr / ((1.0 + snr) * log_snr) - relative * drop
        load_slope = stack.slope_s * bandwidth_hz * (gain_slope - fall * gain)
        load_slope = load_slope - drain * snr / ((1.0 + snr) ** 2 * LN2)
        log_steep, curvature = self._error(keep, on)
        slope = gain_slope / gain - load_slope / load - stack.slope_s / left_s * drop
        slope = slope if curvature is None else slope + curvature * drop
        worth = np.log(stack.weight * left_s * gain / load)
        worth = worth if log_steep is None else worth + log_steep
        return Place(keep, bandwidth_hz, worth, slope, fall)

    def _error(self, keep: FloatArray, on: Pieces) -> tuple[FloatArray | None, FloatArray | None]:
        """Return ln φ'(1 − r) and its derivative in r, none where they are 0."""
        if on.steep is not None:
            return np.log(on.steep), None
        if isinstance(self.stack.error, Quadratic):
            pruning = np.maximum(1.0 - keep, _UNPRUNED)
            return np.log(2.0 * pruning), -1.0 / pruning
        if isinstance(self.stack.error, NegLog):
            return -np.log(keep), -1.0 / keep
        return None, None


def curves(stack: Stack) -> Curves:
    """Return the curves of all devices of a stack of rounds with deadlines.

    Args:
        stack: The rounds.
    """
    watt_hz = stack.gain / (stack.gap * stack.noise_w_per_hz)
    snr_hz = watt_hz * stack.power_max_w
    efficiency = None
    if stack.noise_band_hz is not None:
        fixed = np.log1p(snr_hz / stack.noise_band_hz) / LN2
        efficiency = np.minimum(fixed, stack.efficiency_max)
        snr_hz = np.where(snr_hz > 0.0, np.inf, 0.0)
    elif stack.ceiled:
        efficiency = stack.efficiency_max
    energy_j, budgeted = stack.energy_j, stack.budgeted and not stack.full_power
    if budgeted:
        # Where no ratio changes the energy of computing nor the bits, the energy fixes the ratio z.
        level = (stack.prunable_bits == 0.0) & (stack.slope_j == 0.0) & np.isfinite(energy_j)
        if level.any():
            ceiling = np.where(level, _affordable(stack, watt_hz), np.inf)
            efficiency = ceiling if efficiency is None else np.minimum(efficiency, ceiling)
            energy_j = np.where(level, np.inf, energy_j)
            budgeted = bool(np.isfinite(energy_j).any())
    cap = np.array(np.inf)
    if efficiency is not None:
        with np.errstate(over="ignore"):
            cap = np.expm1(efficiency * LN2)
    return Curves(
        stack=stack,
        snr_hz=snr_hz,
        watt_hz=watt_hz,
        window=_window(stack, stack.deadline_s - stack.fixed_s, stack.slope_s),
        second=_second(stack),
        efficiency=efficiency,
        snr_cap=cap,
        energy_j=energy_j,
        budgeted=budgeted,
    )


def _affordable(stack: Stack, watt_hz: FloatArray) -> FloatArray:
    """Return the efficiency at which all the energy sends the bits that no ratio changes."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        share = LN2 * stack.fixed_bits / (watt_hz * stack.energy_j)
        efficiency = np.log1p(snr_allowed(share)) / LN2
    return np.where(stack.fixed_bits > 0.0, efficiency, np.inf)


def _window(stack: Stack, span_s: FloatArray, slope_s: FloatArray) -> Window:
    with np.errstate(invalid="ignore"):
        theta = stack.prunable_bits * span_s + slope_s * stack.fixed_bits
    return Window(span_s, slope_s, theta, stack.weight)


def _second(stack: Stack) -> Window | None:
    if stack.slotted:
        return _window(stack, stack.slot_s, np.zeros(stack.shape))
    if stack.full_power and stack.budgeted:
        power_w = stack.power_max_w
        return _window(stack, stack.energy_j / power_w, stack.slope_j / power_w)
    return None
