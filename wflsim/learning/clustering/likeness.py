"""How alike devices are, by the directions in which training has moved them."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from wflsim.contracts import FloatArray

Tensors = Mapping[str, torch.Tensor]


def cosines(
    models: Sequence[Tensors], base: Tensors | Sequence[Tensors], names: Sequence[str]
) -> FloatArray:
    """Return the cosine of every two devices' changes of some tensors, shape (K, K).

    Inner products are added up tensor by tensor in float64, so that no matrix of all changes is ever written down. Who has not
    moved at all is like nobody: its cosines are 0, and 1 with itself.

    Args:
        models: What each device brought.
        base: What all of them began with, or what each did.
        names: The tensors that count.
    """
    begun = [base] * len(models) if isinstance(base, Mapping) else base
    inner = np.zeros((len(models), len(models)))
    for name in names:
        change = torch.stack(
            [
                (model[name].double() - first[name].double()).flatten()
                for model, first in zip(models, begun, strict=True)
            ]
        )
        inner += (change @ change.T).numpy()
    length = np.sqrt(np.diag(inner))
    cosine = inner / np.maximum(np.outer(length, length), 1e-300)
    np.fill_diagonal(cosine, 1.0)
    return np.asarray(np.clip(cosine, -1.0, 1.0))
