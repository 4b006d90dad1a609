"""Small convolutional networks for images, with no more than two convolutions."""

from dataclasses import dataclass
from typing import Literal

from channel_models.units import Count
from wflsim.learning.blueprint import Act, Blueprint, Conv, Flatten, Linear, MaxPool, Part
from wflsim.learning.models.fitting import Drop, drop, fitted


@dataclass(frozen=True)
class LeNet5:
    """LeNet-5 as it is used today: two 5 × 5 convolutions with pooling, and three linear layers.

    The original has trainable pooling, a second convolution that sees only some channels, and scores by distances.

    Attributes:
        padding: Zeros around the image: 2 for images of 28 × 28, 0 for 32 × 32.
        activation: Function behind every hidden layer; the original's is tanh.

    Reference:
        LeCun, Bottou, Bengio and Haffner, Proc. IEEE 86(11), 1998 [S]; with ReLU, maxima and whole kernels [R].

    >>> anatomy = LeNet5().blueprint((1, 28, 28), 10).anatomy
    >>> anatomy.weights + anatomy.others
    61706
    """

    padding: Literal[0, 2] = 2
    activation: Literal["relu", "tanh"] = "relu"

    def blueprint(self, input_shape: tuple[int, ...], classes: int) -> Blueprint:
        """Return the layers: ``conv1``, ``conv2``, ``dense1`` to ``dense3``."""
        act = Act(self.activation)
        parts: list[Part] = [
            *(Conv("conv1", 6, 5, padding=self.padding), act, MaxPool()),
            *(Conv("conv2", 16, 5), act, MaxPool()),
            *(Flatten(), Linear("dense1", 120), act, Linear("dense2", 84), act),
            Linear("dense3", classes),
        ]
        return fitted(parts, input_shape, dims=3)


@dataclass(frozen=True)
class FedAvgCnn:
    """The convolutional network of the paper on federated averaging: two 5 × 5 convolutions with pooling, and two linear layers.

    Attributes:
        channels: Channels of the two convolutions.
        hidden: Width of the hidden linear layer.

    Reference:
        McMahan, Moore, Ramage, Hampson and Agüera y Arcas, arXiv 1602.05629: 1,663,370 parameters for MNIST [R]; that
        images are padded follows from that number [VV].

    >>> anatomy = FedAvgCnn().blueprint((1, 28, 28), 10).anatomy
    >>> anatomy.weights + anatomy.others
    1663370
    """

    channels: tuple[Count, Count] = (32, 64)
    hidden: Count = 512

    def blueprint(self, input_shape: tuple[int, ...], classes: int) -> Blueprint:
        """Return the layers: ``conv1``, ``conv2``, ``dense1``, ``dense2``."""
        parts: list[Part] = []
        for index, channels in enumerate(self.channels, 1):
            parts += [Conv(f"conv{index}", channels, 5, padding=2), Act(), MaxPool()]
        parts += [Flatten(), Linear("dense1", self.hidden), Act(), Linear("dense2", classes)]
        return fitted(parts, input_shape, dims=3)


@dataclass(frozen=True)
class SmallCnn:
    """A small convolutional network: two 5 × 5 convolutions with pooling and no padding, and two linear layers.

    Attributes:
        channels: Channels of the two convolutions.
        hidden: Width of the hidden linear layer.
        dropout: Share of the hidden layer's values that are dropped while training.
        bias: Whether layers add biases.

    Reference:
        The usual first example for MNIST, with 21,840 parameters; there half of the hidden values are dropped, and
        half of the second convolution's channels, which are not dropped here [R]. With channels [20, 50], hidden 500 and no
        bias it is the LeNet-5 of SpaFL (arXiv 2406.00431) for Fashion-MNIST, after its official code [V].

    >>> anatomy = SmallCnn().blueprint((1, 28, 28), 10).anatomy
    >>> anatomy.weights + anatomy.others
    21840
    """

    channels: tuple[Count, Count] = (10, 20)
    hidden: Count = 50
    dropout: Drop = 0.0
    bias: bool = True

    def blueprint(self, input_shape: tuple[int, ...], classes: int) -> Blueprint:
        """Return the layers: ``conv1``, ``conv2``, ``dense1``, ``dense2``."""
        parts: list[Part] = []
        for index, channels in enumerate(self.channels, 1):
            parts += [Conv(f"conv{index}", channels, 5, bias=self.bias), Act(), MaxPool()]
        parts += [Flatten(), Linear("dense1", self.hidden, self.bias), Act(), *drop(self.dropout)]
        return fitted([*parts, Linear("dense2", classes, self.bias)], input_shape, dims=3)
