"""A comparison in words, as tables, and as plain data."""

from collections.abc import Iterable, Sequence
from math import isnan
from typing import Any

from wflsim.comparison.causes import REST, ROUNDS, Causes, Part
from wflsim.comparison.compared import Comparison, Difference
from wflsim.records.columns import DOING
from wflsim.tables.grid import Cell, Grid, text
from wflsim.tables.measures import Measure, measure
from wflsim.tables.numbers import UNKNOWN, prefixed, quantity, significant

WORTH = 0.05
"""Share of a difference from which on a part of it is told in the sentence."""
SAME = 1e-9
"""Relative difference up to which two totals are the same: simulated time is in whole nanoseconds."""
TOLD = {
    "target_accuracy": Measure("target_accuracy", "target", "%"),
    "target_s": Measure("target_s", "time to target", "s"),
    "target_j": Measure("target_j", "energy to target", "J"),
    "target_bits": Measure("target_bits", "uplink to target", "bit"),
}
LENGTH = "what the device does that sets a round's length"
DIRECTIONS = {"s": ("longer", "shorter"), "J": ("more", "less")}


def in_words(found: Comparison) -> str:
    """Return a comparison for the terminal."""
    pairs = len(found.seeds)
    about = f"A: {found.a}\nB: {found.b}\n{paired(found.seeds)}; differences are A less B.\n"
    note = () if pairs > 1 else ("One seed in common: no intervals, and no p-values.",)
    parts = [about, text(measures_grid(found, note))]
    for causes, what in ((found.seconds, LENGTH), (found.joules, "what devices do")):
        parts += [f"{sentence(causes)}\n", text(parts_grid(causes, what)) if differ(causes) else ""]
    parts.append(
        text(settings_grid(found)) if found.settings else "The systems have the same settings.\n"
    )
    return "\n".join(part for part in parts if part)


def sentence(causes: Causes) -> str:
    """Return in a sentence how two totals differ, and which parts explain most of that."""
    more = causes.difference
    size, largest = abs(more), max(abs(causes.a), abs(causes.b))
    if not differ(causes):
        same = "take the same time" if causes.unit == "s" else "spend the same energy"
        return f"A and B {same}: {_amount(largest, causes.unit)}."
    verb = "is" if causes.unit == "s" else "spends"
    direction = DIRECTIONS[causes.unit][more < 0]
    share = f" ({100 * size / abs(causes.b):.0f} %)" if causes.b else ""
    along, against = _sorted(causes)
    divide, unit = prefixed(size, causes.unit)
    said = f"A {verb} {significant(size / divide, 3)} {unit} {direction}{share}"
    if along:
        said += f": {', '.join(_part(part, size, causes.unit) for part in along)}"
    if against:
        turned = DIRECTIONS[causes.unit][more > 0]
        parts = [_part(part, 0.0, causes.unit) for part in against]
        said += f"; against that {turned} by {', '.join(parts)}"
    return f"{said}."


def as_data(found: Comparison) -> dict[str, Any]:
    """Return a comparison as plain data; what is not known is not a number."""
    return {
        "a": found.a,
        "b": found.b,
        "seeds": list(found.seeds),
        "measures": {each.measure: _as_data(each) for each in found.differences},
        "seconds": _causes_as_data(found.seconds),
        "joules": _causes_as_data(found.joules),
        "settings": {key: {"a": a, "b": b} for key, (a, b) in found.settings.items()},
    }


def _as_data(told: Difference) -> dict[str, Any]:
    bounds = told.interval
    return {
        "a": list(told.a),
        "b": list(told.b),
        "difference": told.mean,
        "low": bounds.low,
        "high": bounds.high,
        "p": told.p,
    }


def _causes_as_data(causes: Causes) -> dict[str, Any]:
    parts = {
        part.name: {"a": part.a, "b": part.b, "difference": part.difference}
        for part in causes.parts
    }
    told = {"a": causes.a, "b": causes.b, "difference": causes.difference}
    return {**told, "parts": parts, "sentence": sentence(causes)}


def paired(seeds: Sequence[int]) -> str:
    """Return which runs are paired, in words.

    Args:
        seeds: The seeds of the pairs, one a pair.

    >>> paired([1, 2, 1, 2]), paired([3])
    ('4 pairs of runs, seeds 1, 2', '1 pair of runs, seed 3')
    """
    named = ", ".join(str(seed) for seed in dict.fromkeys(seeds))
    word = "seed" if len(set(seeds)) == 1 else "seeds"
    pairs = len(seeds)
    return f"{pairs} pair{'s' if pairs > 1 else ''} of runs, {word} {named}"


def measures_grid(found: Comparison, notes: tuple[str, ...] = ()) -> Grid:
    """Return measure by measure what both came to; what neither has is left out.

    Args:
        found: The comparison.
        notes: What has to be said below it.
    """
    header = ["measure", "A", "B", "A - B", "95 % interval", "p"]
    rows = [row for told in found.differences if (row := _measure_row(told))]
    missed = [told.measure for told in found.differences if any(map(isnan, (*told.a, *told.b)))]
    said = "Where a run never came to the target, its pair is left out." if _never(missed) else ""
    return Grid(header, rows, 1, [*notes, *([said] if said else [])])


def _never(missed: list[str]) -> bool:
    return "target_s" in missed and "target_accuracy" not in missed


def _measure_row(told: Difference) -> list[Cell]:
    """Return a line of the table; nothing where neither system has a value, or has spent anything."""
    how = TOLD.get(told.measure) or measure(told.measure)
    a, b = _known_mean(told.a), _known_mean(told.b)
    if (isnan(a) and isnan(b)) or (a == b == 0.0 and how.unit in ("J", "bit")):
        return []
    size = max(abs(each) for each in (a, b) if not isnan(each))
    divide, unit = prefixed(size, how.unit)
    divide /= how.factor
    apart = [UNKNOWN] * 3
    if told.measure != "target_accuracy":
        apart[0] = _signed(told.mean, size, divide)
    if told.measure != "target_accuracy" and len(told.known) > 1:
        ends = (told.interval.low, told.interval.high)
        apart[1:] = " to ".join(_signed(each, size, divide) for each in ends), f"{told.p:.2g}"
    label = f"{how.label} [{unit}]" if unit else how.label
    return [Cell(each) for each in (label, *_shown((a, b), size, divide), *apart)]


def _known_mean(values: tuple[float, ...]) -> float:
    known = [value for value in values if not isnan(value)]
    return sum(known) / len(known) if known else float("nan")


def _shown(values: Iterable[float], size: float, divide: float) -> list[str]:
    """Return numbers in a unit; what is nothing beside a size is 0."""
    return [significant(0.0 if abs(v) <= SAME * size else v / divide) for v in values]


def _signed(value: float, size: float, divide: float) -> str:
    (told,) = _shown((value,), size, divide)
    return f"+{told}" if value > SAME * size else told


def differ(causes: Causes) -> bool:
    """Return whether totals differ, or parts of them that balance."""
    parts = max((abs(part.difference) for part in causes.parts), default=0.0)
    return max(abs(causes.difference), parts) > SAME * max(abs(causes.a), abs(causes.b))


def _sorted(causes: Causes) -> tuple[list[Part], list[Part]]:
    """Return the parts worth a word: those along the difference and those against it, the largest first."""
    size = max(abs(causes.difference), SAME)
    parts = sorted(causes.parts, key=lambda part: -abs(part.difference))
    parts = [part for part in parts if abs(part.difference) >= WORTH * size]
    along = [part for part in parts if (part.difference > 0) == (causes.difference > 0)]
    return along, [part for part in parts if part not in along]


def _part(part: Part, whole: float, unit: str) -> str:
    """Return a part in words, without its sign; "of it" where the whole has so much of it."""
    told = _amount(abs(part.difference), unit)
    of_it = " of it" if abs(part.difference) <= whole * (1 + SAME) else ""
    if part.name == ROUNDS:
        sign = "fewer" if part.difference < 0 else "more"
        return f"{told}{of_it} by {abs(part.a - part.b):g} {sign} rounds"
    return f"{told}{of_it} in {doing(part.name)}"


def doing(name: str) -> str:
    """Return what is done in a part of the time, in a few words.

    >>> doing("upload"), doing("rest")
    ('sending', 'what no phase explains')
    """
    return DOING[name].partition(",")[0] if name in DOING else _OTHERS[name]


_OTHERS = {REST: "what no phase explains", ROUNDS: "number of rounds", "all": "all"}


def parts_grid(causes: Causes, what: str) -> Grid:
    """Return the parts of a difference as a table; what happened in neither system is left out."""
    size = max(abs(causes.a), abs(causes.b))
    divide, unit = prefixed(size, causes.unit)
    whole = Part("all", causes.a, causes.b, causes.difference)
    rows = []
    for part in (*causes.parts, whole):
        own = (part.a, part.b)
        counts = (part.difference,) if part.name == ROUNDS else (*own, part.difference)
        if max(map(abs, counts)) > SAME * size:
            told = [f"{n:g}" for n in own] if part.name == ROUNDS else _shown(own, size, divide)
            apart = _signed(part.difference, size, divide)
            rows.append([Cell(each) for each in (doing(part.name), *told, apart)])
    return Grid([f"{what} [{unit}]", "A", "B", "A - B"], rows)


def settings_grid(found: Comparison) -> Grid:
    """Return the settings in which two systems differ as a table."""
    rows = [
        [Cell(key), *(Cell(quantity(key, value)) for value in values)]
        for key, values in found.settings.items()
    ]
    return Grid(["setting that differs", "A", "B"], rows, 3)


def _amount(value: float, unit: str) -> str:
    divide, told = prefixed(value, unit)
    return f"{significant(value / divide, 3)} {told}"
