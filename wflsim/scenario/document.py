"""A YAML file as a tree that remembers the line of every value, and how one tree is laid over another.

ruamel.yaml reads YAML 1.2, so that ``1e6`` is a number and ``on`` is a word; its composer keeps lines and repeated
keys, which the usual loaders drop or stop at.
"""

import warnings
from dataclasses import dataclass, field, replace
from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from wflsim.errors import Mistake, ScenarioError

OVERRIDE = "--set"
UNREADABLE = object()  # stands for a scalar that was told to be a mistake
PLAIN = ("null", "bool", "int", "float", "str")


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

    def find(self, path: str) -> "Tree":
        """Return the tree at a dotted path, or the nearest one above it."""
        found = self
        for key in path.split("."):
            if not (isinstance(found.value, dict) and key in found.value):
                break
            found = found.value[key]
        return found

    def mistake(self, what: str, remedy: str, key: str = "") -> Mistake:
        """Return a mistake at this value, or at a key below it."""
        return Mistake(self.source, self.line, _join(self.path, key) or "scenario", what, remedy)


@dataclass
class _Reading:
    source: str
    lines: bool = True
    mistakes: list[Mistake] = field(default_factory=list)
    loader: YAML = field(default_factory=lambda: YAML(typ="safe", pure=True))

    def compose(self, text: str) -> Node | None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what ruamel warns of is read all the same
            node: Node | None = self.loader.compose(StringIO(text))
        return node

    def tree(self, node: Node, path: str) -> Tree:
        here = Tree(None, self.source, self._line(node), path)
        if isinstance(node, MappingNode):
            return replace(here, value=self._mapping(node, here))
        if isinstance(node, SequenceNode):
            return replace(
                here, value=[self.tree(child, f"{path}[{i}]") for i, child in enumerate(node.value)]
            )
        return replace(here, value=self._scalar(node, here))

    def _line(self, node: Node) -> int:
        return node.start_mark.line + 1 if self.lines else 0

    def _mapping(self, node: MappingNode, here: Tree) -> dict[str, Tree]:
        found: dict[str, Tree] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value) if isinstance(key_node, ScalarNode) else "?"
            child = replace(self.tree(value_node, _join(here.path, key)), line=self._line(key_node))
            if key in found:
                remedy = f"it already stands on line {found[key].line}; keep one of the two"
                self.mistakes.append(child.mistake("repeated key", remedy))
            else:
                found[key] = child
        return found

    def _scalar(self, node: Node, here: Tree) -> Any:
        try:
            value = self.loader.constructor.construct_object(node, deep=True)
        except (YAMLError, ValueError, KeyError, TypeError):
            value = node
        if str(node.tag).rpartition(":")[2] in PLAIN and not isinstance(value, ScalarNode):
            return value
        if str(node.tag).endswith(":timestamp"):
            return str(node.value)
        text = f"'{str(node.value)[:40]}' cannot be read"
        self.mistakes.append(here.mistake(text, "write a plain number, or a text in quotes"))
        return UNREADABLE


def read(
    text: str, source: str, path: str = "", *, lines: bool = True
) -> tuple[Tree, list[Mistake]]:
    """Return the tree of a YAML text and the mistakes in it; a text that is no YAML is a ScenarioError.

    Args:
        text: The text.
        source: File name, or the option that it came from.
        path: Dotted path of the whole text.
        lines: Whether its lines mean anything to the user.
    """
    reading = _Reading(source, lines)
    try:
        node = reading.compose(text)
        tree = (
            Tree({} if lines else None, source, 1 if lines else 0, path)
            if node is None
            else reading.tree(node, path)
        )
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _unreadable(
            source, mark.line + 1 if mark and lines else 0, error.problem or error.context
        ) from error
    except (YAMLError, RecursionError, ValueError, AssertionError) as error:
        what = (
            "it refers to itself, or is nested too deeply"
            if isinstance(error, RecursionError)
            else str(error)
        )
        raise _unreadable(source, 0, " ".join(what.split())) from error
    return tree, reading.mistakes


def assigned(path: str, text: str, source: str) -> Tree:
    """Return the tree that an option ``path=text`` stands for; the text is read as YAML."""
    leaf, mistakes = read(text, source, path, lines=False)
    if mistakes:
        raise ScenarioError(mistakes)
    keys = path.split(".")
    for depth in range(len(keys) - 1, -1, -1):
        leaf = Tree({keys[depth]: leaf}, source, 0, ".".join(keys[:depth]))
    return leaf


def merge(base: Tree, over: Tree) -> Tree:
    """Return ``base`` with ``over`` laid over it.

    A bare word stands for a kind; a component of another kind replaces the whole component.
    """
    if isinstance(base.value, dict) and isinstance(over.value, str) and "kind" in base.value:
        over = replace(over, value={"kind": over})
    if isinstance(base.value, str) and isinstance(over.value, dict):
        base = replace(base, value={"kind": base})
    if not (isinstance(base.value, dict) and isinstance(over.value, dict)):
        return over
    kind, other = base.value.get("kind"), over.value.get("kind")
    if other is not None and kind is not None and kind.value != other.value:
        return over
    merged = dict(base.value)
    for key, child in over.value.items():
        merged[key] = merge(merged[key], child) if key in merged else child
    return replace(base, value=merged)


def _unreadable(source: str, line: int, problem: str | None) -> ScenarioError:
    what = f"not readable as YAML: {problem}"
    return ScenarioError(
        [
            Mistake(
                source,
                line,
                "scenario",
                what,
                "mend the indentation, the quoting or the characters",
            )
        ]
    )


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path and key else path or key
