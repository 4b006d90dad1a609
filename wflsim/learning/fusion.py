"""How the server makes one model of many: the coordinate-wise mean over those who kept a coordinate."""

from collections.abc import Mapping, Sequence

import torch

from wflsim.contracts import FloatArray, Message
from wflsim.learning.payload import unpack


def masked_mean(
    before: Mapping[str, torch.Tensor], messages: Sequence[Message], weights: FloatArray
) -> dict[str, torch.Tensor]:
    """Return Σ ω_k u_k / Σ ω_k over the devices that kept a coordinate, and the old value where nobody did.

    With dense messages this is the weighted mean of FedAvg. System A, docs/papers.md [X].

    Args:
        before: The server's tensors, which also give names, order and shapes.
        messages: What arrived.
        weights: Weight ω of each message, shape (K,).
    """
    shapes = {name: tensor.shape for name, tensor in before.items()}
    total = {name: torch.zeros_like(tensor) for name, tensor in before.items()}
    weight = {name: torch.zeros_like(tensor) for name, tensor in before.items()}
    for message, share in zip(messages, weights.tolist(), strict=True):
        params, masks = unpack(message, shapes)
        for name in before:
            total[name] += share * params[name]
            weight[name] += share * masks[name]
    return {
        name: torch.where(
            weight[name] > 0, total[name] / weight[name].clamp(min=1e-30), before[name]
        )
        for name in before
    }


def masked_mean_step(
    late: Sequence[tuple[Mapping[str, torch.Tensor], Sequence[Message], FloatArray]],
) -> dict[str, torch.Tensor]:
    """Return Σ ω_k m_k (u_k − base_k) / Σ ω_k m_k over all updates, and zero where nobody kept a coordinate.

    Args:
        late: Groups of updates: the tensors that they began with, what arrived, weight ω of each message.
    """
    first = late[0][0]
    shapes = {name: tensor.shape for name, tensor in first.items()}
    total = {name: torch.zeros_like(tensor) for name, tensor in first.items()}
    weight = {name: torch.zeros_like(tensor) for name, tensor in first.items()}
    for base, messages, weights in late:
        for message, share in zip(messages, weights.tolist(), strict=True):
            params, masks = unpack(message, shapes)
            for name in first:
                total[name] += share * (params[name] - masks[name] * base[name])
                weight[name] += share * masks[name]
    return {name: total[name] / weight[name].clamp(min=1e-30) for name in first}
