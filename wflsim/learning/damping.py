"""A server that follows what it fuses with momentum: it moves by an average of steps, and each counts less the older it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from wflsim.contracts import IntArray, Late, Updates
from wflsim.learning.cohort import Cohort, Params
from wflsim.learning.personal import SplitState, initial_state
from wflsim.learning.task import Task


def damped(
    weights: Params,
    velocity: Params,
    delta: Params,
    beta: float,
    masks: Params | None = None,
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Return weights W − v and velocity v = β v + (1 − β) Δ after a step of the server (arXiv 2405.10271, B.1.4 [C]).

    There is no correction of the beginning [C]: with β = 0.9 the first round moves by a tenth of its step.

    Args:
        weights: The server's tensors W.
        velocity: The mean v of the steps so far.
        delta: This round's step Δ, from what devices sent to the server's tensors, for all that move.
        beta: Share β of the old mean.
        masks: For some names what moves; elsewhere neither the weights nor the mean of steps do [D].

    >>> one, v = damped({"w": torch.ones(1)}, {"w": torch.zeros(1)}, {"w": -0.5 * torch.ones(1)}, 0.9)
    >>> round(float(one["w"]), 6), round(float(v["w"]), 6)
    (1.05, -0.05)
    """
    after, mean = dict(weights), dict(velocity)
    for name, step in delta.items():
        moved = beta * velocity[name] + (1.0 - beta) * step
        found = weights[name] - moved
        if masks is not None and name in masks:
            moved = torch.where(masks[name], moved, velocity[name])
            found = torch.where(masks[name], found, weights[name])
        after[name], mean[name] = found, moved
    return after, mean


@dataclass(frozen=True)
class DampedState:
    """What a server with momentum knows.

    Attributes:
        model: The model, of which nothing is personal.
        velocity: Mean of the steps so far, of all tensors that are trained.
    """

    model: SplitState
    velocity: Mapping[str, torch.Tensor]

    @classmethod
    def of_model(cls, model: SplitState) -> "DampedState":
        """Return the state before the first step."""
        still = model.part.statistics
        moving = {name: tensor for name, tensor in model.shared.items() if name not in still}
        return cls(model, {name: torch.zeros_like(tensor) for name, tensor in moving.items()})

    def only(self, devices: IntArray) -> "DampedState":
        """Return no more than some devices need to train."""
        return DampedState(self.model.only(devices), {})

    def of(self, cohort: Cohort) -> dict[str, torch.Tensor]:
        """Return what the devices of a cohort start with, shapes (K, …)."""
        return self.model.of(cohort)

    def fused(self, updates: Updates, beta: float) -> "DampedState":
        """Return the state after a step towards the mean, weighted by samples, of what came."""
        return self.towards(self.model.fused(updates), beta)

    def fused_late(self, late: Sequence[Late], beta: float) -> "DampedState":
        """Return the state after a step by what devices learnt since they began, some time ago or just now."""
        groups = [replace(group, base=group.base.model) for group in late]
        return self.towards(self.model.fused_late(groups), beta)

    def towards(self, there: SplitState, beta: float, masks: Params | None = None) -> "DampedState":
        """Return the state after a step towards another model, which is reached at once where β is zero.

        Statistics of norms are no parameters: they are taken as they come, since a mean of steps could overshoot, and a
        variance must not [X].
        """
        delta = {name: self.model.shared[name] - there.shared[name] for name in self.velocity}
        found, velocity = damped(self.model.shared, self.velocity, delta, beta, masks)
        if not beta:  # W − (W − x) is x but for a rounding, which would part this from averaging
            masks = masks or {}
            for name in delta:
                old, new = self.model.shared[name], there.shared[name]
                found[name] = torch.where(masks[name], new, old) if name in masks else new
        for name in there.part.statistics:
            found[name] = there.shared[name]
        return DampedState(replace(there, shared=found), velocity)


def first_state(task: Task) -> DampedState:
    """Return the state before the first round: the initial weights, which nothing moves yet."""
    return DampedState.of_model(initial_state(task, "none"))
