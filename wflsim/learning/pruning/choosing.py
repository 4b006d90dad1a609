"""Which weights or units are kept: from scores and kept shares, widths or bits to masks."""

from collections.abc import Mapping
from typing import Literal

import numpy as np
import torch

from wflsim.contracts import FloatArray, IntArray
from wflsim.learning.anatomy import Anatomy, Space
from wflsim.learning.pruning.counting import bits_of, free_spaces

Scope = Literal["global", "per_layer"]
Stacked = Mapping[str, torch.Tensor]


def keep_largest(
    scores: Stacked, keep: FloatArray, scope: Scope = "global"
) -> dict[str, torch.Tensor]:
    """Return masks that keep the weights with the largest scores.

    A device keeps round(r · W) weights in all. ``per_layer`` shares them among the layers in proportion to their sizes,
    rounded cumulatively so that the total is the same. Ties go to the earlier weight.

    Args:
        scores: Score of every weight, shapes (K, …).
        keep: Kept share r of each device, shape (K,).
        scope: Compare weights across all layers, or within each.

    Returns:
        What is kept, booleans, shapes (K, …).
    """
    if not scores:
        return {}
    flat = {name: score.flatten(1) for name, score in scores.items()}
    groups = [list(flat)] if scope == "global" else [[name] for name in flat]
    sizes = np.cumsum([sum(flat[name].shape[1] for name in group) for group in groups])
    kept = np.diff(np.rint(np.outer(keep, sizes)), axis=1, prepend=0).astype(np.int64)
    masks: dict[str, torch.Tensor] = {}
    for column, group in enumerate(groups):
        chosen = largest(torch.cat([flat[name] for name in group], dim=1), kept[:, column])
        parts = torch.split(chosen, [flat[name].shape[1] for name in group], dim=1)
        masks |= {
            name: part.reshape(scores[name].shape) for name, part in zip(group, parts, strict=True)
        }
    return masks


def keep_units(
    spaces: Mapping[str, Space], scores: Stacked, widths: Mapping[str, IntArray]
) -> dict[str, torch.Tensor]:
    """Return the units with the largest scores, so many of each space; groups stay whole, ties go to the earlier.

    Args:
        spaces: The spaces by name.
        scores: Score of every unit, shapes (K, n).
        widths: For each space that is pruned how many units each device keeps, whole groups, shape (K,).

    Returns:
        What is kept, booleans, shapes (K, n).
    """
    chosen = {}
    for name, width in widths.items():
        size = spaces[name].group
        groups = largest(_by_group(scores[name], size), np.floor_divide(width, size))
        chosen[name] = groups.repeat_interleave(size, 1)
    return chosen


def keep_units_within(part: Anatomy, scores: Stacked, bits: FloatArray) -> dict[str, torch.Tensor]:
    """Return the units with the largest scores across all layers, as many as a message's bits allow.

    The best group of each space is kept whatever it costs. The others follow in the order of their mean scores, and the
    first that does not fit ends it, so that a larger budget keeps all that a smaller one does. Ties go to the earlier
    group. Scores of different layers should be comparable (``importance.normalised``).

    Args:
        part: The layers that are sent.
        scores: Score of every unit of its free spaces, shapes (K, n).
        bits: Largest size of each device's message, shape (K,).

    Returns:
        What is kept, booleans, shapes (K, n).
    """
    spaces = free_spaces(part)
    if not spaces:
        return {}
    groups = [_by_group(scores[space.name], space.group) for space in spaces]
    lifted = [torch.where(largest(g, np.ones(len(g), np.int64)), torch.inf, g) for g in groups]
    order = torch.argsort(torch.cat(lifted, 1), dim=1, descending=True, stable=True)
    owner = np.repeat(np.arange(len(groups)), [g.shape[1] for g in groups])[order.numpy()]
    widths = {
        space.name: np.cumsum(owner == index, axis=1) * space.group
        for index, space in enumerate(spaces)
    }
    fits = bits_of(part, widths) <= bits[:, None]
    fits[:, : len(spaces)] = True
    leading = torch.from_numpy(np.logical_and.accumulate(fits, axis=1))
    kept = torch.zeros(order.shape, dtype=torch.bool).scatter(1, order, leading)
    parts = torch.split(kept, [g.shape[1] for g in groups], dim=1)
    return {
        space.name: mask.repeat_interleave(space.group, 1)
        for space, mask in zip(spaces, parts, strict=True)
    }


def limited(scores: Stacked, earlier: Stacked) -> dict[str, torch.Tensor]:
    """Return scores, shapes (K, …), below all others where earlier masks have pruned, so that new masks lie within them.

    Where more is asked for than they keep, ``masks.both`` takes away what was revived.
    """
    return {
        name: torch.where(earlier[name], score, -torch.inf) if name in earlier else score
        for name, score in scores.items()
    }


def largest(scores: torch.Tensor, counts: IntArray) -> torch.Tensor:
    """Return a mask of the largest scores of each row, shape (K, W); row k has counts[k] of them, the earlier of equals.

    A threshold a row and not a sort: the same masks in a thirtieth of the time. What is not a number counts as largest,
    as it does for a sort.
    """
    rows = scores.detach().numpy()
    kept = np.zeros(rows.shape, dtype=np.bool_)
    for row, chosen, count in zip(rows, kept, counts.tolist(), strict=True):
        if not count:
            continue
        least = np.partition(row, len(row) - count)[len(row) - count]
        if np.isnan(least):
            ties = np.flatnonzero(np.isnan(row))
        else:
            chosen[:] = ~(row <= least)
            ties = np.flatnonzero(row == least)
        chosen[ties[: count - np.count_nonzero(chosen)]] = True
    return torch.from_numpy(kept)


def _by_group(scores: torch.Tensor, size: int) -> torch.Tensor:
    """Return the mean score of each group, shape (K, n / size)."""
    return scores.view(len(scores), -1, size).mean(2)
