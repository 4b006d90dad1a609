"""Devices with a model and units of their own, of which the server averages what all of them keep."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import nan

import numpy as np
import torch

from wflsim.contracts import FloatArray, IntArray, Updates
from wflsim.learning.anatomy import Anatomy
from wflsim.learning.cohort import Cohort, Params
from wflsim.learning.fusion import masked_mean
from wflsim.learning.lessons import Descent
from wflsim.learning.own_masks.accuracy import looks, own_accuracy
from wflsim.learning.own_masks.cuts import Cuts
from wflsim.learning.payload import units_of, with_units
from wflsim.learning.practice import Practice
from wflsim.learning.pruning.choosing import keep_units, limited
from wflsim.learning.pruning.counting import free_spaces
from wflsim.learning.pruning.importance import magnitude, unit_scores
from wflsim.learning.pruning.masks import Masks
from wflsim.learning.pruning.thinning import Thinning
from wflsim.learning.shelf import Shelf
from wflsim.learning.task import Task

CUTS = "cuts"


@dataclass(frozen=True)
class SubnetState:
    """What the devices have, all of which the server can know but for what does not travel.

    Attributes:
        own: The model of every device, zero where its units are gone.
        units: Which units of each space every device keeps, as bytes of eight bits.
        cuts: How often each device has pruned, shape (N,).
        samples: Number of training samples of each device, shape (N,).
        looks: On how many samples each device judges its model, shape (N,).
        part: What travels.
        density: Mean over the last updates and over the spaces of the share of units that are kept.
    """

    own: Shelf
    units: Shelf
    cuts: IntArray
    samples: IntArray
    looks: IntArray
    part: Anatomy
    density: float = nan

    def only(self, devices: IntArray) -> "SubnetState":
        """Return no more than some devices need to train."""
        return replace(self, own=self.own.only(devices), units=self.units.only(devices))

    def fused(self, brought: Sequence[tuple[Updates, FloatArray]]) -> "SubnetState":
        """Return the state in which those who bring updates have the weighted mean of what all of them keep.

        What one of them does not keep stays on each as it brings it, and so does what does not travel.

        Args:
            brought: Updates, which count as one round's, and their weights.
        """
        messages = [message for updates, _ in brought for message in updates.messages]
        if not messages:
            return self
        weights = np.concatenate([each for _, each in brought])
        empty = {
            name: torch.zeros_like(self.own.layout.default[name]) for name in self.part.tensors
        }
        mean = masked_mean(empty, messages, weights, self.part)
        units = {name: each.all(0)[None] for name, each in units_of(messages, self.part).items()}
        common = Masks.structured(self.part, units).entries
        state, counts = self, self.cuts.copy()
        for updates, _ in brought:
            private, who = dict(updates.private or {}), updates.devices
            for name, each in mean.items() if weights.any() else ():
                kept = common[name] if name in common else torch.ones((), dtype=torch.bool)
                private[name] = torch.where(kept, each, private[name])
            counts[who] = private[CUTS].numpy()
            state = replace(
                state,
                own=state.own.replaced(who, {name: private[name] for name in self.own.names}),
                units=state.units.replaced(who, {name: private[name] for name in self.units.names}),
            )
        shares = [each.double().mean(1) for each in units_of(messages, self.part).values()]
        return replace(state, cuts=counts, density=float(torch.stack(shares).mean()))


def first_subnets(task: Task, part: Anatomy) -> SubnetState:
    """Return the state before the first round: everybody holds the initial weights, and all units.

    Args:
        task: What is learnt.
        part: What travels.
    """
    every = {
        space.name: torch.ones((1, space.units), dtype=torch.bool)
        for space in free_spaces(task.anatomy)
    }
    rows = Masks(entries={}, units=every).to_tensors()
    return SubnetState(
        own=Shelf.of_default(task.initial, task.devices),
        units=Shelf.of_default({name: row[0] for name, row in rows.items()}, task.devices),
        cuts=np.zeros(task.devices, dtype=np.int64),
        samples=task.holdings.samples,
        looks=looks(task.holdings),
        part=part,
    )


@dataclass(frozen=True)
class Subnetting:
    """What a device does in a round.

    Attributes:
        rule: How many units go at each cut.
        least: Accuracy of its own model without which a device does not prune.
        practice: How long it trains.
        descent: The rule of descent.
    """

    rule: Cuts
    least: float
    practice: Practice
    descent: Descent

    def done(self, state: SubnetState, cohort: Cohort) -> Updates:
        """Return what the devices of a cohort send and have after pruning and training what is left.

        Devices of equally many cuts train together, so that none carries places that only another one has.
        """
        who, params = cohort.devices, state.own.rows(cohort.devices)
        units = Masks.from_tensors(cohort.task.anatomy, state.units.rows(who)).units
        after = self._cuts(state, cohort, params)
        sent: list[dict[str, torch.Tensor]] = [{}] * len(who)
        private = {**params, CUTS: torch.from_numpy(after)}
        private |= {name: row.clone() for name, row in state.units.rows(who).items()}
        for count in np.unique(after).tolist():
            (rows,) = np.nonzero(after == count)
            some = torch.from_numpy(rows)
            part = replace(cohort, devices=who[rows])
            begun = {name: each[some] for name, each in params.items()}
            kept = self._kept(
                part, begun, {name: each[some] for name, each in units.items()}, count
            )
            trained = self._trained(part, begun, kept)
            for row, message in zip(rows.tolist(), _sent(state.part, trained, kept), strict=True):
                sent[row] = message
            masks = Masks(entries={}, units=kept).to_tensors()
            for name, each in {**trained, **masks}.items():
                private[name][some] = each
        macs = self._macs(state, cohort, after)
        return cohort.updates(sent, private, macs=macs)

    def _cuts(self, state: SubnetState, cohort: Cohort, params: Params) -> IntArray:
        """Return how many cuts devices have made when they train, shape (K,)."""
        after = state.cuts[cohort.devices].copy()
        (due,) = np.nonzero(after < self.rule.most)
        some = {name: each[torch.from_numpy(due)] for name, each in params.items()}
        good = own_accuracy(replace(cohort, devices=cohort.devices[due]), some) >= self.least
        after[due[good]] += 1
        return after

    def _kept(self, cohort: Cohort, params: Params, units: Params, count: int) -> Params:
        """Return the units that are left after so many cuts, those of the largest ℓ₁ norms of weights, shapes (K, n)."""
        anatomy = cohort.task.anatomy
        scores = unit_scores(anatomy, magnitude({name: params[name] for name in anatomy.prunable}))
        widths = {
            name: np.full(len(cohort.devices), width)
            for name, width in self.rule.widths(anatomy, count).items()
        }
        return keep_units(anatomy.spaces, limited(scores, units), widths)

    def _trained(self, cohort: Cohort, params: Params, units: Params) -> dict[str, torch.Tensor]:
        """Return whole models after devices that keep equally many units have trained what is left, shapes (K, …)."""
        anatomy = cohort.task.anatomy
        thinning = Thinning.of(anatomy, Masks.structured(anatomy, units))
        batches, widths = self.practice.batches(cohort), thinning.widths
        thin = thinning.thin(params)
        small = cohort.train(thin, anatomy.tensors, batches, self.descent, widths=widths)
        return thinning.scattered(small)

    def _macs(self, state: SubnetState, cohort: Cohort, after: IntArray) -> FloatArray:
        """Return the operations of judging and training, shape (K,)."""
        left, before = self.rule.left(cohort.task.anatomy, state.part), state.cuts[cohort.devices]
        looked = self.rule.looked(state.looks[cohort.devices], before) * left.macs[before]
        seen = self.practice.seen(cohort.task.holdings.samples[cohort.devices])
        return np.asarray(looked + seen * left.step_macs[after], np.float64)


def _sent(part: Anatomy, params: Params, units: Params) -> list[dict[str, torch.Tensor]]:
    """Return what devices send of whole models, shapes (K, …): what is kept of what travels, and a bitmap of the units."""
    thinning = Thinning.of(part, Masks.structured(part, units))
    rows = thinning.rows(thinning.thin({name: params[name] for name in part.tensors}), part.tensors)
    return [
        with_units(part, row, {name: kept[place] for name, kept in units.items()})
        for place, row in enumerate(rows)
    ]
