"""What pruning does: to the server's model, coordinate by coordinate, and to a device's, ratio by ratio."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch

from wflsim.contracts import BoolArray, FloatArray, Message
from wflsim.learning.anatomy import Anatomy
from wflsim.learning.payload import BITMAP, UNITS, unpack
from wflsim.learning.pruning.levels import curve_ratios

CURVE = "curve"
"""Name of the tensor in which a device reports its curve, the two ends left out, which everybody knows."""

Tensors = Mapping[str, torch.Tensor]
Group = tuple[Tensors, Sequence[Message]]


def effects(groups: Sequence[Group], part: Anatomy) -> dict[str, float]:
    """Return what pruning did to the messages that came, by the names of columns.

    The coverage Γ is the least number of devices that kept a weight, of those that anybody kept; what nobody kept is
    uncovered; the energy of what a device pruned is π = ‖u ⊙ (1 − m)‖². The bound of docs/bound.md is made of these.

    Args:
        groups: What updates began with, and what arrived.
        part: The layers that are sent.
    """
    counts = np.zeros(part.weights, dtype=np.int32)
    pruned, whole, came = 0.0, 0.0, 0
    for base, messages in groups:
        square = flat(base, part).double().square().numpy()
        energy = float(square.sum())
        for message in messages:
            kept = kept_weights(message, base, part)
            counts += kept
            pruned += float(square[~kept].sum())
            whole += energy
            came += 1
    if not came:
        return {}
    covered = counts[counts > 0]
    return {
        "coverage": float(covered.min()) if len(covered) else 0.0,
        "uncovered": 1.0 - len(covered) / max(len(counts), 1),
        "pruned_energy": pruned / came,
        "shared_energy": whole / came,
    }


def flat(params: Tensors, part: Anatomy) -> torch.Tensor:
    """Return the weights of some layers one after another, shape (W,)."""
    weights = [params[name].flatten() for name in part.prunable]
    return torch.cat(weights) if weights else torch.zeros(0)


def kept_weights(message: Message, base: Tensors, part: Anatomy) -> BoolArray:
    """Return which weights of some layers a message has kept, one after another, shape (W,)."""
    if UNITS in message.tensors:
        masks = unpack(message, {name: tensor.shape for name, tensor in base.items()}, part)[1]
        return np.asarray(flat(masks, part).numpy(), dtype=np.bool_)
    if BITMAP not in message.tensors:
        return np.ones(part.weights, dtype=np.bool_)
    bits = np.unpackbits(message.tensors[BITMAP].numpy(), count=part.weights)
    return bits.astype(np.bool_)


def curve(
    weights: Tensors, masks_at: Callable[[FloatArray], Tensors], points: int, devices: int
) -> torch.Tensor:
    """Return the share of ‖u‖² that each device would prune at some ratios, shape (K, points).

    Under magnitude ranking it is a Lorenz curve, convex and below ρ; another ranking promises neither [X].

    Args:
        weights: What is pruned, shapes (K, …).
        masks_at: From kept shares, shape (K,), to masks, shapes (K, …); what has none is kept.
        points: Number of ratios.
        devices: Number K of devices.
    """
    square = {name: tensor.double().square().flatten(1) for name, tensor in weights.items()}
    whole = sum(each.sum(1) for each in square.values())
    found = []
    for ratio in curve_ratios(points):
        masks = masks_at(np.full(devices, 1.0 - ratio))
        lost = sum((square[n] * ~mask.flatten(1)).sum(1) for n, mask in masks.items())
        found.append(torch.as_tensor(lost) / torch.as_tensor(whole).clamp(min=1e-300))
    return torch.stack(found, 1).float()
