"""The efficient frontier of every device: its curve between its bounds, cut at its kinks.

A kink is where one limit hands over to another, or where a measured error curve bends. Between two
kinks the worth of one more hertz falls smoothly in b; at a kink it jumps down. At a price a device
therefore stands at an end, at a kink, or at one root on one piece [X].
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from optimizers.arrays import BoolArray, FloatArray, IndexArray, column
from optimizers.curves import Curves, Pieces, curves
from optimizers.knots import HUGE, beyond, ending, free, knots_between, pieces_between, rated
from optimizers.lambert import rate_bps
from optimizers.roots import increasing_root
from optimizers.round import Round
from optimizers.stack import Stack, stacked

_ADMISSION_SLACK = 5e-10
_LOG_SNR_SPAN = 90.0
_EMPTY = 1e-12
# The least of these that helps is taken, so they fall.
_LACKS = (1e-3, 1e-6, 1e-9, 1e-12, 1e-14)


@dataclass(frozen=True, kw_only=True, eq=False)
class Frontier:
    """The curves of N rounds of K devices, cut into Q − 1 pieces by Q knots.

    Attributes:
        curves: The curves.
        keep: Ratios at the knots, rising, shape (Q, N, K).
        bandwidth_hz: Bandwidths there, infinite at the first if nothing is enough, shape (Q, N, K).
        pieces: The pieces between the knots, with arrays of shape (Q − 1, N, K).
        above: ln of the worth of a hertz at each piece's lower ratio, shape (Q − 1, N, K).
        below: The same at its higher ratio.
        valued: Devices to whom more bandwidth is worth something, shape (N, K).
        leans: dv/d ln worth at the lower and at the higher ratio, shape (2, Q − 1, N, K).
    """

    curves: Curves
    keep: FloatArray
    bandwidth_hz: FloatArray
    pieces: Pieces
    above: FloatArray
    below: FloatArray
    leans: FloatArray
    valued: BoolArray

    @property
    def stack(self) -> Stack:
        """The rounds."""
        return self.curves.stack

    @property
    def feasible(self) -> BoolArray:
        """Whether the band carries every device at its smallest ratio, shape (N, 1)."""
        return admitted(self.bandwidth_hz[0], self.stack.bandwidth_hz)

    def step_of(self, log_price: FloatArray) -> IndexArray:
        """Return where each device stands at a price: 2 q at knot q, 2 q + 1 on the piece after it.

        Args:
            log_price: ln of the price that each device pays, shape (N, K) or (N, 1).
        """
        above, below = self.above > log_price, self.below > log_price
        if len(above) == 1:
            return np.asarray(above[0].view(np.int8) + below[0].view(np.int8), dtype=np.intp)
        return np.asarray(above.sum(axis=0) + below.sum(axis=0), dtype=np.intp)

    def on(self, step: IndexArray) -> Pieces:
        """Return the pieces that devices stand on, or the nearest where they stand at a knot.

        Args:
            step: Where they stand, shape (N, K).
        """
        if len(self.above) == 1:
            return _each(self.pieces, lambda array: array[0])
        where = self._piece_of(step)
        return _each(self.pieces, lambda array: array[where])

    def piece(self, array: FloatArray, step: IndexArray) -> FloatArray:
        """Return the entries of an array over pieces where the devices stand, shape (N, K).

        Args:
            array: An array of shape (Q − 1, N, K).
            step: Where they stand, shape (N, K).
        """
        return array[0] if len(array) == 1 else array[self._piece_of(step)]

    def _piece_of(self, step: IndexArray) -> tuple[IndexArray, IndexArray, IndexArray]:
        index = np.clip((step - 1) // 2, 0, len(self.above) - 1)
        return index, *self._grid

    @functools.cached_property
    def _grid(self) -> tuple[IndexArray, IndexArray]:
        rounds, devices = self.stack.shape
        return np.arange(rounds)[:, None], np.arange(devices)[None, :]

    def guess(self, pays: FloatArray, step: IndexArray, on: Pieces) -> FloatArray:
        """Return first positions v by the cubic in ln worth through the ends and their slopes.

        Args:
            pays: ln of the price that each device pays, shape (N, K) or (N, 1).
            step: Where the devices stand, shape (N, K).
            on: Their pieces.
        """
        above, below = self.piece(self.above, step), self.piece(self.below, step)
        lean_high, lean_low = (self.piece(lean, step) for lean in self.leans)
        span, rise = above - below, on.high - on.low
        share = np.minimum(np.maximum((pays - below) / span, 0.0), 1.0)
        left = 1.0 - share
        bend = left * (lean_low * span - rise) - share * (lean_high * span - rise)
        guess = on.low + share * (rise + left * bend)
        tame = (guess > on.low) & (guess < on.high)
        if tame.all():
            return np.asarray(guess)
        inner = on.low + np.clip(share, 1e-3, 1.0) * rise
        inner = np.where(np.isfinite(inner), inner, 0.5 * (on.low + on.high))
        return np.where(tame, guess, inner)

    def knot(self, array: FloatArray, step: IndexArray) -> FloatArray:
        """Return the entries of an array over knots where the devices stand, shape (N, K).

        Args:
            array: An array of shape (Q, N, K).
            step: Where they stand, shape (N, K).
        """
        if len(array) == 2:
            return np.asarray(np.where(step == 0, array[0], array[1]))
        return np.asarray(array[(step // 2, *self._grid)])


def _each(pieces: Pieces, pick: Callable[[Any], Any]) -> Pieces:
    second, energy, ceiled, steep = (
        None if array is None else pick(array)
        for array in (pieces.second, pieces.energy, pieces.ceiled, pieces.steep)
    )
    return Pieces(pick(pieces.low), pick(pieces.high), second, energy, ceiled, steep)


def admitted(least_hz: FloatArray, bandwidth_hz: FloatArray | float) -> BoolArray:
    """Return whether a band carries what devices need at least, to rounding, shape (..., 1).

    Args:
        least_hz: Least bandwidths, shape (..., K).
        bandwidth_hz: The band, a number or of shape (..., 1).
    """
    total_hz = least_hz.sum(axis=-1, keepdims=True)
    return np.asarray(total_hz <= bandwidth_hz * (1.0 + _ADMISSION_SLACK))


def frontier(problem: Round) -> Frontier:
    """Return the frontier of a round with a deadline; N is 1.

    Args:
        problem: The round.
    """
    return frontiers(stacked([problem]))


def frontiers(stack: Stack) -> Frontier:
    """Return the frontiers of a stack of rounds with deadlines.

    Args:
        stack: The rounds.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        shape = curves(stack)
        least = free(shape)
        keep = knots_between(shape, np.array([least, np.maximum(beyond(shape, least), least)]))
        needs, log_snr = shape.needed(keep)
        unsure = np.isfinite(needs[0]) & ~np.isfinite(needs[-1])
        if unsure.any():
            keep = np.where(unsure, np.minimum(keep, _firm(shape, keep)), keep)
            needs, log_snr = shape.needed(keep)
        return _cut(shape, keep, needs, log_snr)


def _firm(shape: Curves, keep: FloatArray) -> FloatArray:
    """Return ratios a little below the last knots, whose needs rounding does not make infinite."""
    low, high = keep[0], keep[-1]
    firm = low
    for lack in _LACKS:
        lower = high - lack * (high - low)
        needs, _ = shape.needed(lower[None])
        firm = np.where(np.isfinite(needs[0]), lower, firm)
    return np.asarray(firm)


def _cut(shape: Curves, keep: FloatArray, needs: FloatArray, log_snr: FloatArray) -> Frontier:
    """Return the frontier with given knots."""
    on = pieces_between(shape, keep, needs, log_snr)
    stack = shape.stack
    ends_at = shape.at(np.array([on.high, on.low]), on)
    above, below = ends_at.log_worth
    idle = (needs[-1] <= needs[0]) | ~(stack.weight > 0.0) | ~np.isfinite(needs[0])
    # Pieces without extent have no worth of their own; the pieces beside them speak.
    empty = keep[1:] - keep[:-1] <= _EMPTY * keep[1:]
    ends = np.empty((2 * len(above), *stack.shape))
    for row, worth in enumerate((above, below)):
        told = np.where(empty, np.inf, np.where(np.isnan(worth), -np.inf, worth))
        ends[row::2] = np.where(idle, -np.inf, told)
    if len(ends) > 2:
        np.minimum.accumulate(ends, axis=0, out=ends)
    return Frontier(
        curves=shape,
        keep=keep,
        bandwidth_hz=needs,
        pieces=on,
        above=ends[0::2],
        below=np.minimum(ends[0::2], ends[1::2]),
        leans=1.0 / ends_at.slope,
        valued=~idle,
    )


def _kept(shape: Curves, bandwidth_hz: FloatArray) -> FloatArray:
    """Return the largest ratio on a bandwidth, not clipped below, shape (N, K)."""
    stack = shape.stack
    rate = rate_bps(np.minimum(shape.snr_hz, HUGE), bandwidth_hz)
    if shape.efficiency is not None:
        rate = np.minimum(rate, bandwidth_hz * shape.efficiency)
    keep = np.fmin(rated(shape, rate), stack.keep_max)
    if not shape.budgeted:
        return keep
    silent = stack.bits(stack.keep_max) == 0.0
    used_j = stack.power_max_w * np.maximum(shape.window.left_s(keep), 0.0)
    tight = (shape.energy_j - stack.slope_j * keep < used_j) & (bandwidth_hz > 0.0) & ~silent
    keep = np.where(silent, np.fmin(keep, ending(shape)), keep)
    if not tight.any():
        return keep
    return np.where(tight, np.fmin(_afforded(shape, bandwidth_hz), keep), keep)


def _afforded(shape: Curves, bandwidth_hz: FloatArray) -> FloatArray:
    """Return the largest ratio that the energy allows on a bandwidth, by its root in ln z."""
    none = np.zeros(shape.stack.shape, dtype=np.bool_)
    ceiling = np.log(np.fmin(shape.snr_hz / bandwidth_hz, shape.snr_cap))
    on = Pieces(ceiling, ceiling, None, ~none, None, None)

    def excess(position: FloatArray) -> tuple[FloatArray, FloatArray]:
        place = shape.at(position, on)
        early = (place.keep < np.inf) & (shape.window.left_s(place.keep) > 0.0)
        value = np.where(early, np.log(bandwidth_hz / place.bandwidth_hz), -np.inf)
        return np.where(np.isnan(value), 1.0, value), np.where(early, place.fall, 0.0)

    safe = np.where(np.isfinite(ceiling), ceiling, 0.0)
    root, _ = increasing_root(
        excess, low=safe - _LOG_SNR_SPAN, high=safe, start=safe, step_tolerance=1e-14, limit=200
    )
    return shape.at(root, on).keep


def kept(problem: Round, bandwidth_hz: npt.ArrayLike) -> FloatArray:
    """Return the largest ratio that each device can keep on a bandwidth, within its bounds, shape (K,).

    Args:
        problem: The round, with a deadline.
        bandwidth_hz: Bandwidth b, shape (K,).
    """
    bands_hz = column("bandwidth_hz", bandwidth_hz, problem.devices)[None]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        keep = _kept(curves(stacked([problem])), bands_hz)[0]
    return np.clip(
        np.where(np.isnan(keep), problem.keep_min, keep), problem.keep_min, problem.keep_max
    )


def needed_hz(problem: Round, keep: npt.ArrayLike) -> FloatArray:
    """Return the least bandwidth for a ratio in time, infinite where none is enough, shape (K,).

    Args:
        problem: The round, with a deadline.
        keep: Keep ratio r, shape (K,).
    """
    ratio = column("keep", keep, problem.devices)[None]
    bands_hz, _ = curves(stacked([problem])).needed(ratio)
    return np.asarray(bands_hz[0])
