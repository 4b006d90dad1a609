"""One common mask for all devices, by what a weight's gradient promises per second it costs.

The procedure follows the official code of PruneFL, arXiv 1909.12326 [V]; the seconds of a weight are
those of the slowest device over the radio [X].
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from optimizers.arrays import BoolArray, FloatArray, IndexArray
from optimizers.baselines.ratios import commonly
from optimizers.certificate import Allocation
from optimizers.problem import RoundProblem

_GRID = 65
_ZOOMS = 6
_WHOLE = 1e-9


@dataclass(frozen=True)
class PruneFl:
    """One ratio for all devices, where what is learnt per second is largest, after arXiv 1909.12326.

    max over r of  Δ(r) = Σ a (1 − φ(1 − r))/(c + r s),   s = max(β + S/R),   c = max(c + σ/R)

    at equal shares, and at most what the band brings in time: Δ of the mask that keeps the best
    share r of weights, with the error model as the curve of their importance [X]. With φ = ρ keeping
    more always pays, and the answer is that of the largest common ratio.
    """

    def allocate(self, problem: RoundProblem, rng: np.random.Generator) -> Allocation:
        """Return the common ratio and bandwidths in proportion to need; nothing is drawn.

        Args:
            problem: The round.
            rng: Unused.
        """
        return commonly(problem, best_common(problem))


def best_common(problem: RoundProblem) -> float:
    """Return the common ratio with the largest Δ(r), whether it is in time or not.

    Args:
        problem: The round.
    """
    even_hz = np.full(problem.devices, problem.bandwidth_hz / problem.devices)
    rate_bps = problem.rate_bps(even_hz)
    if np.any(rate_bps <= 0.0):
        return float(problem.keep_max.max())
    slope_s = seconds_per_weight(problem, even_hz, 1)
    fixed_s = float(np.max(problem.fixed_s + problem.fixed_bits / rate_bps))
    low, high = float(problem.keep_min.min()), float(problem.keep_max.max())
    for _ in range(_ZOOMS):
        # The last of equal points: keeping more is then no worse.
        ratio = np.linspace(high, low, _GRID)
        kept_share = np.broadcast_to(ratio[:, None], (_GRID, problem.devices))
        value = (1.0 - problem.error.value(1.0 - kept_share)) @ problem.weight
        rate = value / np.maximum(fixed_s + slope_s * ratio, 1e-300)
        best = int(np.argmax(rate))
        low, high = float(ratio[min(best + 1, _GRID - 1)]), float(ratio[max(best - 1, 0)])
    return float(ratio[best])


def seconds_per_weight(problem: RoundProblem, bandwidth_hz: npt.ArrayLike, weights: int) -> float:
    """Return max(β/W + q/R), the seconds that one more weight costs the slowest device.

    q = S/W is a weight's bits on the air.

    Args:
        problem: The round.
        bandwidth_hz: Bandwidths b, shape (K,).
        weights: Number W of prunable weights.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        upload_s = problem.prunable_bits / problem.rate_bps(bandwidth_hz)
    upload_s = np.where(problem.prunable_bits == 0.0, 0.0, upload_s)
    return float(np.max(problem.slope_s + upload_s)) / weights


def reconfigure(
    gradient_squares: npt.ArrayLike,
    weight_magnitudes: npt.ArrayLike,
    kept: npt.ArrayLike,
    seconds_per_weight: npt.ArrayLike,
    *,
    fixed_s: float,
    candidate_share: float,
    density_cap: float = 1.0,
    layer: npt.ArrayLike = 0,
) -> BoolArray:
    """Return the mask that learns most per second, Δ = Σ g²/(c + Σ t), shape (W,).

    All dropped weights and the given share of each layer's kept ones, those with the smallest
    magnitudes, are candidates; the others stay. Candidates of all layers enter by falling g²/t while
    their ratio exceeds Δ so far, which then rises [V].

    Args:
        gradient_squares: Squared accumulated gradient g² of each weight, shape (W,).
        weight_magnitudes: Magnitude of each weight, shape (W,).
        kept: Mask so far, shape (W,).
        seconds_per_weight: Time t of a weight, shape (W,) or one number.
        fixed_s: Time c of a round without weights, above 0.
        candidate_share: Share of the kept weights that may be dropped, from 0 to 1.
        density_cap: Largest share of weights to keep; those that stay are never dropped.
        layer: Number of each weight's layer, shape (W,) or one number where all are of one layer.

    >>> now = np.array([True, True, False])
    >>> reconfigure([9, 0.1, 6], [3, 1, 0], now, 1.0, fixed_s=1.0, candidate_share=0.5).tolist()
    [True, False, True]
    """
    if not 0.0 < fixed_s < np.inf:
        raise ValueError(f"fixed_s: {fixed_s} must be finite and above 0")
    gain = np.asarray(gradient_squares, dtype=np.float64)
    cost_s = np.broadcast_to(np.asarray(seconds_per_weight, dtype=np.float64), gain.shape)
    mask = _staying(weight_magnitudes, kept, candidate_share, layer)
    order = _by_merit(gain, cost_s, np.flatnonzero(~mask))
    room = max(int(density_cap * gain.size + _WHOLE) - int(mask.sum()), 0)
    mask[order[: min(_entering(gain, cost_s, fixed_s, mask, order), room)]] = True
    return mask


def _by_merit(gain: FloatArray, cost_s: FloatArray, candidates: IndexArray) -> IndexArray:
    """Return candidates by falling g²/t, those that cost no time first."""
    with np.errstate(divide="ignore", invalid="ignore"):
        merit = np.where(cost_s > 0.0, gain / cost_s, np.inf)[candidates]
    return np.asarray(candidates[np.argsort(-merit, kind="stable")])


def _staying(
    magnitudes: npt.ArrayLike, kept: npt.ArrayLike, candidate_share: float, layer: npt.ArrayLike
) -> BoolArray:
    """Return the kept weights that are no candidates, shape (W,)."""
    if not 0.0 <= candidate_share <= 1.0:
        raise ValueError(f"candidate_share: {candidate_share} must be from 0 to 1")
    magnitude, stays = np.asarray(magnitudes), np.array(kept, dtype=bool)
    of = np.broadcast_to(np.asarray(layer), stays.shape)
    for one in np.unique(of):
        held = np.flatnonzero(stays & (of == one))
        smallest = held[np.argsort(magnitude[held], kind="stable")]
        stays[smallest[: int(candidate_share * held.size + _WHOLE)]] = False
    return stays


def _entering(
    gain: FloatArray,
    cost_s: FloatArray,
    fixed_s: float,
    stays: BoolArray,
    order: IndexArray,
) -> int:
    """Return how many candidates enter before the first that would lower Δ."""
    gained = np.cumsum(np.append(gain[stays].sum(), gain[order]))[:-1]
    spent_s = np.cumsum(np.append(fixed_s + cost_s[stays].sum(), cost_s[order]))[:-1]
    refused = gain[order] * spent_s <= gained * cost_s[order]
    return int(np.argmax(refused)) if refused.any() else order.size
