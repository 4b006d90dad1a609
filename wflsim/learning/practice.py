"""How much a device practises in a round, and how much what it brings counts: steps or epochs, by samples or all alike."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from wflsim.contracts import FloatArray, IntArray, Late

if TYPE_CHECKING:
    from wflsim.learning.cohort import Cohort
    from wflsim.learning.lessons import Batches

Weighting = Literal["samples", "uniform"]


@dataclass(frozen=True)
class Practice:
    """The batches of a device's round.

    Attributes:
        steps: Full batches, over epochs without an end.
        epochs: Epochs instead of steps; None for steps.
        batch_size: Samples of a step.
    """

    steps: int
    epochs: int | None
    batch_size: int

    def seen(self, samples: IntArray) -> IntArray:
        """Return how many samples devices look at in a round, given how many they have, shape (K,)."""
        if self.epochs is None:
            return np.full(len(samples), self.steps * self.batch_size)
        return self.epochs * samples

    def steps_of(self, samples: IntArray) -> IntArray:
        """Return how many steps devices take in a round, shape (K,)."""
        if self.epochs is None:
            return np.full(len(samples), self.steps)
        return self.epochs * -(-samples // self.batch_size)

    def sizes(self, samples: IntArray, step: int) -> IntArray:
        """Return how many samples devices look at in a step, 0 for those who have finished, shape (K,)."""
        if self.epochs is None:
            return np.full(len(samples), self.batch_size if step < self.steps else 0)
        left = samples - step % -(-samples // self.batch_size) * self.batch_size
        return np.where(step < self.steps_of(samples), np.minimum(left, self.batch_size), 0)

    def batches(self, cohort: "Cohort") -> "Batches":
        """Return the batches of a cohort."""
        if self.epochs is None:
            return cohort.phases((self.steps,), self.batch_size)[0]
        return cohort.epochs(self.epochs, self.batch_size)

    def batches_and_one(self, cohort: "Cohort") -> "tuple[Batches, Batches]":
        """Return the batches of a cohort and a full one to look at afterwards: the next, or after epochs the very first."""
        if self.epochs is None:
            batches, one = cohort.phases((self.steps, 1), self.batch_size)
            return batches, one
        return self.batches(cohort), cohort.phases((1,), self.batch_size)[0]


def shares(samples: IntArray, weighting: Weighting) -> FloatArray:
    """Return the weights of updates, which add up to one, given the samples of those who bring them, shape (K,)."""
    counts = samples if weighting == "samples" else np.ones(len(samples))
    return np.asarray(counts / counts.sum())


def evened(late: Sequence[Late], samples: IntArray, weighting: Weighting) -> list[Late]:
    """Return updates that began with several states, in whose weights samples count or do not.

    Weights come by samples. Where all are to count alike, each is divided by its device's samples, and all are scaled
    to the sum that they had; what they owe to their age stays.

    Args:
        late: The updates.
        samples: Number of training samples of each device of the fleet, shape (N,).
        weighting: Whether samples count.
    """
    if weighting == "samples":
        return list(late)
    alike = [group.weight / samples[group.updates.devices] for group in late]
    before = sum(float(group.weight.sum()) for group in late)
    after = sum(float(each.sum()) for each in alike)
    scale = before / after if after else 0.0
    return [replace(group, weight=scale * each) for group, each in zip(late, alike, strict=True)]
