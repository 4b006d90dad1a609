"""From a tree to typed values: every mistake is collected, none is raised on the way.

A field whose type is one of our protocols reads ``kind`` and becomes the component of that kind; a bare word is short
for a kind without fields. pydantic judges each leaf; the walk is ours because components are plain dataclasses of
packages that import nothing of ours, are loaded only when chosen, and every mistake needs its line.
"""

import json
from collections.abc import Sequence
from dataclasses import MISSING, dataclass, field, is_dataclass
from difflib import get_close_matches
from typing import Any

from pydantic import TypeAdapter, ValidationError

from wflsim.catalog import Field, component, family_of, fields_of, kinds
from wflsim.errors import Mistake
from wflsim.scenario.document import Tree
from wflsim.scenario.quantities import accepts, constrained, example, number_in, unit_of

FAILED: Any = object()


@dataclass
class Structure:
    """A walk over a tree that remembers what was wrong.

    Attributes:
        mistakes: What was wrong so far.
        missing: Keys that were not there.
        slipped: Paths that misspelt keys were probably meant to be; they are not reported as missing too.
    """

    mistakes: list[Mistake] = field(default_factory=list)
    missing: list[Mistake] = field(default_factory=list)
    slipped: set[str] = field(default_factory=set)

    @property
    def report(self) -> list[Mistake]:
        """All mistakes, one for each slip of the user."""
        return [*self.mistakes, *(gap for gap in self.missing if gap.path not in self.slipped)]

    def value(self, hint: Any, tree: Tree, name: str = "") -> Any:
        """Return the value of a tree under a type, or FAILED."""
        family = family_of(hint)
        if family:
            return self.component(family, tree)
        if isinstance(hint, type) and is_dataclass(hint):
            return self.section(hint, tree)
        return self._leaf(hint, tree, unit_of(name))

    def component(self, family: str, tree: Tree) -> Any:
        """Return the component that a tree describes, or FAILED."""
        children = tree.value if isinstance(tree.value, dict) else {"kind": tree}
        known = kinds(family)
        kind = children.get("kind")
        if kind is None:
            return self._wrong(
                tree, "missing", f"add `kind: ...`, one of {', '.join(known)}", "kind"
            )
        if kind.value not in known:
            remedy = did_you_mean(str(kind.value), list(known), "known")
            return self._wrong(
                tree,
                f"unknown {family} {kind.value!r}",
                remedy,
                "" if kind is tree else "kind",
                kind,
            )
        rest = {key: child for key, child in children.items() if key != "kind"}
        return self.section(
            component(family, kind.value), Tree(rest, tree.source, tree.line, tree.path)
        )

    def section(self, cls: type, tree: Tree, extra: Sequence[str] = ()) -> Any:
        """Return a dataclass from a mapping, or FAILED; ``extra`` keys are somebody else's."""
        if not isinstance(tree.value, dict):
            names = ", ".join(found.name for found in fields_of(cls))
            return self._wrong(
                tree, f"expected keys and values, got {shown(tree)}", f"give a mapping with {names}"
            )
        known = fields_of(cls)
        self._unknown([*(found.name for found in known), *extra], tree)
        values = {found.name: self._field(found, tree) for found in known}
        if any(value is FAILED for value in values.values()):
            return FAILED
        given = {name: value for name, value in values.items() if value is not MISSING}
        try:
            return cls(**given)
        except ValueError as error:
            return self._refused(error, tree)

    def _field(self, found: Field, tree: Tree) -> Any:
        child = tree.value.get(found.name)
        if child is not None:
            return self.value(found.hint, child, found.name)
        if found.default is not MISSING:
            return MISSING
        self.missing.append(
            tree.mistake("missing", f"add `{found.name}:` with {describe(found)}", found.name)
        )
        return FAILED

    def _unknown(self, names: list[str], tree: Tree) -> None:
        """Report keys that are not known, with the names that they were probably meant to be."""
        for key in tree.value.keys() - set(names):
            child = tree.value[key]
            meant = closest(key, names)
            self.slipped.add(tree.mistake("", "", meant).path)
            number = number_in(child.value, unit_of(meant))
            remedy = (
                f"write `{meant}: {number}`" if number else did_you_mean(key, names, "known keys")
            )
            self.mistakes.append(child.mistake("unknown key", remedy))

    def _leaf(self, hint: Any, tree: Tree, unit: str) -> Any:
        try:
            return TypeAdapter(constrained(hint)).validate_json(json.dumps(tree.plain), strict=True)
        except ValidationError:
            expected = accepts(hint, unit)
            number = number_in(tree.value, unit)
            if number:
                remedy = f"write {number}"
            elif isinstance(tree.value, list) and not expected.startswith("a list"):
                remedy = "give one value, not a list (several values are a sweep's or a variant's)"
            else:
                remedy = f"write for example `{tree.path.rpartition('.')[2]}: {example(hint)}`"
            return self._wrong(tree, f"expected {expected}, got {shown(tree)}", remedy)

    def _refused(self, error: ValueError, tree: Tree) -> Any:
        """Report what a component's own check refused; its sentence begins with the field's name."""
        sentence = str(error)
        name = sentence.split(maxsplit=1)[0].rstrip(":,") if sentence else ""
        culprit = tree.value.get(name, tree)
        return self._wrong(culprit, sentence, "change it")

    def _wrong(
        self, tree: Tree, what: str, remedy: str, key: str = "", at: Tree | None = None
    ) -> Any:
        place = at or tree
        mistake = tree.mistake(what, remedy, key)
        self.mistakes.append(Mistake(place.source, place.line, mistake.path, what, remedy))
        return FAILED


def describe(found: Field) -> str:
    """Return in words what a field wants."""
    family = family_of(found.hint)
    if family:
        return "one of " + ", ".join(kinds(family))
    if isinstance(found.hint, type) and is_dataclass(found.hint):
        return "keys " + ", ".join(inner.name for inner in fields_of(found.hint))
    return accepts(found.hint, unit_of(found.name))


def closest(word: str, known: list[str]) -> str:
    """Return the known word that was probably meant, or nothing.

    >>> closest("bandwith_hz", ["rounds", "bandwidth_hz"]), closest("bandwidth", ["bandwidth_hz"])
    ('bandwidth_hz', 'bandwidth_hz')
    """
    begun = [name for name in known if name.startswith(f"{word}_")]
    return next(iter(begun or get_close_matches(word, known, n=1, cutoff=0.6)), "")


def did_you_mean(word: str, known: list[str], label: str) -> str:
    """Return a remedy for a word that is not known."""
    meant = closest(word, known)
    guess = f"did you mean '{meant}'? " if meant else ""
    return f"{guess}({label}: {', '.join(known)})"


def shown(tree: Tree) -> str:
    """Return a value as it is told back to the user, shortened."""
    text = "nothing" if tree.value is None else repr(tree.plain)
    if isinstance(tree.value, list):
        text = f"the list {text}"
    return text if len(text) <= 60 else f"{text[:57]}..."
