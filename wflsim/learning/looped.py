"""One device after another: a resident PyTorch module, trained in place; the reference of everything faster."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional

from wflsim.learning.lessons import Lesson, Objective
from wflsim.learning.modules import Drop

Params = Mapping[str, torch.Tensor]


def train(
    module: nn.Module, inputs: torch.Tensor, labels: torch.Tensor, params: Params, lesson: Lesson
) -> dict[str, torch.Tensor]:
    """Return the parameters after a lesson, shapes (K, …).

    Args:
        module: The model; what it holds is overwritten.
        inputs: All samples, shape (N, …).
        labels: All labels, shape (N,).
        params: Stacked parameters, shapes (K, …); left as they are.
        lesson: What the devices do.
    """
    found = lesson.copied(params)
    module.train()
    held = module.state_dict(keep_vars=True)
    for device in range(lesson.batches.rows.shape[1]):
        with torch.no_grad():
            for name, each in params.items():
                held[name].copy_(each[device])
        _device(module, inputs, labels, lesson, device)
        for name in lesson.names:
            found[name][device] = held[name].detach()
    return found


def _device(
    module: nn.Module, inputs: torch.Tensor, labels: torch.Tensor, lesson: Lesson, device: int
) -> None:
    """Train one device in place."""
    moving = {n: each for n, each in module.named_parameters() if n in lesson.names}
    masks = {n: mask[device] for n, mask in lesson.masks.items() if n in moving}
    context = {name: each[device] for name, each in lesson.objective.context.items()}
    drops = [part for part in module.modules() if isinstance(part, Drop)]
    momenta: list[torch.Tensor] = []
    for step, rows in enumerate(lesson.batches.rows[:, device]):
        counts = lesson.batches.counts
        count = lesson.batches.size if counts is None else int(counts[step, device])
        if not count:
            continue
        chances = lesson.chances(step, device) if drops else None
        for part in drops:
            part.draw = chances
        batch = (inputs[rows[:count]], labels[rows[:count]])
        with torch.autocast(inputs.device.type, torch.bfloat16, enabled=lesson.half):
            loss = _loss(module, moving, batch, lesson.objective, context)
        with torch.no_grad():
            if moving:
                slopes = list(
                    torch.autograd.grad(loss, list(moving.values()), materialize_grads=True)
                )
                momenta = _step(list(moving.values()), slopes, momenta, lesson.descent)
            for name, mask in masks.items():
                moving[name].mul_(mask)


def _loss(
    module: nn.Module,
    moving: Params,
    batch: tuple[torch.Tensor, torch.Tensor],
    objective: Objective,
    context: Params,
) -> torch.Tensor:
    """Return the loss of one device at a batch of samples and labels."""
    inputs, labels = batch
    if objective.whole is not None:
        each = objective.whole(
            lambda params, values: functional_call(module, dict(params), (values,)),
            dict(module.named_parameters()), inputs, labels, context,
        )  # fmt: skip
        loss = each.mean()
    elif objective.loss is not None:
        loss = objective.loss(module(inputs), labels).mean()
    else:
        loss = functional.cross_entropy(module(inputs), labels)
    return loss if objective.penalty is None else loss + objective.penalty(moving, context)


def _step(
    params: list[torch.Tensor],
    slopes: list[torch.Tensor],
    momenta: list[torch.Tensor],
    descent: Any,
) -> list[torch.Tensor]:
    """Move parameters a step, as PyTorch's SGD does; return the momenta."""
    if descent.decay:
        slopes = list(torch._foreach_add(slopes, params, alpha=descent.decay))  # noqa: SLF001
    if descent.momentum:
        if momenta:
            torch._foreach_mul_(momenta, descent.momentum)
            torch._foreach_add_(momenta, slopes)
        else:
            momenta = [slope.clone() for slope in slopes]
        slopes = momenta
    torch._foreach_add_(params, slopes, alpha=-descent.rate)
    return momenta
