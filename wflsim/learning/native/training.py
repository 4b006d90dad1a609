"""Devices trained by compiled code, a device's whole lesson in one call; other threads go on meanwhile."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from wflsim.learning.lessons import Lesson, Objective
from wflsim.learning.native.plan import Plan
from wflsim.learning.native.stages import Array

Params = Mapping[str, torch.Tensor]


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
    weights, arguments = _arguments(plan, inputs, labels, params, lesson)
    _code(arguments)(*arguments)
    found, stacked = dict(params), torch.from_numpy(weights)
    for name, start, end in zip(plan.names, plan.starts, plan.starts[1:], strict=False):
        if name in lesson.names:
            found[name] = stacked[:, start:end].reshape(params[name].shape)
    return found


def _arguments(
    plan: Plan, inputs: torch.Tensor, labels: torch.Tensor, params: Params, lesson: Lesson
) -> tuple[Array, tuple[Any, ...]]:
    """Return the parameters of all devices, shape (K, P), and what else the compiled code needs; it checks nothing itself."""
    kind = params[plan.names[0]].detach().numpy().dtype
    steps, devices, size = lesson.batches.rows.shape
    stages, moves = plan.moving(lesson.names)
    weights = _flat(plan, params, np.empty((devices, plan.starts[-1]), kind))
    masks = np.ones((devices, plan.starts[-1] if lesson.masks else 0), kind)
    if lesson.masks:
        _flat(plan, lesson.masks, masks)[:, ~moves] = 1
    rows = np.ascontiguousarray(lesson.batches.rows.transpose(0, 1).numpy())
    counts = np.full((devices, steps), size)
    if lesson.batches.counts is not None:
        counts = np.ascontiguousarray(lesson.batches.counts.T.numpy(), dtype=np.int64)
    rule = np.array([getattr(lesson.descent, key) for key in ("rate", "momentum", "decay")], kind)
    samples = np.ascontiguousarray(inputs.flatten(1).numpy(), kind)
    classes = np.ascontiguousarray(labels.numpy(), np.int64)
    _within("numbers of a sample", np.array(samples.shape[1:]), plan.width, plan.width)
    _within("labels", classes, 0, int(stages[-1]["units"]) - 1)
    _within("rows", rows, 0, len(samples) - 1)
    _within("counts", counts, 0, size)
    memory = tuple(np.empty(n * size, kind) for n in (plan.values, plan.values, plan.aside))
    first = (stages, plan.last, weights, moves, masks)
    return weights, (*first, samples, classes, rows, counts, rule, memory)


def _within(what: str, values: Array, least: int, most: int) -> None:
    """Raise unless values lie where compiled code may look."""
    if values.size and not least <= values.min() <= values.max() <= most:
        raise ValueError(
            f"{what}: must be from {least} to {most}, got {values.min()} to {values.max()}"
        )


def _code(arguments: tuple[Any, ...]) -> Any:
    """Return compiled code for some arguments, which are all of one type of numbers; kept from earlier if possible."""
    kind = arguments[2].dtype.str
    if kind not in _READY:
        from numba import typeof  # the compiler is imported late

        from wflsim.learning.native.descent import descend, lasting

        try:
            lasting.compile(tuple(map(typeof, arguments)))
            _READY[kind] = lasting
        except Exception:  # a full disk, a damaged file: what is kept is a convenience
            _READY[kind] = descend
    return _READY[kind]


_READY: dict[str, Any] = {}


def _flat(plan: Plan, params: Params, into: Array) -> Array:
    """Write tensors of every device in a row, shape (K, P), and return that."""
    for name, start, end in zip(plan.names, plan.starts, plan.starts[1:], strict=False):
        if name in params:
            shape = (len(into), *plan.shapes[name])
            if params[name].shape != shape:
                raise ValueError(
                    f"{name}: must have shape {shape}, got {tuple(params[name].shape)}"
                )
            into[:, start:end] = params[name].detach().numpy().reshape(len(into), -1)
    return into
