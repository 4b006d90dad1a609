"""What to write instead: numbers with units, misspelt names, and what was probably meant."""

import json
import re
from dataclasses import is_dataclass
from difflib import get_close_matches
from functools import cache
from math import log10
from typing import Any

from pydantic import TypeAdapter, ValidationError

from wflsim.catalog import family_of, items_of
from wflsim.scenario.quantities import accepts, constrained, example, unit_of

PREFIXES = {"": 0, "k": 3, "m": -3, "u": -6, "µ": -6, "n": -9, "M": 6, "G": 9}
HERTZ = {"": 0, "k": 3, "m": 6, "g": 9}
SECONDS = {"min": 60.0, "h": 3600.0}


def valid(hint: Any, value: Any) -> Any:
    """Return a value under a type; a ValidationError if it does not fit."""
    return _adapter(hint).validate_json(json.dumps(value), strict=True)


@cache
def _adapter(hint: Any) -> TypeAdapter[Any]:
    return TypeAdapter(constrained(hint))


def for_value(hint: Any, name: str, value: Any) -> str:
    """Return what to write for a value that a field does not accept."""
    written = as_meant(hint, name, value)
    if written:
        return f"write `{name}: {written}`"
    if isinstance(value, list) and not accepts(hint).startswith("a list"):
        return "give one value, not a list (several values are a sweep's or a variant's)"
    return f"write for example `{name}: {example(hint)}`"


def for_key(key: str, value: Any, known: dict[str, Any], label: str) -> tuple[str, str]:
    """Return the name that an unknown key was probably meant to be, and what to write.

    Args:
        key: The unknown key.
        value: What was given for it.
        known: Known name → its type.
        label: What the known names are.
    """
    if key == "<<":
        return "", "YAML 1.2 has no merge keys; write the keys out"
    meant = closest(key, list(known))
    unit = key.rpartition("_")[2]
    said = (
        f"{value}{unit}"
        if isinstance(value, int | float) and unit_of(key) != unit_of(meant)
        else value
    )
    number = meant and not (
        family_of(known[meant])
        or items_of(known[meant])
        or is_dataclass(known[meant])
        or known[meant] is dict
    )
    written = as_meant(known[meant], meant, said) if number and isinstance(said, str) else ""
    if written:
        return meant, f"write `{meant}: {written}`"
    return meant, did_you_mean(key, list(known), label)


def as_meant(hint: Any, name: str, value: Any) -> str:
    """Return the YAML that says what a value meant, if that can be told and would be accepted.

    >>> as_meant(float, "bandwidth_hz", "10MHz"), as_meant(float, "downlink_dbm", "20 W"), as_meant(float, "a_s", "x")
    ('10e6', '43.0103', '')
    """
    unit = unit_of(name)
    several = isinstance(value, list)
    texts = [number_in(part, unit) for part in (value if several else [value])]
    if not all(texts) or not texts:
        return ""
    if several:
        texts.sort(key=float)
    for written in (
        texts[0] if not several else "",
        f"[{', '.join(texts)}]",
        f"[{', '.join(2 * texts)}]",
    ):
        try:
            valid(hint, json.loads(written) if written else None)
        except (ValidationError, ValueError):
            continue
        return written if json.loads(written) != value else ""
    return ""


def number_in(text: Any, unit: str) -> str:
    """Return the number that a text stands for in a unit, or nothing if it stands for none.

    >>> number_in("10MHz", "Hz"), number_in("250 ms", "s"), number_in("3 dB", "Hz"), number_in("50%", "")
    ('10e6', '0.25', '', '0.5')
    """
    number = r"([-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?)"
    if isinstance(text, int | float) and not isinstance(text, bool) and abs(text) < 1e300:
        text = f"{float(text):g}"
    match = re.fullmatch(rf"{number}\s*([^\d\s]*)", text.strip()) if isinstance(text, str) else None
    if not match:
        return ""
    value, given = match.groups()
    if given == "%":
        return f"{float(value) / 100:g}" if not unit else ""
    return _converted(value, given, unit) if given else str(value)


def _converted(value: str, given: str, unit: str) -> str:
    """Return a number with a unit, told in another."""
    if unit == "dBm" and given.lower().endswith("w") and float(value) > 0:
        watts = _converted(value, given, "W")
        return f"{10 * log10(float(watts) * 1e3):g}" if watts else ""
    if unit == "s" and given in SECONDS:
        return f"{float(value) * SECONDS[given]:g}"
    exponent = _exponent(given, unit)
    if exponent is None:
        return ""
    return (
        f"{value}e{exponent}"
        if exponent >= 3 and "e" not in value.lower()
        else f"{float(value) * 10.0**exponent:g}"
    )


def _exponent(given: str, unit: str) -> int | None:
    """Return the power of ten between two units, or nothing if one cannot be told in the other."""
    if unit in ("Hz", "GHz"):
        prefix = given.lower().removesuffix("hz")
        shift = 9 if unit == "GHz" else 0
        return HERTZ[prefix] - shift if prefix in HERTZ else None
    if unit in ("dB", "dBm") or not unit:
        return None
    spelt = given if given.endswith(unit) else given.lower().removesuffix(unit.lower()) + unit
    return PREFIXES.get(spelt.removesuffix(unit)) if given.lower().endswith(unit.lower()) else None


def closest(word: str, known: list[str]) -> str:
    """Return the known word that was probably meant, or nothing.

    >>> closest("bandwith_hz", ["rounds", "bandwidth_hz"]), closest("bandwidth", ["bandwidth_hz"])
    ('bandwidth_hz', 'bandwidth_hz')
    """
    begun = [name for name in known if name.startswith(f"{word}_")]
    return next(iter(begun or get_close_matches(word, known, n=1, cutoff=0.6)), "")


def did_you_mean(word: str, known: list[str], label: str) -> str:
    """Return a remedy for a word that is not known."""
    if not known:
        return f"leave it out; there are no {label}"
    meant, listed = closest(word, known), f"{label}: {', '.join(known)}"
    return f"did you mean '{meant}'? ({listed})" if meant else listed
