"""From a file, or the name of a shipped scenario, to a Scenario; all mistakes are reported at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

from wflsim.catalog import fields_of
from wflsim.errors import Mistake, ScenarioError, UserError
from wflsim.scenario.document import OVERRIDE, Tree, leaves, merge, override, read
from wflsim.scenario.schema import Scenario, System, World
from wflsim.scenario.structure import Structure, did_you_mean

WORLD_KEYS = tuple(found.name for found in fields_of(World))
SYSTEM_KEYS = tuple(found.name for found in fields_of(System))
VARIANTS = "variants"


@dataclass(frozen=True)
class Loaded:
    """A scenario with the trees that it came from, so that every value's origin can be told.

    Attributes:
        scenario: The typed value.
        world: Tree of the world's keys.
        systems: Variant → tree of the system's keys.
    """

    scenario: Scenario
    world: Tree
    systems: Mapping[str, Tree]


def shipped() -> dict[str, Path]:
    """Return the scenarios that come with the package: name → file."""
    root = Path(str(resources.files("scenarios")))
    return {
        path.relative_to(root).with_suffix("").as_posix(): path
        for path in sorted(root.rglob("*.yaml"))
    }


def find(name: str) -> Path:
    """Return the file that a user means: a path, or the name of a shipped scenario."""
    path = Path(name)
    if path.is_file():
        return path
    known = shipped()
    if name in known:
        return known[name]
    remedy = did_you_mean(name, list(known), "shipped scenarios")
    raise UserError(f"{name}: no such file and no shipped scenario; {remedy}")


def load(name: str, assignments: Sequence[str] = (), seed: int | None = None) -> Loaded:
    """Return the scenario of a file or a shipped name, with ``key.path=value`` assignments laid over it."""
    path = find(name)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read: {error}; give a text file in UTF-8") from error
    return parse(text, path.name, assignments, seed)


def parse(
    text: str, source: str, assignments: Sequence[str] = (), seed: int | None = None
) -> Loaded:
    """Return the scenario of a YAML text."""
    tree, repeated = read(text, source)
    if not isinstance(tree.value, dict):
        raise ScenarioError(
            [tree.mistake("not a mapping of keys to values", "begin with `name: ...`")]
        )
    for assignment in assignments:
        tree = override(tree, assignment)
    if seed is not None:
        tree = merge(tree, Tree({"seed": Tree(seed, "--seed", 0, "seed")}, "--seed"))
    structure = Structure(repeated)
    world_tree, system_trees = _parts(tree, structure)
    world = structure.section(World, world_tree, extra=(*SYSTEM_KEYS, VARIANTS))
    systems = {key: structure.section(System, part) for key, part in system_trees.items()}
    mistakes = [*structure.report, *_idle(assignments, [world_tree, *system_trees.values()])]
    if mistakes:
        raise ScenarioError(mistakes)
    return Loaded(Scenario(world, systems), world_tree, system_trees)


def _parts(tree: Tree, structure: Structure) -> tuple[Tree, dict[str, Tree]]:
    """Return the world's tree and a tree for every system; keys that nobody knows stay with the world."""
    base = replace(
        tree, value={key: child for key, child in tree.value.items() if key in SYSTEM_KEYS}
    )
    rest = replace(
        tree, value={key: child for key, child in tree.value.items() if key not in base.value}
    )
    variants = rest.value.pop(VARIANTS, None)
    if variants is None:
        return rest, {_only_name(base): base}
    if not isinstance(variants.value, dict) or not variants.value:
        structure.mistakes.append(
            variants.mistake("expected names with overrides", "write `variants: {a: {...}}`")
        )
        return rest, {}
    return rest, {
        name: merge(base, _allowed(child, structure)) for name, child in variants.value.items()
    }


def _idle(assignments: Sequence[str], trees: Sequence[Tree]) -> list[Mistake]:
    """Return a mistake for every assignment that changes nothing, since each variant sets the same key itself."""
    used = {leaf.source for tree in trees for leaf in leaves(tree)}
    remedy = f"write {OVERRIDE} variants.NAME.key=value to change one variant"
    return [
        Mistake(OVERRIDE, 0, assignment, "changes nothing: every variant sets this itself", remedy)
        for assignment in assignments
        if f"{OVERRIDE} {assignment}" not in used
    ]


def _allowed(variant: Tree, structure: Structure) -> Tree:
    """Return a variant's overrides without the keys that would change the world."""
    if variant.value is None:
        return replace(variant, value={})
    if not isinstance(variant.value, dict):
        structure.mistakes.append(
            variant.mistake("expected keys to override", f"give any of {', '.join(SYSTEM_KEYS)}")
        )
        return replace(variant, value={})
    for key in variant.value.keys() & set(WORLD_KEYS):
        structure.mistakes.append(_world_key(variant.value[key]))
    return replace(
        variant, value={key: child for key, child in variant.value.items() if key not in WORLD_KEYS}
    )


def _world_key(child: Tree) -> Mistake:
    remedy = f"a variant may change {', '.join(SYSTEM_KEYS)}; play another world with --set or another file"
    return child.mistake("all variants play in the same world", remedy)


def _only_name(base: Tree) -> str:
    """Return the name of the only system of a scenario without variants: its algorithm's kind."""
    algorithm = base.value.get("algorithm")
    kind = (
        algorithm.value.get("kind")
        if algorithm and isinstance(algorithm.value, dict)
        else algorithm
    )
    return str(kind.value) if kind else "system"
