"""Checks of links, block errors, estimation and interference."""

import numpy as np

from channel_models.layouts.sites import Hexagonal
from channel_models.rates.block_errors import BlockErrors
from channel_models.rates.estimation import Estimation
from channel_models.rates.interference import Interference, Meddling
from channel_models.rates.links import Link
from channel_models.rates.modulation import schemes
from channel_models.testing.laws import require, require_array, require_pure, require_same, rng
from channel_models.units import FloatArray


def check_link(model: Link) -> None:
    """Check a link: it carries nothing at ratio 0, never falls, never beats Shannon's formula, and its gap is one.

    >>> from channel_models.rates.links import Gap
    >>> check_link(Gap())
    """
    gap = model.snr_gap
    require(
        bool(np.isfinite(gap)) and gap >= 1.0, f"snr_gap must be finite and at least 1, got {gap}."
    )
    require(gap == model.snr_gap, "snr_gap must not change between two readings.")
    snr = np.concatenate([[0.0], np.geomspace(1e-3, 1e30, 400)])
    asked = snr.copy()
    efficiency = model.efficiency(asked)
    require_array(efficiency, snr.shape, np.floating, "efficiency")
    require_same(snr, asked, "the ratios handed in")
    require(float(efficiency[0]) == 0.0, f"efficiency at ratio 0 must be 0, got {efficiency[0]}.")
    require(
        bool(np.all(np.diff(efficiency) >= -1e-9)), "efficiency must not fall as the ratio grows."
    )
    beaten = efficiency > np.log2(1.0 + snr) + 1e-9
    require(
        not beaten.any(),
        f"efficiency must not exceed log2(1 + snr), but does at {snr[beaten][:1]}.",
    )
    table = model.efficiency(snr.reshape(-1, 1))
    require_array(table, (len(snr), 1), np.floating, "efficiency of a table")


def check_block_errors(model: BlockErrors) -> None:
    """Check a model of block errors: probabilities that never grow with the ratio; certain loss without signal.

    >>> from channel_models.rates.block_errors import Curve
    >>> check_block_errors(Curve())
    """
    known = schemes(1)
    snr = np.concatenate([[0.0], np.geomspace(1e-2, 1e6, 100)])[:, None]
    each = known.at(np.arange(len(known.efficiency)))
    lost = model.error_probability(snr, each, np.full(len(known.efficiency), 1000.0))
    require_array(lost, (len(snr), len(known.efficiency)), np.floating, "error_probability")
    require(bool(np.all((lost >= 0.0) & (lost <= 1.0))), "error_probability must lie in [0, 1].")
    require(
        bool(np.all(np.diff(lost, axis=0) <= 1e-12)),
        "error_probability must not grow with the ratio.",
    )
    require(bool(np.all(lost[0] == 1.0)), "error_probability without signal must be 1.")


def check_estimation(model: Estimation) -> None:
    """Check a way of estimating channels: pure, of the same shape, errors no larger than the channel, time not negative.

    >>> from channel_models.rates.estimation import Pilots
    >>> check_estimation(Pilots())
    """
    require(
        0.0 <= model.pilots_s(3) <= model.pilots_s(6), "pilots_s must not fall with the devices."
    )
    gain = np.geomspace(1e-13, 1e-7, 12)
    for shape in ((12, 4), (12, 4, 3)):
        parts = rng(6).standard_normal((*shape[:-1], 2 * shape[-1]))
        h = np.sqrt(0.5 * gain).reshape(12, *(1,) * (len(shape) - 1)) * parts.view(np.complex128)
        asked = h.copy()
        known, error = model.estimate(asked, gain, 1e-20, rng(0))
        require_array(known, shape, np.complexfloating, "estimate")
        require_array(error, (12,), np.floating, "error variance")
        require_same(h, asked, "the coefficients handed in")
        require_same(
            known, model.estimate(h, gain, 1e-20, rng(0))[0], "estimates from the same seed"
        )
        fewer = model.estimate(h[:-3], gain[:-3], 1e-20, rng(0))[0]
        require_same(known[:-3], fewer, "estimates of the first devices")
        least, most = np.min(error), np.max(error - gain)
        require(
            bool(least >= 0.0 and most <= 0.0), "error variance must lie between 0 and the gain."
        )


def check_interference(model: Interference) -> None:
    """Check a model of other cells: pure, the prefix law, powers that are not negative, and none with one cell alone.

    >>> from channel_models.rates.interference import Load
    >>> check_interference(Load())
    """
    sites = Hexagonal(rings=1).sites()

    def couple(position_m: FloatArray, stream: np.random.Generator) -> FloatArray:
        return 1e-9 * stream.random((len(position_m), sites.cells))

    gain = 1e-9 * rng(7).random((12, sites.cells))
    serving = np.argmax(gain[:, :3], axis=1)
    state = model.init(couple, sites, rng(0))

    def heard(devices: int) -> FloatArray:
        _, meddling = model.step(state, gain[:devices], serving[:devices], rng(1))
        return _heard(meddling, devices)

    require_pure(state, lambda: heard(12), "interference")
    require_same(heard(12)[:, :-3], heard(9), "interference of the first devices")


def _heard(meddling: Meddling, devices: int) -> FloatArray:
    require_array(meddling.uplink_w_per_hz, (devices,), np.floating, "uplink_w_per_hz")
    require_array(meddling.downlink_w_per_hz, (devices,), np.floating, "downlink_w_per_hz")
    found = np.stack([meddling.uplink_w_per_hz, meddling.downlink_w_per_hz])
    require(bool(np.all(found >= 0.0)), "interference must not be negative.")
    return found
