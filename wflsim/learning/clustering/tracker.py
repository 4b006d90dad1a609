"""What a round costs by the tracker that was released with arXiv 2603.01739; no torch."""

from dataclasses import dataclass

from wflsim.contracts import IntArray, Reckoning
from wflsim.learning.anatomy import Anatomy
from wflsim.learning.practice import Practice

OVERHEAD = 1.05
"""Factor on all operations [C]."""


@dataclass(frozen=True, eq=False)
class Tracker:
    """2 n (1 − s̄) · 32 P bits and 3 E · samples · (1 − s̄) · 1.05 forward passes of n devices (B.3 [C]).

    The share of kept weights scales all parameters, biases too; masks, slopes and scores cost nothing there. Samples are rounded
    up to full batches. That a forward pass counts there as one over 200 steps, whatever the samples, is left out.

    Attributes:
        anatomy: The model.
        samples: Number of training samples of each device, shape (N,).
        batch_size: Samples of a step.

    >>> import numpy as np
    >>> from wflsim.learning.models import SensorCnn
    >>> har = SensorCnn().blueprint((9, 128), 6).anatomy
    >>> burst = Tracker(har, np.full(30, 64), 32).of(np.arange(30), 1.0, 1)
    >>> f"{burst.bits / 8 / 2**20:.2f} MB"
    '20.43 MB'
    """

    anatomy: Anatomy
    samples: IntArray
    batch_size: int

    def of(
        self, who: IntArray, density: float, epochs: int | Practice, models: int = 1
    ) -> Reckoning:
        """Return the cost of some devices that receive, train and send.

        Args:
            who: The devices, shape (n,).
            density: Share 1 − s̄ of the weights that they keep.
            epochs: Epochs that they train a model, or the steps or epochs of a round.
            models: How many models each trains.
        """
        whole = Practice(0, epochs, self.batch_size) if isinstance(epochs, int) else epochs
        seen = models * self.batch_size * int(whole.steps_of(self.samples[who]).sum())
        bits = 2 * len(who) * density * self.anatomy.bits
        return Reckoning(bits, OVERHEAD * 3 * seen * density * self.anatomy.macs)

    def alone(self, who: IntArray, density: float, epochs: int) -> Reckoning:
        """Return the cost of some devices that train by themselves [X]; arguments as of ``of``."""
        return Reckoning(0.0, self.of(who, density, epochs).macs)


def summed(*parts: Reckoning) -> Reckoning:
    """Return what several parts of a round cost together."""
    return Reckoning(sum(part.bits for part in parts), sum(part.macs for part in parts))
