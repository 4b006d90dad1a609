"""What surrounds one pass of K devices: which samples are real, what is drawn, what is measured, and memory to reuse."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch

Draw = Callable[[float, tuple[int, ...]], torch.Tensor]
"""From a share and the shape of a sample's values to what remains of them, scaled up, shape (K, B, …)."""


@dataclass
class Scratch:
    """Memory that is used again in every step: fresh memory costs more than many an operation on it.

    Attributes:
        kept: What was handed out, by owner, purpose and shape.
    """

    kept: dict[tuple[object, ...], torch.Tensor] = field(default_factory=dict)

    def like(self, other: torch.Tensor, *key: object, shape: tuple[int, ...]) -> torch.Tensor:
        """Return memory of a shape and another tensor's type; it is zero at first, and then what its owner left there."""
        full = (*key, shape, other.dtype)
        if full not in self.kept:
            self.kept[full] = other.new_zeros(shape)
        return self.kept[full]


@dataclass
class Moment:
    """One pass.

    Attributes:
        training: Whether devices train, or are only asked.
        real: 1 for samples, 0 for what only fills a batch up, shape (K, B); None if all are real.
        draw: What parts that draw at random ask; None if nothing is drawn.
        statistics: Running statistics after the pass, by name, shapes (K, …).
        scratch: Memory to reuse.
    """

    training: bool = False
    real: torch.Tensor | None = None
    draw: Draw | None = None
    statistics: dict[str, torch.Tensor] = field(default_factory=dict)
    scratch: Scratch = field(default_factory=Scratch)
