"""Where the curves begin, bend and end: the ratios at which one limit hands over to another."""

import numpy as np

from optimizers.arrays import FloatArray
from optimizers.curves import Curves, Pieces
from optimizers.errors import Lorenz
from optimizers.lambert import LN2, rate_bps

HUGE = 1e300
_DROWNED = 32 * np.finfo(np.float64).eps


def free(shape: Curves) -> FloatArray:
    """Return r_min, or the largest ratio that costs no bandwidth more: it is taken at once.

    Args:
        shape: The curves.
    """
    stack = shape.stack
    if stack.prunable:
        return stack.keep_min
    unprunable = stack.prunable_bits == 0.0
    silent = unprunable & (stack.fixed_bits == 0.0)
    until = np.where(silent, ending(shape), _level(shape))
    return np.where(unprunable, np.clip(until, stack.keep_min, stack.keep_max), stack.keep_min)


def ending(shape: Curves) -> FloatArray:
    """Return the ratio at which computing alone takes all the time or all the energy.

    Args:
        shape: The curves.
    """
    stack, until = shape.stack, np.full(shape.stack.shape, np.inf)
    for window in (shape.window, shape.second):
        if window is not None:
            taken = np.where(window.slope_s > 0.0, window.span_s / window.slope_s, np.inf)
            until = np.fmin(until, taken)
    spent = np.where(stack.slope_j > 0.0, shape.energy_j / stack.slope_j, np.inf)
    return np.fmin(until, spent) if shape.budgeted else until


def _level(shape: Curves) -> FloatArray:
    """Return the ratio until which bits that no ratio changes need the same bandwidth."""
    stack, window, second = shape.stack, shape.window, shape.second
    flat, until = window.slope_s == 0.0, np.full(stack.shape, np.inf)
    if second is not None:
        later = second.left_s(stack.keep_min) < window.left_s(stack.keep_min)
        flat = np.where(later, second.slope_s == 0.0, flat)
        even = (window.span_s - second.span_s) / (window.slope_s - second.slope_s)
        until = np.where(window.slope_s == second.slope_s, np.inf, even)
    if shape.budgeted:
        needs, log_snr = shape.needed(stack.keep_min)
        sent_j = np.exp(log_snr) * needs / shape.watt_hz * window.span_s
        left_j = shape.energy_j - sent_j
        until = np.fmin(until, np.where(stack.slope_j > 0.0, left_j / stack.slope_j, np.inf))
    return np.where(flat, until, stack.keep_min)


def beyond(shape: Curves, least: FloatArray) -> FloatArray:
    """Return the largest ratios, or where these take more than twice the band, such that do.

    They are what 2 B carries at full power; and where energy limits, what it allows at
    ln(1 + z) = x ln 2/2B with the rate x of the smallest ratio, where any larger ratio takes 2 B.

    Args:
        shape: The curves.
        least: The smallest ratios, shape (N, K).
    """
    stack, twice_hz = shape.stack, 2.0 * shape.stack.bandwidth_hz
    rate = rate_bps(np.minimum(shape.snr_hz, HUGE), np.broadcast_to(twice_hz, stack.shape))
    if shape.efficiency is not None:
        rate = np.minimum(rate, twice_hz * shape.efficiency)
    keep = np.fmin(rated(shape, rate), stack.keep_max)
    if shape.budgeted:
        snr = np.expm1(shape.rate_bps(least) * LN2 / twice_hz)
        # Where computing leaves next to nothing of the energy, less than this drowns in rounding.
        snr = np.fmax(snr, _DROWNED * shape.energy_j * shape.watt_hz / (LN2 * stack.bits(least)))
        per_joule = shape.watt_hz * np.log1p(snr) / (snr * LN2)
        afforded = per_joule * shape.energy_j - stack.fixed_bits
        keep = np.fmin(keep, afforded / (stack.prunable_bits + per_joule * stack.slope_j))
    return keep


def knots_between(shape: Curves, ends: FloatArray) -> FloatArray:
    """Return the ends and all kinks between them, sorted, shape (Q, N, K).

    Args:
        shape: The curves.
        ends: The smallest and the largest ratio, shape (2, N, K).
    """
    kinks = list(_handovers(shape))
    if isinstance(shape.stack.error, Lorenz):
        bends = 1.0 - shape.stack.error.pruning[-2:0:-1]
        kinks += [np.full(shape.stack.shape, bend) for bend in bends]
    if not kinks:
        return ends
    inner = np.clip(np.where(np.isnan(kinks), ends[0], kinks), ends[0], ends[1])
    return np.sort(np.concatenate([ends[:1], inner, ends[1:]]), axis=0)


def _handovers(shape: Curves) -> list[FloatArray]:
    """Return the ratios where one limit may hand over to another."""
    found, stack, one = [], shape.stack, shape.window
    if shape.second is not None:
        two = shape.second
        found.append((one.span_s - two.span_s) / (one.slope_s - two.slope_s))
    if shape.budgeted:
        power_w = stack.power_max_w
        spare = power_w * one.span_s - shape.energy_j
        found.append(spare / (power_w * one.slope_s - stack.slope_j))
    if shape.efficiency is not None and stack.noise_band_hz is None:
        found.append(_ceiling_until(shape))
    return found


def _ceiling_until(shape: Curves) -> FloatArray:
    """Return the ratio above which the efficiency is below its ceiling."""
    stack, cap = shape.stack, shape.snr_cap
    per_hz = np.log1p(cap) / (cap * LN2)
    rate = shape.snr_hz * per_hz
    until = np.full(stack.shape, np.inf)
    for window in (shape.window, shape.second):
        if window is not None:
            load = stack.prunable_bits + window.slope_s * rate
            until = np.fmin(until, (window.span_s * rate - stack.fixed_bits) / load)
    if shape.budgeted:
        per_joule = shape.watt_hz * per_hz
        load = stack.prunable_bits + per_joule * stack.slope_j
        until = np.fmin(until, (per_joule * shape.energy_j - stack.fixed_bits) / load)
    return np.where(np.isinf(cap), -np.inf, until)


def pieces_between(
    shape: Curves, keep: FloatArray, needs: FloatArray, log_snr: FloatArray
) -> Pieces:
    """Return what limits between the knots, from the middle of each piece.

    Args:
        shape: The curves.
        keep: Ratios at the knots, shape (Q, N, K).
        needs: Bandwidths there, shape (Q, N, K).
        log_snr: ln z there, shape (Q, N, K).
    """
    stack, middle = shape.stack, 0.5 * (keep[:-1] + keep[1:])
    left_s = shape.window.left_s(middle)
    second = energy = ceiled = steep = None
    if shape.second is not None:
        other_s = shape.second.left_s(middle)
        second, left_s = other_s < left_s, np.minimum(other_s, left_s)
    if shape.efficiency is not None:
        fixed = stack.noise_band_hz is not None
        ceiled = np.full(middle.shape, True) if fixed else middle < _ceiling_until(shape)
    if shape.budgeted:
        energy = shape.energy_j - stack.slope_j * middle < stack.power_max_w * left_s
        energy = energy if ceiled is None else energy & ~ceiled
    if isinstance(stack.error, Lorenz):
        index = np.searchsorted(stack.error.pruning, 1.0 - middle) - 1
        index = np.clip(index, 0, stack.error.pruning.size - 2)
        slopes = stack.error.slopes(stack.shape)
        steep = np.moveaxis(np.take_along_axis(slopes, np.moveaxis(index, 0, -1), -1), -1, 0)
    position = log_snr
    high, low = position[:-1], position[1:]
    if ceiled is not None:
        minus_log_hz = -np.log(needs)
        high, low = (
            np.where(ceiled, minus_log_hz[:-1], high),
            np.where(ceiled, minus_log_hz[1:], low),
        )
    return Pieces(np.minimum(low, high), high, second, energy, ceiled, steep)


def rated(shape: Curves, rate: FloatArray) -> FloatArray:
    """Return the largest ratio that a rate brings in time.

    Args:
        shape: The curves.
        rate: Rate in bit/s, shape (N, K).
    """
    stack = shape.stack
    keep = np.full(stack.shape, np.inf)
    for window in (shape.window, shape.second):
        if window is not None:
            load = stack.prunable_bits + window.slope_s * rate
            room = window.span_s * rate - stack.fixed_bits
            ratio = room / load
            if not stack.prunable:
                ratio = np.where(load > 0.0, ratio, np.where(room >= 0.0, np.inf, -np.inf))
                silent = stack.bits(stack.keep_max) == 0.0
                ratio = np.where(silent, window.span_s / window.slope_s, ratio)
            keep = np.fmin(keep, ratio)
    return keep
