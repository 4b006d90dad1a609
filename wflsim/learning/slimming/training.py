"""Lessons of slimming: dense ones that make scales of norms small, and those of devices whose models are thin."""

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
import torch

from wflsim.contracts import IntArray, Updates
from wflsim.learning.cohort import Cohort, Params
from wflsim.learning.lessons import Batches, Descent, Objective
from wflsim.learning.payload import UNITS, with_units
from wflsim.learning.pruning.thinning import Thinning
from wflsim.learning.slimming.state import SlimState


def small_scales(strength: float, scales: Collection[str]) -> Objective:
    """Return cross-entropy and s Σ |γ| over the scales of norms, so that s sign(γ) is added to their slopes [C].

    Args:
        strength: The weight s; without any it is cross-entropy alone.
        scales: Names of the scales.
    """
    if not strength:
        return Objective()

    def penalty(params: Params, context: Params) -> torch.Tensor:
        return strength * torch.stack([params[name].abs().sum() for name in scales]).sum()

    return Objective(penalty=penalty)


@dataclass(frozen=True)
class Touches:
    """What a device does with a thin model that is new to it, before its first round.

    Attributes:
        epochs: Epochs; none for nothing.
        rate: Step size.
        batch_size: Samples of a step.
    """

    epochs: int
    rate: float
    batch_size: int

    def of(self, cohort: Cohort, step: int) -> Batches | None:
        """Return the batches, drawn as in a later exchange of the round; None without any.

        Args:
            cohort: The devices.
            step: That exchange.
        """
        if not self.epochs:
            return None
        later = replace(cohort, turn=replace(cohort.turn, step=step))
        return later.epochs(self.epochs, self.batch_size)


@dataclass(frozen=True)
class ThinLesson:
    """A round of thin models.

    Attributes:
        batches: Samples of each step, of all devices of the cohort.
        descent: The rule of descent.
        share: Share μ of a device's own model in what it begins with.
        touches: What those do before who have not had a thin model yet.
        first: Their batches; None for nothing.
    """

    batches: Batches
    descent: Descent
    share: float
    touches: Touches
    first: Batches | None

    def taught(self, state: SlimState, cohort: Cohort) -> Updates:
        """Return the thin models of a cohort without their norms; those, or whole models, stay with the devices.

        Devices whose models are equally wide are trained together, so that no place of a thin model is empty.
        """
        sent = [dict[str, torch.Tensor]()] * len(cohort.devices)
        private: dict[str, torch.Tensor] = {}
        for rows in self._alike(state, cohort.devices):
            messages, kept = self._together(state, cohort, rows)
            for row, message in zip(rows.tolist(), messages, strict=True):
                sent[row] = message
            for name, tensor in kept.items():
                like = tensor.new_empty((len(sent), *tensor.shape[1:]))
                private.setdefault(name, like)[torch.from_numpy(rows)] = tensor
        return cohort.updates(sent, private, unpaid=(UNITS,))

    def _together(
        self, state: SlimState, cohort: Cohort, rows: IntArray
    ) -> tuple[list[dict[str, torch.Tensor]], dict[str, torch.Tensor]]:
        """Return what some of the devices send and keep, who are equally wide and have all been told that, or none."""
        anatomy, shared = cohort.task.anatomy, state.channels.shared
        some, part = torch.from_numpy(rows), replace(cohort, devices=cohort.devices[rows])
        masks, start = state.masks(part.devices), state.pulled(part.devices, self.share)
        thinning, names = Thinning.of(anatomy, masks), anatomy.tensors
        small, widths = thinning.thin(start), thinning.widths
        if self.first is not None and not state.knows[part.devices[0]]:
            descent = replace(self.descent, rate=self.touches.rate)
            small = part.train(small, names, self.first.only(some), descent, widths=widths)
        small = part.train(small, names, self.batches.only(some), self.descent, widths=widths)
        sent = [
            with_units(shared, row, {name: kept[device] for name, kept in masks.units.items()})
            for device, row in enumerate(thinning.rows(small, shared.tensors))
        ]
        dense = thinning.scattered({name: small[name] for name in state.own.names}, into=start)
        return sent, dense

    def _alike(self, state: SlimState, devices: IntArray) -> list[IntArray]:
        """Return rows of devices that train together."""
        assert state.kept is not None, "structures are known"
        widths = state.channels.widths(state.kept[devices])
        new = [~state.knows[devices]] if self.first is not None else []
        _, which = np.unique(np.stack([*widths.values(), *new]), axis=1, return_inverse=True)
        return [np.flatnonzero(which == each) for each in range(int(which.max()) + 1)]
