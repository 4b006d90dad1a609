"""How thin models of different structures become one, at the coordinates of the dense model."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch

from wflsim.contracts import IntArray, Late, Updates
from wflsim.learning.anatomy import Anatomy
from wflsim.learning.clustering.state import Groups, shares_of
from wflsim.learning.fusion import filled_mean, filled_mean_step, kept_mean, masked_mean_step
from wflsim.learning.practice import Weighting, evened, shares

Scope = Literal["global", "cluster", "classifier"]
Normalisation = Literal["count", "zero_fill"]


@dataclass(frozen=True)
class Fusing:
    """A rule of fusion.

    Attributes:
        scope: Over whom a tensor is fused: all devices (global), those of a group (cluster), or all but for the last layer with
            weights, which is fused within groups (classifier).
        normalisation: The mean over those who hold a coordinate (count), or over all with zeros filled in (zero_fill).
        weighting: What a device counts.
    """

    scope: Scope
    normalisation: Normalisation
    weighting: Weighting

    def fused(self, groups: Groups, updates: Updates, part: Anatomy) -> Groups:
        """Return groups' models after thin updates; what nobody holds stays, and where groups fuse for themselves those of which nobody came.

        Args:
            groups: The models before.
            updates: What devices brought.
            part: The layers that travel.
        """
        models = {name: groups.models[name].clone() for name in part.tensors}
        belongs = groups.belongs[updates.devices]
        mean = kept_mean if self.normalisation == "count" else filled_mean
        for names, members, (rows,) in self._says(groups.count, [belongs], part):
            here = updates.only(rows)
            share = shares(groups.samples[here.devices], self.weighting)
            found, held = mean(_of(groups, 0, part), here.messages, share, part)
            for name in names:
                before = models[name][members]
                models[name][members] = torch.where(held[name], found[name], before)
        return replace(groups, models={**groups.models, **models})

    def fused_late(self, groups: Groups, late: Sequence[Late], part: Anatomy) -> Groups:
        """Return groups' models after thin updates that began with several states, whose changes are added.

        Within a group weights are taken as of a round of its own. Arguments as of ``fused``; bases have ``groups``.
        """
        models = {name: groups.models[name].clone() for name in part.tensors}
        came = evened(late, groups.samples, self.weighting)
        counts = [shares_of(groups.samples, each.updates, self.weighting) for each in came]
        everybody = sum(float(each.sum()) for each in counts)
        belongs = [groups.belongs[each.updates.devices] for each in came]
        step_of = masked_mean_step if self.normalisation == "count" else filled_mean_step
        for names, members, rows in self._says(groups.count, belongs, part):
            here = [(each, row) for each, row in zip(came, rows, strict=True) if len(row)]
            due = sum(float(c[row].sum()) for c, row in zip(counts, rows, strict=True)) / everybody
            whole = sum(float(each.weight[row].sum()) for each, row in here) / due
            brought = [(e, e.updates.only(row).messages, e.weight[row]) for e, row in here]
            for group in members:
                step = step_of(
                    [(_of(e.base.groups, group, part), m, w) for e, m, w in brought], part
                )
                for name in names:
                    models[name][group] += whole * step[name]
        return replace(groups, models={**groups.models, **models})

    def _says(
        self, count: int, belongs: Sequence[IntArray], part: Anatomy
    ) -> Iterator[tuple[set[str], list[int], list[IntArray]]]:
        """Yield who has a say in what: names of tensors, the groups whose models have them, and rows of updates.

        Args:
            count: Number of groups.
            belongs: The group of each device, by the updates that it is among.
            part: The layers that travel.
        """
        within = self._within(part)
        shared = set(part.tensors) - within
        says = [(within, [group]) for group in range(count)] if within else []
        for names, members in [(shared, list(range(count))), *says] if shared else says:
            rows = [np.flatnonzero(np.isin(each, members)) for each in belongs]
            if any(map(len, rows)):
                yield names, members, rows

    def _within(self, part: Anatomy) -> set[str]:
        """Return the names of the tensors that are fused within groups."""
        if self.scope == "classifier":
            last = [layer for layer in part.layers if layer.weights][-1]
            return {tensor.name for tensor in last.tensors}
        return set(part.tensors) if self.scope == "cluster" else set()


def _of(groups: Groups, group: int, part: Anatomy) -> dict[str, torch.Tensor]:
    """Return what travels of the model of a group."""
    model = groups.model(group)
    return {name: model[name] for name in part.tensors}
