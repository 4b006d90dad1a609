"""What the server sends: one broadcast for all, or a message for each."""

import numpy as np

from channel_models.units import dbm_to_watt, linear_to_db
from wflsim.contracts import Exchange, FloatArray, IntArray
from wflsim.errors import UserError
from wflsim.scenario.schema import Radio
from wflsim.simulation.air import Air, Sensed


def multicast_s(exchange: Exchange, sensed: Sensed, radio: Radio) -> FloatArray:
    """Return how long the longest message takes to the participant with the weakest link, for all of them, shape (K,).

    R = min_k B log2(1 + P g_k / (N0 B)), docs/papers.md [X]; g_k is the gain of a broadcast,
    which cannot steer its antennas at everybody at once. The message may be for others than the participants, too.
    """
    who = exchange.audience
    rate_bps = _heard_bps(who, sensed.broadcast(radio, who), radio, 1.0)
    longest_bits = np.max(exchange.down_bits.at(1.0))
    return np.full(len(exchange.participants), longest_bits / np.min(rate_bps))


def unicast_s(exchange: Exchange, sensed: Sensed, radio: Radio) -> FloatArray:
    """Return how long each message takes on an equal share of the downlink's band and power, shape (K,)."""
    who, share = exchange.participants, 1.0 / len(exchange.audience)
    rate_bps = _heard_bps(who, sensed.unicast(radio, who), radio, share)
    return exchange.down_bits.at(1.0) / rate_bps


def _heard_bps(who: IntArray, air: Air, radio: Radio, share: float) -> FloatArray:
    """Return the rate of each device on a share of the downlink, shape (K,); who hears nothing is told."""
    every = np.full(len(who), share)
    power_w = float(dbm_to_watt(radio.downlink_dbm)) * every
    bandwidth_hz = radio.downlink_bandwidth_hz * every
    rate_bps = air.rate_bps(bandwidth_hz, power_w)
    weakest = int(np.argmin(rate_bps))
    if not rate_bps[weakest] > 0.0:
        snr_db = linear_to_db(power_w * air.gain / (air.noise_w_per_hz * bandwidth_hz))[weakest]
        raise UserError(
            f"radio.link: device {who[weakest]} hears nothing of the server, at {snr_db:.1f} dB; "
            "raise radio.downlink_dbm, move the device, choose another link, or less interference"
        )
    return rate_bps
