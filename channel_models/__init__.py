"""Wireless channels as values: from where devices stand to the bits that their links carry.

Needs numpy and scipy only and is useful alone. Shapes: K devices, S sites, C cells, M antennas of the base station, F
blocks of the band. Quantities are SI and linear unless their name ends in ``_db`` or ``_dbm``.

Facts taken from the literature carry a tag that says how far they were checked: [VV] reproduced by an independent
implementation written from the formula, [V] two independent public simulators agree, [1] one public simulator only,
[S] from the specification as known, clause not re-read.
"""

from channel_models.channel import Channel, ChannelState, Draw, Links
from channel_models.large_scale.fields import Field, draw_field
from channel_models.large_scale.indoor import IndoorFactory, IndoorOffice
from channel_models.large_scale.line_of_sight import (
    inf_line_of_sight_probability,
    inh_line_of_sight_probability,
    rma_line_of_sight_probability,
    uma_line_of_sight_probability,
    umi_line_of_sight_probability,
)
from channel_models.large_scale.path_loss import (
    IN_SIGHT,
    INDOORS,
    OUT_OF_SIGHT,
    CloseIn,
    FreeSpace,
    LargeScale,
    LogDistance,
    PathLoss,
)
from channel_models.large_scale.rural import RuralMacro
from channel_models.large_scale.shadowing import LogNormal, NoShadowing, Shadowing, ShadowMap, Track
from channel_models.large_scale.urban import UrbanMacro, UrbanMicro
from channel_models.large_scale.validity import OutOfRange
from channel_models.layouts.gauss_markov import GaussMarkov
from channel_models.layouts.geometry import Paths, distance_2d_m, distance_3d_m, paths_between
from channel_models.layouts.mobility import Mobility, Static
from channel_models.layouts.placements import Explicit, HallFloor, HexagonalCell, Placement, Ring
from channel_models.layouts.random_waypoint import RandomWaypoint
from channel_models.layouts.sites import Hall, Hexagonal, Layout, OneCell, Sites
from channel_models.layouts.traces import Trace
from channel_models.rates.block_errors import BlockErrors, Curve
from channel_models.rates.estimation import Estimation, Perfect, Pilots
from channel_models.rates.interference import (
    Coupled,
    FullBuffer,
    Interference,
    Load,
    Meddling,
    NoInterference,
)
from channel_models.rates.links import FiniteBlocklength, Gap, Link, Outage, Shannon, rate_bps
from channel_models.rates.mcs import Mcs
from channel_models.rates.receivers import broadcast_gain, mmse_sinr, mrc_gain, mrc_sinr, zf_sinr
from channel_models.small_scale.correlation import (
    Correlation,
    Exponential,
    LocalScattering,
    Uncorrelated,
)
from channel_models.small_scale.doppler import AutoRegressive, Block, Doppler, Jakes
from channel_models.small_scale.elements import Column, Element, Isotropic, Sector
from channel_models.small_scale.fading import (
    Fading,
    Nakagami,
    NoFading,
    Rayleigh,
    Rician,
    Surroundings,
)
from channel_models.small_scale.tapped_delay import TappedDelayLine
from channel_models.units import (
    SPEED_OF_LIGHT_38901,
    db_to_linear,
    dbm_to_watt,
    linear_to_db,
    noise_w_per_hz,
    watt_to_dbm,
)

__all__ = [
    "INDOORS",
    "IN_SIGHT",
    "OUT_OF_SIGHT",
    "SPEED_OF_LIGHT_38901",
    "AutoRegressive",
    "Block",
    "BlockErrors",
    "Channel",
    "ChannelState",
    "CloseIn",
    "Column",
    "Correlation",
    "Coupled",
    "Curve",
    "Doppler",
    "Draw",
    "Element",
    "Estimation",
    "Explicit",
    "Exponential",
    "Fading",
    "Field",
    "FiniteBlocklength",
    "FreeSpace",
    "FullBuffer",
    "Gap",
    "GaussMarkov",
    "Hall",
    "HallFloor",
    "Hexagonal",
    "HexagonalCell",
    "IndoorFactory",
    "IndoorOffice",
    "Interference",
    "Isotropic",
    "Jakes",
    "LargeScale",
    "Layout",
    "Link",
    "Links",
    "Load",
    "LocalScattering",
    "LogDistance",
    "LogNormal",
    "Mcs",
    "Meddling",
    "Mobility",
    "Nakagami",
    "NoFading",
    "NoInterference",
    "NoShadowing",
    "OneCell",
    "OutOfRange",
    "Outage",
    "PathLoss",
    "Paths",
    "Perfect",
    "Pilots",
    "Placement",
    "RandomWaypoint",
    "Rayleigh",
    "Rician",
    "Ring",
    "RuralMacro",
    "Sector",
    "ShadowMap",
    "Shadowing",
    "Shannon",
    "Sites",
    "Static",
    "Surroundings",
    "TappedDelayLine",
    "Trace",
    "Track",
    "Uncorrelated",
    "UrbanMacro",
    "UrbanMicro",
    "broadcast_gain",
    "db_to_linear",
    "dbm_to_watt",
    "distance_2d_m",
    "distance_3d_m",
    "draw_field",
    "inf_line_of_sight_probability",
    "inh_line_of_sight_probability",
    "linear_to_db",
    "mmse_sinr",
    "mrc_gain",
    "mrc_sinr",
    "noise_w_per_hz",
    "paths_between",
    "rate_bps",
    "rma_line_of_sight_probability",
    "uma_line_of_sight_probability",
    "umi_line_of_sight_probability",
    "watt_to_dbm",
    "zf_sinr",
]
