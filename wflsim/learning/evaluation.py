"""How good the models are: each device's own on its own test data, and the global one on everybody's."""

from functools import partial
from typing import Any

import numpy as np
import torch
from torch.func import functional_call, vmap

from wflsim.contracts import Algorithm, IntArray, Scores
from wflsim.learning.stacked import stacked_forward
from wflsim.learning.task import Task


@torch.no_grad()
def evaluate(algorithm: Algorithm, state: Any, task: Task) -> Scores:
    """Return the accuracies of a state; nothing is ever measured on training data."""
    tests = task.holdings.test
    models = [algorithm.model_for(state, device) for device in range(task.devices)]
    stacked = {name: torch.stack([model[name] for model in models]) for name in models[0]}
    rows, present = _padded(tests)
    forward = stacked_forward(task.module) or vmap(partial(functional_call, task.module))
    hits = forward(stacked, task.inputs[rows]).argmax(-1) == task.labels[rows]
    personal = (hits & present).sum(1).double() / present.sum(1)
    everyone = torch.from_numpy(task.holdings.common_test)
    shared = dict(algorithm.model_for(state, None))
    logits = functional_call(task.module, shared, (task.inputs[everyone],))
    right = logits.argmax(-1) == task.labels[everyone]
    return Scores(personal.numpy(), float(right.double().mean()))


def _padded(parts: list[IntArray]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return index lists as a rectangle, shape (K, longest), and which entries are real."""
    longest = max(map(len, parts))
    rows = np.stack([np.pad(part, (0, longest - len(part)), mode="edge") for part in parts])
    present = np.arange(longest) < np.array([len(part) for part in parts])[:, None]
    return torch.from_numpy(rows), torch.from_numpy(present)
