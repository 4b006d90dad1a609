"""What a field accepts, in words, and what a unit slip such as ``10MHz`` should have been."""

import re
from functools import reduce
from operator import or_
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import Field

UNITS = {
    "_hz": "Hz", "_ghz": "GHz", "_m": "m", "_s": "s", "_db": "dB", "_dbm": "dBm", "_w": "W", "_j": "J",
    "_bits": "bit", "_mps": "m/s",
}  # fmt: skip
PREFIXES = {"": 0, "k": 3, "K": 3, "M": 6, "G": 9, "m": -3, "u": -6, "µ": -6, "n": -9}
WORDS = {"above": "above", "least": "at least", "below": "below", "most": "at most"}
PYDANTIC = {"above": "gt", "least": "ge", "below": "lt", "most": "le"}
NAMES = {
    float: "a number",
    int: "a whole number",
    str: "a text",
    bool: "true or false",
    type(None): "null",
}


def unit_of(name: str) -> str:
    """Return the unit that a field's name ends with, or nothing.

    >>> unit_of("bandwidth_hz"), unit_of("rounds")
    ('Hz', '')
    """
    return next((unit for suffix, unit in UNITS.items() if name.endswith(suffix)), "")


def constrained(hint: Any) -> Any:
    """Return a type with our bounds (``("above", 0.0)``) as pydantic understands them; numbers are finite."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        bounds: dict[str, Any] = {PYDANTIC[key]: bound for key, bound in _bounds(args[1:]).items()}
        inner = args[0] if args[0] is float else constrained(args[0])
        finite: dict[str, Any] = {"allow_inf_nan": False} if args[0] is float else {}
        return Annotated[inner, Field(**bounds, **finite)]
    if origin in (Union, UnionType):
        return reduce(or_, (constrained(arg) for arg in args))
    if origin in (tuple, list):
        return origin[tuple(arg if arg is ... else constrained(arg) for arg in args)]
    return Annotated[float, Field(allow_inf_nan=False)] if hint is float else hint


def accepts(hint: Any, unit: str = "") -> str:
    """Return in words what a type accepts.

    >>> accepts(Annotated[float, ("above", 0.0)], "Hz")
    'a number above 0, in Hz'
    """
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        bounds = " and ".join(f"{WORDS[key]} {bound:g}" for key, bound in _bounds(args[1:]).items())
        text = f"{accepts(args[0])} {bounds}".rstrip()
    elif origin is Literal:
        text = "one of " + ", ".join(map(str, args))
    elif origin in (Union, UnionType):
        text = " or ".join(accepts(arg) for arg in args)
    elif origin in (tuple, list):
        inner = [accepts(arg) for arg in args if arg is not ...]
        text = (
            f"a list of {inner[0]} each"
            if ... in args or origin is list
            else f"a list of {len(inner)}: " + inner[0]
        )
    else:
        text = NAMES.get(hint, getattr(hint, "__name__", str(hint)))
    return f"{text}, in {unit}" if unit else text


def example(hint: Any) -> str:
    """Return a value that a type accepts, as YAML.

    >>> example(Annotated[float, ("above", 0.0)]), example(tuple[int, int]), example(Literal["delta", "magnitude"])
    ('1', '[1, 1]', 'delta')
    """
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        bounds = _bounds(args[1:])
        value = bounds.get("least", bounds.get("above", 0.0) + 1.0)
        fits = value <= bounds.get("most", value) and value < bounds.get("below", value + 1.0)
        return f"{value if fits else value / 2:g}"
    if origin in (tuple, list):
        return "[" + ", ".join(example(arg) for arg in args if arg is not ...) + "]"
    if origin is not None:
        return str(args[0]) if origin is Literal else example(args[0])
    return {float: "1", int: "1", bool: "true"}.get(hint, "name")


def number_in(text: object, unit: str) -> str:
    """Return the number that a text with a unit stands for, as YAML, or nothing if it stands for none.

    >>> number_in("10MHz", "Hz"), number_in("250 ms", "s"), number_in("3 dB", "Hz")
    ('10e6', '0.25', '')
    """
    match = (
        re.fullmatch(r"([-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?)\s*(\S+)", text)
        if isinstance(text, str)
        else None
    )
    if not match or not unit:
        return ""
    number, given = match.groups()
    exponents = {prefix + unit: exponent for prefix, exponent in PREFIXES.items()}
    if unit == "GHz":
        exponents = {prefix + "Hz": exponent - 9 for prefix, exponent in PREFIXES.items()}
    if given not in exponents:
        return ""
    exponent = exponents[given]
    return (
        f"{number}e{exponent}"
        if exponent >= 3 and "e" not in number
        else f"{float(number) * 10.0**exponent:g}"
    )


def _bounds(metadata: tuple[Any, ...]) -> dict[str, float]:
    return dict(
        entry
        for entry in metadata
        if isinstance(entry, tuple) and len(entry) == 2 and entry[0] in WORDS
    )
