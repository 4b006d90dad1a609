"""Samples without content, for studies of the network alone: they have a number, a shape and labels, and take no memory."""

from dataclasses import dataclass

import numpy as np

from channel_models.units import Count
from wflsim.contracts import Samples


@dataclass(frozen=True)
class Blank:
    """Samples that are all zero, their labels in turn; any number of devices can hold some.

    Attributes:
        samples: Number of samples of all devices together.
        shape: Shape of a sample.
        labels: Number of classes.
    """

    samples: Count = 60_000
    shape: tuple[Count, ...] = (1, 28, 28)
    labels: Count = 10

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of a sample."""
        return self.shape

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.labels

    def load(self) -> Samples:
        """Return one zero seen as all samples, and labels 0, 1, … in turn."""
        nothing = np.broadcast_to(np.zeros((), np.float32), (self.samples, *self.shape))
        return Samples(nothing, np.arange(self.samples) % self.labels)
