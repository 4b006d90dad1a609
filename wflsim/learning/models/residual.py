"""Residual networks for small images."""

from dataclasses import dataclass
from typing import Literal

from channel_models.units import Count, Positive
from wflsim.learning.blueprint import Act, Blueprint, Conv, GlobalMean, Linear, Part, Residual
from wflsim.learning.models.fitting import Width, fitted, norm

BLOCKS = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    20: (3, 3, 3),
    32: (5, 5, 5),
    44: (7, 7, 7),
    56: (9, 9, 9),
}
WIDTHS = {4: (64, 128, 256, 512), 3: (16, 32, 64)}


@dataclass(frozen=True)
class ResNet:
    """A residual network for small images: a 3 × 3 convolution, blocks of two more with a shortcut, a mean, a linear layer.

    Depths 18 and 34 have four stages of 64 to 512 channels, without the first pooling of their form for large images;
    20, 32, 44 and 56 have three of 16 to 64. Where a block changes its shape, the shortcut is a 1 × 1 convolution with
    a norm. An adapter is a bottleneck of 1 × 1 convolutions added behind each block; at first it adds nothing.

    Attributes:
        depth: Number of layers with weights, shortcuts aside.
        width: Factor on the channels of all layers.
        norm: What normalises behind every convolution: batch, or group.
        group: Channels of a group, with group normalisation.
        adapters: Channels in the middle of each adapter; 0 for none.

    Reference:
        He, Zhang, Ren and Sun, arXiv 1512.03385: for CIFAR 0.27 million parameters at depth 20 [S], of which shortcuts
        have none there (option A) and 2,752 here (option B) [VV]. Group norms for federated learning: arXiv 1910.00189
        [S]. Adapters as personal part: arXiv 2204.03809 [S]; their form here is ours [X].

    >>> anatomy = ResNet(depth=20).blueprint((3, 32, 32), 10).anatomy
    >>> sum(tensor.size for tensor in anatomy.every() if tensor.role != "statistic")
    272474
    """

    depth: Literal[18, 20, 32, 34, 44, 56] = 18
    width: Positive = 1.0
    norm: Literal["batch", "group"] = "batch"
    group: Count = 16
    adapters: Width = 0

    def blueprint(self, input_shape: tuple[int, ...], classes: int) -> Blueprint:
        """Return the layers: ``conv1``, ``norm1``, ``block1`` and so on, ``dense1``."""
        blocks = BLOCKS[self.depth]
        widths = [max(1, round(self.width * width)) for width in WIDTHS[len(blocks)]]
        parts = [*self._conv("1", widths[0], 3, 1), Act()]
        before, number = widths[0], 0
        for stage, (width, count) in enumerate(zip(widths, blocks, strict=True)):
            for index in range(count):
                number += 1
                stride = 2 if stage and not index else 1
                same = stride == 1 and before == width
                shortcut = () if same else self._conv("", width, 1, stride)
                parts += [self._block(number, width, stride, shortcut), Act()]
                parts += self._adapter(number, width)
                before = width
        return fitted([*parts, GlobalMean(), Linear("dense1", classes)], input_shape, dims=3)

    def _conv(self, number: str, width: int, kernel: int, stride: int) -> tuple[Part, ...]:
        """Return a convolution that keeps the size, and its norm."""
        conv = Conv(f"conv{number}", width, kernel, stride, kernel // 2, bias=False)
        return (conv, *norm(self.norm, f"norm{number}", self.group))

    def _block(self, number: int, width: int, stride: int, shortcut: tuple[Part, ...]) -> Part:
        body = (*self._conv("1", width, 3, stride), Act(), *self._conv("2", width, 3, 1))
        return Residual(f"block{number}", body, shortcut)

    def _adapter(self, number: int, width: int) -> list[Part]:
        body = (Conv("down", self.adapters, 1), Act(), Conv("up", width, 1, silent=True))
        return [Residual(f"adapter{number}", body)] if self.adapters else []
