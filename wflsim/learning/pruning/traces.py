"""What pruning leaves behind from round to round: curves that devices have reported, masks that are remembered, figures."""

from collections.abc import Sequence

import numpy as np
import torch

from wflsim.contracts import FloatArray, Updates
from wflsim.learning.personal import SplitState, Traces
from wflsim.learning.pruning.effects import CURVE, effects, kept_weights
from wflsim.learning.pruning.levels import curve_ratios
from wflsim.learning.pruning.masks import packed, unpacked
from wflsim.learning.shelf import Shelf

Brought = tuple[SplitState, Updates]


def untouched(state: SplitState, remember: bool) -> Traces:
    """Return the traces before the first round; with masks, everything is kept.

    Args:
        state: The state.
        remember: Whether masks are to be remembered.
    """
    if not remember:
        return Traces()
    whole = {
        name: packed(torch.ones_like(state.shared[name], dtype=torch.bool)[None])[0]
        for name in state.part.prunable
    }
    return Traces(masks=Shelf.of_default(whole, state.personal.devices))


def after(before: SplitState, brought: Sequence[Brought], points: int) -> Traces:
    """Return the traces after updates.

    Args:
        before: The server's state before them.
        brought: The state that updates began with, and the updates.
        points: Number of points of a curve; 0 for none.
    """
    messages = [(began.shared, updates.messages) for began, updates in brought]
    told, masks, curve = effects(messages, before.part), before.traces.masks, before.traces.curve
    for began, updates in brought:
        if masks is not None:
            masks = masks.replaced(updates.devices, _masks(began, updates))
        if points:
            curve = _reported(curve, updates, points, before.personal.devices)
    return Traces(told, curve, masks)


def as_pruned(state: SplitState, device: int) -> dict[str, torch.Tensor] | None:
    """Return a device's own model without what it pruned last; None where masks are not remembered."""
    if state.traces.masks is None:
        return None
    model, masks = state.model_for(device), state.traces.masks.row(device)
    shapes = {tensor.name: tensor.shape for tensor in state.part.every()}
    pruned = {
        name: model[name] * unpacked(bits[None], shapes[name])[0] for name, bits in masks.items()
    }
    return {**model, **pruned}


def _masks(began: SplitState, updates: Updates) -> dict[str, torch.Tensor]:
    """Return the masks of some updates as bytes of eight bits, shapes (K, bytes)."""
    sizes = {t.name: t.size for t in began.part.every() if t.name in began.part.prunable}
    rows: dict[str, list[torch.Tensor]] = {name: [] for name in sizes}
    for message in updates.messages:
        kept = torch.from_numpy(kept_weights(message, began.shared, began.part))
        for name, mask in zip(sizes, torch.split(kept, list(sizes.values())), strict=True):
            rows[name].append(packed(mask[None])[0])
    return {name: torch.stack(found) for name, found in rows.items()}


def _reported(curve: FloatArray | None, updates: Updates, points: int, devices: int) -> FloatArray:
    """Return every device's last curve, shape (N, points)."""
    known = np.tile(curve_ratios(points), (devices, 1)) if curve is None else curve.copy()
    for device, message in zip(updates.devices, updates.messages, strict=True):
        known[device] = message.tensors[CURVE].double().numpy()
    return known
