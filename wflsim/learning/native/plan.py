"""From a network's parts to the numbers that its compiled training needs: stages, shapes, and where everything lies."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from wflsim.learning import blueprint as bp
from wflsim.learning.native.stages import CONV, FLATTEN, HALVE, LINEAR, RELU, STAGE


@dataclass(frozen=True)
class Plan:
    """A network as the compiled code sees it.

    Attributes:
        stages: Its stages, see ``STAGE``.
        last: Whether samples come as the last dimension into the first stage, or as the first.
        names: Names of its tensors in the order in which they lie in memory.
        starts: Where each begins, and where the last ends, shape (tensors + 1,).
        values: Numbers a sample in the memory of values.
        aside: Numbers a sample in the memory of shifted images.
    """

    stages: np.ndarray
    last: bool
    names: tuple[str, ...]
    starts: np.ndarray
    values: int
    aside: int

    def moving(self, names: Collection[str]) -> tuple[np.ndarray, np.ndarray]:
        """Return the stages when only some tensors may change, and which numbers may, shape (P,)."""
        moves = np.array([name in names for name in self.names])
        at = dict(zip(self.starts.tolist(), moves.tolist(), strict=False))
        stages, wanted = self.stages.copy(), False
        for stage in stages:
            stage["back"] = wanted
            stage["moves_weight"] = at.get(int(stage["weight"]), False)
            stage["moves_bias"] = at.get(int(stage["bias"]), False)
            wanted = bool(wanted or stage["moves_weight"] or stage["moves_bias"])
        return stages, np.repeat(moves, np.diff(self.starts))


@lru_cache(256)
def planned(blueprint: bp.Blueprint) -> Plan | None:
    """Return the plan of a network, or None where it has a part for which there is no compiled code."""
    starts = np.cumsum([0, *(tensor.size for tensor in blueprint.anatomy.every())])
    at = dict(zip(blueprint.anatomy.tensors, starts.tolist(), strict=False))
    parts = bp.pooled_first(blueprint.chain)
    last = next(
        (isinstance(p, IMAGES) for _, p in parts if isinstance(p, (*IMAGES, bp.Linear))), False
    )
    flow, before, need = blueprint.entry, 0, {"values": prod(blueprint.input_shape), "aside": 0}
    stages: list[dict[str, int]] = []
    vector = not last
    for name, part in parts:
        after = part.through(flow, name).flow
        stage = _stage(part, flow, after, vector)
        if stage is None:
            return None
        vector = vector or isinstance(part, bp.Flatten)
        if stage:
            stage |= {"weight": at.get(f"{name}.weight", -1), "bias": at.get(f"{name}.bias", -1)}
            stage |= _placed(stage, before, need)
            stages.append(stage)
            before = stage["after"]
        flow = after
    table = np.zeros(len(stages), STAGE)
    for row, stage in zip(table, stages, strict=True):
        for key, value in stage.items():
            row[key] = value
    return Plan(table, last, tuple(at), starts, **need)


def _stage(part: Any, flow: bp.Flow, after: bp.Flow, vector: bool) -> dict[str, int] | None:
    """Return what a part does, nothing if it does nothing, None where there is no compiled code for it."""
    found: dict[str, int] | None = None
    flat = {"channels": prod(flow.shape), "units": prod(after.shape)}
    if isinstance(part, bp.Act) and part.kind == "relu":
        found = {"kind": RELU, **flat}
    elif isinstance(part, bp.Flatten):
        found = {} if vector else {"kind": FLATTEN, **flat}
    elif isinstance(part, bp.Linear) and vector and len(flow.shape) == 1:
        found = {"kind": LINEAR, **flat}
    elif isinstance(part, bp.MaxPool) and part.size == 2 and not vector:
        found = {"kind": HALVE, **_images(flow, after)}
    elif isinstance(part, bp.Conv) and part.stride == 1 and not vector:
        rows = len(flow.shape) - 2  # whether an image has more than one
        kernel = {"wide": part.kernel, "beside": part.padding}
        kernel |= {"tall": part.kernel if rows else 1, "above": part.padding if rows else 0}
        found = {"kind": CONV, **_images(flow, after), **kernel}
    return found


def _images(flow: bp.Flow, after: bp.Flow) -> dict[str, int]:
    """Return channels, height and width before and after; values in a row are an image of one row."""
    before, behind = (
        (each.shape[0], 1, each.shape[1]) if len(each.shape) == 2 else each.shape
        for each in (flow, after)
    )
    names = ("channels", "height", "width", "units", "rows", "columns")
    return dict(zip(names, (*before, *behind), strict=True))


def _placed(stage: dict[str, int], before: int, need: dict[str, int]) -> dict[str, int]:
    """Return where the values of a stage lie, a sample, and take that memory."""
    kind, after, aside = stage["kind"], before, 0
    if kind != RELU:  # which works in place
        after = need["values"]
        need["values"] += stage["units"] * stage.get("rows", 1) * stage.get("columns", 1)
    if kind == CONV:
        aside = need["aside"]
        tall = stage["height"] + 2 * stage["above"]
        need["aside"] += stage["wide"] * stage["channels"] * tall * stage["columns"]
    return {"before": before, "after": after, "aside": aside}


IMAGES = (bp.Conv, bp.MaxPool)
