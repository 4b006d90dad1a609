"""Parts of ordinary networks: convolutions, linear layers, activations, pooling."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import prod
from typing import Literal

from wflsim.learning.anatomy import Axis, Layer, Space, Tensor
from wflsim.learning.blueprint.flow import Flow, Part, Passage, Width, tensor

Kind = Literal["relu", "gelu", "tanh"]


@dataclass(frozen=True)
class Conv:
    """A convolution over one or two dimensions, square, with the same stride and padding everywhere.

    Attributes:
        name: Its name.
        out: Channels that it makes.
        kernel: Size of the kernel.
        stride: Step of the kernel.
        padding: Zeros added at every border.
        bias: Whether it adds a bias.
        silent: Whether all its tensors are zero at first, so that a way that ends in it adds nothing.
    """

    name: str
    out: int
    kernel: int
    stride: int = 1
    padding: int = 0
    bias: bool = True
    silent: bool = False

    def through(self, flow: Flow, path: str) -> Passage:
        """Return what becomes of a flow."""
        places = tuple(
            (size + 2 * self.padding - self.kernel) // self.stride + 1 for size in flow.shape[1:]
        )
        if min(places, default=0) < 1:
            raise ValueError(
                f"{path}: a kernel of {self.kernel} does not fit into {flow.shape[1:]}; take a smaller model or larger inputs"
            )
        kernel = [(self.kernel, None) for _ in places]
        made = (self.out, Axis(path))
        tensors = [tensor(path, "weight", "weight", made, (flow.width, flow.units), *kernel)]
        tensors += [tensor(path, "bias", "bias", made)] if self.bias else []
        macs = tensors[0].size * prod(places)
        return Passage(
            Flow((self.out, *places), path),
            (Layer(path, tuple(tensors), macs),),
            (Space(path, self.out),),
        )

    def narrowed(self, path: str, width: Width) -> "Conv":
        """Return the layer with as many channels as remain."""
        return replace(self, out=width(path) or self.out)


@dataclass(frozen=True)
class Linear:
    """A linear layer over all values, or over each token.

    Attributes:
        name: Its name.
        out: Units that it makes.
        bias: Whether it adds a bias.
        silent: Whether all its tensors are zero at first, so that a way that ends in it adds nothing.
    """

    name: str
    out: int
    bias: bool = True
    silent: bool = False

    def through(self, flow: Flow, path: str) -> Passage:
        """Return what becomes of a flow."""
        made = (self.out, Axis(path))
        tensors: tuple[Tensor, ...] = (
            tensor(path, "weight", "weight", made, (flow.width, flow.units)),
        )
        macs = tensors[0].size * flow.positions
        if self.bias:
            tensors += (tensor(path, "bias", "bias", made),)
        return Passage(
            flow.made_by(path, self.out), (Layer(path, tensors, macs),), (Space(path, self.out),)
        )

    def narrowed(self, path: str, width: Width) -> "Linear":
        """Return the layer with as many units as remain."""
        return replace(self, out=width(path) or self.out)


@dataclass(frozen=True)
class Act:
    """An activation: zero stays zero, so that what is pruned stays silent.

    Attributes:
        kind: Which function.
        name: Its name.
    """

    kind: Kind = "relu"
    name: str = ""

    def through(self, flow: Flow, path: str) -> Passage:
        """Return the flow as it is."""
        return Passage(flow)


@dataclass(frozen=True)
class Dropout:
    """Values set to zero at random while training, the others scaled up (Srivastava et al., 2014).

    Attributes:
        share: Share of values that are dropped.
        name: Its name.
    """

    share: float
    name: str = ""

    def through(self, flow: Flow, path: str) -> Passage:
        """Return the flow as it is."""
        return Passage(flow)


@dataclass(frozen=True)
class MaxPool:
    """The largest value of each window; windows do not overlap, and what is left at the far border is dropped.

    Attributes:
        size: Size of the window, which is also its step.
        name: Its name.
    """

    size: int = 2
    name: str = ""

    def through(self, flow: Flow, path: str) -> Passage:
        """Return the flow over fewer places."""
        return Passage(_pooled(flow, self.size, path))


@dataclass(frozen=True)
class MeanPool:
    """The mean of each window; windows do not overlap, and what is left at the far border is dropped.

    Attributes:
        size: Size of the window, which is also its step.
        name: Its name.
    """

    size: int = 2
    name: str = ""

    def through(self, flow: Flow, path: str) -> Passage:
        """Return the flow over fewer places."""
        return Passage(_pooled(flow, self.size, path))


@dataclass(frozen=True)
class GlobalMean:
    """The mean of each channel over all places.

    Attributes:
        name: Its name.
    """

    name: str = ""

    def through(self, flow: Flow, path: str) -> Passage:
        """Return a value a channel."""
        return Passage(replace(flow, shape=flow.shape[:1]))


@dataclass(frozen=True)
class Flatten:
    """All values in a row.

    Attributes:
        name: Its name.
    """

    name: str = ""

    def through(self, flow: Flow, path: str) -> Passage:
        """Return all values in a row: those of a channel together, tokens one after another."""
        rest = flow.positions
        after, before = (rest, 1) if flow.axis == 0 else (1, rest)
        return Passage(
            Flow((prod(flow.shape),), flow.space, flow.before * before, flow.after * after)
        )


def pooled_first(parts: Iterable[tuple[str, Part]]) -> list[tuple[str, Part]]:
    """Return named parts in a row with pooling before the rectifier that it follows.

    The largest of rectified values is the rectified largest value, also in its slopes; there are fewer of them.
    """
    found = list(parts)
    for index in range(len(found) - 1):
        now, following = found[index][1], found[index + 1][1]
        if isinstance(now, Act) and now.kind == "relu" and isinstance(following, MaxPool):
            found[index], found[index + 1] = found[index + 1], found[index]
    return found


def _pooled(flow: Flow, size: int, path: str) -> Flow:
    places = tuple(places // size for places in flow.shape[1:])
    if min(places, default=0) < 1:
        raise ValueError(
            f"{path}: windows of {size} do not fit into {flow.shape[1:]}; take a smaller model or larger inputs"
        )
    return replace(flow, shape=(flow.shape[0], *places))
