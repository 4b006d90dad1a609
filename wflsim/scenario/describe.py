"""The resolved scenario: every value with its default filled in, as plain data and with its origin."""

from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from typing import Any

from wflsim.catalog import family_of, fields_of, kind_of
from wflsim.scenario.document import Tree
from wflsim.scenario.loading import Loaded

DEFAULT = "default"


def plain(value: Any, hint: Any = None) -> Any:
    """Return a typed value as YAML would write it; components carry their kind."""
    if not is_dataclass(value):
        return list(value) if isinstance(value, tuple) else value
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
    return {**plain(scenario.world), "variants": variants}


def origins(loaded: Loaded) -> Iterator[tuple[str, Any, str]]:
    """Yield (path, value, origin) of every leaf of the resolved scenario."""
    yield from _leaves(plain(loaded.scenario.world), loaded.world, "")
    for name, system in loaded.scenario.systems.items():
        yield from _leaves(plain(system), loaded.systems[name], f"variants.{name}")


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
        else:
            yield below, value, child.place if child is not None else DEFAULT
