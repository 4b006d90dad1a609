"""How unlike the devices' data are: counts, distances and effective numbers of classes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wflsim.contracts import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Census:
    """What lies on the devices, counted.

    Attributes:
        counts: Number of samples of each class on each device, shape (K, C).
        sizes: Number of samples of each device for training, validation and testing, shape (K, 3).
        clusters: The group that each device belongs to by construction, shape (K,); None where there are no groups.
    """

    counts: IntArray
    sizes: IntArray
    clusters: IntArray | None = None

    @property
    def held(self) -> IntArray:
        """Number of classes on each device, shape (K,)."""
        held: IntArray = (self.counts > 0).sum(axis=1)
        return held

    @property
    def largest(self) -> FloatArray:
        """Share of the most frequent class of each device, shape (K,)."""
        shares: FloatArray = self.counts.max(axis=1) / self.counts.sum(axis=1)
        return shares


def census(
    labels: IntArray,
    kept: Sequence[Sequence[IntArray]],
    classes: int,
    clusters: IntArray | None = None,
) -> Census:
    """Return what lies on the devices, counted.

    Args:
        labels: The class of each sample of the data set, shape (N,).
        kept: Each device's training samples, validation samples and test samples.
        classes: Number of classes C.
        clusters: The group of each device, shape (K,), or None.
    """
    every = [np.concatenate(own) for own in zip(*kept, strict=True)]
    counts = np.array([np.bincount(labels[own], minlength=classes) for own in every])
    sizes = np.array([[len(own) for own in part] for part in kept]).T
    return Census(counts, sizes, clusters)


def total_variation(counts: IntArray) -> FloatArray:
    """Return the distance ½ Σ_c |q_kc − p_c| of each device's mix q_k from the mix p of all devices, shape (K,).

    >>> total_variation(np.array([[4, 0], [0, 4]])).tolist()
    [0.5, 0.5]
    """
    mix = counts / counts.sum(axis=1, keepdims=True)
    whole = counts.sum(axis=0) / counts.sum()
    distance: FloatArray = 0.5 * np.abs(mix - whole).sum(axis=1)
    return distance


def effective_classes(counts: IntArray) -> FloatArray:
    """Return the number exp(−Σ_c q_kc ln q_kc) of equally frequent classes with the entropy of each device's mix.

    >>> effective_classes(np.array([[5, 5, 0], [9, 0, 0]])).round(6).tolist()
    [2.0, 1.0]
    """
    mix = counts / counts.sum(axis=1, keepdims=True)
    entropy = -(mix * np.log(np.where(counts > 0, mix, 1.0))).sum(axis=1)
    number: FloatArray = np.exp(entropy)
    return number
