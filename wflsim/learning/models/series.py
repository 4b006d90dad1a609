"""Networks for windows of sensor values, shape (channels, steps)."""

from dataclasses import dataclass
from typing import Literal

from channel_models.units import Count
from wflsim.learning.blueprint import (
    Act,
    Blueprint,
    Conv,
    Flatten,
    Linear,
    Lstm,
    MaxPool,
    Part,
    Steps,
)
from wflsim.learning.models.fitting import Drop, drop, fitted


@dataclass(frozen=True)
class SensorCnn:
    """Two convolutions over time, each pooled to half the steps, and two linear layers.

    Attributes:
        channels: Channels of the two convolutions.
        kernel: Steps that a convolution sees; it keeps their number.
        hidden: Width of the hidden linear layer.
        dropout: Shares of values that are dropped while training, behind each convolution and behind the hidden layer.

    Reference:
        CA-AFP, arXiv 2603.01739, after its official code: 89,088 weights on UCI HAR [V].

    >>> SensorCnn().blueprint((9, 128), 6).anatomy.weights
    89088
    """

    channels: tuple[Count, Count] = (64, 64)
    kernel: Literal[3, 5, 7, 9] = 5
    hidden: Count = 32
    dropout: tuple[Drop, Drop] = (0.3, 0.2)

    def blueprint(self, input_shape: tuple[int, ...], classes: int) -> Blueprint:
        """Return the layers: ``conv1``, ``conv2``, ``dense1``, ``dense2``."""
        parts: list[Part] = []
        for index, channels in enumerate(self.channels, 1):
            parts += [Conv(f"conv{index}", channels, self.kernel, padding=self.kernel // 2), Act()]
            parts += [MaxPool(), *drop(self.dropout[0])]
        parts += [Flatten(), Linear("dense1", self.hidden), Act(), *drop(self.dropout[1])]
        return fitted([*parts, Linear("dense2", classes)], input_shape, dims=2)


@dataclass(frozen=True)
class SensorLstm:
    """One layer of long short-term memory over the steps, and a linear layer on what it holds in the end.

    Attributes:
        units: Units of the recurrent layer.
        dropout: Share of what it holds in the end that is dropped while training.

    Reference:
        Hochreiter and Schmidhuber, Neural Computation 9(8), 1997, with PyTorch's two biases a gate [S].

    >>> anatomy = SensorLstm().blueprint((9, 128), 6).anatomy
    >>> anatomy.weights + anatomy.others == 4 * 64 * (9 + 64 + 2) + 65 * 6
    True
    """

    units: Count = 64
    dropout: Drop = 0.0

    def blueprint(self, input_shape: tuple[int, ...], classes: int) -> Blueprint:
        """Return the layers: ``lstm1``, ``dense1``."""
        parts: list[Part] = [Steps(), Lstm("lstm1", self.units), *drop(self.dropout)]
        return fitted([*parts, Linear("dense1", classes)], input_shape, dims=2)
