"""Penetration: what the walls of buildings and the bodies of cars take from a link."""

from typing import Literal, NamedTuple

import numpy as np

from channel_models.large_scale.validity import of_release
from channel_models.standards import table

Material = Literal["glass", "IRR_glass", "concrete", "wood"]
Wall = Literal["low", "high", "single_frequency"]


class Penetration(NamedTuple):
    """A loss that is normal in dB.

    Attributes:
        mean_db: Mean of the loss.
        sigma_db: Its standard deviation.
    """

    mean_db: float
    sigma_db: float


NO_LOSS = Penetration(0.0, 0.0)


def material_loss_db(material: Material, carrier_ghz: float, release: int = 19) -> float:
    """Return the loss through a material in dB, linear in the carrier: a + b f.

    Standard glass 2 + 0.2 f, concrete 5 + 4 f, wood 4.85 + 0.12 f, infrared-reflecting glass 23 + 0.3 f in release 16
    and 25.4 + 0.11 f in release 19.

    Args:
        material: Which material.
        carrier_ghz: Carrier frequency f, in GHz.
        release: Release of the standard, 16 or 19.

    Reference:
        3GPP TR 38.901, Table 7.4.3-1 [V]; wood [S]; release 19 as in Sionna 2.2 [1].

    >>> material_loss_db("concrete", 6.0)
    29.0
    """
    constant, slope = of_release(table("tr38901_penetration")["L"][material], release)
    return float(constant + slope * carrier_ghz)


def wall_penetration(wall: Wall, carrier_ghz: float, release: int = 19) -> Penetration:
    """Return the loss PL_tw through an outer wall and its deviation σ_P.

    PL_tw = 5 − 10 lg Σ p_i 10^(−L_i/10): low loss is 30 % standard glass and 70 % concrete, high loss is 70 %
    infrared-reflecting glass and 30 % concrete. The single-frequency wall is 20 dB without deviation.

    Args:
        wall: Low or high loss, or the model of one frequency for carriers below 6 GHz.
        carrier_ghz: Carrier frequency, in GHz.
        release: Release of the standard, 16 or 19.

    Reference:
        3GPP TR 38.901, Tables 7.4.3-2 and 7.4.3-3 [V].

    >>> round(wall_penetration("low", 3.5).mean_db, 3), wall_penetration("low", 3.5).sigma_db
    (12.698, 4.4)
    """
    found = table("tr38901_penetration")[wall]
    if wall == "single_frequency":
        return Penetration(found["PL_tw"], found["sigma_P"])
    passed = sum(
        share * 10.0 ** (-material_loss_db(material, carrier_ghz, release) / 10.0)
        for material, share in found["p"].items()
    )
    return Penetration(float(found["PL_npi"] - 10.0 * np.log10(passed)), found["sigma_P"])


def car_penetration(*, metallised: bool = False) -> Penetration:
    """Return the loss into a car and its deviation: N(9, 5²) dB, or mean 20 dB behind metallised windows.

    Args:
        metallised: Whether the windows are metallised.

    Reference:
        3GPP TR 38.901, section 7.4.3.2, for carriers from 0.6 GHz to 60 GHz [V].

    >>> car_penetration()
    Penetration(mean_db=9.0, sigma_db=5.0)
    """
    found = table("tr38901_penetration")["car"]
    return Penetration(found["mu_metallised" if metallised else "mu"], found["sigma_P"])


def refuse_single_frequency(penetration: str, carrier_ghz: float) -> None:
    """Raise ValueError where the model of one frequency is asked for at a carrier that it does not know.

    >>> refuse_single_frequency("single_frequency", 28.0)
    Traceback (most recent call last):
        ...
    ValueError: penetration must be materials from 6 GHz on, got single_frequency
    """
    below_ghz = table("tr38901_penetration")["single_frequency"]["f_below"]
    if penetration == "single_frequency" and not carrier_ghz < below_ghz:
        raise ValueError(
            f"penetration must be materials from {below_ghz:g} GHz on, got {penetration}"
        )
