"""Methods whose devices send what has changed: the change as one vector, and how the server adds up what arrived."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch

from wflsim.contracts import Late, Message, Updates
from wflsim.learning.cohort import Cohort, Params
from wflsim.learning.personal import SplitState

Reading = Callable[[Message], torch.Tensor]


def change(model: SplitState, params: Params) -> torch.Tensor:
    """Return by how much stacked parameters, shapes (K, …), differ from the model, shape (K, P), statistics left out.

    Statistics of norms are variances too, which must not become negative when something of a change is missing or noisy.
    """
    return torch.cat(
        [(params[name] - model.shared[name]).flatten(1) for name in model.part.trained], dim=1
    )


def chances(cohort: Cohort, purpose: str, count: int) -> torch.Tensor:
    """Return so many uniform numbers below one for each device, by its own stream of the turn, shape (K, count)."""
    draws = [cohort.turn.draw(purpose, device) for device in cohort.devices.tolist()]
    return torch.from_numpy(np.stack([draw.random(count, np.float32) for draw in draws]))


def sent(
    model: SplitState, cohort: Cohort, rows: Sequence[Params], trained: Params
) -> list[dict[str, torch.Tensor]]:
    """Return messages of compressed changes, one a device, together with the statistics of norms."""
    whole = cohort.rows(trained, model.part.statistics)
    return [{**row, **own} for row, own in zip(rows, whole, strict=True)]


def fresh(model: SplitState, state: object, updates: Updates) -> list[Late]:
    """Return updates that all began with the state of today, weighted by samples; none where nobody came.

    Args:
        model: Its model.
        state: The method's state.
        updates: What came.
    """
    samples = model.samples[updates.devices]
    return [Late(state, updates, samples / samples.sum())] if len(samples) else []


def added(model: SplitState, late: Sequence[Late], read: Reading) -> SplitState:
    """Return the model after x + Σ w u, whatever the updates began with; of statistics u is the change since then.

    Args:
        model: The server's model of today.
        late: Updates, whose bases are models.
        read: From a message to the change that it tells, shape (P,).
    """
    sizes = model.part.trained
    total = torch.zeros(sum(sizes.values()), dtype=model.shared[next(iter(sizes))].dtype)
    shared = dict(model.shared)
    for group in late:
        pairs = zip(group.updates.messages, group.weight.tolist(), strict=True)
        for message, weight in pairs:
            total += weight * read(message)
            for name in model.part.statistics:
                moved = message.tensors[name] - group.base.shared[name]
                shared[name] = shared[name] + weight * moved
    parts = torch.split(total, list(sizes.values()))
    for name, part in zip(sizes, parts, strict=True):
        shared[name] = shared[name] + part.view_as(shared[name])
    return replace(model, shared=shared)
