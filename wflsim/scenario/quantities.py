"""What a field accepts: as pydantic understands it, and in words."""

from functools import reduce
from operator import or_
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import AfterValidator, BeforeValidator, Field

UNITS = {
    "_m_s": "m/s", "_bps": "bit/s", "_hz": "Hz", "_ghz": "GHz", "_m": "m", "_s": "s", "_ns": "ns", "_db": "dB", "_dbi": "dBi",
    "_dbm": "dBm", "_w": "W", "_j": "J", "_deg": "degrees", "_v": "V", "_a": "A", "_f": "F",
}  # fmt: skip
WORDS = {"above": "above", "least": "at least", "below": "below", "most": "at most"}
PYDANTIC = {"above": "gt", "least": "ge", "below": "lt", "most": "le", "pattern": "pattern"}
NAMES = {
    float: "a number",
    int: "a whole number",
    str: "a text",
    bool: "true or false",
    Any: "a value",
    type(None): "null",
}
RISING = ("order", "rising")


def unit_of(name: str) -> str:
    """Return the unit that a field's name ends with, or nothing.

    >>> unit_of("bandwidth_hz"), unit_of("rounds")
    ('Hz', '')
    """
    return next((unit for suffix, unit in UNITS.items() if name.endswith(suffix)), "")


def constrained(hint: Any) -> Any:
    """Return a type with our bounds (``("above", 0.0)``) as pydantic understands them.

    Numbers are finite, and a whole number may be written as 1e3.
    """
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        bounds: dict[str, Any] = {
            PYDANTIC[key]: bound for key, bound in _pairs(args[1:]).items() if key in PYDANTIC
        }
        rules = [Field(**bounds)] if bounds else []
        rules += [AfterValidator(_rising)] if RISING in args[1:] else []
        # Bounds of whole numbers stand before their validator, or the schema does not know them.
        inner = (
            (int, *rules, BeforeValidator(_whole))
            if args[0] is int
            else (constrained(args[0]), *rules)
        )
        return Annotated[inner] if len(inner) > 1 else inner[0]
    if origin in (Union, UnionType):
        return reduce(or_, map(constrained, args))
    if origin in (tuple, list, dict):
        return origin[tuple(arg if arg is ... else constrained(arg) for arg in args)]
    numbers = {
        float: Annotated[float, Field(allow_inf_nan=False)],
        int: Annotated[int, BeforeValidator(_whole)],
    }
    return numbers.get(hint, hint)


def accepts(hint: Any, unit: str = "") -> str:
    """Return in words what a type accepts.

    >>> accepts(Annotated[float, ("above", 0.0)], "Hz")
    'a number above 0, in Hz'
    """
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        pairs = _pairs(args[1:])
        bounds = " and ".join(
            f"{WORDS[key]} {bound:g}" for key, bound in pairs.items() if key in WORDS
        )
        order = ", the smaller first" if RISING in args[1:] else ""
        text = f"{accepts(args[0])} {bounds}".rstrip() + order + pairs.get("saying", "")
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
    elif origin is dict:
        text = f"keys with {accepts(args[1])} each"
    else:
        text = NAMES.get(hint, getattr(hint, "__name__", str(hint)))
    return f"{text}, in {unit}" if unit else text


def example(hint: Any) -> str:
    """Return a value that a type accepts, as YAML.

    >>> example(Annotated[float, ("above", 0.0)]), example(tuple[int, int]), example(Literal["delta", "magnitude"])
    ('1', '[1, 1]', 'delta')
    """
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated and args[0] in (int, float):
        pairs = _pairs(args[1:])
        value = max(
            pairs.get("least", 1.0),
            pairs.get("above", 0.0) + 1.0 if "least" not in pairs else -1e300,
        )
        fits = value <= pairs.get("most", value) and value < pairs.get("below", value + 1.0)
        return f"{value if fits else value / 2:g}"
    if origin in (tuple, list):
        return "[" + ", ".join(example(arg) for arg in args if arg is not ...) + "]"
    if origin is not None:
        inner = str(args[0]) if origin is Literal else example(args[origin is dict])
        return f"{{rounds: {inner}}}" if origin is dict else inner
    return {float: "1", int: "1", bool: "true"}.get(hint, "name")


def _pairs(metadata: tuple[Any, ...]) -> dict[str, Any]:
    return dict(entry for entry in metadata if isinstance(entry, tuple) and len(entry) == 2)


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _rising(pair: Any) -> Any:
    if list(pair) != sorted(pair):
        raise ValueError("the larger comes first")
    return pair
