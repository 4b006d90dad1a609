"""The least energy for given keep ratios: every device sends slowly, and the band has a price."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import numpy.typing as npt
from scipy.special import lambertw

from optimizers.arrays import BoolArray, FloatArray, column
from optimizers.certificate import Allocation
from optimizers.frontier import needed_hz
from optimizers.lambert import LN2, marginal_nats
from optimizers.least_latency import least_latency
from optimizers.limits import overdue
from optimizers.objectives.max_min import filled_hz, fits, largest_common
from optimizers.problem import RoundProblem
from optimizers.roots import increasing_root

_NEWTON_STEPS = 3


@dataclass(frozen=True, eq=False)
class EnergyAnswer:
    """Bandwidths and powers of the least energy, with the evidence.

    Attributes:
        allocation: The answer as one to the round.
        energy_j: Energy e₁ r + p t that counts against the budget, shape (K,).
        price_j_per_hz: Price μ of bandwidth, joules that one more hertz saves.
        gap_j: Bound on how far the total lies above the least; not a number without an optimum.
    """

    allocation: Allocation
    energy_j: FloatArray
    price_j_per_hz: float
    gap_j: float


@dataclass(frozen=True)
class LeastEnergy:
    """The least total energy for one keep ratio — min Σ e₁ r + p t at r given, t the whole window.

    If the ratio does not fit the band, the largest common ratio below it that fits is taken; a
    device whose bounds exclude the ratio takes its nearest bound.

    Attributes:
        keep: Keep ratio r of all devices.
    """

    keep: Annotated[float, ("above", 0.0), ("most", 1.0)] = 0.5

    def allocate(self, problem: RoundProblem, rng: np.random.Generator) -> Allocation:
        """Return bandwidths and powers of the least energy; nothing is drawn.

        Without a deadline slower is always cheaper and there is no least energy: then the answer is
        the fastest one at the ratio.

        Args:
            problem: The round.
            rng: Unused.
        """
        if not problem.limited:
            keep = np.clip(self.keep, problem.keep_min, problem.keep_max)
            _, bands_hz = least_latency(problem, keep)
            return problem.allocation(keep=keep, bandwidth_hz=bands_hz)
        if not fits(problem, problem.keep_min):
            return overdue(problem)
        return least_energy(problem, largest_common(problem, self.keep)).allocation


def least_energy(problem: RoundProblem, keep: npt.ArrayLike) -> EnergyAnswer:
    """Return the bandwidths and powers with which given ratios take the least total energy.

    Slower is cheaper, so every upload takes its whole window t = T − c − β r and needs the rate
    x = (σ + S r)/t. On a bandwidth b it takes

    t (b/γ)(2^{x/b} − 1) joules, convex and falling in b, with γ = g/(Γ N₀) of one watt.

    At a price μ of bandwidth the device asks for b = x ln 2/ln(1 + z) where

    (1 + z) ln(1 + z) − z = μγ/t,   ln(1 + z) = 1 + W₀((μγ/t − 1)/e),

    but for no less than power limit, budget and ceiling need; the price at which the demand is the
    band is found by Newton's method [X]. The ratios are given because with β > 0 the energy
    p t is not jointly convex in ratio and bandwidth; to weigh energy against error, sweep the
    budgets E, which keep the joint problem convex, or use `optimizers.lyapunov`.

    Args:
        problem: The round with a deadline, without `full_power`.
        keep: Keep ratio r, shape (K,).
    """
    _refuse_fixed_power(problem)
    ratio = column("keep", keep, problem.devices)
    if not fits(problem, ratio):
        bands_hz = least_latency(problem, ratio)[1]
        answer = problem.allocation(keep=ratio, bandwidth_hz=bands_hz)
        used_j = problem.energy_used_j(ratio, bands_hz, answer.power_w)
        return EnergyAnswer(answer, used_j, float("nan"), float("nan"))
    uploads = _uploads(problem, ratio)
    price, asked_hz = _market(uploads, problem.bandwidth_hz)
    bands_hz = _fitted(problem, uploads, asked_hz)
    power_w = np.minimum(uploads.power_w(bands_hz), problem.power_max_w)
    return EnergyAnswer(
        allocation=problem.allocation(keep=ratio, bandwidth_hz=bands_hz, power_w=power_w),
        energy_j=problem.slope_j * ratio + uploads.energy_j(bands_hz),
        price_j_per_hz=price,
        gap_j=_gap(uploads, bands_hz, price, problem.bandwidth_hz),
    )


def nats_at_price(value: FloatArray) -> FloatArray:
    """Return u = ln(1 + z) at which (1 + z) ln(1 + z) − z is a given value.

    u = 1 + W₀((c − 1)/e), polished by Newton's method, and √(2c) − c/3 where c is small.

    Args:
        value: Value c > 0, any shape.

    >>> float(np.exp(nats_at_price(np.array([2.0 * np.log(2.0) - 1.0])))[0].round(12))
    2.0
    """
    small = value < 1e-3
    argument: FloatArray = (np.where(small, 1.0, value) - 1.0) / np.e
    nats = 1.0 + lambertw(argument, 0).real
    nats = np.where(small, np.sqrt(2.0 * value) - value / 3.0, nats)
    for _ in range(_NEWTON_STEPS):
        found = np.exp(nats) * marginal_nats(np.expm1(nats))
        nats = nats * np.exp(-np.log(found / value) * found / (nats * nats * np.exp(nats)))
    return np.asarray(nats)


@dataclass(frozen=True, eq=False)
class _Uploads:
    """Uploads of given bits over given windows: rate x, window t, γ of one watt, least bandwidth."""

    rate_bps: FloatArray
    window_s: FloatArray
    watt_hz: FloatArray
    least_hz: FloatArray

    @property
    def talks(self) -> BoolArray:
        """Return who has bits to send."""
        return self.rate_bps > 0.0

    def nats(self, bandwidth_hz: FloatArray) -> FloatArray:
        """Return ln(1 + z) that the rate needs on a bandwidth."""
        safe_hz = np.where(self.talks, bandwidth_hz, 1.0)
        return np.where(self.talks, self.rate_bps * LN2 / safe_hz, 0.0)

    def power_w(self, bandwidth_hz: FloatArray) -> FloatArray:
        """Return the power that the rate needs on a bandwidth."""
        power_w = bandwidth_hz * np.expm1(self.nats(bandwidth_hz))
        return np.where(self.talks, power_w / np.where(self.talks, self.watt_hz, 1.0), 0.0)

    def energy_j(self, bandwidth_hz: FloatArray) -> FloatArray:
        """Return the energy of the uploads."""
        return self.window_s * self.power_w(bandwidth_hz)

    def saving(self, bandwidth_hz: FloatArray) -> FloatArray:
        """Return the joules that one more hertz saves, (t/γ)((1 + z) ln(1 + z) − z)."""
        nats = self.nats(bandwidth_hz)
        worth = np.exp(nats) * marginal_nats(np.expm1(nats)) * self.window_s
        return np.where(self.talks, worth / np.where(self.talks, self.watt_hz, 1.0), 0.0)

    def asked(self, price: float) -> tuple[FloatArray, FloatArray]:
        """Return the bandwidths asked for at a price, and their relative fall with ln μ."""
        value = price * self.watt_hz / np.where(self.talks, self.window_s, 1.0)
        value = np.where(self.talks, value, 1.0)
        nats = nats_at_price(value)
        wanted_hz = np.where(self.talks, self.rate_bps * LN2 / nats, 0.0)
        fall = np.where(wanted_hz > self.least_hz, value / (nats * nats * np.exp(nats)), 0.0)
        return np.maximum(wanted_hz, self.least_hz), fall


def _uploads(problem: RoundProblem, keep: FloatArray) -> _Uploads:
    left_s = problem.deadline_s - problem.fixed_s - problem.slope_s * keep
    window_s = np.minimum(left_s, problem.slot_s)
    bits = problem.bits(keep)
    return _Uploads(
        rate_bps=np.where(bits > 0.0, bits / np.where(bits > 0.0, window_s, 1.0), 0.0),
        window_s=window_s,
        watt_hz=problem.snr_hz(1.0),
        least_hz=needed_hz(problem, keep),
    )


def _market(uploads: _Uploads, total_hz: float) -> tuple[float, FloatArray]:
    """Return the price of bandwidth and what the devices ask for at it."""
    talks = uploads.talks
    if not talks.any():
        return 0.0, uploads.least_hz
    highest = float(uploads.saving(np.where(talks, uploads.least_hz, total_hz)).max())
    lowest = float(uploads.saving(np.full(talks.size, total_hz))[talks].min())

    def surplus(log_price: FloatArray) -> tuple[FloatArray, FloatArray]:
        asked_hz, fall = uploads.asked(float(np.exp(log_price)))
        asked = asked_hz.sum()
        return np.log(total_hz / asked), (asked_hz * fall).sum() / asked

    low, high = np.log(np.asarray(min(lowest, highest))), np.log(np.asarray(highest))
    root, _ = increasing_root(
        surplus, low=low, high=high, start=0.5 * (low + high), value_tolerance=1e-14,
        step_tolerance=1e-15,
    )  # fmt: skip
    price = float(np.exp(root))
    return price, uploads.asked(price)[0]


def _fitted(problem: RoundProblem, uploads: _Uploads, asked_hz: FloatArray) -> FloatArray:
    """Return bandwidths that add up to the band, none below the least."""
    extra_hz = asked_hz - uploads.least_hz
    room_hz = problem.bandwidth_hz - float(uploads.least_hz.sum())
    if not extra_hz.sum() > 0.0 or room_hz <= 0.0:
        return filled_hz(problem, asked_hz)
    return uploads.least_hz + extra_hz * (room_hz / float(extra_hz.sum()))


def _gap(uploads: _Uploads, bands_hz: FloatArray, price: float, total_hz: float) -> float:
    """Return total energy minus the dual bound at a price.

    A tangent bounds a device's convex energy plus rent from below, and its smaller end on the
    interval of useful bandwidths bounds their minimum, so that an inexact root loosens the bound
    and never breaks it.
    """
    touch_hz = np.minimum(uploads.asked(price)[0], total_hz) if price > 0.0 else bands_hz
    slope = price - uploads.saving(touch_hz)
    ends = np.minimum(slope * (uploads.least_hz - touch_hz), slope * (total_hz - touch_hz))
    ends = np.where(uploads.talks, ends, 0.0)
    bound = float(np.sum(uploads.energy_j(touch_hz) + price * touch_hz + ends)) - price * total_hz
    return float(uploads.energy_j(bands_hz).sum()) - bound


def _refuse_fixed_power(problem: RoundProblem) -> None:
    if problem.full_power:
        raise ValueError(
            "RoundProblem.full_power: got True, but the least energy is a question of powers; leave "
            "out full_power and noise_band_hz"
        )
