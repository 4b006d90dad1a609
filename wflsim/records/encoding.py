"""Values as plain data and arrays: every object once, exact to the bit, and no code among them."""

import json
import struct
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from enum import Enum
from hashlib import sha256
from importlib import import_module
from math import isfinite
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from wflsim.errors import UserError
from wflsim.records.layout import plain, rebuilt

ROOMS = frozenset({"wflsim", "channel_models", "optimizers"})
"""Packages whose dataclasses are always known."""

FORMS: Mapping[str, str] = {"torch": "wflsim.learning.tensors"}
"""Package of foreign values → the module that takes them apart, imported when there is one."""

Node = Mapping[str, Any]
Array = npt.NDArray[Any]
Path = tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Packed:
    """A value in two parts.

    Attributes:
        tree: What JSON holds: ``root``, and ``nodes``, each after those that it refers to by [number].
        arrays: The arrays to which the nodes refer by name.
    """

    tree: Mapping[str, Any]
    arrays: Mapping[str, Array]

    @property
    def digest(self) -> str:
        """The SHA-256 of everything."""
        total = sha256(json.dumps(self.tree).encode())
        for array in self.arrays.values():
            total.update(array.tobytes())
        return total.hexdigest()


@dataclass(frozen=True)
class Coder:
    """What packing and unpacking must agree on.

    Attributes:
        given: Name → object that will be there again: it is told by its name and not stored.
        rooms: Packages whose dataclasses may be stored.

    >>> coder = Coder()
    >>> coder.unpack(coder.pack({"a": (1, 0.5), "b": [np.arange(2)]}))
    {'a': (1, 0.5), 'b': [array([0, 1])]}
    """

    given: Mapping[str, object] = field(default_factory=dict)
    rooms: frozenset[str] = ROOMS

    def pack(self, value: object) -> Packed:
        """Return a value in two parts; a type that cannot be stored is refused by its name and place."""
        packer = _Packer(self)
        root = packer.put(value, ())
        return Packed({"root": root, "nodes": packer.nodes}, packer.arrays)

    def unpack(self, packed: Packed) -> Any:
        """Return the value; objects that were one are one again."""
        reader = _Reader(self, packed.arrays)
        for node in packed.tree["nodes"]:
            reader.take(node)
        return reader.get(packed.tree["root"])

    def known(self, name: str) -> type | None:
        """Return the class "module:Class" if its package is one of the rooms and it can be found there."""
        module, _, qualified = name.partition(":")
        if module.partition(".")[0] not in self.rooms:
            return None
        found: Any = sys.modules.get(module) or import_module(module)
        for part in qualified.split("."):
            found = getattr(found, part, None)
        return found if isinstance(found, type) else None


class _Packer:
    """What has been packed so far: nodes, arrays, and which object is which node."""

    def __init__(self, coder: Coder) -> None:
        self.coder, self.nodes, self.arrays = coder, list[Node](), dict[str, Array]()
        self.given = {id(found): name for name, found in coder.given.items()}
        self.seen: dict[int, int | None] = {}
        self.alive: list[object] = []  # an id is an object's own only while the object lives

    def put(self, value: object, path: Path) -> Any:
        """Return what stands for a value: itself if JSON can hold it, or else the number of its node in brackets."""
        if value is None or type(value) in (bool, int, str):
            return value
        if type(value) is float and isfinite(value):
            return value
        if id(value) not in self.seen:
            self.alive.append(value)
            self.seen[id(value)] = None
            self.nodes.append(self._node(value, path))
            self.seen[id(value)] = len(self.nodes) - 1
        number = self.seen[id(value)]
        if number is None:
            raise self.refused(value, path, "it contains itself")
        return [number]

    def array(self, value: Array) -> Node:
        """Return the node of an array, whose values are set aside."""
        name = str(len(self.arrays))
        self.arrays[name], how = plain(value)
        return {"array": name, **how}

    def named(self, value: object, path: Path) -> str:
        """Return the name of a value's class, by which it will be found again."""
        cls = type(value)
        name = f"{cls.__module__}:{cls.__qualname__}"
        if self.coder.known(name) is not cls:
            raise self.refused(
                value, path, "its class cannot be found by its name in a package of the scenario"
            )
        return name

    def refused(self, value: object, path: Path, why: str) -> UserError:
        """Return the mistake that a value is what cannot be stored."""
        kind = f"{type(value).__module__}.{type(value).__qualname__}"
        return UserError(
            f"checkpoint: {'.'.join(path) or 'the value'} is a {kind} and cannot be stored, {why}; make it a dataclass, "
            "dict, tuple or list of numbers, texts, arrays and tensors, or play with --checkpoint 0"
        )

    def _node(self, value: object, path: Path) -> Node:
        if id(value) in self.given:
            return {"given": self.given[id(value)]}
        for concerns, write in _WRITE:
            if concerns(value):
                return write(self, value, path)
        raise self.refused(value, path, "it is of no known kind")


@dataclass(frozen=True)
class _Reader:
    """What has been unpacked so far."""

    coder: Coder
    arrays: Mapping[str, Array]
    made: list[Any] = field(default_factory=list)

    def take(self, node: Node) -> None:
        """Make the object of the next node, which refers to those before it alone."""
        self.made.append(_READ[next(iter(node))](self, node))

    def get(self, told: Any) -> Any:
        """Return what stands for a value, or the object of that number."""
        return self.made[told[0]] if isinstance(told, list) else told

    def each(self, told: list[Any]) -> Iterator[Any]:
        """Yield several values."""
        return map(self.get, told)

    def cls(self, name: str) -> Any:
        """Return a class that may be restored."""
        found = self.coder.known(name)
        if found is None:
            raise ValueError(f"{name} is no class of this scenario's packages")
        return found


def _write_items(packer: _Packer, value: Any, path: Path) -> Node:
    told = [packer.put(each, (*path, str(place))) for place, each in enumerate(value)]
    return {type(value).__name__: told}


def _write_dict(packer: _Packer, value: Any, path: Path) -> Node:
    return {
        "dict": [
            [packer.put(key, (*path, "key")), packer.put(inner, (*path, str(key)))]
            for key, inner in value.items()
        ]
    }


def _write_array(packer: _Packer, value: Any, path: Path) -> Node:
    if value.dtype.kind == "O":
        return _write_texts(packer, value, path)
    if value.dtype.kind not in "biufcUSmM":
        raise packer.refused(value, path, f"its type {value.dtype} has no plain values")
    return packer.array(np.asarray(value))


def _write_texts(packer: _Packer, value: Any, path: Path) -> Node:
    """Return an array of texts as the different ones, and which of them stands where."""
    flat = value.ravel().tolist()
    if not all(type(each) is str for each in flat):
        raise packer.refused(value, path, "not all its elements are texts")
    number = {text: place for place, text in enumerate(dict.fromkeys(flat))}
    codes = np.array([number[text] for text in flat], dtype=np.int32).reshape(value.shape)
    return {"texts": list(number), "codes": packer.array(codes)}


def _write_enum(packer: _Packer, value: Any, path: Path) -> Node:
    return {"enum": packer.named(value, path), "name": value.name}


def _write_foreign(packer: _Packer, value: Any, path: Path) -> Node:
    package = _package(value)
    try:
        parts = _form(package).saved(value)
    except ValueError as error:
        raise packer.refused(value, path, str(error)) from error
    return {"foreign": package, "saved": packer.put(parts, path)}


def _write_own(packer: _Packer, value: Any, path: Path) -> Node:
    return {"own": packer.named(value, path), "saved": packer.put(dict(value.saved()), path)}


def _write_dataclass(packer: _Packer, value: Any, path: Path) -> Node:
    name = packer.named(value, path)
    told = {f.name: packer.put(getattr(value, f.name), (*path, f.name)) for f in fields(value)}
    return {"class": name, "fields": told}


def _read_array(reader: _Reader, node: Node) -> Array:
    return rebuilt(reader.arrays[node["array"]], node)


def _read_texts(reader: _Reader, node: Node) -> Array:
    codes = _read_array(reader, node["codes"])
    found = np.empty(codes.shape, dtype=object)
    found[...] = np.array(node["texts"], dtype=object)[codes]
    return found


def _read_class(reader: _Reader, node: Node) -> Any:
    """Return a dataclass with the fields it had; it was checked when it was made first."""
    cls, told = reader.cls(node["class"]), node["fields"]
    if not is_dataclass(cls) or {f.name for f in fields(cls)} != told.keys():
        raise ValueError(f"{node['class']} has other fields than it had")
    found: Any = object.__new__(reader.cls(node["class"]))
    for name, value in told.items():
        object.__setattr__(found, name, reader.get(value))
    return found


def _package(value: object) -> str:
    return type(value).__module__.partition(".")[0]


def _form(package: str) -> ModuleType:
    return import_module(FORMS[package])


def _exactly(*kinds: type) -> Callable[[object], bool]:
    return lambda value: type(value) in kinds


# Whoever says how it is taken apart comes before dataclasses, since it may be one.
_WRITE: tuple[tuple[Callable[[object], bool], Callable[[_Packer, Any, Path], Node]], ...] = (
    (_exactly(list, tuple), _write_items),
    (_exactly(dict), _write_dict),
    (_exactly(float), lambda _, value, __: {"float": struct.pack(">d", value).hex()}),
    (_exactly(np.ndarray, np.memmap), _write_array),
    (
        lambda value: isinstance(value, np.generic) and value.dtype.kind in "biufcUSmM",
        lambda packer, value, _: {"scalar": packer.array(np.asarray(value))},
    ),
    (lambda value: isinstance(value, Enum), _write_enum),
    (lambda value: _package(value) in FORMS, _write_foreign),
    (lambda value: hasattr(value, "saved") and hasattr(type(value), "restored"), _write_own),
    (lambda value: is_dataclass(value) and not isinstance(value, type), _write_dataclass),
)

_READ: Mapping[str, Callable[[_Reader, Node], Any]] = {
    "given": lambda reader, node: reader.coder.given[node["given"]],
    "list": lambda reader, node: list(reader.each(node["list"])),
    "tuple": lambda reader, node: tuple(reader.each(node["tuple"])),
    "dict": lambda reader, node: dict(tuple(reader.each(pair)) for pair in node["dict"]),
    "float": lambda _, node: struct.unpack(">d", bytes.fromhex(node["float"]))[0],
    "array": _read_array,
    "texts": _read_texts,
    "scalar": lambda reader, node: _read_array(reader, node["scalar"])[()],
    "enum": lambda reader, node: reader.cls(node["enum"])[node["name"]],
    "foreign": lambda reader, node: _form(node["foreign"]).restored(reader.get(node["saved"])),
    "own": lambda reader, node: reader.cls(node["own"]).restored(reader.get(node["saved"])),
    "class": _read_class,
}
