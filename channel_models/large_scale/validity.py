"""Validity: the ranges and releases for which TR 38.901 gives its models, and what happens outside them."""

import warnings
from typing import Any, Literal

import numpy as np

from channel_models.refusals import refuse
from channel_models.standards import table
from channel_models.units import BoolArray, FloatArray

Release = Literal[16, 19]

_FIELDS = {
    "f_c": "carrier_ghz",
    "h_BS": "base_height_m",
    "h_UT": "device_height_m",
    "h": "building_height_m",
    "W": "street_width_m",
    "d_2D": "ground_m",
    "d_3D": "distance_m",
}


class OutOfRange(UserWarning):
    """A formula is used outside the range for which its source gives it; it is evaluated as it stands."""


def check_range(
    scenario: str,
    symbol: str,
    values: FloatArray | float,
    *,
    enforce: bool,
    among: BoolArray | None = None,
) -> None:
    """Warn once, or raise ValueError, where values leave the range that TR 38.901 gives for a scenario.

    The warning holds no number of the run, so that Python's usual filter shows it once.

    Args:
        scenario: Key of the table, such as "UMa".
        symbol: The standard's symbol of the quantity: f_c, h_BS, h_UT, h, W, d_2D or d_3D.
        values: What is asked for, any shape.
        enforce: Raise instead of warning.
        among: Where the range matters, of the shape of the values; everywhere if None.

    Reference:
        3GPP TR 38.901, Table 7.4.1-1, "applicability range" [V].

    >>> check_range("RMa", "h", 60.0, enforce=True)
    Traceback (most recent call last):
        ...
    ValueError: building_height_m must be finite and from 5 to 50 in RMa of TR 38.901, got 60.0
    """
    least, most = table("tr38901_large_scale")[scenario]["range"][symbol]
    inside = (values >= least) & (values <= most)
    if among is not None:
        inside = inside | ~among
    if np.all(inside):
        return
    rule = f"from {least:g} to {most:g}" if least < most else f"{least:g}"
    if enforce:
        refuse(_FIELDS[symbol], values, inside, f"{rule} in {scenario} of TR 38.901")
    told = f"{_FIELDS[symbol]} is not {rule}, for which TR 38.901 gives {scenario}"
    warnings.warn(f"{told}; the formula is used as it stands", OutOfRange, stacklevel=1)


def refuse_release(release: int) -> None:
    """Raise ValueError unless tables of this release of TR 38.901 are known.

    >>> refuse_release(17)
    Traceback (most recent call last):
        ...
    ValueError: release must be 16 or 19, got 17
    """
    if release not in {16, 19}:
        raise ValueError(f"release must be 16 or 19, got {release}")


def of_release(entry: Any, release: int) -> Any:
    """Return what a table says in a release: the entry of that release, or the one entry where releases agree."""
    refuse_release(release)
    return entry.get(str(release), entry) if isinstance(entry, dict) else entry
