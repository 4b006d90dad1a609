"""Levels of pruning by units: which shares of the weights can be kept, and what each costs exactly; without torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from wflsim.contracts import Curve, Exchange, FloatArray, IntArray, Load, Rungs
from wflsim.contracts.exchange import RUNG_SLACK
from wflsim.learning.anatomy import Anatomy, Space
from wflsim.learning.pruning.counting import free_spaces, thinned, unit_bits, weights_of


@dataclass(frozen=True, eq=False)
class Levels:
    """How much of a model's shared part can be kept, from the least to all of it: L levels.

    Attributes:
        widths: Number of units that are kept of each space, shapes (L,).
        whole: What is left of the whole model.
        shared: What is left of its shared part.
        share: Share of the shared part's weights, rising, shape (L,).
        entries: Number of its entries of whatever role, shape (L,).
        bits: Size of the message, with the bitmap of kept units, shape (L,).
    """

    widths: Mapping[str, IntArray]
    whole: tuple[Anatomy, ...]
    shared: tuple[Anatomy, ...]
    share: FloatArray
    entries: IntArray
    bits: IntArray

    def at(self, keep: FloatArray) -> IntArray:
        """Return the largest level that keeps no more than a share of the weights, or else the least, shape (K,)."""
        found = np.searchsorted(self.share, keep * (1.0 + RUNG_SLACK), side="right") - 1
        return np.maximum(found, 0)

    def widths_at(self, keep: FloatArray) -> dict[str, IntArray]:
        """Return how many units of each space devices keep at shares of the weights, shapes (K,)."""
        level = self.at(keep)
        return {name: width[level] for name, width in self.widths.items()}


@lru_cache(maxsize=32)
def levels(shared: Anatomy, whole: Anatomy, count: int) -> Levels:
    """Return levels at which every free space keeps the same share of its units: 1/count, 2/count, …, 1.

    Whole groups are kept, to the nearest number and at least one. Levels that come to the same are one.

    Args:
        shared: The part that is sent; its units are pruned.
        whole: The whole model, whose other layers become smaller with it.
        count: Number of levels at most.
    """
    table = {space.name: _widths(space, count) for space in free_spaces(shared)}
    left, chosen = np.unique(weights_of(shared, table), return_index=True)
    widths = {name: width[chosen] for name, width in table.items()}
    wholes = tuple(
        thinned(whole, {name: int(width[level]) for name, width in table.items()})
        for level in chosen
    )
    names = {layer.name for layer in shared.layers}
    parts = tuple(
        Anatomy(tuple(layer for layer in thin.layers if layer.name in names), thin.spaces)
        for thin in wholes
    )
    return Levels(
        widths=widths,
        whole=wholes,
        shared=parts,
        share=left / left[-1] if left[-1] else np.ones(len(left)),
        entries=np.array([part.weights + part.others for part in parts]),
        bits=np.array([part.bits + unit_bits(shared) for part in parts]),
    )


def unit_exchange(
    shared: Anatomy, samples: IntArray, table: Levels, macs: FloatArray, *, keep_min: float
) -> Exchange:
    """Return the exchange in which every device receives some layers and sends what it keeps of their units.

    An allocator plans with lines that are no less than what a level costs; what is played is what it costs exactly.

    Args:
        shared: The layers that are sent.
        samples: Number of training samples of each device, shape (K,).
        table: The levels.
        macs: Operations of a device at each level, shape (L,).
        keep_min: Least share of the weights that a device keeps.
    """
    devices = len(samples)
    every, none = np.ones(devices), np.zeros(devices)
    mask_bits = float(unit_bits(shared))
    fixed_bits, bits = majorant(table.share, np.asarray(table.bits - mask_bits, dtype=np.float64))
    fixed_macs, slope = majorant(table.share, macs)
    first = min(int(np.searchsorted(table.share, keep_min)), len(table.share) - 1)
    least = table.share[first]
    return Exchange(
        participants=np.arange(devices),
        down_bits=Load(every * shared.bits, none),
        macs=Load(every * fixed_macs, every * slope),
        up_bits=Load(every * (fixed_bits + mask_bits), every * bits),
        mask_bits=every * mask_bits,
        keep_min=every * least,
        keep_max=every,
        weight=every,
        units=0,
        rungs=Rungs(table.share, table.bits.astype(float), np.tile(macs, (devices, 1))),
    )


def reported_curve(reported: FloatArray | None, points: int, devices: int) -> Curve:
    """Return what pruning takes away as devices have reported it; φ = ρ of those that have not.

    Args:
        reported: Errors at the inner points, shape (K, points); None where nobody has reported any.
        points: Number of inner points.
        devices: Number K of devices.
    """
    inner = curve_ratios(points)
    error = np.tile(inner, (devices, 1)) if reported is None else reported
    ends = np.zeros((devices, 1)), np.ones((devices, 1))
    return Curve(np.concatenate([[0.0], inner, [1.0]]), np.hstack([ends[0], error, ends[1]]))


def curve_ratios(points: int) -> FloatArray:
    """Return the pruning ratios at which a curve is measured, without its ends, shape (points,)."""
    return np.linspace(0.0, 1.0, points + 2)[1:-1]


def majorant(share: FloatArray, cost: FloatArray) -> tuple[float, float]:
    """Return (a, b) with a + b · r ≥ cost at every level, a ≥ 0, b ≥ 0, and equality where everything is kept.

    An allocator that plans with the line plans with no less than what a level costs; between levels it plans more.

    Args:
        share: Kept share r of each level, rising to 1, shape (L,).
        cost: What each level costs, rising, shape (L,).

    >>> majorant(np.array([0.25, 0.5, 1.0]), np.array([5.0, 7.0, 10.0]))
    (4.0, 6.0)
    """
    if len(share) == 1:
        return float(cost[-1]), 0.0
    slopes = (cost[-1] - cost[:-1]) / (1.0 - share[:-1])
    slope = min(float(cost[-1]), float(slopes.min()))
    return float(cost[-1]) - slope, slope


def _widths(space: Space, count: int) -> IntArray:
    """Return how many units of a space each level keeps, shape (count,)."""
    groups = space.units // space.group
    shares = np.arange(1, count + 1) / count
    return space.group * np.maximum(np.floor(shares * groups + 0.5).astype(np.int64), 1)
