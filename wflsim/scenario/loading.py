"""From a file, or the name of a shipped scenario, to a Scenario; all mistakes are reported at once."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, dataclass, field, is_dataclass, replace
from functools import lru_cache
from importlib import resources
from pathlib import Path

from wflsim.catalog import family_of, fields_of, kind_of
from wflsim.errors import Mistake, ScenarioError, UserError
from wflsim.scenario.document import OVERRIDE, Tree, assigned, merge, read
from wflsim.scenario.remedies import did_you_mean
from wflsim.scenario.schema import NAME, NAME_SAYS, Scenario, System, World
from wflsim.scenario.structure import Structure
from wflsim.scenario.sweep import Sweep

WORLD = {found.name: found.hint for found in fields_of(World)}
SYSTEM = {found.name: found.hint for found in fields_of(System)}
VARIANTS = "variants"
SWEEP = "sweep"
EXTENDS = "extends"
PARTS = "parts"  # the folder of what only others extend
_DEEPEST = 8  # scenarios that extend each other


@dataclass(frozen=True)
class Loaded:
    """A scenario with the trees that it came from, so that every value's origin can be told.

    Attributes:
        scenario: The typed value.
        world: Tree of the world's keys.
        systems: Variant → tree of the system's keys.
        sweep: What of it is varied, where many runs are played.
    """

    scenario: Scenario
    world: Tree
    systems: Mapping[str, Tree]
    sweep: Sweep = field(default_factory=Sweep)

    @contextmanager
    def blaming(self, path: str, remedy: str) -> Iterator[None]:
        """Tell a value that turns out to be impossible as a mistake at a key of the world."""
        try:
            yield
        except ScenarioError:
            raise
        except (UserError, ValueError, ArithmeticError) as error:
            # A sentence that ends with a remedy of its own, or begins with the key, needs none of ours.
            what, own, better = str(error).removeprefix(f"{path}: ").rpartition("; ")
            what, remedy = (what, better) if own else (better, remedy)
            raise ScenarioError(
                [replace(self.world.find(path).mistake(what, remedy), path=path)]
            ) from error


@dataclass
class _Parts:
    """A scenario's tree, taken apart: the world's keys, the keys that systems share, every system, and what is varied."""

    world: Tree
    base: Tree
    systems: dict[str, Tree]
    named: bool
    sweep: Tree

    def lay(self, assignment: str) -> None:
        """Lay ``key.path=value`` over the parts; what systems share is laid over every one of them."""
        path, equals, text = assignment.partition("=")
        path = path.strip()
        keys = path.split(".")
        if not equals or not all(keys):
            remedy = f"write {OVERRIDE} rounds=20"
            raise ScenarioError(
                [Mistake(OVERRIDE, 0, assignment, "not of the form key.path=value", remedy)]
            )
        over = assigned(path, text, f"{OVERRIDE} {assignment}")
        if keys[0] == VARIANTS:
            self._lay_variant(keys, over)
        elif keys[0] == SWEEP:
            self.sweep = merge(self.sweep, over.value[SWEEP])
        elif keys[0] in SYSTEM:
            self.base = _merged(self.base, over, System)
            self.systems = {
                name: _merged(system, over, System) for name, system in self.systems.items()
            }
        else:
            self.world = _merged(self.world, over, World)

    def _lay_variant(self, keys: list[str], over: Tree) -> None:
        known = list(self.systems) if self.named else []
        if len(keys) < 2 or keys[1] not in known:
            remedy = did_you_mean(keys[1] if len(keys) > 1 else "", known, "variants")
            raise ScenarioError(
                [Mistake(over.source, 0, ".".join(keys), "no such variant", remedy)]
            )
        below = over.value[VARIANTS].value[keys[1]]
        self.systems[keys[1]] = _merged(self.systems[keys[1]], below, System)


def shipped() -> dict[str, Path]:
    """Return the scenarios that come with the package: name → file."""
    found = sorted(_root().rglob("*.yaml"))
    return {path.stem: path for path in found if path.parent.name != PARTS}


def _root() -> Path:
    return Path(str(resources.files("scenarios")))


def find(name: str) -> Path:
    """Return the file that a user means: the name of a shipped scenario, or a path."""
    known = shipped()
    if name in known:
        return known[name]
    if Path(name).is_dir():
        raise UserError(f"{name}: is a folder; give the scenario file in it")
    if not Path(name).is_file():
        remedy = did_you_mean(name, list(known), "shipped scenarios")
        raise UserError(f"{name}: no such file and no shipped scenario; {remedy}")
    return Path(name)


def load(name: str, assignments: Sequence[str] = (), seed: int | None = None) -> Loaded:
    """Return the scenario of a file or a shipped name, with ``key.path=value`` assignments laid over it in order."""
    path = find(name)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read: {error}; give a text file in UTF-8") from error
    return parse(text, path.name, assignments, seed, path.parent)


def parse(
    text: str,
    source: str,
    assignments: Sequence[str] = (),
    seed: int | None = None,
    folder: Path = Path(),
) -> Loaded:
    """Return the scenario of a YAML text.

    Args:
        text: The text.
        source: What it is called in mistakes.
        assignments: ``key.path=value``, laid over it in order.
        seed: The seed, if it is not to be that of the text.
        folder: Where the files lie that it extends, if they are not shipped.
    """
    tree, mistakes = _read(text, source)
    tree = _extended(tree, mistakes, folder)
    if not isinstance(tree.value, dict):
        raise ScenarioError(
            [tree.mistake("not a mapping of keys to values", "begin with `name: ...`")]
        )
    structure = Structure(mistakes)
    parts = _take_apart(tree, structure)
    for assignment in assignments:
        parts.lay(assignment)
    if not parts.named:
        parts.systems = {_only_name(system): system for system in parts.systems.values()}
    if seed is not None:
        parts.world = merge(parts.world, Tree({"seed": Tree(seed, "--seed", 0, "seed")}, "--seed"))
    world = structure.section(World, parts.world, extra={**SYSTEM, VARIANTS: dict})
    systems = _systems(parts, structure)
    sweep = structure.section(Sweep, parts.sweep)
    if structure.report:
        raise ScenarioError(structure.report)
    return Loaded(Scenario(world, systems), parts.world, parts.systems, sweep)


def _read(text: str, source: str) -> tuple[Tree, list[Mistake]]:
    """Return the tree of a text, read once: a sweep asks for it again for every run, and nobody changes it."""
    tree, mistakes = _read_once(text, source)
    return tree, list(mistakes)


@lru_cache(maxsize=32)
def _read_once(text: str, source: str) -> tuple[Tree, list[Mistake]]:
    return read(text, source)


def _extended(tree: Tree, mistakes: list[Mistake], folder: Path, depth: int = 0) -> Tree:
    """Return a scenario's tree laid over those which it extends, the later over the earlier; every value keeps its place."""
    named = tree.value.get(EXTENDS) if isinstance(tree.value, dict) else None
    if named is None:
        return tree
    over = replace(tree, value={key: v for key, v in tree.value.items() if key != EXTENDS})
    below: Tree | None = None
    for each in named.value if isinstance(named.value, list) else [named]:
        if depth == _DEEPEST:
            raise ScenarioError(
                [each.mistake("extends itself, or too many others", "leave one out")]
            )
        path, found = _named(each, mistakes, folder)
        found = _kinded(_extended(found, mistakes, path.parent, depth + 1))
        below = merge(below, found) if below else found
    if below is None:
        raise ScenarioError([named.mistake("names nothing", "name a scenario, or leave it out")])
    return merge(below, over)


def _named(named: Tree, mistakes: list[Mistake], folder: Path) -> tuple[Path, Tree]:
    """Return the file that a scenario extends, and its tree."""
    try:
        name = str(named.value)
        places = [place / name for place in (folder, _root()) if (place / name).is_file()]
        path = places[0] if places and name not in shipped() else find(name)
        tree, more = _read(path.read_text(encoding="utf-8-sig"), path.name)
    except (OSError, UnicodeDecodeError, UserError) as error:
        what, _, remedy = str(error).rpartition("; ")
        raise ScenarioError([named.mistake(what or str(error), remedy)]) from error
    mistakes += more
    return path, tree


def _kinded(tree: Tree) -> Tree:
    """Return a whole scenario's tree in which every component says its kind, so that another kind can be told from more fields."""
    if not isinstance(tree.value, dict):
        return tree
    found = {**_with_kinds(tree, World).value, **_with_kinds(_only(tree, SYSTEM), System).value}
    variants = found.get(VARIANTS)
    if variants is not None and isinstance(variants.value, dict):
        base = _only(tree, SYSTEM)
        each = {name: _in_base(base, one) for name, one in variants.value.items()}
        found[VARIANTS] = replace(variants, value=each)
    return replace(tree, value=found)


def _in_base(base: Tree, variant: Tree) -> Tree:
    """Return a variant's tree in which components say their kind that neither it nor the base says."""
    if not isinstance(variant.value, dict):
        return variant
    bare = {key: child for key, child in variant.value.items() if key not in base.value}
    kinded = _with_kinds(replace(variant, value=bare), System).value
    return replace(variant, value={key: kinded.get(key, v) for key, v in variant.value.items()})


def _only(tree: Tree, keys: Mapping[str, object]) -> Tree:
    return replace(tree, value={key: child for key, child in tree.value.items() if key in keys})


def _systems(parts: _Parts, structure: Structure) -> dict[str, System]:
    """Return every variant's system; what is missing everywhere is told once, where all could have it."""
    shared = Structure()
    shared.section(System, parts.base)  # its slips count even where every variant overrides them
    each = Structure()
    systems = {name: each.section(System, tree) for name, tree in parts.systems.items()}
    absent = [_short(gap.path, parts.systems) for gap in each.missing]
    common = [gap for gap in shared.missing if absent.count(gap.path) >= len(parts.systems)]
    everywhere = {gap.path for gap in common}
    told = [gap for gap, path in zip(each.missing, absent, strict=True) if path not in everywhere]
    told += common
    slipped = {_short(path, parts.systems) for path in each.slipped}
    told = [gap for gap in told if VARIANTS not in structure.slipped and gap.path not in slipped]
    structure.mistakes += [*shared.mistakes, *each.mistakes]
    structure.missing += told
    structure.slipped |= shared.slipped | each.slipped
    return systems


def _short(path: str, systems: Mapping[str, Tree]) -> str:
    """Return a path below a variant as it would read where all variants share it."""
    prefix = next(
        (f"{VARIANTS}.{name}." for name in systems if path.startswith(f"{VARIANTS}.{name}.")), ""
    )
    return path.removeprefix(prefix)


def _merged(base: Tree, over: Tree, cls: type) -> Tree:
    """Return a section with another laid over it, in which every component says its kind."""
    return _with_kinds(merge(base, over), cls)


def _with_kinds(tree: Tree, cls: type) -> Tree:
    """Return a section in which every component that leaves its kind to the default says it."""
    if not isinstance(tree.value, dict):
        return tree
    found = dict(tree.value)
    for known in fields_of(cls):
        child, family = found.get(known.name), family_of(known.hint)
        if child is None or not isinstance(child.value, dict):
            continue
        if family and "kind" not in child.value and known.default is not MISSING:
            kind = Tree(kind_of(family, known.default), "default", 0, f"{child.path}.kind")
            found[known.name] = replace(child, value={"kind": kind, **child.value})
        elif isinstance(known.hint, type) and is_dataclass(known.hint):
            found[known.name] = _with_kinds(child, known.hint)
    return replace(tree, value=found)


def _take_apart(tree: Tree, structure: Structure) -> _Parts:
    """Return a scenario's parts; keys that nobody knows stay with the world."""
    base = replace(tree, value={key: child for key, child in tree.value.items() if key in SYSTEM})
    world = replace(
        tree, value={key: child for key, child in tree.value.items() if key not in base.value}
    )
    variants = world.value.pop(VARIANTS, None)
    sweep = world.value.pop(SWEEP, Tree({}, tree.source, 0, SWEEP))
    base, world = _with_kinds(base, System), _with_kinds(world, World)
    if variants is None:
        return _Parts(world, base, {_only_name(base): base}, False, sweep)
    if not isinstance(variants.value, dict) or not variants.value:
        structure.mistakes.append(
            variants.mistake("expected names with overrides", "write `variants: {a: {...}}`")
        )
        return _Parts(world, base, {}, True, sweep)
    structure.mistakes += _bad_names(variants)
    systems = {name: _over(base, child, structure) for name, child in variants.value.items()}
    return _Parts(world, base, systems, True, sweep)


def _over(base: Tree, variant: Tree, structure: Structure) -> Tree:
    """Return the base with a variant's overrides, less the keys that would change the world."""
    own = variant.value if variant.value is not None else {}
    if not isinstance(own, dict):
        structure.mistakes.append(
            variant.mistake("expected keys to override", f"give any of {', '.join(SYSTEM)}")
        )
        own = {}
    for key in own.keys() & set(WORLD):
        remedy = f"a variant may change {', '.join(SYSTEM)}; play another world with {OVERRIDE} or another file"
        structure.mistakes.append(own[key].mistake("all variants play in the same world", remedy))
    kept = {key: child for key, child in own.items() if key not in WORLD}
    return replace(
        _merged(base, replace(variant, value=kept), System), path=variant.path, line=variant.line
    )


def _bad_names(variants: Tree) -> list[Mistake]:
    """Return a mistake for every name that could not be a file's, or differs from another in case alone."""
    wrong = [child for name, child in variants.value.items() if not re.fullmatch(NAME, name)]
    seen: dict[str, str] = {}
    twins = [
        child
        for name, child in variants.value.items()
        if seen.setdefault(name.casefold(), name) != name
    ]
    return [child.mistake("not a name", f"use{NAME_SAYS}") for child in wrong] + [
        child.mistake("differs from another name in case alone", "choose another name")
        for child in twins
    ]


def _only_name(base: Tree) -> str:
    """Return the name of the only system of a scenario without variants: its algorithm's kind."""
    kind = base.find("algorithm.kind").plain if "algorithm" in base.value else None
    return kind if isinstance(kind, str) and re.fullmatch(NAME, kind) else "system"
