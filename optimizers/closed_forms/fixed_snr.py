"""The square-root rule: bandwidths in closed form where the rate is linear in them."""

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np

from optimizers.arrays import FloatArray
from optimizers.baselines.pricing import carried
from optimizers.certificate import Allocation
from optimizers.closed_forms.plain import answered, is_plain
from optimizers.lambert import LN2
from optimizers.limits import overdue, unhurried
from optimizers.problem import RoundProblem


@dataclass(frozen=True)
class FixedSnr:
    """The square-root rule for a signal-to-noise ratio that does not depend on bandwidth.

    r = clip((T' − √(λ Θ/(a η)))/β, r_min, r_max),   b = (σ + S r)/(η (T' − β r)),   Σ b = B

    with R = η b, T' = T − c, Θ = S T' + β σ and φ = ρ [X; a frequent simplification of this
    literature R]. For β = 0 it is a fractional knapsack that serves devices by falling a η T'/S. The
    efficiency η = log2(1 + SNR) is that of the round's `noise_band_hz`, where the rule is exact; in a
    round with noise per hertz it is that of the even share B/K, and the bandwidths found carry what
    they really carry. No iteration: in 1/√λ the bandwidths are piecewise linear, and their breaks are
    sorted.
    """

    def allocate(self, problem: RoundProblem, rng: np.random.Generator) -> Allocation:
        """Return the answer at the price that clears the band; nothing is drawn.

        Args:
            problem: The round.
            rng: Unused.
        """
        if not problem.limited:
            return unhurried(problem)
        if not carried(problem):
            return overdue(problem)
        price, bands_hz = square_root_rule(problem, efficiency(problem))
        own = problem.changed(noise_band_hz=None, efficiency_max=np.inf)
        exact = problem.noise_band_hz is not None and is_plain(own)
        return answered(problem, bands_hz, price=price, exact=exact)


def efficiency(problem: RoundProblem) -> FloatArray:
    """Return η = min(log2(1 + SNR), η_max) in bit/s/Hz at the largest power, shape (K,).

    Args:
        problem: The round; its noise band is the even share B/K if it has none.
    """
    band_hz = problem.noise_band_hz or problem.bandwidth_hz / problem.devices
    return np.minimum(np.log1p(problem.snr_hz() / band_hz) / LN2, problem.efficiency_max)


def square_root_rule(problem: RoundProblem, efficiency: FloatArray) -> tuple[float, FloatArray]:
    """Return the price of bandwidth and the bandwidths where R = η b, shape (K,).

    Args:
        problem: The round, with a deadline; its own rates do not count.
        efficiency: Efficiency η in bit/s/Hz, shape (K,).
    """
    total_hz = problem.bandwidth_hz
    left_s = problem.deadline_s - problem.fixed_s
    theta = problem.prunable_bits * left_s + problem.slope_s * problem.fixed_bits
    worth = problem.weight * efficiency * theta
    valued = worth > 0.0
    least_hz = _linear_needed_hz(problem, efficiency, problem.keep_min)
    wanted_hz = _linear_needed_hz(problem, efficiency, problem.keep_max)
    wanted_hz = np.where(valued, wanted_hz, least_hz)
    top_hz = np.maximum(np.minimum(wanted_hz, total_hz), least_hz)
    if float(top_hz.sum()) <= total_hz and not np.any(wanted_hz > total_hz):
        return 0.0, top_hz
    # Inside the bounds a dr/db = a Θ η/(S + β η b)² = λ, so that 1/√λ is linear in b.
    root = np.sqrt(np.where(valued, worth, np.inf))
    first, last = (
        np.where(valued, (problem.prunable_bits + problem.slope_s * efficiency * b) / root, 0.0)
        for b in (least_hz, top_hz)
    )
    level, bands_hz = _filled(total_hz, (least_hz, top_hz), (first, last))
    return (level**-2.0 if level > 0.0 else 0.0), bands_hz


def _linear_needed_hz(
    problem: RoundProblem, efficiency: FloatArray, keep: FloatArray
) -> FloatArray:
    bits = problem.bits(keep)
    left_s = problem.deadline_s - problem.fixed_s - problem.slope_s * keep
    possible = (left_s > 0.0) & (efficiency > 0.0)
    needed_hz = bits / np.where(possible, left_s * efficiency, 1.0)
    return np.where(bits == 0.0, 0.0, np.where(possible, needed_hz, np.inf))


def _filled(
    total_hz: float, ends_hz: tuple[FloatArray, FloatArray], breaks: tuple[FloatArray, FloatArray]
) -> tuple[float, FloatArray]:
    """Return the level at which bandwidths add up to a total, and the bandwidths.

    Each rises linearly from its first end to its last between its breaks, or jumps there if the
    breaks agree; at a jump the devices that jump get the same share of it.

    Args:
        total_hz: The total.
        ends_hz: First and last bandwidths, each of shape (K,).
        breaks: Levels where the rise begins and ends, each of shape (K,).
    """
    (least_hz, top_hz), (first, last) = ends_hz, breaks
    slanted = last > first

    def asked_hz(level: float, *, jumped: bool) -> FloatArray:
        ramp = (level - first) / np.where(slanted, last - first, 1.0)
        step = level >= first if jumped else level > first
        return least_hz + (top_hz - least_hz) * np.where(slanted, np.clip(ramp, 0.0, 1.0), step)

    levels = np.unique([first, last])
    index = bisect_left(
        range(levels.size - 1),
        x=True,
        key=lambda i: asked_hz(float(levels[i]), jumped=True).sum() >= total_hz,
    )
    low = high = float(levels[index])
    below_hz, above_hz = asked_hz(high, jumped=False), asked_hz(high, jumped=True)
    if below_hz.sum() >= total_hz and index > 0:
        low = float(levels[index - 1])
        below_hz, above_hz = asked_hz(low, jumped=True), below_hz
    rise_hz = float(above_hz.sum() - below_hz.sum())
    share = (total_hz - float(below_hz.sum())) / rise_hz if rise_hz > 0.0 else 0.0
    share = min(max(share, 0.0), 1.0)
    return low + share * (high - low), below_hz + share * (above_hz - below_hz)
