"""Spreads: the delay spread of a link and the power of its path in sight, by condition and release."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from channel_models.large_scale.path_loss import ConditionArray
from channel_models.large_scale.validity import of_release
from channel_models.standards import table
from channel_models.units import FloatArray


@dataclass(frozen=True, eq=False)
class Spreads:
    """Delay spread and K-factor by condition; arrays of shape (3,): in sight, out of sight, indoors.

    The standard correlates the two with each other and with shadowing; we draw them independently.

    Attributes:
        lg_ds_mean: Mean of the decimal logarithm of the delay spread in s.
        lg_ds_sigma: Standard deviation of that logarithm.
        k_mean_db: Mean of the K-factor in dB, −inf where no path is in sight.
        k_sigma_db: Standard deviation of the K-factor in dB.
    """

    lg_ds_mean: FloatArray
    lg_ds_sigma: FloatArray
    k_mean_db: FloatArray
    k_sigma_db: FloatArray

    def delay_spread_s(self, condition: ConditionArray, normal: FloatArray) -> FloatArray:
        """Return delay spreads 10^(μ + σ z), shape (K, S), from conditions and standard normals z of that shape."""
        lg_s = self.lg_ds_sigma[condition]
        lg_s *= normal
        lg_s += self.lg_ds_mean[condition]
        return np.asarray(np.exp(np.log(10.0) * lg_s))

    def k_factor_db(self, condition: ConditionArray, normal: FloatArray) -> FloatArray:
        """Return K-factors μ + σ z, −inf out of sight, shape (K, S), from conditions and normals z of that shape."""
        k_db = self.k_sigma_db[condition]
        k_db *= normal
        k_db += self.k_mean_db[condition]
        return k_db


@cache
def spreads(scenario: str, carrier_ghz: float, release: int = 19) -> Spreads:
    """Return the spreads of a scenario: lg DS ~ N(a + b lg(c + f), σ²), K ~ N(μ, σ²) in sight.

    Below 6 GHz (UMa, InH) and 2 GHz (UMi) the values of that frequency hold.

    Args:
        scenario: Key of the table: UMa, UMi, RMa or InH.
        carrier_ghz: Carrier frequency f, in GHz.
        release: Release of the standard, 16 or 19; UMa and UMi differ.

    Reference:
        3GPP TR 38.901, Table 7.5-6 [V]; release 19 and RMa indoors as in Sionna 2.2 [1].

    >>> spreads("UMi", 28.0).lg_ds_mean.round(3)
    array([-7.543, -7.192, -6.62 ])
    """
    found = table("tr38901_large_scale")[scenario]
    lg_f = float(np.log10(found["DS"]["offset"] + max(carrier_ghz, found["DS"]["f_least"])))
    entries = of_release(found["DS"], release)
    conditions = [name for name in ("LOS", "NLOS", "O2I") if name in entries]
    mean, sigma = (
        {name: entries[name][key][0] + entries[name][key][1] * lg_f for name in conditions}
        for key in ("mu", "sigma")
    )
    return _with_k_factor(found["K"], by_condition(mean), by_condition(sigma))


def factory_spreads(length_m: float, width_m: float, height_m: float) -> Spreads:
    """Return the spreads of a factory hall: means lg(26 V/S + 14) − 9.35 in sight, lg(30 V/S + 32) − 9.44 out of it.

    V is the volume of the hall, S the surface of its walls, floor and ceiling.

    Args:
        length_m: Length of the hall.
        width_m: Width of the hall.
        height_m: Height of the hall.

    Reference:
        3GPP TR 38.901, Table 7.5-6, part 3 [V].

    >>> factory_spreads(120.0, 60.0, 10.0).lg_ds_mean[:2].round(3)
    array([-7.278, -7.258])
    """
    found = table("tr38901_large_scale")["InF"]
    volume_m3 = length_m * width_m * height_m
    surface_m2 = 2.0 * (length_m * width_m + length_m * height_m + width_m * height_m)
    mean = {
        name: np.log10(entry["V/S"] * volume_m3 / surface_m2 + entry["plus"]) - entry["minus"]
        for name, entry in found["DS"].items()
    }
    sigma = {name: entry["sigma"] for name, entry in found["DS"].items()}
    return _with_k_factor(found["K"], by_condition(mean), by_condition(sigma))


def by_condition(column: Mapping[str, float], out_of_sight: str = "NLOS") -> FloatArray:
    """Return a column of a table by condition: in sight, out of sight, indoors; shape (3,).

    Args:
        column: Entry → value; where no O2I stands, no link is ever indoors in that sense.
        out_of_sight: Entry that holds out of sight.

    >>> by_condition({"LOS": 4.0, "NLOS": 6.0, "O2I": 7.0})
    array([4., 6., 7.])
    """
    hidden = column[out_of_sight]
    return np.array([column["LOS"], hidden, column.get("O2I", hidden)], dtype=np.float64)


def _with_k_factor(k: Mapping[str, float], mean: FloatArray, sigma: FloatArray) -> Spreads:
    return Spreads(
        lg_ds_mean=mean,
        lg_ds_sigma=sigma,
        k_mean_db=np.array([k["mu"], -np.inf, -np.inf]),
        k_sigma_db=np.array([k["sigma"], 0.0, 0.0]),
    )
