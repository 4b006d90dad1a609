"""Convolutional networks for images in the manner of VGG: convolutions in a row, pooled now and then."""

from dataclasses import dataclass, replace
from typing import Literal

from channel_models.units import Count
from wflsim.learning.blueprint import Act, Blueprint, Conv, Flatten, Linear, MaxPool, Part
from wflsim.learning.models.fitting import Norm, fitted, norm


@dataclass(frozen=True)
class Conv4:
    """Four convolutions with pooling, and linear layers.

    As it stands it is the network of few-shot learning. With channels [64, 64, 128, 128], two pools, hidden [256, 256] and
    no norm it is the Conv-4 of lottery tickets; with a kernel of 5, no padding, hidden [128, 128], batch norm and no bias
    that of SpaFL for CIFAR-10.

    Attributes:
        channels: Channels of the four convolutions.
        pools: Whether values are pooled after every convolution (4), or after the second and the fourth (2).
        kernel: Size of the kernels.
        padding: Zeros around the values of every convolution.
        hidden: Widths of hidden linear layers; an empty list leaves the last layer alone.
        norm: What normalises behind every hidden layer: batch, group, or none.
        group: Channels of a group, with group normalisation.
        bias: Whether convolutions and linear layers add biases.

    Reference:
        Vinyals et al., arXiv 1606.04080, and Snell et al., arXiv 1703.05175 [S]; Frankle and Carbin, arXiv 1803.03635
        [S]; SpaFL, arXiv 2406.00431, after its official code [V].

    >>> anatomy = Conv4().blueprint((3, 32, 32), 10).anatomy
    >>> sum(tensor.size for tensor in anatomy.every() if tensor.role != "statistic")
    115658
    """

    channels: tuple[Count, Count, Count, Count] = (64, 64, 64, 64)
    pools: Literal[2, 4] = 4
    kernel: Literal[3, 5] = 3
    padding: Literal[0, 1, 2] = 1
    hidden: tuple[Count, ...] = ()
    norm: Norm = "batch"
    group: Count = 16
    bias: bool = True

    def blueprint(self, input_shape: tuple[int, ...], classes: int) -> Blueprint:
        """Return the layers: ``conv1``, ``norm1`` and so on, then ``dense1`` and so on."""
        parts: list[Part] = []
        for index, channels in enumerate(self.channels, 1):
            conv = Conv(f"conv{index}", channels, self.kernel, padding=self.padding)
            parts += [replace(conv, bias=self.bias)]
            parts += [*norm(self.norm, f"norm{index}", self.group), Act()]
            parts += [MaxPool()] if index % 2 == 0 or self.pools == 4 else []
        parts += [Flatten()]
        for index, width in enumerate(self.hidden, 1):
            parts += [Linear(f"dense{index}", width, self.bias)]
            parts += [*norm(self.norm, f"norm{4 + index}", self.group), Act()]
        parts += [Linear(f"dense{len(self.hidden) + 1}", classes, self.bias)]
        return fitted(parts, input_shape, dims=3)


@dataclass(frozen=True)
class MiniVgg:
    """Three 3 × 3 convolutions, the first two pooled, then one over all that is left, and a linear layer.

    Attributes:
        channels: Channels of the three convolutions.
        hidden: Channels of the convolution over all that is left.
        norm: What normalises behind every convolution: batch, group, or none.
        group: Channels of a group, with group normalisation.

    Reference:
        After code that the authors of SAFL (arXiv 2501.18659) published for later work: 1,142,880 weights on CIFAR-10
        [V]; there the scales of the norms are 0.5 at first, here 1.

    >>> MiniVgg().blueprint((3, 32, 32), 10).anatomy.weights
    1142880
    """

    channels: tuple[Count, Count, Count] = (32, 64, 128)
    hidden: Count = 128
    norm: Norm = "batch"
    group: Count = 16

    def blueprint(self, input_shape: tuple[int, ...], classes: int) -> Blueprint:
        """Return the layers: ``conv1``, ``norm1`` and so on, then ``dense1``."""
        parts: list[Part] = []
        for index, channels in enumerate(self.channels, 1):
            parts += [Conv(f"conv{index}", channels, 3, padding=1)]
            parts += [*norm(self.norm, f"norm{index}", self.group), Act()]
            parts += [MaxPool()] if index < 3 else []
        left = min(input_shape[1:], default=0) // 4
        parts += [Conv("conv4", self.hidden, left), *norm(self.norm, "norm4", self.group), Act()]
        return fitted([*parts, Flatten(), Linear("dense1", classes)], input_shape, dims=3)
