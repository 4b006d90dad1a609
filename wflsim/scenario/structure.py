"""From a tree to typed values: every mistake is collected, none is raised on the way.

A field whose type is one of our protocols reads ``kind`` and becomes the component of that kind; a bare word is short
for a kind without fields. pydantic judges each leaf; the walk is ours because components are plain dataclasses of
packages that import nothing of ours, are loaded only when chosen, and every mistake needs its line.
"""

import json
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, is_dataclass
from typing import Any

from pydantic import ValidationError

from wflsim.catalog import Field, component, family_of, fields_of, items_of, kinds
from wflsim.errors import Mistake
from wflsim.scenario.document import UNREADABLE, Tree
from wflsim.scenario.quantities import accepts, unit_of
from wflsim.scenario.remedies import did_you_mean, for_key, for_value, valid

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
        family, items = family_of(hint), items_of(hint)
        if family or items:
            return self.component(family, tree) if family else self._components(items or "", tree)
        if isinstance(hint, type) and is_dataclass(hint):
            return self.section(hint, tree)
        try:
            return valid(hint, tree.plain)
        except (ValidationError, TypeError):
            what = f"expected {accepts(hint, unit_of(name))}, got {shown(tree)}"
            return self._wrong(tree, what, for_value(hint, name, tree.plain))

    def component(self, family: str, tree: Tree) -> Any:
        """Return the component that a tree describes, or FAILED."""
        children = tree.value if isinstance(tree.value, dict) else {"kind": tree}
        known = list(kinds(family))
        kind = children.get("kind")
        if kind is None:
            self.missing.append(
                tree.mistake("missing", f"add `kind: ...`, one of {', '.join(known)}", "kind")
            )
            return FAILED
        if not isinstance(kind.value, str):
            what = f"expected a kind of {family}, got {shown(kind)}"
            return self._wrong(kind, what, f"give one of {', '.join(known)}")
        if kind.value not in known:
            return self._wrong(
                kind,
                f"unknown {family} '{kind.value}'",
                did_you_mean(kind.value, known, "known kinds"),
            )
        rest = {key: child for key, child in children.items() if key != "kind"}
        return self.section(
            component(family, kind.value), Tree(rest, tree.source, tree.line, tree.path), kind.value
        )

    def _components(self, family: str, tree: Tree) -> Any:
        """Return the components that a list describes, or FAILED."""
        if not isinstance(tree.value, list):
            what = f"expected a list of {family}s, got {shown(tree)}"
            return self._wrong(tree, what, "write `- kind: ...`, an item a line")
        found = tuple(self.component(family, child) for child in tree.value)
        return FAILED if any(part is FAILED for part in found) else found

    def section(
        self, cls: type, tree: Tree, label: str = "", extra: Mapping[str, Any] | None = None
    ) -> Any:
        """Return a dataclass from a mapping, or FAILED.

        Args:
            cls: The dataclass.
            tree: The mapping.
            label: What the keys belong to, for messages.
            extra: Further names that may stand in the mapping, which are somebody else's, with their types.
        """
        known = fields_of(cls)
        if not isinstance(tree.value, dict):
            names = ", ".join(found.name for found in known)
            return self._wrong(
                tree, f"expected keys and values, got {shown(tree)}", f"give a mapping with {names}"
            )
        self._unknown({**{found.name: found.hint for found in known}, **(extra or {})}, tree, label)
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

    def _unknown(self, known: dict[str, Any], tree: Tree, label: str) -> None:
        """Report keys that are not known, with the names that they were probably meant to be."""
        for key in tree.value.keys() - set(known):
            child = tree.value[key]
            meant, remedy = for_key(key, child.plain, known, "known keys")
            self.slipped.add(tree.mistake("", "", meant).path)
            self.mistakes.append(
                child.mistake(f"unknown key of {label}" if label else "unknown key", remedy)
            )

    def _refused(self, error: ValueError, tree: Tree) -> Any:
        """Report what a component's own check refused; its sentence begins with the field's name."""
        sentence = str(error)
        name = sentence.split(maxsplit=1)[0].rstrip(":,") if sentence else ""
        what, own, remedy = sentence.rpartition("; ")
        what, remedy = (what, remedy) if own else (sentence, "choose another value")
        return self._wrong(tree.value.get(name, tree), what, remedy)

    def _wrong(self, tree: Tree, what: str, remedy: str) -> Any:
        plain = tree.plain
        if UNREADABLE not in (
            plain if isinstance(plain, list) else [plain]
        ):  # else it has been told
            self.mistakes.append(tree.mistake(what, remedy))
        return FAILED


def describe(found: Field) -> str:
    """Return in words what a field wants."""
    family = family_of(found.hint)
    if family:
        return "one of " + ", ".join(kinds(family))
    items = items_of(found.hint)
    if items:
        return "a list, each one of " + ", ".join(kinds(items))
    if isinstance(found.hint, type) and is_dataclass(found.hint):
        return "keys " + ", ".join(inner.name for inner in fields_of(found.hint))
    return accepts(found.hint, unit_of(found.name))


def shown(tree: Tree) -> str:
    """Return a value as it is told back to the user, shortened."""
    text = (
        "nothing" if tree.value is None else json.dumps(tree.plain, ensure_ascii=False, default=str)
    )
    if isinstance(tree.value, list):
        text = f"the list {text}"
    return text if len(text) <= 60 else f"{text[:57]}..."
