"""Conditions: what being in sight, out of sight or indoors decides of a link in TR 38.901, and the chance behind it."""

from dataclasses import dataclass

import numpy as np

from channel_models.large_scale.buildings import Population, Whereabouts
from channel_models.large_scale.fields import Field
from channel_models.large_scale.line_of_sight import Sight
from channel_models.large_scale.path_loss import INDOORS, LargeScale, zenith_rad
from channel_models.large_scale.spreads import Spreads
from channel_models.units import BoolArray, FloatArray


@dataclass(frozen=True, eq=False)
class Chance:
    """What chance decides once about the links of K devices with S sites.

    Attributes:
        luck: How lucky each link is with its sight, shape (K, S) or (1, 1), or the map that says so.
        whereabouts: Where the devices are.
        k_factor: Standard normals behind the K-factors, shape (K, S).
        delay_spread: Standard normals behind the delay spreads, shape (K, S).
        environment: Uniforms behind the effective height of the environment, shape (K, S); None where it is 1 m.
    """

    luck: FloatArray | Field
    whereabouts: Whereabouts
    k_factor: FloatArray
    delay_spread: FloatArray
    environment: FloatArray | None = None


@dataclass(frozen=True, eq=False)
class Statistics:
    """Numbers of a scenario by condition; arrays of shape (3,): in sight, out of sight, indoors.

    Attributes:
        sigma_db: Deviation of the shadowing.
        correlation_m: Distance over which that shadowing's correlation falls to 1/e.
        spreads: Delay spread and K-factor.
    """

    sigma_db: FloatArray
    correlation_m: FloatArray
    spreads: Spreads


def draw_chance(
    devices: int,
    sites: int,
    rng: np.random.Generator,
    *,
    sight: Sight,
    population: Population,
    environment: bool = False,
) -> Chance:
    """Return what chance decides once about the links of K devices with S sites.

    Args:
        devices: Number of devices K; more of them change nothing for those before.
        sites: Number of sites S.
        rng: Generator.
        sight: Whose luck decides about line of sight.
        population: Where devices are.
        environment: Whether the effective height of the environment is a matter of chance.
    """
    luck, whereabouts, k_factor, delay_spread, height = rng.spawn(5)
    shape = (devices, sites)
    return Chance(
        luck=sight.draw(devices, sites, luck),
        whereabouts=population.draw(devices, sites, whereabouts),
        k_factor=k_factor.standard_normal(shape),
        delay_spread=delay_spread.standard_normal(shape),
        environment=height.random(shape) if environment else None,
    )


def large_scale_of(
    statistics: Statistics,
    chance: Chance,
    ground_m: FloatArray,
    rise_m: FloatArray,
    *,
    sight: BoolArray,
    basic_db: FloatArray,
) -> LargeScale:
    """Return all that a scenario says of links whose sight and basic loss are known.

    A device indoors keeps the basic loss of its outdoor sight; wall, 0.5 dB for each metre inside, and the deviation of
    that loss come on top.

    Args:
        statistics: Numbers of the scenario.
        chance: What was drawn.
        ground_m: Distance along the ground, shape (K, S).
        rise_m: Height of the base station above the devices, shape (K, 1) or (1, 1).
        sight: Whether the outdoor part of each link is in sight, shape (K, S).
        basic_db: Loss without penetration, shape (K, S).

    Reference:
        3GPP TR 38.901, section 7.4.3.1 [V].
    """
    at = chance.whereabouts
    condition = np.where(at.indoor, np.uint8(INDOORS), (~sight).view(np.uint8))
    return LargeScale(
        loss_db=basic_db + at.penetration_db + 0.5 * at.inside_m(ground_m),
        sigma_db=statistics.sigma_db[condition],
        condition=condition,
        correlation_m=statistics.correlation_m[condition],
        zenith_rad=zenith_rad(ground_m, rise_m),
        k_factor_db=statistics.spreads.k_factor_db(condition, chance.k_factor),
        delay_spread_s=statistics.spreads.delay_spread_s(condition, chance.delay_spread),
    )
