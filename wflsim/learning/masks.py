"""Which weights are kept: from scores and kept shares to masks."""

from collections.abc import Mapping
from typing import Literal

import numpy as np
import torch

from wflsim.contracts import FloatArray

Scope = Literal["global", "per_layer"]


def keep_largest(
    scores: Mapping[str, torch.Tensor], keep: FloatArray, scope: Scope = "global"
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
    kept = np.diff(np.rint(np.outer(keep, sizes)).astype(np.int64), axis=1, prepend=0)
    masks: dict[str, torch.Tensor] = {}
    for column, group in enumerate(groups):
        chosen = _top(
            torch.cat([flat[name] for name in group], dim=1), torch.from_numpy(kept[:, column])
        )
        parts = torch.split(chosen, [flat[name].shape[1] for name in group], dim=1)
        masks |= {
            name: part.reshape(scores[name].shape) for name, part in zip(group, parts, strict=True)
        }
    return masks


def _top(scores: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """Return a mask of the largest scores of each row, shape (K, W); row k has counts[k] of them."""
    order = torch.argsort(scores, dim=1, descending=True, stable=True)
    leading = torch.arange(scores.shape[1]) < counts[:, None]
    return torch.zeros_like(scores, dtype=torch.bool).scatter(1, order, leading)
