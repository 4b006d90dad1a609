"""Wireless channels as values: from where devices stand to what their links carry.

Needs numpy and scipy only and is useful alone. Shapes: K devices, M antennas of the base station. Quantities are SI
and linear unless their name ends in ``_db`` or ``_dbm``.

Facts taken from the literature carry a tag that says how far they were checked: [VV] reproduced by an independent
implementation written from the formula, [V] two independent public simulators agree, [1] one public simulator only,
[S] from the specification as known, clause not re-read.
"""

from channel_models.channel import Channel, ChannelState, Draw, Links
from channel_models.fading import Fading, NoFading, Rayleigh, Rician
from channel_models.geometry import Explicit, Placement, Ring, distance_2d_m, distance_3d_m
from channel_models.line_of_sight import uma_line_of_sight_probability
from channel_models.links import Gap, Link, Shannon, rate_bps
from channel_models.path_loss import LargeScale, LogDistance, PathLoss, UrbanMacro
from channel_models.receivers import broadcast_gain, mrc_gain
from channel_models.shadowing import LogNormal, NoShadowing, Shadowing
from channel_models.units import (
    SPEED_OF_LIGHT_38901,
    db_to_linear,
    dbm_to_watt,
    linear_to_db,
    noise_w_per_hz,
    watt_to_dbm,
)

__all__ = [
    "SPEED_OF_LIGHT_38901",
    "Channel",
    "ChannelState",
    "Draw",
    "Explicit",
    "Fading",
    "Gap",
    "LargeScale",
    "Link",
    "Links",
    "LogDistance",
    "LogNormal",
    "NoFading",
    "NoShadowing",
    "PathLoss",
    "Placement",
    "Rayleigh",
    "Rician",
    "Ring",
    "Shadowing",
    "Shannon",
    "UrbanMacro",
    "broadcast_gain",
    "db_to_linear",
    "dbm_to_watt",
    "distance_2d_m",
    "distance_3d_m",
    "linear_to_db",
    "mrc_gain",
    "noise_w_per_hz",
    "rate_bps",
    "uma_line_of_sight_probability",
    "watt_to_dbm",
]
