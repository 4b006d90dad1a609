"""A YAML file as a tree that remembers the line of every value, and how overrides are laid over it.

ruamel.yaml reads YAML 1.2, so that ``1e6`` is a number and ``on`` is a word; its composer keeps lines and repeated
keys, which the usual loaders drop or stop at.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

from wflsim.errors import Mistake, ScenarioError

OVERRIDE = "--set"


@dataclass(frozen=True)
class Tree:
    """A value of a scenario with its place.

    Attributes:
        value: A scalar, a dictionary of trees, or a list of trees.
        source: File name, or the option that the value came from.
        line: Line in the file, counted from 1; 0 when there is none.
        path: Dotted path of the key, as the user wrote it.
    """

    value: Any
    source: str
    line: int = 0
    path: str = ""

    @property
    def plain(self) -> Any:
        """The value without places."""
        if isinstance(self.value, dict):
            return {key: child.plain for key, child in self.value.items()}
        if isinstance(self.value, list):
            return [child.plain for child in self.value]
        return self.value

    @property
    def place(self) -> str:
        """Where the value stands, as ``check`` prints it."""
        return f"{self.source}:{self.line}" if self.line else self.source

    def mistake(self, what: str, remedy: str, key: str = "") -> Mistake:
        """Return a mistake at this value, or at a key below it."""
        return Mistake(self.source, self.line, _join(self.path, key) or "scenario", what, remedy)


@dataclass
class _Reading:
    source: str
    mistakes: list[Mistake] = field(default_factory=list)
    loader: YAML = field(default_factory=lambda: YAML(typ="safe", pure=True))

    def tree(self, node: Any, path: str) -> Tree:
        here = Tree(None, self.source, node.start_mark.line + 1, path)
        if isinstance(node, MappingNode):
            return replace(here, value=self._mapping(node, here))
        if isinstance(node, SequenceNode):
            return replace(
                here, value=[self.tree(child, f"{path}[{i}]") for i, child in enumerate(node.value)]
            )
        return replace(here, value=self._scalar(node))

    def _mapping(self, node: MappingNode, here: Tree) -> dict[str, Tree]:
        found: dict[str, Tree] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            child = self.tree(value_node, _join(here.path, key))
            child = replace(child, line=key_node.start_mark.line + 1)
            if key in found:
                self.mistakes.append(
                    child.mistake(
                        "repeated key",
                        f"it already stands on line {found[key].line}; keep one of the two",
                    )
                )
            else:
                found[key] = child
        return found

    def _scalar(self, node: ScalarNode) -> Any:
        value = self.loader.constructor.construct_object(node, deep=True)
        return value if isinstance(value, str | int | float | bool | None) else str(node.value)


def read(text: str, source: str, path: str = "") -> tuple[Tree, list[Mistake]]:
    """Return the tree of a YAML text and the repeated keys in it; a text that is no YAML is a ScenarioError."""
    reading = _Reading(source)
    try:
        node = reading.loader.compose(StringIO(text))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 0
        what = f"not readable as YAML: {error.problem or error.context}"
        raise ScenarioError(
            [Mistake(source, line, "scenario", what, "mend the indentation or quoting")]
        ) from error
    if node is None:
        return Tree({}, source, 1, path), []
    return reading.tree(node, path), reading.mistakes


def override(base: Tree, assignment: str) -> Tree:
    """Return the tree with one ``key.path=value`` laid over it; the value is read as YAML."""
    path, equals, text = assignment.partition("=")
    path = path.strip()
    source = f"{OVERRIDE} {assignment}"
    if not equals or not all(path.split(".")):
        what = "not of the form key.path=value"
        raise ScenarioError([Mistake(OVERRIDE, 0, assignment, what, f"write {OVERRIDE} rounds=20")])
    leaf, mistakes = read(text, source, path)
    if mistakes:
        raise ScenarioError(mistakes)
    leaf = _without_lines(replace(leaf, value=None) if text.strip() == "" else leaf)
    for depth in range(path.count("."), -1, -1):
        keys = path.split(".")
        leaf = Tree({keys[depth]: leaf}, source, 0, ".".join(keys[:depth]))
    return merge(base, leaf)


def merge(base: Tree, over: Tree) -> Tree:
    """Return ``base`` with ``over`` laid over it; a component of another kind replaces the whole component."""
    if not (isinstance(base.value, dict) and isinstance(over.value, dict)):
        name = base.value if isinstance(base.value, str) and isinstance(over.value, dict) else None
        if name is not None and over.value and "kind" not in over.value:
            return merge(replace(base, value={"kind": base}), over)
        return over
    kind, other = base.value.get("kind"), over.value.get("kind")
    if other is not None and kind is not None and kind.value != other.value:
        return over
    merged = dict(base.value)
    for key, child in over.value.items():
        merged[key] = merge(merged[key], child) if key in merged else child
    return replace(base, value=merged)


def leaves(tree: Tree) -> Iterator[Tree]:
    """Yield every scalar and list of a tree, in order."""
    if isinstance(tree.value, dict):
        for child in tree.value.values():
            yield from leaves(child)
    else:
        yield tree


def _without_lines(tree: Tree) -> Tree:
    value = tree.value
    if isinstance(value, dict):
        value = {key: _without_lines(child) for key, child in value.items()}
    elif isinstance(value, list):
        value = [_without_lines(child) for child in value]
    return replace(tree, value=value, line=0)


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path and key else path or key
