"""Masks that devices try after the first and after the last epoch, and take where the two still differ enough."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from wflsim.contracts import BoolArray, FloatArray, IntArray, Updates
from wflsim.learning.cohort import Cohort, Params
from wflsim.learning.lessons import Descent, Objective
from wflsim.learning.own_masks.accuracy import own_accuracy
from wflsim.learning.own_masks.form import Form
from wflsim.learning.own_masks.tickets import Kept, TicketState, brought, without_lowest
from wflsim.learning.pruning.choosing import keep_units, limited
from wflsim.learning.pruning.counting import makes
from wflsim.learning.pruning.importance import norm_scales
from wflsim.learning.pruning.masks import followed

LAST = 0.05  # most of what is kept that goes in a step that is smaller than the others [C]


@dataclass(frozen=True)
class Limits:
    """When masks are taken.

    Attributes:
        step: Share of what a tensor keeps that goes at a time.
        target: Share of the weights that may go one by one that is gone in the end; what went with channels counts.
        distance: What the two masks of weights have to differ by: the mean over tensors of the share of entries.
        accuracy: Accuracy that the pruned model has to exceed on its device's own samples.
        channels: Share of each space's channels that goes.
        least: Channels that every space keeps.
        channel_distance: What the two masks of channels have to differ by.
    """

    step: float
    target: float
    distance: float
    accuracy: float
    channels: float = 0.0
    least: int = 1
    channel_distance: float = 0.0

    def due(self, form: Form, counts: IntArray) -> BoolArray:
        """Return which devices may yet prune, given how many entries they keep, shape (K,): whose next step would take a weight."""
        share = self.shares(self.gone(form, counts))
        singles = np.array([tensor.name in form.weights for tensor in form.masked])
        takes = (counts[:, singles] * share[:, None] >= 1.0 - 1e-9).any(1)
        return (takes & (share > 0.0)) | self._wide(form, counts)

    def gone(self, form: Form, counts: IntArray) -> FloatArray:
        """Return the share of the weights that may go one by one that is gone, shape (K,)."""
        singles = np.array([tensor.name in form.weights for tensor in form.masked])
        return np.asarray(1.0 - counts[:, singles].sum(1) / form.sizes[singles].sum())

    def shares(self, gone: FloatArray) -> FloatArray:
        """Return the share of what is kept that goes next: a step, or what is missing where that is less, and 5 % at most [C]."""
        missing = np.maximum(self.target - gone, 0.0)
        return np.where(missing < self.step, np.minimum(missing / (1.0 - gone), LAST), self.step)

    def width(self, form: Form, space: str) -> int:
        """Return how many channels of a space are left in the end, in whole groups."""
        told = form.anatomy.spaces[space]
        gone = int(self.channels * told.units / told.group + 1e-9) * told.group
        least = min(told.units, -(-self.least // told.group) * told.group)
        return max(told.units - gone, least)

    def _wide(self, form: Form, counts: IntArray) -> BoolArray:
        """Return which devices have more channels of a space than in the end, told by the scales that they keep, shape (K,)."""
        found = np.zeros(len(counts), dtype=np.bool_)
        for name in form.spaces:
            place = next(
                place
                for place, tensor in enumerate(form.masked)
                if tensor.role == "scale" and makes(tensor, name)
            )
            left = self.width(form, name) / form.anatomy.spaces[name].units
            found |= counts[:, place] > left * form.sizes[place] + 0.5
        return found


@dataclass(frozen=True)
class Trial:
    """What a device does in a round.

    Attributes:
        limits: When masks are taken.
        epochs: Local epochs, at least two.
        batch_size: Samples of a step.
        descent: The rule of descent.
        strength: Weight of the ℓ₁ norm of the scales of channels that may go.
    """

    limits: Limits
    epochs: int
    batch_size: int
    descent: Descent
    strength: float = 0.0

    def done(self, state: TicketState, cohort: Cohort) -> Updates:
        """Return what the devices of a cohort send and keep after training within their masks, and perhaps pruning."""
        form, who = state.form, cohort.devices
        kept, counts, cuts = state.kept(who), state.counts[who], state.cuts[who].copy()
        begun = kept.masks(form).applied(state.model.of(cohort))
        params = self._trained(cohort, begun, kept, self.epochs, form)
        (due,) = np.nonzero(self.limits.due(form, counts))
        macs = form.step_macs(counts) * self.epochs * cohort.task.holdings.samples[who]
        if len(due):
            rows = torch.from_numpy(due)
            part = replace(cohort, devices=who[due])
            early, late = ({n: each[rows] for n, each in some.items()} for some in (begun, params))
            # The first epoch is taken again from the beginning, so that momentum goes on in the other ones.
            early = self._trained(part, early, kept.only(rows), 1, form)
            better, asked = self._proposed(form, kept.only(rows), counts[due], (early, late))
            (tried,) = np.nonzero(asked)
            found = better.only(torch.from_numpy(tried))
            judged = replace(cohort, devices=who[due[tried]])
            thin = {name: each[torch.from_numpy(tried)] for name, each in late.items()}
            good = own_accuracy(judged, found.masks(form).applied(thin)) > self.limits.accuracy
            macs[due[tried]] += state.looks[who[due[tried]]] * form.macs(found.counts(form))
            taken = due[tried][good]
            kept = kept.instead(torch.from_numpy(taken), found.only(torch.from_numpy(good)))
            cuts[taken] += 1
        return brought(cohort, form, params, kept, cuts=cuts, macs=macs)

    def _trained(
        self, cohort: Cohort, begun: Params, kept: Kept, epochs: int, form: Form
    ) -> dict[str, torch.Tensor]:
        """Return what some epochs within their masks make of devices' models, shapes (K, …)."""
        batches, masks = cohort.epochs(epochs, self.batch_size), kept.masks(form)
        names = form.anatomy.tensors
        objective = _slim(form, self.strength)
        found = cohort.train(
            begun, names, batches, self.descent, masks.entries, objective=objective
        )
        return masks.applied(found)

    def _proposed(
        self, form: Form, kept: Kept, counts: IntArray, models: tuple[Params, Params]
    ) -> tuple[Kept, BoolArray]:
        """Return the masks that devices would keep, where those after the last epoch differ enough, and who has such masks."""
        gone = self.limits.gone(form, counts)
        first, last = (self._candidate(form, kept, gone, each) for each in models)
        weights = _distance(first.weights, last.weights, len(gone)) > self.limits.distance
        weights &= gone < self.limits.target - 1e-12
        channels = _distance(first.units, last.units, len(gone)) > self.limits.channel_distance
        units = _chosen(channels, last.units, kept.units)
        left = _chosen(weights, last.weights, kept.weights)
        told = {tensor.name: tensor for tensor in form.masked}
        fed = {name: mask & followed(told[name], units) for name, mask in left.items()}
        return Kept(fed, units), weights | channels

    def _candidate(self, form: Form, kept: Kept, gone: FloatArray, params: Params) -> Kept:
        """Return what devices would keep of their models."""
        weights = without_lowest(params, kept.weights, self.limits.shares(gone))
        if not form.spaces:
            return Kept(weights, {})
        scaled = replace(form.anatomy, spaces={space.name: space for space in form.units})
        scales = limited(norm_scales(scaled, params), kept.units)
        widths = {name: np.full(len(gone), self.limits.width(form, name)) for name in form.spaces}
        return Kept(weights, keep_units(form.anatomy.spaces, scales, widths))


def _distance(one: Params, other: Params, devices: int) -> FloatArray:
    """Return the mean over tensors of the share of entries in which masks differ, shape (K,)."""
    if not one:
        return np.zeros(devices)
    apart = [(one[name] ^ other[name]).flatten(1).double().mean(1) for name in one]
    return np.asarray(torch.stack(apart).mean(0).numpy())


def _chosen(which: BoolArray, new: Params, old: Params) -> dict[str, torch.Tensor]:
    """Return new masks for some devices, and the old ones for the others."""
    rows = torch.from_numpy(which)
    return {
        name: torch.where(rows.view(-1, *[1] * (mask.dim() - 1)), mask, old[name])
        for name, mask in new.items()
    }


def _slim(form: Form, strength: float) -> Objective:
    """Return cross-entropy and the ℓ₁ norm of the scales of channels that may go (arXiv 1708.06519 [S])."""
    scales = [tensor.name for tensor in form.masked if tensor.role == "scale"]
    if not strength or not scales:
        return Objective()

    def penalty(params: Params, context: Params) -> torch.Tensor:
        return strength * torch.stack([params[name].abs().sum() for name in scales]).sum()

    return Objective(penalty=penalty)
