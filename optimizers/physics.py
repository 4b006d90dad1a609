"""What an allocation means in seconds, bits per second and joules: the constraints as they are stated.

The functions take a round (columns of shape (K,)) or a stack of rounds (N, K); all arrays follow.
"""

import numpy as np

from optimizers.arrays import FloatArray
from optimizers.lambert import LN2, rate_bps, snr_allowed
from optimizers.round import Devices

_ROUNDING = 1e-15


def snr_hz(devices: Devices, power_w: FloatArray) -> FloatArray:
    """Return the received power over noise density and gap, g p/(Γ N₀) in hertz."""
    return devices.gain * power_w / (devices.gap * devices.noise_w_per_hz)


def upload_rate_bps(devices: Devices, bandwidth_hz: FloatArray, power_w: FloatArray) -> FloatArray:
    """Return the rate b min(log2(1 + z), η_max), z = g p/(Γ N₀ b), or over a fixed band's noise."""
    if devices.noise_band_hz is not None:
        efficiency = np.log1p(snr_hz(devices, power_w) / devices.noise_band_hz) / LN2
        return np.asarray(bandwidth_hz * np.minimum(efficiency, devices.efficiency_max))
    rate = rate_bps(snr_hz(devices, power_w), bandwidth_hz)
    if not np.isfinite(devices.efficiency_max).any():
        return rate
    with np.errstate(invalid="ignore"):
        return np.asarray(np.fmin(rate, bandwidth_hz * devices.efficiency_max))


def transfer_s(
    devices: Devices, keep: FloatArray, bandwidth_hz: FloatArray, power_w: FloatArray
) -> FloatArray:
    """Return the time of each upload: bits over rate, 0 without bits, infinite without rate."""
    bits = devices.fixed_bits + devices.prunable_bits * keep
    rate = upload_rate_bps(devices, bandwidth_hz, power_w)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(bits == 0.0, 0.0, bits / rate)


def spent_j(
    devices: Devices, keep: FloatArray, upload_s: FloatArray, power_w: FloatArray
) -> FloatArray:
    """Return the energy that counts against the budget: e₁ r + p t."""
    sent_j = np.where(upload_s > 0.0, power_w * upload_s, 0.0)
    return devices.slope_j * keep + sent_j


def useful_power_w(devices: Devices, keep: FloatArray, bandwidth_hz: FloatArray) -> FloatArray:
    """Return the most power that helps and that the energy allows over the whole window.

    It is min(p_max, (E − e₁ r)/(T − c − β r)), and no more than reaches η_max.
    """
    if devices.full_power:
        return devices.power_max_w
    power_w = devices.power_max_w
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        if np.isfinite(devices.energy_j).any():
            left_j = np.maximum(devices.energy_j - devices.slope_j * keep, 0.0)
            # What rounding may have taken where computing leaves next to nothing.
            left_j = left_j + _ROUNDING * devices.energy_j
            left_s = devices.deadline_s - devices.fixed_s - devices.slope_s * keep
            affordable = np.where(left_s > 0.0, left_j / left_s, np.inf)
            power_w = np.fmin(power_w, np.where(np.isinf(left_j), np.inf, affordable))
        if np.isfinite(devices.efficiency_max).any():
            enough = np.expm1(LN2 * devices.efficiency_max) * bandwidth_hz
            # One part in 10¹³ more, so that rounding leaves the ceiling in force.
            enough = enough * (1.0 + 1e-13) / snr_hz(devices, np.ones_like(keep))
            power_w = np.fmin(power_w, enough)
    return power_w


def spending_power_w(devices: Devices, keep: FloatArray, bandwidth_hz: FloatArray) -> FloatArray:
    """Return the most power that the energy allows if the upload ends when it ends."""
    power_w = devices.power_max_w
    if devices.full_power or not np.isfinite(devices.energy_j).any():
        return power_w
    bits = devices.fixed_bits + devices.prunable_bits * keep
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        left_j = np.maximum(devices.energy_j - devices.slope_j * keep, 0.0)
        watt_hz = snr_hz(devices, np.ones_like(keep))
        share = LN2 * bits / (watt_hz * left_j)
        allowed = np.fmin(power_w, snr_allowed(share) * bandwidth_hz / watt_hz)
    # Where no power is low enough, the device is lost whatever it does.
    return np.where(share < 1.0, allowed, power_w)
