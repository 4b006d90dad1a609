"""Parts of networks over sequences: a recurrent layer, tokens, attention."""

from dataclasses import dataclass, replace

from wflsim.learning.anatomy import Axis, Layer, Space
from wflsim.learning.blueprint.flow import Flow, Passage, Width, below, tensor


@dataclass(frozen=True)
class Steps:
    """Channels over time, shape (C, L), as a sequence of steps, shape (L, C).

    Attributes:
        name: Its name.
    """

    name: str = ""

    def through(self, flow: Flow, path: str) -> Passage:
        """Return the flow with its steps first."""
        return Passage(replace(flow, shape=flow.shape[::-1], axis=-1))


@dataclass(frozen=True)
class Tokens:
    """The places of an image, shape (C, H, W), as a sequence of tokens, shape (H · W, C).

    Attributes:
        name: Its name.
    """

    name: str = ""

    def through(self, flow: Flow, path: str) -> Passage:
        """Return the flow with its places first."""
        return Passage(replace(flow, shape=(flow.positions, flow.width), axis=-1))


@dataclass(frozen=True)
class Positions:
    """A learnt vector added to each token.

    Attributes:
        name: Its name.
    """

    name: str

    def through(self, flow: Flow, path: str) -> Passage:
        """Return the flow as it is."""
        made = tensor(path, "bias", "bias", (flow.positions, None), (flow.width, flow.units))
        return Passage(flow, (Layer(path, (made,), 0),))


@dataclass(frozen=True)
class MeanTokens:
    """The mean of all tokens.

    Attributes:
        name: Its name.
    """

    name: str = ""

    def through(self, flow: Flow, path: str) -> Passage:
        """Return one value a feature."""
        return Passage(replace(flow, shape=flow.shape[-1:], axis=0))


@dataclass(frozen=True)
class Lstm:
    """One layer of long short-term memory (Hochreiter and Schmidhuber, 1997); what it holds after the last step.

    Its four gates are pruned with the units that they belong to.

    Attributes:
        name: Its name.
        out: Units.
    """

    name: str
    out: int

    def through(self, flow: Flow, path: str) -> Passage:
        """Return the units after the last step."""
        gates, fed = (4 * self.out, Axis(path, before=4)), (flow.width, flow.units)
        tensors = (
            tensor(path, "weight_ih_l0", "weight", gates, fed),
            tensor(path, "weight_hh_l0", "weight", gates, (self.out, Axis(path))),
            tensor(path, "bias_ih_l0", "bias", gates),
            tensor(path, "bias_hh_l0", "bias", gates),
        )
        macs = flow.positions * (tensors[0].size + tensors[1].size)
        return Passage(
            Flow((self.out,), path), (Layer(path, tensors, macs),), (Space(path, self.out),)
        )

    def narrowed(self, path: str, width: Width) -> "Lstm":
        """Return the layer with as many units as remain."""
        return replace(self, out=width(path) or self.out)


@dataclass(frozen=True)
class Attention:
    """Self-attention of several heads (arXiv 1706.03762); its features are not pruned.

    Attributes:
        name: Its name.
        heads: Number of heads.
        head_width: Features of each head; None for those of a token, shared among the heads.
    """

    name: str
    heads: int
    head_width: int | None = None

    def through(self, flow: Flow, path: str) -> Passage:
        """Return the flow as it is: queries, keys and values of each token, mixed and projected."""
        tokens, width = flow.shape
        if self.head_width is None and width % self.heads:
            raise ValueError(
                f"{path}: {width} features are no whole number for each of {self.heads} heads; choose another width"
            )
        inner, outer = below(path, "qkv"), below(path, "out")
        seen = self.seen(width)
        every = (3 * seen, None)
        queries = (
            tensor(inner, "weight", "weight", every, (width, flow.units)),
            tensor(inner, "bias", "bias", every),
        )
        mixed = (
            tensor(outer, "weight", "weight", (width, flow.units), (seen, None)),
            tensor(outer, "bias", "bias", (width, flow.units)),
        )
        scores = 2 * tokens * tokens * seen  # queries with keys, then weights with values
        return Passage(
            flow,
            (
                Layer(inner, queries, tokens * queries[0].size + scores, mixing=scores),
                Layer(outer, mixed, tokens * mixed[0].size),
            ),
            (Space(flow.space, flow.count, free=False),),
        )

    def seen(self, width: int) -> int:
        """Return the features of all heads together, for tokens of some features."""
        return width if self.head_width is None else self.heads * self.head_width
