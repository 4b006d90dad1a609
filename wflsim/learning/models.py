"""Network architectures: each tells its anatomy without torch and builds its module with it."""

from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING

from channel_models.units import Count
from wflsim.learning.anatomy import Anatomy, Layer

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Mlp:
    """Fully connected layers with ReLU between them.

    Attributes:
        hidden: Widths of the hidden layers; an empty list is logistic regression.
    """

    hidden: tuple[Count, ...] = (64,)

    def anatomy(self, input_shape: tuple[int, ...], classes: int) -> Anatomy:
        """Return the layers: ``dense0``, ``dense1`` and so on."""
        widths = self._widths(input_shape, classes)
        pairs = enumerate(pairwise(widths))
        return Anatomy(
            tuple(
                Layer(f"dense{i}", (after, before), after, after * before)
                for i, (before, after) in pairs
            )
        )

    def build(self, input_shape: tuple[int, ...], classes: int) -> "nn.Module":
        """Return the module."""
        from torch import nn

        widths = self._widths(input_shape, classes)
        model = nn.Sequential()
        model.add_module("flatten", nn.Flatten())
        for index, (before, after) in enumerate(pairwise(widths)):
            if index:
                model.add_module(f"relu{index}", nn.ReLU())
            model.add_module(f"dense{index}", nn.Linear(before, after))
        return model

    def _widths(self, input_shape: tuple[int, ...], classes: int) -> tuple[int, ...]:
        return (prod(input_shape), *self.hidden, classes)
