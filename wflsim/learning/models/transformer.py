"""A small vision transformer."""

from dataclasses import dataclass

from channel_models.units import Count
from wflsim.learning.blueprint import (
    Act,
    Attention,
    Blueprint,
    Conv,
    LayerNorm,
    Linear,
    MeanTokens,
    Part,
    Positions,
    Residual,
    Tokens,
)
from wflsim.learning.models.fitting import Drop, Width, drop, fitted


@dataclass(frozen=True)
class Vit:
    """A vision transformer: patches as tokens, blocks of attention and of two linear layers, the mean of the tokens, a linear layer.

    Norms stand before each block, and there is no token for the class. An adapter is a bottleneck of two linear layers
    at the end of each block; at first it adds nothing.

    Attributes:
        patch: Height and width of a patch; what is left at the far border is dropped.
        dim: Features of a token.
        depth: Number of pairs of blocks.
        heads: Heads of each attention; their number divides the features.
        ratio: Hidden features of the linear layers, as a multiple of those of a token.
        dropout: Share of values that are dropped while training, behind each block.
        adapters: Features in the middle of each adapter; 0 for none.
        head_width: Features of each head; None for those of a token, shared among the heads.

    Reference:
        Dosovitskiy et al., arXiv 2010.11929 [S], with the mean of the tokens in place of one for the class [X].
        Adapters: Houlsby et al., arXiv 1902.00751 [S]; as personal part: arXiv 2204.03809 [S].

    >>> anatomy = Vit().blueprint((3, 32, 32), 10).anatomy
    >>> anatomy.weights + anatomy.others
    141898
    """

    patch: Count = 4
    dim: Count = 64
    depth: Count = 4
    heads: Count = 4
    ratio: Count = 2
    dropout: Drop = 0.0
    adapters: Width = 0
    head_width: Count | None = None

    def __post_init__(self) -> None:
        """Refuse features that heads cannot share."""
        if self.head_width is None and self.dim % self.heads:
            raise ValueError(
                f"heads must divide dim, got {self.heads} heads for {self.dim} features; change one of them"
            )

    def blueprint(self, input_shape: tuple[int, ...], classes: int) -> Blueprint:
        """Return the layers: ``patches``, ``positions``, ``attention1``, ``mlp1`` and so on, ``norm``, ``dense1``."""
        parts: list[Part] = [Conv("patches", self.dim, self.patch, self.patch), Tokens()]
        parts += [Positions("positions")]
        attention = Attention("attention", self.heads, self.head_width)
        for index in range(1, self.depth + 1):
            hidden = (Linear("up", self.ratio * self.dim), Act("gelu"), Linear("down", self.dim))
            parts += [
                self._block(f"attention{index}", attention),
                self._block(f"mlp{index}", *hidden),
            ]
        parts += [LayerNorm("norm"), MeanTokens(), Linear("dense1", classes)]
        return fitted(parts, input_shape, dims=3)

    def _block(self, name: str, *parts: Part) -> Residual:
        """Return the sum of tokens and what some parts make of them."""
        bottleneck = (
            Linear("down", self.adapters),
            Act("gelu"),
            Linear("up", self.dim, silent=True),
        )
        adapter = (Residual("adapter", bottleneck),) if self.adapters else ()
        return Residual(name, (LayerNorm("norm"), *parts, *adapter, *drop(self.dropout)))
