"""How good the models are: each device's own on its own test data, and the global one on everybody's."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.func import functional_call, vmap

from wflsim.contracts import Algorithm, FloatArray, IntArray
from wflsim.learning.task import Task


@dataclass(frozen=True)
class Scores:
    """The result of an evaluation.

    Attributes:
        personal: Accuracy of each device's model on its own test data, shape (K,).
        whole: Accuracy of the global model on all test data.
    """

    personal: FloatArray
    whole: float


@torch.no_grad()
def evaluate(algorithm: Algorithm, state: Any, task: Task) -> Scores:
    """Return the accuracies of a state; nothing is ever measured on training data."""
    tests = task.holdings.test
    models = [algorithm.model_for(state, device) for device in range(task.devices)]
    stacked = {name: torch.stack([model[name] for model in models]) for name in models[0]}
    rows, present = _padded(tests)
    hits = vmap(_hits, in_dims=(None, 0, 0, 0))(
        task.module, stacked, task.inputs[rows], task.labels[rows]
    )
    personal = (hits & present).sum(1).double() / present.sum(1)
    everyone = torch.from_numpy(np.concatenate(tests))
    shared = dict(algorithm.model_for(state, None))
    right = _hits(task.module, shared, task.inputs[everyone], task.labels[everyone])
    return Scores(personal.numpy(), float(right.double().mean()))


def _hits(
    module: torch.nn.Module,
    params: dict[str, torch.Tensor],
    inputs: torch.Tensor,
    labels: torch.Tensor,
) -> torch.Tensor:
    """Return which samples a model gets right, shape (N,)."""
    logits: torch.Tensor = functional_call(module, params, (inputs,))
    return logits.argmax(-1) == labels


def _padded(parts: list[IntArray]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return index lists as a rectangle, shape (K, longest), and which entries are real."""
    longest = max(map(len, parts))
    rows = np.stack([np.pad(part, (0, longest - len(part)), mode="edge") for part in parts])
    present = np.arange(longest) < np.array([len(part) for part in parts])[:, None]
    return torch.from_numpy(rows), torch.from_numpy(present)
