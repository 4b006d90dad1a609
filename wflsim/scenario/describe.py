"""The resolved scenario: every value with its default filled in, as plain data and with its origin."""

from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from typing import Any, get_args

from wflsim.catalog import family_of, fields_of, items_of, kind_of
from wflsim.scenario.document import Tree
from wflsim.scenario.loading import Loaded
from wflsim.scenario.paper import Paper
from wflsim.scenario.schema import World

DEFAULT = "default"
PAPER = "paper"
ABOUT = "about"
"""What a scenario says of itself; it determines nothing."""


def plain(value: Any, hint: Any = None) -> Any:
    """Return a typed value as YAML would write it; components carry their kind."""
    if isinstance(value, tuple):
        item = get_args(hint)[0] if items_of(hint) else None
        return [plain(part, item) for part in value]
    if not is_dataclass(value):
        return value
    family = family_of(hint)
    kind = {"kind": kind_of(family, value)} if family else {}
    return {
        **kind,
        **{f.name: plain(getattr(value, f.name), f.hint) for f in fields_of(type(value))},
    }


def resolved(loaded: Loaded) -> dict[str, Any]:
    """Return the whole scenario as plain data; loading it again gives the same scenario."""
    scenario = loaded.scenario
    variants = {name: plain(system) for name, system in scenario.systems.items()}
    return {**_world(scenario.world), "variants": variants}


def origins(loaded: Loaded) -> Iterator[tuple[str, Any, str]]:
    """Yield (path, value, origin) of every leaf of the resolved scenario."""
    yield from _leaves(_world(loaded.scenario.world), loaded.world, "")
    for name, system in loaded.scenario.systems.items():
        yield from _leaves(plain(system), loaded.systems[name], f"variants.{name}")


def _world(world: World) -> dict[str, Any]:
    """Return the world as plain data, without the paper where there is none."""
    found: dict[str, Any] = plain(world)
    return found if world.paper != Paper() else {k: v for k, v in found.items() if k != PAPER}


def _leaves(
    values: Mapping[str, Any], tree: Tree | None, path: str
) -> Iterator[tuple[str, Any, str]]:
    written = tree.value if tree is not None and isinstance(tree.value, dict) else {}
    for key, value in values.items():
        child = written.get(key)
        if child is None and key == "kind" and tree is not None and isinstance(tree.value, str):
            child = tree  # a bare word is short for its kind
        below = f"{path}.{key}" if path else key
        if isinstance(value, Mapping):
            yield from _leaves(value, child, below)
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            items = child.value if child is not None else [None] * len(value)
            for index, (part, item) in enumerate(zip(value, items, strict=True)):
                yield from _leaves(part, item, f"{below}[{index}]")
        else:
            yield below, value, child.place if child is not None else DEFAULT
