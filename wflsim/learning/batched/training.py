"""K devices trained as one: forward, loss, backward and step of all of them in a few large operations."""

from collections.abc import Iterator, Mapping

import torch
from torch.nn import functional

from wflsim.learning.batched.foreign import Foreign
from wflsim.learning.batched.moment import Moment, Scratch
from wflsim.learning.batched.network import Network
from wflsim.learning.batched.sinks import InPlace, Sink, Slopes
from wflsim.learning.lessons import Batch, Lesson, Objective, Penalty

Params = Mapping[str, torch.Tensor]


Model = Network | Foreign


def train(
    model: Model, inputs: torch.Tensor, labels: torch.Tensor, params: Params, lesson: Lesson
) -> dict[str, torch.Tensor]:
    """Return the parameters after a lesson, shapes (K, …).

    Args:
        model: The model of K devices.
        inputs: All samples, shape (N, …).
        labels: All labels, shape (N,).
        params: Stacked parameters, shapes (K, …); left as they are.
        lesson: What the devices do.
    """
    found = lesson.copied(params)
    with torch.no_grad():
        _steps(model, inputs, labels, found, lesson)
    return found


def _steps(
    model: Model,
    inputs: torch.Tensor,
    labels: torch.Tensor,
    params: dict[str, torch.Tensor],
    lesson: Lesson,
) -> None:
    """Train K devices in place."""
    scratch, momenta = Scratch(), dict[str, torch.Tensor]()
    moving = lesson.names & set(model.trained)
    masks = {name: mask for name, mask in lesson.masks.items() if name in moving}
    in_place = lesson.descent.plain and lesson.objective.penalty is None and not lesson.half
    for step, batch in enumerate(_batches(inputs, labels, lesson, scratch)):
        real = None if lesson.batches.counts is None else (batch.shares > 0).to(inputs.dtype)
        moment = Moment(True, real, lesson.chances(step), {}, scratch)
        if in_place:
            sink = InPlace(params, moving, lesson.descent.rate)
            _backward(model, params, batch, moment, lesson.objective, sink=sink)
        else:
            slopes = Slopes(_halved(params) if lesson.half else params, moving)
            _backward(model, slopes.params, batch, moment, lesson.objective, sink=slopes)
            _move(params, slopes.found, momenta, lesson, batch.shares)
        for name in moment.statistics.keys() & lesson.names:
            params[name] = moment.statistics[name].to(params[name].dtype)
        for name, mask in masks.items():
            params[name].mul_(mask)


def _batches(
    inputs: torch.Tensor, labels: torch.Tensor, lesson: Lesson, scratch: Scratch
) -> Iterator[Batch]:
    """Yield the samples of every step, gathered into memory that is used again."""
    flat, rows = inputs.flatten(1), lesson.batches.rows.contiguous()
    store = scratch.like(flat, "inputs", shape=(rows[0].numel(), flat.shape[1]))
    values = store.view(*rows.shape[1:], *inputs.shape[1:])
    for where, classes, shares in zip(rows, labels[rows], _shares(lesson, inputs), strict=True):
        torch.index_select(flat, 0, where.view(-1), out=store)
        yield Batch(values.bfloat16() if lesson.half else values, classes, shares)


def _halved(params: Params) -> dict[str, torch.Tensor]:
    """Return the parameters as they enter a step in bfloat16."""
    return {name: each.bfloat16() for name, each in params.items()}


def _backward(
    model: Model,
    params: Params,
    batch: Batch,
    moment: Moment,
    objective: Objective,
    *,
    sink: Sink,
) -> None:
    """Hand the slopes of every device's loss at a batch to a sink."""
    if isinstance(model, Foreign) and objective.whole is not None:
        model.whole(params, batch, objective, sink)
    else:
        scores, saved = model.forward(params, batch.inputs, moment)
        slope = _slope(scores.to(batch.shares.dtype), batch, objective)
        model.backward(params, saved, slope.to(scores.dtype), sink)


def _shares(lesson: Lesson, inputs: torch.Tensor) -> torch.Tensor:
    """Return how much each sample of each step counts in its device's mean; zero for what fills up.

    The shape is (steps, K, B), or (steps, 1, 1) where all samples are real.
    """
    counts, size = lesson.batches.counts, lesson.batches.size
    if counts is None:
        return inputs.new_full((len(lesson.batches.rows), 1, 1), 1.0 / size)
    real = torch.arange(size, device=inputs.device) < counts[..., None]
    return real.to(inputs.dtype) / counts[..., None].clamp(min=1).to(inputs.dtype)


def _slope(scores: torch.Tensor, batch: Batch, objective: Objective) -> torch.Tensor:
    """Return the slope of every device's mean loss by its scores, shape (K, B, C)."""
    labels, shares = batch.labels, batch.shares
    if objective.loss is None:
        slope = functional.softmax(scores, -1)
        slope.scatter_add_(-1, labels[..., None], slope.new_full((*labels.shape, 1), -1.0))
        return slope.mul_(shares[..., None])
    leaf = scores.detach().clone().requires_grad_()
    with torch.enable_grad():
        each = objective.loss(leaf.flatten(0, 1), labels.flatten()).view(labels.shape)
        return torch.autograd.grad((each * shares).sum(), leaf)[0]


def _move(
    params: dict[str, torch.Tensor],
    slopes: dict[str, torch.Tensor],
    momenta: dict[str, torch.Tensor],
    lesson: Lesson,
    shares: torch.Tensor,
) -> None:
    """Move parameters a step by slopes to which a penalty, decay and momentum are added; who has finished stays."""
    descent, penalty = lesson.descent, lesson.objective.penalty
    added = {} if penalty is None else _penalty_slopes(params, slopes, lesson.objective, penalty)
    busy = shares.amax(1) > 0  # nothing of a device that rests or has finished may move
    for name, each in slopes.items():
        slope = each.to(params[name].dtype)
        if name in added:
            slope = slope + added[name]
        if descent.decay:
            slope = slope + descent.decay * params[name]
        before = momenta.get(name)
        if descent.momentum:
            slope = slope if before is None else descent.momentum * before + slope
        works = busy.view(-1, *[1] * (slope.dim() - 1))
        if descent.momentum:
            momenta[name] = torch.where(works, slope, 0.0 if before is None else before)
        step = slope * works
        params[name].sub_(step, alpha=descent.rate)


def _penalty_slopes(
    params: Params, slopes: Params, objective: Objective, penalty: Penalty
) -> dict[str, torch.Tensor]:
    """Return the slopes of each device's penalty; that of the sum over devices is every device's own."""
    from torch.func import vmap

    leaves = {name: params[name].detach().requires_grad_() for name in slopes}
    with torch.enable_grad():
        total = vmap(penalty)(leaves, dict(objective.context)).sum()
        found = torch.autograd.grad(total, list(leaves.values()), allow_unused=True)
    pairs: list[tuple[str, torch.Tensor | None]] = list(zip(leaves, found, strict=True))
    return {name: each for name, each in pairs if each is not None}
