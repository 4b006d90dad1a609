"""Units: decibels and watts, the noise floor, array types and the bounds that a field may declare."""

from typing import Annotated, TypeVar

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
ComplexArray = npt.NDArray[np.complex128]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

# Bounds of a field: `above` and `below` exclude the number, `least` and `most` include it.
Positive = Annotated[float, ("above", 0.0)]
NonNegative = Annotated[float, ("least", 0.0)]
Share = Annotated[float, ("least", 0.0), ("most", 1.0)]
Count = Annotated[int, ("least", 1), ("most", 100_000_000)]
Decibel = Annotated[float, ("least", -300.0), ("most", 300.0)]

Quantity = TypeVar("Quantity", float, FloatArray)

SPEED_OF_LIGHT_38901 = 3.0e8
"""Speed of light in m/s as TR 38.901 rounds it [S]; the exact value moves a breakpoint's loss by 0.005 dB."""

THERMAL_NOISE_DBM_PER_HZ = -174.0


def db_to_linear(value_db: Quantity) -> Quantity:
    """Return a power ratio, linear, from decibels; any shape.

    >>> db_to_linear(20.0)
    100.0
    """
    linear: Quantity = 10.0 ** (value_db / 10.0)
    return linear


def linear_to_db(ratio: Quantity) -> Quantity:
    """Return a positive power ratio in decibels; any shape.

    >>> float(linear_to_db(100.0))
    20.0
    """
    value_db: Quantity = 10.0 * np.log10(ratio)
    return value_db


def dbm_to_watt(power_dbm: Quantity) -> Quantity:
    """Return a power in W from dBm (decibels over a milliwatt); any shape.

    >>> dbm_to_watt(30.0)
    1.0
    """
    return db_to_linear(power_dbm - 30.0)


def watt_to_dbm(power_w: Quantity) -> Quantity:
    """Return a positive power in dBm from W; any shape.

    >>> float(watt_to_dbm(1.0))
    30.0
    """
    return linear_to_db(power_w) + 30.0


def noise_w_per_hz(noise_figure_db: float) -> float:
    """Return the noise density at a receiver in W/Hz: −174 dBm/Hz plus its noise figure.

    We take the rounded −174 dBm/Hz that link budgets use, not kT at 290 K (−173.975 dBm/Hz): 0.025 dB apart.

    Args:
        noise_figure_db: Noise figure of the receiver, dB.

    >>> f"{noise_w_per_hz(7.0):.4e}"
    '1.9953e-20'
    """
    return float(dbm_to_watt(THERMAL_NOISE_DBM_PER_HZ + noise_figure_db))
