"""Wireless channels as values: from where devices stand to what their links carry.

Needs numpy and scipy only and is useful alone. Shapes: K devices, M antennas of the base station. Quantities are SI
and linear unless their name ends in ``_db`` or ``_dbm``.

Facts taken from the literature carry a tag that says how far they were checked: [VV] reproduced by an independent
implementation written from the formula, [V] two independent public simulators agree, [1] one public simulator only,
[S] from the specification as known, clause not re-read.
"""

from channel_models.channel import Channel, ChannelState, Draw, Links
from channel_models.large_scale.line_of_sight import uma_line_of_sight_probability
from channel_models.large_scale.path_loss import LargeScale, LogDistance, PathLoss
from channel_models.large_scale.shadowing import LogNormal, NoShadowing, Shadowing
from channel_models.large_scale.urban import UrbanMacro
from channel_models.layouts.geometry import Paths, distance_2d_m, distance_3d_m, paths_between
from channel_models.layouts.mobility import Mobility, Static
from channel_models.layouts.placements import Explicit, Placement, Ring
from channel_models.layouts.sites import Layout, OneCell, Sites
from channel_models.rates.links import Gap, Link, Shannon, rate_bps
from channel_models.rates.receivers import broadcast_gain, mrc_gain
from channel_models.small_scale.fading import Fading, NoFading, Rayleigh, Rician, Surroundings
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
    "Layout",
    "Link",
    "Links",
    "LogDistance",
    "LogNormal",
    "Mobility",
    "NoFading",
    "NoShadowing",
    "OneCell",
    "PathLoss",
    "Paths",
    "Placement",
    "Rayleigh",
    "Rician",
    "Ring",
    "Shadowing",
    "Shannon",
    "Sites",
    "Static",
    "Surroundings",
    "UrbanMacro",
    "broadcast_gain",
    "db_to_linear",
    "dbm_to_watt",
    "distance_2d_m",
    "distance_3d_m",
    "linear_to_db",
    "mrc_gain",
    "noise_w_per_hz",
    "paths_between",
    "rate_bps",
    "uma_line_of_sight_probability",
    "watt_to_dbm",
]
