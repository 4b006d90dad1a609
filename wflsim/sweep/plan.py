"""Which runs a sweep has: every point with every seed, each keyed by the digest of all that determines it."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from itertools import product
from typing import Any

from wflsim.errors import ScenarioError, UserError
from wflsim.randomness import Streams
from wflsim.records.folder import finite
from wflsim.records.opening import determining
from wflsim.scenario.document import OVERRIDE
from wflsim.scenario.loading import Loaded
from wflsim.scenario.sweep import Sweep
from wflsim.simulation.run import same

Read = Callable[[Sequence[str], int], Loaded]
"""From assignments and a seed to the scenario."""

_DIGITS = 16  # 64 bits: no two of a billion runs share a key


@dataclass(frozen=True)
class Item:
    """One run.

    Attributes:
        key: Digest of all that determines it.
        values: Key of the scenario → the value that sets it apart.
        seed: Its seed.
        rounds: Rounds of all its variants.
        text: The resolved scenario as JSON, from which it is played anywhere.
        donors: Variant → key of another run that plays the very same.
    """

    key: str
    values: Mapping[str, Any]
    seed: int
    rounds: int
    text: str
    donors: Mapping[str, str] = field(default_factory=dict)

    @property
    def told(self) -> dict[str, Any]:
        """The run as the sweep's record tells it."""
        return {"key": self.key, "seed": self.seed, "values": dict(self.values)}

    @property
    def label(self) -> str:
        """The run in a few words."""
        values = [f"{key.rpartition('.')[2]} {_short(value)}" for key, value in self.values.items()]
        return ", ".join([*values, f"seed {self.seed}"])


@dataclass(frozen=True)
class Plan:
    """What a sweep plays.

    Attributes:
        name: Name of the scenario.
        items: Its runs, the seeds of a point one after another.
    """

    name: str
    items: tuple[Item, ...]


def planned(read: Read, sweep: Sweep, seed: int) -> Plan:
    """Return the runs of a sweep.

    Args:
        read: Reads the scenario under assignments.
        sweep: What is varied.
        seed: The scenario's own seed, by which axes and independent seeds are drawn.
    """
    streams = Streams(seed)
    axes = [axis.points(streams.stream("axis", place)) for place, axis in enumerate(sweep.axes)]
    points = [_joined(parts) for parts in product(*axes)]
    seeds = sweep.seeds or (seed,)
    items, name = [], ""
    for place, values in enumerate(points):
        _refuse_names(values)
        assignments = [f"{key}={json.dumps(value)}" for key, value in values.items()]
        for one in seeds if sweep.paired else _own(seeds, place):
            loaded = _read(read, assignments, one)
            name = loaded.scenario.world.name
            items.append(item_of(loaded, values))
    _refuse_twins(items)
    return Plan(name, tuple(items))


def _read(read: Read, assignments: Sequence[str], seed: int) -> Loaded:
    """Return the scenario at a point; mistakes in what is varied are told as the sweep's."""
    try:
        return read(assignments, seed)
    except ScenarioError as error:
        ours = {f"{OVERRIDE} {text}": f"sweep, {text}" for text in assignments}
        raise ScenarioError(
            replace(mistake, source=ours.get(mistake.source, mistake.source))
            for mistake in error.mistakes
        ) from error


def key_of(loaded: Loaded) -> str:
    """Return the digest of all that determines a run: the resolved scenario with its seed, the files that it names, and the versions."""
    return digest(same(loaded))


def digest(mark: Mapping[str, Any]) -> str:
    """Return the key of a run from what must be equal for two runs to be the same."""
    text = json.dumps(determining(finite(mark), mark), sort_keys=True)
    return sha256(text.encode()).hexdigest()[:_DIGITS]


def item_of(loaded: Loaded, values: Mapping[str, Any]) -> Item:
    """Return a scenario as a run of a sweep, set apart by some values."""
    mark = same(loaded)
    rounds = sum(system.rounds for system in loaded.scenario.systems.values())
    whole = mark["resolved"]
    told = {key: _as_read(whole, key, value) for key, value in values.items()}
    return Item(digest(mark), told, loaded.scenario.world.seed, rounds, json.dumps(whole))


def _joined(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return one point of several axes."""
    found: dict[str, Any] = {}
    for part in parts:
        for key in part:
            if key in found:
                raise UserError(f"sweep: {key} is varied by two axes; leave it out of one")
        found |= part
    return found


def _as_read(whole: Mapping[str, Any], key: str, value: Any) -> Any:
    """Return a number as the scenario has it, so that 1e6 and 1000000 are one; another value as it was written."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    first = next(iter(whole["variants"].values()))
    found: Any = whole if key.partition(".")[0] in whole else first
    for part in key.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found if isinstance(found, int | float) else value


def _refuse_names(values: Mapping[str, Any]) -> None:
    """Raise where what is varied sets no two runs apart, or has a place of its own."""
    for key in values:
        root = key.partition(".")[0]
        if root == "seed":
            raise UserError(
                "sweep: seed is varied by `seeds:` or --seeds, with which all points have the same ones"
            )
        if root in {"name", "about", "paper", "sweep", "extends"}:
            raise UserError(f"sweep: {key} sets no two runs apart; leave it out")


def _own(seeds: Sequence[int], place: int) -> list[int]:
    """Return the seeds of one point, drawn from those of all."""
    return [int(Streams(one).stream("sweep", place).integers(2**31)) for one in seeds]


def _refuse_twins(items: Sequence[Item]) -> None:
    """Raise where two points come to the same run."""
    seen: dict[str, Item] = {}
    for item in items:
        twin = seen.setdefault(item.key, item)
        if twin is not item:
            raise UserError(
                f"sweep: '{twin.label}' and '{item.label}' are the same run; leave one of them out"
            )


def _short(value: Any) -> str:
    if isinstance(value, Mapping) and "kind" in value:
        return str(value["kind"])
    return f"{value:g}" if isinstance(value, float) else str(value)
