"""What each device can keep of its model on a bandwidth, and what it asks for at a price.

With the largest power and the whole window until the deadline, a device with bandwidth b keeps

    r(b) = (T' R(b) − σ)/(S + β R(b)),   T' = T − c,

clipped to its bounds: increasing and concave in b between the bandwidth b_min that r_min needs and
the bandwidth b_top at which r_max is reached (or the whole band, if that is less) [X]. With Θ = S T' + β σ
and h(z) = ln(1 + z) − z/(1 + z) its slope is dr/db = Θ h(z)/(ln 2 (S + β R)²).
"""

import functools
from dataclasses import dataclass

import numpy as np

from optimizers.arrays import BoolArray, FloatArray
from optimizers.lambert import LN2, least_bandwidth_hz, marginal_nats, rate_bps, snr_for_marginal
from optimizers.roots import increasing_root
from optimizers.round import Round

ADMISSION_SLACK = 5e-10
_ROOT_STEP = 1e-8


@dataclass(frozen=True)
class Answer:
    """What every device asks for at one price.

    Attributes:
        log_snr: Logarithm of the signal-to-noise ratio that the devices choose, shape (K,).
        bandwidth_hz: Bandwidth that the devices ask for, shape (K,).
        elasticity: Relative fall of that bandwidth per relative rise of the price, shape (K,).
    """

    log_snr: FloatArray
    bandwidth_hz: FloatArray
    elasticity: FloatArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Frontier:
    """The curves r(b) of all devices, each on its interval [b_min, b_top].

    Attributes:
        problem: The round, with a deadline.
        snr_hz: Received power over noise density at the largest power, shape (K,).
        window_s: Time T' after the fixed part, shape (K,).
        theta: Θ = S T' + β σ, shape (K,).
        least_hz: Bandwidth b_min that the smallest ratio needs, infinite if none does, shape (K,).
        top_hz: Bandwidth b_top beyond which nothing is gained, shape (K,).
        short: Devices that the whole band does not bring to their largest ratio, shape (K,).
    """

    problem: Round
    snr_hz: FloatArray
    window_s: FloatArray
    theta: FloatArray
    least_hz: FloatArray
    top_hz: FloatArray
    short: BoolArray

    @property
    def feasible(self) -> bool:
        """Whether the band carries every device at its smallest ratio."""
        return bool(self.least_hz.sum() <= self.problem.bandwidth_hz * (1.0 + ADMISSION_SLACK))

    @functools.cached_property
    def valued(self) -> BoolArray:
        """Devices for which more bandwidth means more of the objective, shape (K,)."""
        return (self.theta > 0.0) & (self.problem.weight > 0.0)

    def keep(self, bandwidth_hz: FloatArray) -> FloatArray:
        """Return r(b), clipped to the bounds, shape (K,).

        Args:
            bandwidth_hz: Bandwidth b, shape (K,).
        """
        problem = self.problem
        silent = problem.fixed_bits + problem.prunable_bits == 0.0
        rate = np.where(silent, 1.0, rate_bps(self.snr_hz, bandwidth_hz))
        load = problem.prunable_bits + problem.slope_s * rate
        # A device whose ratio changes neither time nor bits has no reason to prune.
        free = (problem.prunable_bits == 0.0) & (problem.slope_s == 0.0)
        room = self.window_s * rate - problem.fixed_bits
        keep = np.where(load > 0.0, room / np.where(load > 0.0, load, 1.0), 0.0)
        keep = np.where(free, problem.keep_max, keep)
        return np.clip(keep, problem.keep_min, problem.keep_max)

    def marginal(self, bandwidth_hz: FloatArray) -> FloatArray:
        """Return a dr/db, what one more hertz is worth, shape (K,).

        Args:
            bandwidth_hz: Bandwidth b between b_min and b_top, shape (K,).
        """
        with np.errstate(divide="ignore"):
            return np.exp(self._log_marginal(self._log_snr(bandwidth_hz))[0])

    def answer(self, price: float, start: FloatArray | None = None) -> Answer:
        """Return the bandwidths that maximise a r(b) − λ b device by device.

        Inside the interval a dr/db = λ has one root in ln z; it is found by Newton's method from a
        start that is exact for β = 0 (`snr_for_marginal`).

        Args:
            price: Price λ > 0 per hertz.
            start: First guess of ln z, shape (K,), for instance the answer to a near price.
        """
        at_top, at_least, worth_top, worth_least = self._ends
        log_price = np.log(price)
        top = worth_top >= log_price
        bottom = worth_least <= log_price
        low = np.where(bottom & ~top, at_least, at_top)
        high = np.where(top, at_top, at_least)
        with np.errstate(divide="ignore"):
            guess = self._guess(price) if start is None else start
            log_snr, _ = increasing_root(
                lambda x: self._excess(x, log_price),
                low=low,
                high=high,
                start=np.clip(guess, low, high),
                step_tolerance=_ROOT_STEP,
            )
            slope = self._log_marginal(log_snr)[1]
        bandwidth_hz = np.where(self.top_hz > 0.0, self.snr_hz / np.exp(log_snr), 0.0)
        bandwidth_hz = np.where(bottom, self.least_hz, bandwidth_hz)
        bandwidth_hz = np.where(top, self.top_hz, bandwidth_hz)
        return Answer(log_snr, bandwidth_hz, np.where(top | bottom, 0.0, 1.0 / slope))

    def fit(self, bandwidth_hz: FloatArray) -> FloatArray:
        """Return bandwidths scaled to the whole band, without taking from b_min.

        Args:
            bandwidth_hz: Bandwidths, shape (K,).
        """
        bands_hz = np.maximum(bandwidth_hz, self.least_hz)
        total_hz = float(bands_hz.sum())
        if total_hz == 0.0:
            return np.full_like(bands_hz, self.problem.bandwidth_hz / bands_hz.size)
        room_hz = self.problem.bandwidth_hz - float(self.least_hz.sum())
        extra_hz = bands_hz - self.least_hz
        if total_hz <= self.problem.bandwidth_hz or room_hz <= 0.0:
            return bands_hz * (self.problem.bandwidth_hz / total_hz)
        return self.least_hz + extra_hz * (room_hz / float(extra_hz.sum()))

    @functools.cached_property
    def _ends(self) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Return ln z at b_top and at b_min, and there ln(a dr/db)."""
        at_top, at_least = self._log_snr(self.top_hz), self._log_snr(self.least_hz)
        with np.errstate(divide="ignore"):
            worth_top, worth_least = self._log_marginal(at_top)[0], self._log_marginal(at_least)[0]
        return at_top, at_least, worth_top, worth_least

    def _log_snr(self, bandwidth_hz: FloatArray) -> FloatArray:
        talks = (bandwidth_hz > 0.0) & (self.snr_hz > 0.0)
        ratio = np.where(talks, self.snr_hz, 1.0) / np.where(talks, bandwidth_hz, 1.0)
        return np.log(ratio)

    def _guess(self, price: float) -> FloatArray:
        even_hz = np.full_like(self.top_hz, self.problem.bandwidth_hz / self.top_hz.size)
        load = self.problem.prunable_bits + self.problem.slope_s * rate_bps(self.snr_hz, even_hz)
        with np.errstate(invalid="ignore"):
            nats = price * LN2 * load**2 / (self.problem.weight * self.theta)
        return np.log(snr_for_marginal(np.clip(np.nan_to_num(nats), 1e-12, 500.0)))

    def _excess(self, log_snr: FloatArray, log_price: float) -> tuple[FloatArray, FloatArray]:
        value, slope = self._log_marginal(log_snr)
        return value - log_price, slope

    @functools.cached_property
    def _scale(self) -> FloatArray:
        return np.where(self.valued, self.problem.weight * self.theta / LN2, 0.0)

    def _log_marginal(self, log_snr: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return ln(a dr/db) and its slope in ln z; minus infinity where bandwidth is worth nothing."""
        snr = np.exp(log_snr)
        nats = marginal_nats(snr)
        bandwidth_hz = self.snr_hz / snr
        computing = self.problem.slope_s * bandwidth_hz / LN2
        load = self.problem.prunable_bits + computing * np.log1p(snr)
        load = np.where(self.valued, load, 1.0)
        value = np.log(self._scale * nats) - 2.0 * np.log(load)
        slope = (snr / (1.0 + snr)) ** 2 / nats + 2.0 * computing * nats / load
        return value, slope


def frontier(problem: Round) -> Frontier:
    """Return the frontier of every device of a problem with a deadline.

    Args:
        problem: The round.
    """
    window_s = problem.deadline_s - problem.fixed_s
    least_hz = needed_hz(problem, problem.keep_min)
    wanted_hz = needed_hz(problem, problem.keep_max)
    silent = problem.bits(problem.keep_max) == 0.0
    top_hz = np.where(silent, 0.0, np.minimum(wanted_hz, problem.bandwidth_hz))
    return Frontier(
        problem=problem,
        snr_hz=problem.snr_hz(),
        window_s=window_s,
        theta=problem.prunable_bits * window_s + problem.slope_s * problem.fixed_bits,
        least_hz=least_hz,
        top_hz=np.maximum(top_hz, least_hz),
        short=~silent & (wanted_hz > problem.bandwidth_hz),
    )


def needed_hz(problem: Round, keep: FloatArray) -> FloatArray:
    """Return the bandwidth each device needs to keep a ratio and meet its deadline, shape (K,).

    It is infinite where no bandwidth is enough.

    Args:
        problem: The round, with a deadline.
        keep: Keep ratio r, shape (K,).
    """
    bits = problem.bits(keep)
    left_s = problem.deadline_s - problem.fixed_s - problem.slope_s * keep
    late = (left_s < 0.0) | ((left_s == 0.0) & (bits > 0.0))
    rate = np.where(late, np.inf, bits / np.where(left_s > 0.0, left_s, 1.0))
    return least_bandwidth_hz(problem.snr_hz(), rate)
