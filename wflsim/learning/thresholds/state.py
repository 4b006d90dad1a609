"""The state of methods that share thresholds alone: the server's, and on every device a whole model that nobody else sees.

When a device hears new thresholds it adds one number to all weights of a unit. So the sum of a unit's weights goes on by
itself, and a fleet that hears costs a few numbers a unit and device; weights are made up when a device trains or is examined.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import torch

from wflsim.contracts import BoolArray, IntArray, Late, Message, Updates
from wflsim.learning.cohort import Cohort, Params
from wflsim.learning.shelf import Shelf
from wflsim.learning.task import Task
from wflsim.learning.thresholds.gates import (
    drift,
    importance_step,
    kept_units,
    masked,
    ratios,
    reopened,
    shifted,
    signed_sums,
)
from wflsim.learning.thresholds.lessons import THRESHOLDS, Learnt
from wflsim.learning.thresholds.units import Divisor, Units, units_of

KEPT, RESETS, DRIFT = "kept", "resets", "drift"


@dataclass(frozen=True)
class Response:
    """What devices do with their weights when thresholds have changed.

    Attributes:
        who: All that hear, by what changed since they heard last; those that train, by the last change; nobody.
        divisor: What a change is divided by.
        bounded: Whether thresholds stay in [0, 1].
        least: The largest share of a layer's kept units at which it is used whole.
    """

    who: Literal["all", "sampled_next", "off"]
    divisor: Divisor
    bounded: bool
    least: float = 0.0


@dataclass(frozen=True, eq=False)
class Hearing:
    """What devices have heard, and what that has done to their weights since these were written down.

    Attributes:
        who: The devices, in rising order, shape (R,).
        sums: Signed sums of each unit's weights as they are now, float64, shape (R, V).
        offset: What was added to all weights of a unit, shape (R, V).
        heard: The thresholds that were heard last, shape (R, V).
    """

    who: IntArray
    sums: torch.Tensor
    offset: torch.Tensor
    heard: torch.Tensor

    def rows(self, devices: IntArray) -> IntArray:
        """Return where devices stand."""
        return np.searchsorted(self.who, devices)

    def only(self, devices: IntArray) -> "Hearing":
        """Return no more than some devices need."""
        who = np.sort(devices)
        rows = self.rows(who)
        return Hearing(who, self.sums[rows], self.offset[rows], self.heard[rows])

    def steps(
        self, rows: IntArray, thresholds: torch.Tensor, divisor: torch.Tensor
    ) -> torch.Tensor:
        """Return what devices add to their units when they hear thresholds, shape (K, V); rounds missed count once."""
        return importance_step(self.sums[rows], thresholds - self.heard[rows], divisor)

    def told(
        self,
        thresholds: torch.Tensor,
        by: BoolArray | None,
        divisor: torch.Tensor,
        fan_in: torch.Tensor,
    ) -> "Hearing":
        """Return how things stand after some devices, or all, have heard thresholds.

        Args:
            thresholds: The server's, shape (V,).
            by: Who hears, shape (N,); None for all.
            divisor: What a change is divided by, shape (V,).
            fan_in: Weights of each unit, shape (V,).
        """
        rows = np.arange(len(self.who)) if by is None else np.flatnonzero(by[self.who])
        steps = self.steps(rows, thresholds, divisor)
        sums, offset, heard = self.sums.clone(), self.offset.clone(), self.heard.clone()
        sums[rows] += steps * fan_in
        offset[rows] += steps.to(offset.dtype)
        heard[rows] = thresholds
        return Hearing(self.who, sums, offset, heard)

    def renewed(self, devices: IntArray, sums: torch.Tensor, heard: torch.Tensor) -> "Hearing":
        """Return how things stand after devices have written down their weights, which have heard some thresholds."""
        rows = self.rows(devices)
        found = Hearing(self.who, self.sums.clone(), self.offset.clone(), self.heard.clone())
        found.sums[rows], found.offset[rows], found.heard[rows] = sums, 0.0, heard
        return found


@dataclass(frozen=True, eq=False)
class ThresholdState:
    """What the server and the devices know between rounds.

    Attributes:
        thresholds: The server's thresholds, shape (V,).
        earlier: Those of the round before, shape (V,).
        own: Every device's model, as it was written down, and its own thresholds where these are remembered.
        hearing: What devices have heard since.
        units: The units that have thresholds.
        kept: How many units of each layer every device kept when it trained last, shape (N, L).
        samples: Number of training samples of each device, shape (N,).
        told: What the last round did, by the names of columns.
    """

    thresholds: torch.Tensor
    earlier: torch.Tensor
    own: Shelf
    hearing: Hearing
    units: Units
    kept: IntArray
    samples: IntArray
    told: Mapping[str, float] = field(default_factory=dict)

    def only(self, devices: IntArray) -> "ThresholdState":
        """Return no more than some devices need to train."""
        own, hearing = self.own.only(devices), self.hearing.only(devices)
        return replace(self, own=own, hearing=hearing, kept=self.kept[:0], told={})

    def of(
        self, devices: IntArray, response: Response, *, asked: bool = False
    ) -> tuple[Params, torch.Tensor]:
        """Return the models of devices that have heard the server's thresholds, shapes (K, …), and by how much that moved them.

        Args:
            devices: The devices.
            response: What they do when thresholds have changed.
            asked: Whether they are only asked, and do not begin to train.
        """
        rows = self.hearing.rows(devices)
        records = self.own.rows(devices)
        records.pop(THRESHOLDS, None)
        params = shifted(records, self.hearing.offset[rows], self.units)
        divisor = torch.from_numpy(self.units.divisor(response.divisor))
        steps = torch.zeros_like(self.hearing.sums[rows])
        if response.who == "all":
            steps = self.hearing.steps(rows, self.thresholds, divisor)
        elif response.who == "sampled_next" and not asked:
            sums = signed_sums(params, self.units)
            steps = importance_step(sums, self.thresholds - self.earlier, divisor)
        return shifted(params, steps, self.units), drift(params, steps, self.units)

    def model_for(self, device: int | None, response: Response) -> Params:
        """Return a device's masked model once it has heard the server's thresholds; None for the mean of all, masked by these.

        A device that remembers thresholds of its own is masked by them. The mean of all weights is a measure of the experiment
        and not of the system, where nobody sees them.
        """
        if device is None:
            return self._mean(response)
        params, _ = self.of(np.array([device]), response, asked=True)
        thresholds = self.thresholds
        if THRESHOLDS in self.own.names:
            thresholds = self.own.row(device)[THRESHOLDS]
        return used(params, thresholds, self.units, response.least)

    def _mean(self, response: Response) -> Params:
        mean = self.own.mean()
        mean.pop(THRESHOLDS, None)
        added = self.hearing.offset.double()
        if response.who == "all":
            divisor = torch.from_numpy(self.units.divisor(response.divisor))
            rows = np.arange(len(self.hearing.who))
            added = added + self.hearing.steps(rows, self.thresholds, divisor)
        stacked = {name: each[None] for name, each in mean.items()}
        params = shifted(stacked, added.mean(0, keepdim=True), self.units)
        return used(params, self.thresholds, self.units, response.least)

    def fused(self, updates: Updates, response: Response) -> "ThresholdState":
        """Return the state after the plain mean of thresholds that came, however many samples are behind them [C]."""
        if not len(updates.devices):
            return self._having_heard([updates], response)
        mean = _stacked(updates.messages).mean(0)
        state = self._having_heard([updates], response).brought(updates, self.thresholds)
        return state.moved_to(mean, [updates])

    def fused_late(self, late: Sequence[Late], response: Response) -> "ThresholdState":
        """Return the state after updates that began with several states: τ + Σ w (τ_c − base τ).

        Weights come in proportion to samples; here all devices count alike, and age takes away what it took. Who heard the
        thresholds of today is told by updates that began with them; if there is none, devices hear them later, at once.
        """
        present = [g.updates for g in late if torch.equal(g.base.thresholds, self.thresholds)]
        state, moved = self._having_heard(present, response), self.thresholds.double()
        samples = [self.samples[group.updates.devices] for group in late]
        even = sum(int(each.sum()) for each in samples) / max(1, sum(map(len, samples)))
        for group, counts in zip(late, samples, strict=True):
            if len(counts):
                weight = torch.from_numpy(group.weight * even / counts)
                moved = moved + weight @ (_stacked(group.updates.messages) - group.base.thresholds)
                state = state.brought(group.updates, group.base.thresholds)
        if response.bounded:
            moved = moved.clamp(0.0, 1.0)
        return state.moved_to(moved, [group.updates for group in late])

    def _having_heard(self, updates: Sequence[Updates], response: Response) -> "ThresholdState":
        """Return the state after devices have heard the server's thresholds in the exchanges of some updates."""
        if response.who != "all":
            return self
        hearing, fan_in = self.hearing, torch.from_numpy(self.units.fan_in)
        divisor = torch.from_numpy(self.units.divisor(response.divisor))
        for each in updates:
            hearing = hearing.told(self.thresholds, each.turn.heard, divisor, fan_in)
        return replace(self, hearing=hearing)

    def brought(self, updates: Updates, heard: torch.Tensor) -> "ThresholdState":
        """Return the state after devices have written down what they trained, which began with some thresholds."""
        private, devices = updates.private or {}, updates.devices
        own = self.own.replaced(devices, {name: private[name] for name in self.own.names})
        kept = self.kept.copy()
        kept[devices] = private[KEPT].numpy()
        hearing = self.hearing.renewed(devices, signed_sums(private, self.units), heard)
        return replace(self, own=own, kept=kept, hearing=hearing)

    def moved_to(self, thresholds: torch.Tensor, came: Sequence[Updates]) -> "ThresholdState":
        """Return the state with other thresholds, which tells what those who came have brought."""
        here = [updates.private for updates in came if updates.private and len(updates.devices)]
        told = {}
        if here:
            kept, resets, moved = (
                torch.cat([each[name] for each in here]) for name in (KEPT, RESETS, DRIFT)
            )
            told = {
                "density": float((kept.double() / torch.tensor(self.units.by_layer)).mean()),
                "resets": float(resets.sum()),
                "importance_drift": float(moved.mean()),
            }
        present = thresholds.to(self.thresholds.dtype)
        return replace(self, thresholds=present, earlier=self.thresholds, told=told)


def first_state(task: Task, unmasked: str, *, remembers: bool) -> ThresholdState:
    """Return the state before the first round: common weights, thresholds of zero.

    Args:
        task: What is learned.
        unmasked: The layers without thresholds, as ``Anatomy.split`` takes them.
        remembers: Whether devices keep the thresholds that they trained last.
    """
    units, devices = units_of(task.anatomy, unmasked), task.devices
    kind = task.initial[units.tensors[0].name].dtype
    none = torch.zeros(units.count, dtype=kind)
    record = {**task.initial, **({THRESHOLDS: none} if remembers else {})}
    sums = signed_sums({name: each[None] for name, each in task.initial.items()}, units)
    hearing = Hearing(
        np.arange(devices),
        sums.repeat(devices, 1),
        none.repeat(devices, 1),
        none.repeat(devices, 1),
    )
    kept = np.tile(np.array(units.by_layer, dtype=np.int64), (devices, 1))
    own = Shelf.of_default(record, devices)
    return ThresholdState(none, none, own, hearing, units, kept, task.holdings.samples)


def used(params: Params, thresholds: torch.Tensor, units: Units, least: float) -> Params:
    """Return a model, shapes (1, …), as it is used with thresholds: masked, but for layers of which too little would be left [C]."""
    kept = kept_units(params, thresholds, units)
    opened, _ = reopened(thresholds[None], ratios(kept, units), least, units)
    found = masked(params, kept_units(params, opened, units), units)
    return {name: each[0] for name, each in found.items()}


def _stacked(messages: Sequence[Message]) -> torch.Tensor:
    """Return the thresholds that were sent, in float64, shape (K, V)."""
    return torch.stack([message.tensors[THRESHOLDS] for message in messages]).double()


def brought(cohort: Cohort, learnt: Learnt, moved: torch.Tensor, *, remembers: bool) -> Updates:
    """Return what devices send, thresholds alone, and what stays with them: their models, and what is told of the round.

    Args:
        cohort: The devices.
        learnt: What came of the round.
        moved: By how much thresholds moved the weights with which it began, shape (K,).
        remembers: Whether devices keep their thresholds, too.
    """
    units = learnt.watch.units
    kept = units.kept_of(kept_units(learnt.params, learnt.thresholds, units).numpy())
    told = {KEPT: torch.from_numpy(kept), RESETS: learnt.watch.resets, DRIFT: moved}
    own = {THRESHOLDS: learnt.thresholds} if remembers else {}
    sent = [{THRESHOLDS: row} for row in learnt.thresholds]
    return cohort.updates(sent, {**learnt.params, **own, **told}, macs=learnt.watch.macs)
