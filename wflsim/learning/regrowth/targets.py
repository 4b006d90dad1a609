"""How sparse a group's model becomes: alike for all, or by how mixed and how many its members are; what can be chosen; no torch."""

from math import log
from typing import Literal

import numpy as np

from wflsim.contracts import FloatArray, IntArray
from wflsim.learning.anatomy import Anatomy

Target = Literal["fixed", "entropy_size"]
Coherence = Literal["normalised", "raw"]


def label_entropy(labels: IntArray) -> float:
    """Return the entropy of a device's classes, in nats.

    >>> round(label_entropy(np.array([0, 0, 3, 3])), 4), label_entropy(np.array([5, 5]))
    (0.6931, 0.0)
    """
    counts = np.bincount(labels)
    share = counts[counts > 0] / counts.sum()
    return float(np.abs(-(share * np.log(share)).sum()))


def classes_of(anatomy: Anatomy) -> int:
    """Return the number of classes that a model tells apart: the units of its last layer with weights."""
    return [tensor for tensor in anatomy.every() if tensor.role == "weight"][-1].shape[0]


def entropy_size(sparsity: float, entropies: FloatArray, classes: int) -> float:
    """Return s* = clip(s − 0.2 H̄/ln C − 0.1 min(|C_k|/10, 1), 0.5, 0.9): the course version of arXiv 2603.01739 [R, C].

    Args:
        sparsity: The sparsity s from which it is told, 0.7 there.
        entropies: Entropy of the classes of each member, in nats, shape (K,).
        classes: Number of classes C of the task.

    >>> entropy_size(0.7, np.full(12, np.log(6)), 6), round(entropy_size(0.7, np.zeros(1), 6), 2)
    (0.5, 0.69)
    """
    mixed = float(entropies.mean()) / log(classes)
    return float(np.clip(sparsity - 0.2 * mixed - 0.1 * min(len(entropies) / 10, 1.0), 0.5, 0.9))
