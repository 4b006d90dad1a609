"""Networks of linear layers alone."""

from dataclasses import dataclass

from channel_models.units import Count
from wflsim.learning.blueprint import Act, Blueprint, Chain, Flatten, Linear, Part


@dataclass(frozen=True)
class Logistic:
    """Multinomial logistic regression: scores W·x + b.

    >>> Logistic().blueprint((1, 28, 28), 10).anatomy.macs
    7840
    """

    def blueprint(self, input_shape: tuple[int, ...], classes: int) -> Blueprint:
        """Return the one layer, ``dense1``."""
        return Blueprint(Chain((Flatten(), Linear("dense1", classes))), input_shape)


@dataclass(frozen=True)
class Mlp:
    """Fully connected layers with ReLU between them.

    Attributes:
        hidden: Widths of the hidden layers; an empty list is logistic regression.
    """

    hidden: tuple[Count, ...] = (64,)

    def blueprint(self, input_shape: tuple[int, ...], classes: int) -> Blueprint:
        """Return the layers: ``dense0``, ``dense1`` and so on."""
        parts: list[Part] = [Flatten()]
        for index, width in enumerate((*self.hidden, classes)):
            parts += [Act()] if index else []
            parts += [Linear(f"dense{index}", width)]
        return Blueprint(Chain(tuple(parts)), input_shape)
