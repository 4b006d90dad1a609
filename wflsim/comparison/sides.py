"""What is compared: a variant of a run, or of several, and which runs of two such belong together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wflsim.errors import UserError
from wflsim.records.recorder import Columns
from wflsim.results import Played, Results, flat, load
from wflsim.scenario.remedies import did_you_mean

Key = tuple[int, tuple[str, ...]]


@dataclass(frozen=True, eq=False)
class Side:
    """A system that was played once or several times.

    Attributes:
        name: What the user calls it: PATH:VARIANT.
        variant: The variant.
        axes: Keys of the scenario that set its runs apart.
        runs: Its runs, with the values of these keys.
    """

    name: str
    variant: str
    axes: tuple[str, ...]
    runs: tuple[tuple[Played, Mapping[str, Any]], ...]

    def by_key(self, axes: Sequence[str]) -> dict[Key, Played]:
        """Return seed and point of a sweep → run; a point is told by the values of some axes, and what is there again counts once."""
        found: dict[Key, Played] = {}
        for played, values in self.runs:
            key = (int(played.told.get("seed", -1)), tuple(repr(values.get(axis)) for axis in axes))
            if key in found and self._again(found[key], played):
                continue
            if key in found:
                raise UserError(
                    f"{self.name}: '{found[key].name}' and '{played.name}' have the same seed, {key[0]}, and the other side "
                    "has nothing by which to choose; name one of them"
                )
            found[key] = played
        return found

    def _again(self, one: Played, other: Played) -> bool:
        """Return whether two runs have the same records of it."""
        first, second = (each.told["variants"][self.variant] for each in (one, other))
        digest = first.get("records_sha256")
        return bool(digest) and digest == second.get("records_sha256")


@dataclass(frozen=True, eq=False)
class Account:
    """A system in one run.

    Attributes:
        played: The run.
        variant: The system.
    """

    played: Played
    variant: str

    @property
    def rounds(self) -> Columns:
        """Its rows of the table of rounds."""
        return self.played.folder.read("rounds", variant=self.variant)

    @property
    def clients(self) -> Columns:
        """Its rows of the table of clients."""
        return self.played.folder.read("clients", variant=self.variant)

    @property
    def settings(self) -> dict[str, Any]:
        """Key of the scenario → value, of the world and of this system."""
        resolved = self.played.told["resolved"]
        world = {key: value for key, value in resolved.items() if key != "variants"}
        return flat({**world, **resolved["variants"].get(self.variant, {})})


def side(text: str) -> Side:
    """Return what PATH or PATH:VARIANT means; the variant may be left out where there is but one."""
    whole = Path(text).is_dir() or ":" not in text
    path, _, variant = (text, "", "") if whole else text.rpartition(":")
    results = load(path)
    names = list(dict.fromkeys(name for one in results.played for name in _variants(one)))
    if not variant and len(names) != 1:
        several = f"holds several systems ({', '.join(names)})" if names else "holds no system"
        example = f"{text}:{names[0]}" if names else "PATH:VARIANT"
        raise UserError(f"{text}: {several}; name one, as in {example}")
    if variant and variant not in names:
        raise UserError(
            f"{path}: no variant '{variant}'; {did_you_mean(variant, names, 'variants')}"
        )
    variant = variant or names[0]
    return side_of(results, variant, f"{path}:{variant}")


def side_of(results: Results, variant: str, name: str = "") -> Side:
    """Return a variant of what was played.

    Args:
        results: What was played.
        variant: The variant.
        name: What it is called; the variant's name where none is given.
    """
    return Side(name or variant, variant, tuple(results.axes), _runs(results, variant))


def pairs(a: Side, b: Side) -> list[tuple[Account, Account]]:
    """Return the runs of two sides that have the seed and the point of the sweep in common; there must be one."""
    axes = [axis for axis in a.axes if axis in b.axes]
    ones, others = a.by_key(axes), b.by_key(axes)
    common = [key for key in ones if key in others]
    if not common:
        seeds = [
            ", ".join(str(seed) for seed in sorted({k[0] for k in of})) for of in (ones, others)
        ]
        at = " at the same values" if axes else ""
        raise UserError(
            f"{a.name} and {b.name} have no seed in common{at} ({seeds[0]} and {seeds[1]}); play both with the same --seed"
        )
    return [(Account(ones[key], a.variant), Account(others[key], b.variant)) for key in common]


def settings_apart(found: Sequence[tuple[Account, Account]]) -> dict[str, tuple[Any, Any]]:
    """Return key of the scenario → the values that two systems have for it, of the first pair in which they differ."""
    apart: dict[str, tuple[Any, Any]] = {}
    for one, other in found:
        mine, theirs = one.settings, other.settings
        for key in dict.fromkeys([*mine, *theirs]):
            values = (mine.get(key), theirs.get(key))
            if values[0] != values[1]:
                apart.setdefault(key, values)
    return apart


def _variants(played: Played) -> list[str]:
    return list(played.told.get("variants", {}))


def _runs(results: Results, variant: str) -> tuple[tuple[Played, Mapping[str, Any]], ...]:
    values = results.runs.to_dict("records")
    return tuple(
        (one, {str(key): value for key, value in row.items()})
        for one, row in zip(results.played, values, strict=True)
        if variant in _variants(one)
    )
