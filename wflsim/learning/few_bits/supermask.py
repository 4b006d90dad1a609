"""Frozen weights of which masks are drawn: signed constants, the masks themselves, and what a server makes of many."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import e, prod

import numpy as np
import torch

from wflsim.contracts import FloatArray, IntArray, Late, Message
from wflsim.learning.anatomy import Anatomy
from wflsim.learning.cohort import Cohort, Params
from wflsim.learning.task import Task
from wflsim.learning.views import Glance, View
from wflsim.randomness import Streams

MASK = "mask"


@dataclass(frozen=True)
class MaskingState:
    """What the server knows between rounds.

    Attributes:
        frozen: The model before it is masked: signed constants for weights, zeros for biases, ones for scales.
        theta: Name → probability θ with which each weight is there.
        statistics: The statistics of norms.
        shown: Name → which weights there are when the model is looked at.
        samples: Number of training samples of each device, shape (K,).
        part: The layers.
        fusions: How often the server has taken in updates, which keys what it draws.
    """

    frozen: Params
    theta: Params
    statistics: Params
    shown: Params
    samples: IntArray
    part: Anatomy
    fusions: int = 0

    def of(self, cohort: Cohort) -> dict[str, torch.Tensor]:
        """Return scores s = logit θ and statistics, which the devices of a cohort start with, shapes (K, …)."""
        scores = {name: each.logit() for name, each in self.theta.items()}
        return cohort.stack({**scores, **self.statistics})

    def view(self, cohort: Cohort) -> View:
        """Return the view from scores and statistics to a model of which a mask is drawn afresh at every step.

        The slope at a mask is taken as that at its probability.
        """

        def model(variables: Params, glance: Glance) -> dict[str, torch.Tensor]:
            chance = {name: variables[name].sigmoid() for name in self.theta}
            masks = drawn(cohort, "fedpm", chance, glance.step)
            through = {
                name: masks[name].to(each.dtype) + each - each.detach()
                for name, each in chance.items()
            }
            masked = {name: mask * self.frozen[name] for name, mask in through.items()}
            statistics = {name: variables[name] for name in self.statistics}
            return {**cohort.stack(self.frozen), **masked, **statistics}

        return model

    def brought(self, late: Sequence[Late], *, anew: bool, guard: float) -> "MaskingState":
        """Return the state after masks that began from several states: θ + Σ w (m − θ_base), kept away from 0 and 1.

        Every device counts the same, as in a Beta posterior: weights, which are by samples, are divided by them.

        Args:
            late: Updates and the states that they began with.
            anew: Whether all have begun with this very state, so that the mean of the masks replaces θ.
            guard: How far θ stays from 0 and 1.
        """
        weights = _evenly(self.samples, late)
        held = {**self.theta, **self.statistics}
        found = {name: torch.zeros_like(each) if anew else each for name, each in held.items()}
        for group, shares in zip(late, weights, strict=True):
            base = {**group.base.theta, **group.base.statistics}
            for message, share in zip(group.updates.messages, shares.tolist(), strict=True):
                for name, each in self._read(message).items():
                    found[name] = found[name] + share * (each if anew else each - base[name])
        theta = {name: found[name].clamp(guard, 1 - guard) for name in self.theta}
        statistics = {name: found[name] for name in self.statistics}
        return replace(self, theta=theta, statistics=statistics, fusions=self.fusions + 1)

    def looked_at(self, streams: Streams, sampled: bool) -> "MaskingState":
        """Return the state in which the model is made of likely weights, θ > ½, or of weights that are drawn."""
        shown = {name: theta > 0.5 for name, theta in self.theta.items()}
        if sampled:
            rng = streams.stream("fedpm look", self.fusions)
            shown = {name: _below(theta[None], [rng])[0] for name, theta in self.theta.items()}
        return replace(self, shown=shown)

    def model(self) -> dict[str, torch.Tensor]:
        """Return the model as it is looked at."""
        masked = {name: mask * self.frozen[name] for name, mask in self.shown.items()}
        return {**self.frozen, **masked, **self.statistics}

    def density(self, names: Sequence[str]) -> float:
        """Return the mean probability of the weights in some tensors; one where they have none."""
        found = [self.theta[name].flatten() for name in names if name in self.theta]
        return float(torch.cat(found).mean()) if found else 1.0

    def _read(self, message: Message) -> dict[str, torch.Tensor]:
        """Return the mask and the statistics of a message."""
        sizes = [each.numel() for each in self.theta.values()]
        bits = np.unpackbits(message.tensors[MASK].numpy(), count=sum(sizes))
        parts = torch.split(torch.from_numpy(bits), sizes)
        masks = {
            name: part.view(each.shape).to(each.dtype)
            for (name, each), part in zip(self.theta.items(), parts, strict=True)
        }
        return {**masks, **{name: message.tensors[name] for name in self.statistics}}


def first_masking(task: Task) -> MaskingState:
    """Return the state before the first round: weights ±e/√(fan-in), of which each is there with θ = ½.

    Signs are those of the task's initial weights, which are as often one as the other.
    """
    frozen = {}
    for each in task.anatomy.every():
        like = task.initial[each.name]
        frozen[each.name] = torch.full_like(like, float(each.role == "scale"))
        if each.role == "weight":
            size = e / max(1, prod(each.shape[1:])) ** 0.5
            frozen[each.name] = torch.where(like < 0, -size, size).to(like.dtype)
    theta = {name: torch.full_like(frozen[name], 0.5) for name in task.anatomy.prunable}
    shown = {name: each > 0.5 for name, each in theta.items()}
    statistics = {name: task.initial[name] for name in task.anatomy.statistics}
    samples = task.holdings.samples
    return MaskingState(frozen, theta, statistics, shown, samples, task.anatomy)


def masks_sent(state: MaskingState, cohort: Cohort, found: Params) -> list[dict[str, torch.Tensor]]:
    """Return what devices send of their scores, shapes (K, …): a mask drawn by them, a bit a weight, and statistics."""
    masks = drawn(cohort, "fedpm mask", {name: found[name].sigmoid() for name in state.theta})
    flat = torch.cat([mask.flatten(1) for mask in masks.values()], dim=1)
    bits = torch.from_numpy(np.packbits(flat.numpy(), axis=1))
    return cohort.rows({MASK: bits, **found}, (MASK, *state.statistics))


def drawn(cohort: Cohort, purpose: str, chance: Params, *indices: int) -> dict[str, torch.Tensor]:
    """Return masks that are there with some probabilities, shapes (K, …), by a stream of each device and moment."""
    streams = [cohort.turn.draw(purpose, device, *indices) for device in cohort.devices.tolist()]
    return {name: _below(each, streams) for name, each in chance.items()}


def _below(chance: torch.Tensor, streams: Sequence[np.random.Generator]) -> torch.Tensor:
    """Return what is there with some probabilities, shape (K, …), a stream a device."""
    shape = chance.shape[1:]
    draws = np.stack([stream.random(shape, np.float32) for stream in streams])
    return torch.from_numpy(draws) < chance.detach()


def _evenly(samples: IntArray, late: Sequence[Late]) -> list[FloatArray]:
    """Return weights of updates divided by samples, which add up to as much as before."""
    each = [group.weight / samples[group.updates.devices] for group in late]
    before = sum(float(group.weight.sum()) for group in late)
    after = sum(float(one.sum()) for one in each)
    return [one * (before / after) if after else one for one in each]
