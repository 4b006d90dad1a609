"""How the server makes one model of many: means over those who sent a coordinate, over those who kept it, or over all."""

from collections.abc import Iterable, Mapping, Sequence

import torch

from wflsim.contracts import FloatArray, Message
from wflsim.learning.anatomy import Anatomy
from wflsim.learning.payload import UNITS, added_at, places_of, unpack
from wflsim.learning.pruning.masks import at_dim

Tensors = Mapping[str, torch.Tensor]
Group = tuple[Tensors | None, Sequence[Message], FloatArray]


def weighted_mean(
    before: Tensors, messages: Sequence[Message], weights: FloatArray, part: Anatomy | None = None
) -> dict[str, torch.Tensor]:
    """Return Σ ω_k u_k, added up in the order of the messages: FedAvg (arXiv 1602.05629) if the weights add up to one.

    What a device pruned counts as zero, so that this is also the zero-filled mean (arXiv 2501.18659 [X]).

    Args:
        before: The server's tensors, which also give names, order and shapes.
        messages: What arrived.
        weights: Weight ω of each message, shape (K,).
        part: The layers that are sent, where messages carry kept units.
    """
    shapes = {name: tensor.shape for name, tensor in before.items()}
    total = {name: torch.zeros_like(tensor) for name, tensor in before.items()}
    for message, share in zip(messages, weights.tolist(), strict=True):
        params, _ = unpack(message, shapes, part)
        for name in before:
            total[name] += share * params[name]
    return total


def masked_mean(
    before: Tensors, messages: Sequence[Message], weights: FloatArray, part: Anatomy | None = None
) -> dict[str, torch.Tensor]:
    """Return Σ ω_k u_k / Σ ω_k over the devices that kept a coordinate, and the old value where nobody did.

    The weights of all devices add up to one. Where everybody kept a coordinate it is then the weighted mean, to the
    last bit: the sum is divided by a share of the weights that is exactly one. System A, docs/papers.md [X]. Arguments
    as of ``weighted_mean``.
    """
    mean, held = kept_mean(before, messages, weights, part)
    return {name: torch.where(held[name], mean[name], old) for name, old in before.items()}


def kept_mean(
    like: Tensors, messages: Sequence[Message], weights: FloatArray, part: Anatomy | None = None
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Return the mean over those who kept a coordinate, as of ``masked_mean``, and where somebody did."""
    total, weight = _sums(like, [(None, messages, weights)], part)
    mean, held = {}, {}
    for name, each in like.items():
        whole = torch.zeros((), dtype=each.dtype)
        for share in weights.tolist():  # added up as the weights of those who kept are
            whole += share
        mean[name] = total[name] / (weight[name] / whole).clamp(min=1e-30)
        held[name] = weight[name] > 0
    return mean, held


def filled_mean(
    like: Tensors, messages: Sequence[Message], weights: FloatArray, part: Anatomy | None = None
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Return Σ ω_k u_k with zeros for those who did not keep a coordinate, and where somebody did.

    So the code of SAFL's first author has it (arXiv 2501.18659 [C]). Arguments as of ``weighted_mean``.
    """
    total, weight = _sums(like, [(None, messages, weights)], part)
    return total, {name: each > 0 for name, each in weight.items()}


def filled_mean_step(late: Sequence[Group], part: Anatomy | None = None) -> dict[str, torch.Tensor]:
    """Return Σ ω_k (m_k u_k − base_k) / Σ ω_k where somebody kept a coordinate, and zero elsewhere.

    Arguments as of ``masked_mean_step``; every group has something that it began with.
    """
    moved, held = dict[str, torch.Tensor](), dict[str, torch.Tensor]()
    whole = sum(float(weights.sum()) for _, _, weights in late)
    for base, messages, weights in late:
        assert base is not None, "a step begins somewhere"
        total, kept = filled_mean(base, messages, weights, part)
        for name, each in base.items():
            step = (total[name] - float(weights.sum()) * each) / whole
            moved[name] = moved[name] + step if name in moved else step
            held[name] = held[name] | kept[name] if name in held else kept[name]
    return {name: torch.where(held[name], step, 0.0) for name, step in moved.items()}


def common_mean(
    before: Tensors, messages: Sequence[Message], weights: FloatArray, part: Anatomy | None = None
) -> dict[str, torch.Tensor]:
    """Return Σ ω_k u_k / Σ ω_k where every device kept a coordinate, and the old value elsewhere [X].

    Arguments as of ``weighted_mean``.
    """
    mean, common = _mean_of_kept(before, [(None, messages, weights)], part)
    shapes = {name: tensor.shape for name, tensor in before.items()}
    for message in messages:
        for name, kept in unpack(message, shapes, part)[1].items():
            common[name] = common[name] & kept
    return {name: torch.where(common[name], mean[name], old) for name, old in before.items()}


def partial_mean(
    before: Tensors, messages: Sequence[Message], weights: FloatArray, part: Anatomy | None = None
) -> dict[str, torch.Tensor]:
    """Return the weighted mean of the tensors that travel, and the others as they are.

    So the thresholds of filters and neurons are fused when nothing else is sent (arXiv 2406.00431 [S]). Arguments as of
    ``weighted_mean``.
    """
    sent = {name: tensor for name, tensor in before.items() if name in messages[0].tensors}
    return {**before, **weighted_mean(sent, messages, weights, part)}


def masked_mean_step(late: Sequence[Group], part: Anatomy | None = None) -> dict[str, torch.Tensor]:
    """Return Σ ω_k m_k (u_k − base_k) / Σ ω_k m_k over all updates, and zero where nobody kept a coordinate.

    Args:
        late: Groups of updates: the tensors that they began with, what arrived, weight ω of each message.
        part: The layers that are sent, where messages carry kept units.
    """
    first = late[0][0]
    return {} if first is None else _mean_of_kept(first, late, part)[0]


def _mean_of_kept(
    like: Tensors, groups: Iterable[Group], part: Anatomy | None
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Return the mean of u − base over those who kept a coordinate, zero where nobody did, and where somebody did."""
    total, weight = _sums(like, groups, part)
    mean = {name: total[name] / weight[name].clamp(min=1e-30) for name in like}
    return mean, {name: weight[name] > 0 for name in like}


def _sums(
    like: Tensors, groups: Iterable[Group], part: Anatomy | None
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Return Σ ω (u − base) and Σ ω over those who kept a coordinate.

    Args:
        like: Tensors with names, order and shapes.
        groups: What updates began with, or None for zero; what arrived, and weight ω of each message.
        part: The layers that are sent, where messages carry kept units.
    """
    shapes = {name: tensor.shape for name, tensor in like.items()}
    total = {name: torch.zeros_like(tensor) for name, tensor in like.items()}
    weight = {name: torch.zeros((), dtype=tensor.dtype) for name, tensor in like.items()}
    for base, messages, weights in groups:
        if not messages:
            continue
        if base is None and part is not None and all(UNITS in m.tensors for m in messages):
            _add_units(total, weight, messages, weights, part)
            continue
        for message, share in zip(messages, weights.tolist(), strict=True):
            params, masks = unpack(message, shapes, part)
            for name, kept in masks.items():
                moved = params[name] if base is None else params[name] - kept * base[name]
                total[name] += share * moved
                weight[name] = _grown(weight[name], share * kept.to(weight[name].dtype))
    return total, weight


def _add_units(
    total: Tensors,
    weight: dict[str, torch.Tensor],
    messages: Sequence[Message],
    weights: FloatArray,
    part: Anatomy,
) -> None:
    """Add messages of units to the sums, without writing down what they have no part in."""
    places, kept = places_of(messages, part)
    for message, share, where in zip(messages, weights.tolist(), places, strict=True):
        for name, there in where.items():
            added_at(total[name], there, share * message.tensors[name])
    for tensor in part.every():
        dims = len(tensor.shape)
        along = [
            at_dim(kept[axis].to(weight[tensor.name].dtype), dim, dims)
            for dim, axis in enumerate(tensor.axes)
            if axis in kept
        ]
        for k, share in enumerate(weights.tolist()):
            more = torch.full((), share, dtype=weight[tensor.name].dtype)
            for each in along:
                more = more * each[k]
            weight[tensor.name] = _grown(weight[tensor.name], more)


def _grown(weight: torch.Tensor, more: torch.Tensor) -> torch.Tensor:
    """Return a sum, in place where that is possible; a weight that is the same along a dimension is written once."""
    return weight.add_(more) if weight.shape == more.shape else weight + more
