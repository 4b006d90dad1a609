"""From a network's parts to the numbers that its compiled training needs: stages, shapes, and where everything lies."""

from collections.abc import Collection, Iterator, Mapping
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
        shapes: Their shapes by name.
        starts: Where each begins, and where the last ends, shape (tensors + 1,).
        width: Numbers of a sample.
        values: Numbers a sample in the memory of values.
        aside: Numbers a sample in the memory of shifted images.
    """

    stages: np.ndarray
    last: bool
    names: tuple[str, ...]
    shapes: Mapping[str, tuple[int, ...]]
    starts: np.ndarray
    width: int
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


def planned(blueprint: bp.Blueprint) -> Plan | None:
    """Return the plan of a network, or None where it has a part for which there is no compiled code."""
    try:
        return _planned(blueprint)
    except TypeError:  # a blueprint with lists in it cannot be remembered by
        return _planned.__wrapped__(blueprint)


@lru_cache(256)
def _planned(blueprint: bp.Blueprint) -> Plan | None:
    starts = np.cumsum([0, *(tensor.size for tensor in blueprint.anatomy.every())])
    at = dict(zip(blueprint.anatomy.tensors, starts.tolist(), strict=False))
    parts = bp.pooled_first(_flat(blueprint.chain))
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
    if not stages:
        return None
    stages[0]["first"] = stages[0]["kind"] == LINEAR  # which reads samples where they lie
    table = np.zeros(len(stages), STAGE)
    for row, stage in zip(table, stages, strict=True):
        for key, value in stage.items():
            row[key] = value
    shapes = {tensor.name: tensor.shape for tensor in blueprint.anatomy.every()}
    return Plan(table, last, tuple(at), shapes, starts, prod(blueprint.input_shape), **need)


def _flat(chain: bp.Chain, path: str = "") -> Iterator[tuple[str, bp.Part]]:
    """Yield the parts of a chain and of the chains in it, with their full names."""
    for name, part in chain.named():
        full = bp.below(path, name)
        if isinstance(part, bp.Chain):
            yield from _flat(part, full)
        else:
            yield full, part


def _stage(part: Any, flow: bp.Flow, after: bp.Flow, vector: bool) -> dict[str, int] | None:
    """Return what a part does, nothing if it does nothing, None where there is no compiled code for it."""
    found: dict[str, int] | None = None
    image = not vector and len(flow.shape) in {2, 3}
    flat = {"channels": prod(flow.shape), "units": prod(after.shape)}
    if isinstance(part, bp.Act) and part.kind == "relu":
        found = {"kind": RELU, **flat}
    elif isinstance(part, bp.Flatten):
        found = {} if vector else {"kind": FLATTEN, **flat}
    elif isinstance(part, bp.Linear) and vector and len(flow.shape) == 1:
        found = {"kind": LINEAR, **flat}
    elif isinstance(part, bp.MaxPool) and part.size == 2 and image:
        found = {"kind": HALVE, **_images(flow, after)}
    elif isinstance(part, bp.Conv) and part.stride == 1 and image:
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
