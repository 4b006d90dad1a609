"""What flows through a network: shapes and units from part to part, parts in a row, and sums of two ways."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from math import lcm, prod
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from wflsim.learning.anatomy import Anatomy, Axis, Layer, Space, Tensor

if TYPE_CHECKING:
    from torch import nn

INPUT = "input"
Width = Callable[
    [str], int | None
]  # from the name of a layer that makes units to how many of them remain


@dataclass(frozen=True)
class Flow:
    """One sample's values between two parts.

    Attributes:
        shape: Their shape; channels come first, features of tokens last.
        space: The units that the channels or features belong to.
        before: How often the units are repeated as a whole (see ``Axis``).
        after: How many entries a unit has in a row.
        axis: The dimension that runs over the units: 0, or -1 for tokens.
    """

    shape: tuple[int, ...]
    space: str = INPUT
    before: int = 1
    after: int = 1
    axis: int = 0

    @property
    def width(self) -> int:
        """Entries along the dimension of the units."""
        return self.shape[self.axis]

    @property
    def units(self) -> Axis:
        """The units as the dimension of a tensor."""
        return Axis(self.space, self.before, self.after)

    @property
    def count(self) -> int:
        """Number of units."""
        return self.width // (self.before * self.after)

    @property
    def positions(self) -> int:
        """Number of places at which a layer over the units is applied."""
        return prod(self.shape) // self.width

    def made_by(self, layer: str, width: int) -> "Flow":
        """Return the flow after a layer that makes new units at every place."""
        shape = (width, *self.shape[1:]) if self.axis == 0 else (*self.shape[:-1], width)
        return Flow(shape, layer, axis=self.axis)


@dataclass(frozen=True)
class Passage:
    """What becomes of a flow on its way through a part.

    Attributes:
        flow: The flow behind it.
        layers: The layers in it.
        spaces: Units that it makes, and what it demands of those that it meets.
        bonds: Pairs of spaces that it makes one.
    """

    flow: Flow
    layers: tuple[Layer, ...] = ()
    spaces: tuple[Space, ...] = ()
    bonds: tuple[tuple[str, str], ...] = ()


class Part(Protocol):
    """A part of a network."""

    @property
    def name(self) -> str:
        """Its name within the whole that it belongs to; empty for parts without tensors."""
        ...

    def through(self, flow: Flow, path: str) -> Passage:
        """Return what becomes of a flow; ``path`` is the part's full name."""
        ...


@runtime_checkable
class Making(Protocol):
    """A part that makes units, or has parts that do; the others take their width from what they meet."""

    def narrowed(self, path: str, width: Width) -> Part:
        """Return the part with as many units as remain of those that it makes."""
        ...


@dataclass(frozen=True)
class Chain:
    """Parts one after another.

    Attributes:
        parts: The parts.
        name: Name of the chain.
    """

    parts: tuple[Part, ...]
    name: str = ""

    def through(self, flow: Flow, path: str = "") -> Passage:
        """Return what becomes of a flow."""
        met: list[Passage] = []
        for name, part in self.named():
            met.append(part.through(flow, below(path, name)))
            flow = met[-1].flow
        return joined(flow, met)

    def narrowed(self, path: str, width: Width) -> "Chain":
        """Return the chain with as many units as remain."""
        return replace(
            self,
            parts=tuple(
                part.narrowed(below(path, name), width) if isinstance(part, Making) else part
                for name, part in self.named()
            ),
        )

    def named(self) -> Iterable[tuple[str, Part]]:
        """Return the parts with their names; those without one are called after what they do and where they stand."""
        for index, part in enumerate(self.parts):
            yield part.name or f"{type(part).__name__.lower()}{index}", part


@dataclass(frozen=True)
class Residual:
    """The sum of what comes through a body and what comes by a shortcut (arXiv 1512.03385).

    Attributes:
        name: Its name.
        body: Parts of the body.
        shortcut: Parts of the shortcut; none for the values as they are.
    """

    name: str
    body: tuple[Part, ...]
    shortcut: tuple[Part, ...] = ()

    def through(self, flow: Flow, path: str) -> Passage:
        """Return what becomes of a flow; the units of both ways become one."""
        ways = [way.through(flow, below(path, way.name)) for way in self.ways]
        ends = [way.flow for way in ways]
        if ends[0].shape != ends[1].shape:
            raise ValueError(
                f"{path}: body and shortcut must end alike, got shapes {ends[0].shape} and {ends[1].shape}"
            )
        both = joined(ends[1], ways)
        return replace(both, bonds=(*both.bonds, (ends[1].space, ends[0].space)))

    def narrowed(self, path: str, width: Width) -> "Residual":
        """Return the sum with as many units as remain on both ways."""
        body, shortcut = (way.narrowed(below(path, way.name), width) for way in self.ways)
        return Residual(self.name, body.parts, shortcut.parts)

    @property
    def ways(self) -> tuple[Chain, Chain]:
        """Body and shortcut."""
        return Chain(self.body, "body"), Chain(self.shortcut, "shortcut")


@dataclass(frozen=True)
class Blueprint:
    """A network for inputs of one shape.

    Attributes:
        chain: Its parts.
        input_shape: Shape of a sample.
        source: What makes a module of the same tensors, whose values a fresh module has at first; None for the library's.
    """

    chain: Chain
    input_shape: tuple[int, ...]
    source: "Callable[[], nn.Module] | None" = None

    @property
    def entry(self) -> Flow:
        """The flow into the network."""
        return Flow(self.input_shape)

    @cached_property
    def passage(self) -> Passage:
        """What becomes of a sample."""
        return self.chain.through(self.entry)

    @cached_property
    def anatomy(self) -> Anatomy:
        """Layers, tensors, operations, and the units that can be pruned together."""
        passage = self.passage
        one = _representatives(passage.bonds)
        kept_whole = (
            Space(INPUT, self.input_shape[0], free=False),
            Space(passage.flow.space, passage.flow.count, free=False),
        )
        spaces: dict[str, Space] = {}
        for space in (*passage.spaces, *kept_whole):
            name = one(space.name)
            known = spaces.get(name, replace(space, name=name))
            spaces[name] = Space(
                name, known.units, lcm(known.group, space.group), known.free and space.free
            )
        return Anatomy(tuple(_renamed(layer, one) for layer in passage.layers), spaces)

    def narrowed(self, widths: Mapping[str, int]) -> "Blueprint":
        """Return the network with as many units of each space as remain."""
        one = _representatives(self.passage.bonds)
        return Blueprint(
            self.chain.narrowed("", lambda name: widths.get(one(name))), self.input_shape
        )

    def build(self) -> "nn.Module":
        """Return a fresh module."""
        from wflsim.learning.modules import built

        module = built(self.chain, self.entry)
        if self.source:
            module.load_state_dict(self.source().state_dict())
        return module


def below(path: str, name: str) -> str:
    """Return the full name of something within something named."""
    return f"{path}.{name}" if path else name


def joined(flow: Flow, passages: Iterable[Passage]) -> Passage:
    """Return several passages as one that ends in a flow."""
    every = tuple(passages)
    return Passage(
        flow,
        tuple(layer for one in every for layer in one.layers),
        tuple(space for one in every for space in one.spaces),
        tuple(bond for one in every for bond in one.bonds),
    )


def tensor(path: str, name: str, role: str, *axes: tuple[int, Axis | None]) -> Tensor:
    """Return a tensor of a layer from the sizes of its dimensions and the units they run over."""
    sizes, units = zip(*axes, strict=True)
    return Tensor(below(path, name), sizes, role, units)  # type: ignore[arg-type]


def _representatives(bonds: Iterable[tuple[str, str]]) -> Callable[[str], str]:
    """Return a function from a space to the first of those that are one with it."""
    above: dict[str, str] = {}

    def top(name: str) -> str:
        while name in above:
            name = above[name]
        return name

    for left, right in bonds:
        if top(left) != top(right):
            above[top(right)] = top(left)
    return top


def _renamed(layer: Layer, one: Callable[[str], str]) -> Layer:
    """Return a layer whose tensors speak of spaces by the names that stand for them."""
    return replace(
        layer,
        tensors=tuple(
            replace(
                each,
                axes=tuple(axis and replace(axis, space=one(axis.space)) for axis in each.axes),
            )
            for each in layer.tensors
        ),
    )
