"""Devices trained by compiled code, a device's whole lesson in one call; other threads go on meanwhile."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from wflsim.learning.lessons import Lesson, Objective
from wflsim.learning.native.plan import Plan

Params = Mapping[str, torch.Tensor]
Array = np.ndarray[Any, Any]


def covers(lesson: Lesson) -> bool:
    """Return whether there is compiled code for a lesson: the cross-entropy alone, and nothing that is drawn."""
    return lesson.objective == Objective() and not lesson.half


def train(
    plan: Plan, inputs: torch.Tensor, labels: torch.Tensor, params: Params, lesson: Lesson
) -> dict[str, torch.Tensor]:
    """Return the parameters after a lesson, shapes (K, …).

    Args:
        plan: The network.
        inputs: All samples, shape (N, …).
        labels: All labels, shape (N,).
        params: Stacked parameters, shapes (K, …); left as they are.
        lesson: What the devices do.
    """
    from wflsim.learning.native.descent import descend  # the compiler is imported late

    kind = params[plan.names[0]].numpy().dtype
    steps, devices, size = lesson.batches.rows.shape
    stages, moves = plan.moving(lesson.names)
    weights = _flat(plan, params, np.empty((devices, plan.starts[-1]), kind))
    masks = np.ones((devices, plan.starts[-1] if lesson.masks else 0), kind)
    if lesson.masks:
        _flat(plan, lesson.masks, masks)[:, ~moves] = 1
    rows = np.ascontiguousarray(lesson.batches.rows.transpose(0, 1).numpy())
    counts = np.full((devices, steps), size)
    if lesson.batches.counts is not None:
        counts = np.ascontiguousarray(lesson.batches.counts.T.numpy())
    rule = np.array([getattr(lesson.descent, key) for key in ("rate", "momentum", "decay")], kind)
    samples, classes = inputs.flatten(1).numpy(), labels.numpy()
    memory = tuple(np.empty(n * size, kind) for n in (plan.values, plan.values, plan.aside))
    for own, mask, row, count in zip(weights, masks, rows, counts, strict=True):
        descend(stages, plan.last, own, moves, mask, samples, classes, row, count, rule, memory)
    found = dict(params)
    for name, start, end in zip(plan.names, plan.starts, plan.starts[1:], strict=False):
        if name in lesson.names:
            found[name] = torch.from_numpy(weights[:, start:end].reshape(params[name].shape))
    return found


def _flat(plan: Plan, params: Params, into: Array) -> Array:
    """Write tensors of every device in a row, shape (K, P), and return that."""
    for name, start, end in zip(plan.names, plan.starts, plan.starts[1:], strict=False):
        if name in params:
            into[:, start:end] = params[name].numpy().reshape(len(into), -1)
    return into
