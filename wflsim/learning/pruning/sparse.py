"""Models of which every layer keeps a fixed number of weights: how many by the rule ERK, and what is then computed; no torch."""

from dataclasses import replace
from functools import lru_cache

import numpy as np

from wflsim.contracts import FloatArray, IntArray
from wflsim.learning.anatomy import Anatomy, step_macs


@lru_cache(maxsize=32)
def erk(anatomy: Anatomy, density: float) -> dict[str, int]:
    """Return how many weights each tensor keeps, in all round(d W), at least one each (Erdős–Rényi kernels [R]).

    A tensor keeps in proportion to the sum of its dimensions, so that small ones are denser; none keeps more than it has.

    Args:
        anatomy: The model.
        density: Share d of all weights that is kept.
    """
    tensors = [tensor for tensor in anatomy.every() if tensor.role == "weight"]
    sizes = np.array([tensor.size for tensor in tensors])
    total = min(max(round(density * int(sizes.sum())), len(tensors)), int(sizes.sum()))
    asked = _filled(np.array([float(sum(t.shape)) for t in tensors]), sizes, total)
    return dict(zip([t.name for t in tensors], _whole(asked, total).tolist(), strict=True))


def sparse(anatomy: Anatomy, kept: dict[str, int]) -> Anatomy:
    """Return the model with the operations that so many kept weights of each tensor take, on hardware that skips all others."""
    return replace(
        anatomy,
        layers=tuple(
            replace(
                layer,
                macs=layer.macs * sum(kept.get(t.name, 0) for t in layer.tensors) // layer.weights,
            )
            if layer.weights
            else layer
            for layer in anatomy.layers
        ),
    )


def dense_slope_macs(anatomy: Anatomy, thin: Anatomy) -> int:
    """Return the operations of one sample's slopes of all weights, kept or not: a step whose weight slopes are whole."""
    return step_macs(thin, thin)[0] + anatomy.macs - thin.macs


def _filled(proportions: FloatArray, sizes: IntArray, total: int) -> FloatArray:
    """Return min(s, ε q) and at least 1, with ε such that they add up to the total."""
    least, most = 0.0, float(total) / float(proportions.min()) + float(sizes.max())
    for _ in range(200):  # halved until it is a number next to another
        middle = 0.5 * (least + most)
        if np.clip(middle * proportions, 1, sizes).sum() < total:
            least = middle
        else:
            most = middle
    return np.clip(most * proportions, 1, sizes)


def _whole(asked: FloatArray, total: int) -> IntArray:
    """Return whole numbers next to some numbers, which add up to the total: what is left goes to the largest remainders."""
    kept = np.floor(asked + 1e-6).astype(np.int64)
    order = np.argsort(kept - asked, kind="stable")
    kept[order[: total - int(kept.sum())]] += 1
    return kept
