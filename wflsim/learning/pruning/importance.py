"""How much a weight or a unit matters, as scores of K devices; the larger, the sooner it is kept."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import torch

from wflsim.learning.anatomy import Anatomy, Axis
from wflsim.learning.pruning.counting import free_spaces, makers, makes

Stacked = Mapping[str, torch.Tensor]
How = Literal["l1", "l2", "mean", "max"]


def magnitude(params: Stacked) -> dict[str, torch.Tensor]:
    """Return |w| of weights, or |g| of their gradients, shapes (K, …) (arXiv 1506.02626 [S])."""
    return {name: tensor.abs() for name, tensor in params.items()}


def delta(before: Stacked, after: Stacked) -> dict[str, torch.Tensor]:
    """Return how far each weight has moved, |w′ − w|, shapes (K, …)."""
    return {name: (after[name] - tensor).abs() for name, tensor in before.items()}


def taylor(params: Stacked, slopes: Stacked) -> dict[str, torch.Tensor]:
    """Return what the loss changes by to first order when a weight is taken away, |w · g|, shapes (K, …).

    With ``l2`` over a unit's weights it ranks as the sum of squares of arXiv 1906.10771 [S]; arXiv 1611.06440 [S] takes
    the same product at activations.
    """
    return {name: (params[name] * slope).abs() for name, slope in slopes.items()}


def uniform(like: Stacked, draws: Sequence[np.random.Generator]) -> dict[str, torch.Tensor]:
    """Return scores drawn from [0, 1), shapes (K, …); a device's depend on its own stream alone.

    Args:
        like: Tensors of the wanted shapes (K, …).
        draws: A stream a device; streams in the same state give everybody the same scores.
    """
    return {
        name: torch.from_numpy(np.stack([draw.random(tensor.shape[1:]) for draw in draws]))
        for name, tensor in like.items()
    }


def unit_scores(anatomy: Anatomy, scores: Stacked, how: How = "l1") -> dict[str, torch.Tensor]:
    """Return the score of each unit of the free spaces, shapes (K, n): what the weights come to that make it.

    These are the rows of the layers that make the units, all their tensors of which there are scores: a channel's
    filter, a neuron's incoming weights, of a recurrent unit the rows of all gates. Where several layers make a unit, as
    on the ways of a residual sum, all count. What a unit feeds does not.

    Args:
        anatomy: The layers.
        scores: Score of every entry, floating, shapes (K, …), of the makers' tensors at least.
        how: Σ|s|, √Σs², mean of |s|, or largest |s|.
    """
    found = {}
    for space in free_spaces(anatomy):
        every = [
            (scores[tensor.name], tensor.axes[0])
            for layer in makers(anatomy, space.name)
            for tensor in layer.tensors
            if tensor.name in scores and makes(tensor, space.name)
        ]
        # Scores that all devices share, a view of one row, are added up once.
        rows = [rows_of(each if each.stride(0) else each[:1], axis) for each, axis in every]
        norms = [torch.linalg.vector_norm(each, _ORDERS[how], dim=2) for each in rows]
        wide = torch.stack([each.expand(len(every[0][0]), -1) for each in norms], 2)
        whole = torch.linalg.vector_norm(wide, _ORDERS[how], dim=2)
        entries = sum(each.shape[2] for each in rows)
        found[space.name] = whole / entries if how == "mean" else whole
    return found


def norm_scales(anatomy: Anatomy, params: Stacked) -> dict[str, torch.Tensor]:
    """Return |γ| of the layers that normalise each unit of the free spaces, shapes (K, n) (arXiv 1708.06519 [S]).

    Where several do, as along a residual sum, their mean.
    """
    found = {}
    for space in free_spaces(anatomy):
        rows = [
            rows_of(params[tensor.name], tensor.axes[0])
            for tensor in anatomy.every()
            if tensor.role == "scale" and makes(tensor, space.name)
        ]
        if not rows:
            raise ValueError(
                f"importance: nothing normalises the units of {space.name}; take another importance or model"
            )
        found[space.name] = torch.cat(rows, 2).abs().mean(2)
    return found


def normalised(scores: Stacked) -> dict[str, torch.Tensor]:
    """Return scores over the Euclidean norm of their own tensor on each device, shapes (K, …) (arXiv 1611.06440 [S]).

    Scores of minus infinity, which stand for what earlier masks have pruned, do not enter the norm.
    """
    found = {}
    for name, score in scores.items():
        finite = torch.where(score.isfinite(), score, 0).flatten(1)
        norm = torch.linalg.vector_norm(finite, dim=1).clamp(min=torch.finfo(score.dtype).tiny)
        found[name] = score / norm.view(-1, *[1] * (score.dim() - 1))
    return found


def rows_of(entries: torch.Tensor, axis: Axis | None) -> torch.Tensor:
    """Return the entries that belong to each unit of the first dimension, shape (K, n, entries a unit)."""
    assert axis is not None
    devices, before, after = len(entries), axis.before, axis.after
    apart = entries.reshape(devices, before, -1, after, entries[0, 0].numel())
    return apart.transpose(1, 2).flatten(2)


# The norm of several norms of one order is that of all entries.
_ORDERS = {"l1": 1.0, "l2": 2.0, "mean": 1.0, "max": float("inf")}
