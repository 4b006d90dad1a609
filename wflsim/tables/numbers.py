"""Numbers as they are printed: prefixes of units, and digits by how sure they are."""

from collections.abc import Sequence
from math import floor, isfinite, isnan, log10
from typing import Any

from wflsim.tables.measures import unit as unit_of

UNKNOWN = "–"
_PREFIXES = (
    (1e9, "G"),
    (1e6, "M"),
    (1e3, "k"),
    (1.0, ""),
    (1e-3, "m"),
    (1e-6, "µ"),
    (1e-9, "n"),
)
_SCALED = frozenset({"Hz", "bit", "bit/s", "J", "W", "F"})
_SHRUNK = frozenset({"s"})  # nobody says kiloseconds


def prefixed(size: float, unit: str) -> tuple[float, str]:
    """Return by what to divide a number of some size, and the unit after that.

    >>> prefixed(2.5e6, "bit"), prefixed(0.02, "s"), prefixed(4000.0, "s"), prefixed(-100.0, "dBm")
    ((1000000.0, 'Mbit'), (0.001, 'ms'), (1.0, 's'), (1.0, 'dBm'))
    """
    size = abs(size)
    if unit not in _SCALED | _SHRUNK or not isfinite(size) or size == 0.0:
        return 1.0, unit
    for factor, prefix in _PREFIXES:
        if size >= factor * (1 - 1e-12) and (factor <= 1.0 or unit in _SCALED):
            return factor, f"{prefix}{unit}"
    return 1.0, unit


def significant(value: float, digits: int = 4) -> str:
    """Return a number with so many digits and no exponent; a whole number keeps all of its own.

    >>> significant(0.0123456), significant(123456.7), significant(2.0), significant(float("nan"))
    ('0.01235', '123457', '2.000', '–')
    """
    if not isfinite(value):
        return UNKNOWN if isnan(value) else "∞" if value > 0 else "-∞"
    places = digits - 1 - floor(log10(abs(value))) if value else 0
    return f"{value:.{max(places, 0)}f}"


def uncertain(mean: float, half: float) -> str:
    """Return a mean with its half width, rounded to two significant digits of the latter.

    >>> uncertain(93.3172, 1.2345), uncertain(1234.5, 123.4), uncertain(0.5, 0.0996), uncertain(3.14159, float("nan"))
    ('93.3 ± 1.2', '1230 ± 120', '0.50 ± 0.10', '3.142')
    """
    if not isfinite(half) or isnan(mean):
        return significant(mean)
    if half == 0.0:
        return f"{significant(mean)} ± 0"
    places = 1 - int(f"{half:.1e}".partition("e")[2])
    shown = max(places, 0)
    return f"{round(mean, places):.{shown}f} ± {round(half, places):.{shown}f}"


def quantity(name: str, value: Any) -> str:
    """Return a value of a scenario with the unit that its name tells.

    >>> quantity("bandwidth_hz", 1e6), quantity("cpu_hz", [1e8, 4e8]), quantity("hidden", [128, 64]), quantity("restart", True)
    ('1 MHz', '100 to 400 MHz', '128, 64', 'yes')
    """
    unit = unit_of(name)
    if isinstance(value, list | tuple) and value and all(map(_number, value)):
        return _several(value, unit)
    if _number(value):
        factor, told = prefixed(float(value), unit)
        return f"{value / factor if factor != 1.0 else value:.6g} {told}".rstrip()
    if isinstance(value, bool):
        return "yes" if value else "no"
    return UNKNOWN if value is None else str(value)


def _several(values: Sequence[float], unit: str) -> str:
    factor, told = prefixed(max(map(abs, values)), unit)
    texts = [f"{value / factor:.6g}" for value in values]
    pair = len(texts) == 2 and values[0] <= values[1] and unit
    joined = (" to " if pair else ", ").join(dict.fromkeys(texts) if pair else texts)
    return f"{joined} {told}".rstrip()


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
