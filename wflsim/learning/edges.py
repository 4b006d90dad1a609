"""The state of methods with edges: one model in the cloud, and one at every edge while a round of the cloud goes on."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch

from wflsim.contracts import IntArray, Message, Turn, Updates
from wflsim.learning.cohort import Cohort, Params
from wflsim.learning.fusion import weighted_mean
from wflsim.learning.personal import SplitState


@dataclass(frozen=True)
class EdgeState:
    """What the cloud and its edges know; a device's edge is the cell that serves it.

    Attributes:
        before: What the cloud knew when the round began that the edges are in.
        edges: Cell → what its edge has come to, for those that have taken something in since.
        weight: Cell → training samples of all devices that it serves, for those.
        round_: That round.
    """

    before: SplitState
    edges: Mapping[int, SplitState] = field(default_factory=dict)
    weight: Mapping[int, int] = field(default_factory=dict)
    round_: int = -1

    @cached_property
    def cloud(self) -> SplitState:
        """What the cloud knows when the round is over: the mean of its edges' models, weighted by their samples.

        An edge that took nothing in has nothing to say.
        """
        if not self.edges:
            return self.before
        share = np.array([self.weight[cell] for cell in self.edges], dtype=np.float64)
        models = [Message(edge.shared) for edge in self.edges.values()]
        shared = weighted_mean(self.before.shared, models, share / share.sum())
        return replace(self.before, shared=shared)

    def at(self, turn: Turn) -> "EdgeState":
        """Return the state in which a moment finds it: in a new round every edge begins with the cloud's model."""
        return self if turn.round_ == self.round_ else EdgeState(self.cloud, round_=turn.round_)

    def of(self, cohort: Cohort) -> dict[str, torch.Tensor]:
        """Return what the devices of a cohort start with, the models of their edges, shapes (K, …)."""
        here = self.at(cohort.turn)
        cells = _cells(cohort.turn, cohort.devices)
        models = [here.edges.get(cell, here.before).shared for cell in cells]
        return {name: torch.stack([model[name] for model in models]) for name in here.before.shared}

    def fused(self, updates: Updates) -> "EdgeState":
        """Return the state after every edge has taken in what its own devices bring."""
        here, cells = self.at(updates.turn), np.array(_cells(updates.turn, updates.devices))
        edges, weight = dict(here.edges), dict(here.weight)
        for cell in np.unique(cells).tolist():
            (rows,) = np.nonzero(cells == cell)
            edges[cell] = edges.get(cell, here.before).fused(updates.only(rows))
            weight[cell] = _served(here.before.samples, updates.turn, cell)
        return EdgeState(here.before, edges, weight, here.round_)

    def model_for(self, device: int | None) -> Params:
        """Return the parameters of the cloud's model, which everybody uses."""
        return self.cloud.shared


def _cells(turn: Turn, devices: IntArray) -> list[int]:
    """Return the cell that serves each device; all are one where that is not known."""
    return [0] * len(devices) if turn.cell is None else turn.cell[devices].tolist()


def _served(samples: IntArray, turn: Turn, cell: int) -> int:
    """Return the training samples of the devices that a cell serves."""
    return int(samples.sum() if turn.cell is None else samples[turn.cell == cell].sum())
