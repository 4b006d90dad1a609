"""Training what is not the model's tensors but gives them: thresholds, scores, gates, rescaled or random submodels.

A view is plain PyTorch from a device's variables to its model's tensors. Whichever way devices are trained tells the slopes at
these tensors, and autograd takes them back to the variables, straight-through estimators included.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict, Unpack

import torch

from wflsim.learning.cohort import CROSS_ENTROPY, Cohort
from wflsim.learning.lessons import Batches, Descent, Objective

Params = Mapping[str, torch.Tensor]
Variables = dict[str, torch.Tensor]


@dataclass(frozen=True, eq=False)
class Glance:
    """What a view may look at.

    Attributes:
        step: Number of the step within the turn.
        rows: The samples of the step, shape (K, B).
        real: Which of them are real and do not only fill up, shape (K, B); None for all.
    """

    step: int
    rows: torch.Tensor
    real: torch.Tensor | None = None

    @property
    def seen(self) -> torch.Tensor:
        """Number of samples of each device, shape (K,)."""
        if self.real is None:
            return torch.full((len(self.rows),), self.rows.shape[1])
        return self.real.sum(1)


View = Callable[[Params, Glance], Params]
Penalty = Callable[[Params], torch.Tensor]


class Terms(TypedDict, total=False):
    """What may be said of training besides.

    Attributes:
        rates: Other step sizes than the rule's, by the name of a variable.
        penalty: From the variables to what is added to each device's loss, shape (K,).
        clip: Largest norm of a device's slopes over all variables, penalty included.
        projected: What is made of the variables after every step; it may change their momenta, the second argument, in place.
        objective: The loss of one device; else cross-entropy.
        widths: Where the devices train a smaller model: the number of units of each space that were pruned.
    """

    rates: Mapping[str, float]
    penalty: Penalty | None
    clip: float | None
    projected: Callable[[Variables, Variables], Variables] | None
    objective: Objective
    widths: Mapping[str, int] | None


def train_through(
    cohort: Cohort,
    variables: Params,
    view: View,
    batches: Batches,
    descent: Descent | float,
    **terms: Unpack[Terms],
) -> Variables:
    """Return the variables after one step a batch, shapes (K, …).

    Statistics of norms are variables under their own names, which the view hands on; they are what the last step measured.

    Args:
        cohort: Who trains.
        variables: What is trained, shapes (K, …).
        view: From variables to all tensors of the model.
        batches: Samples of each step.
        descent: The rule of descent, or the step size of the plain one; momentum begins at zero.
        **terms: What is said besides.
    """
    rule = descent if isinstance(descent, Descent) else Descent(descent)
    projected, rates = terms.get("projected"), terms.get("rates", {})
    found, momenta = dict(variables), dict[str, torch.Tensor]()
    for batch in batches.split([1] * len(batches.rows)):
        slopes, measured = _slopes(cohort, found, view, batch, terms)
        slopes = _clipped(slopes, terms.get("clip"))
        works = None if batch.counts is None else batch.counts[0] > 0
        found |= _moved(found, slopes, momenta, (rule, rates), works) | measured
        if projected is not None:
            found = projected(found, momenta)
    return found


def _slopes(
    cohort: Cohort, variables: Variables, view: View, batch: Batches, terms: Terms
) -> tuple[Variables, Variables]:
    """Return the slopes of each device's loss by its variables, and the statistics that the step measured."""
    statistics, penalty = cohort.task.anatomy.statistics, terms.get("penalty")
    leaves = {
        name: each.detach().requires_grad_()
        for name, each in variables.items()
        if each.is_floating_point() and name not in statistics
    }
    real = None
    if batch.counts is not None:
        real = torch.arange(batch.size) < batch.counts[0][:, None]
    with torch.enable_grad():
        params = view({**variables, **leaves}, Glance(batch.first, batch.rows[0], real))
        added = None if penalty is None else penalty({**variables, **leaves}).sum()
    moving = [name for name, each in params.items() if each.requires_grad]
    still = {name: each.detach() for name, each in params.items()}
    here = [name for name in statistics if name in variables]
    slopes, measured = cohort.slopes_and_statistics(
        still,
        moving,
        here,
        batch,
        objective=terms.get("objective", CROSS_ENTROPY),
        widths=terms.get("widths"),
    )
    outputs, seeds = [params[name] for name in moving], [slopes[name] for name in moving]
    if added is not None and added.requires_grad:
        outputs, seeds = [*outputs, added], [*seeds, torch.ones_like(added)]
    found = torch.autograd.grad(outputs, list(leaves.values()), seeds, allow_unused=True)
    pairs: Sequence[tuple[str, torch.Tensor | None]] = list(zip(leaves, found, strict=True))
    return {name: each for name, each in pairs if each is not None}, measured


def _clipped(slopes: Variables, most: float | None) -> Variables:
    """Return slopes, those of a device made smaller together where their norm is larger than allowed."""
    if most is None or not slopes:
        return slopes
    square = torch.stack([each.flatten(1).square().sum(1) for each in slopes.values()]).sum(0)
    shrink = (most / square.sqrt().clamp(min=1e-30)).clamp(max=1.0)
    return {name: each * _along(shrink, each) for name, each in slopes.items()}


def _moved(
    variables: Variables,
    slopes: Variables,
    momenta: Variables,
    rule: tuple[Descent, Mapping[str, float]],
    works: torch.Tensor | None,
) -> Variables:
    """Return what has moved a step; devices that have finished stay, and momenta are brought up to date in place."""
    (descent, rates), found = rule, {}
    everybody = works is None or bool(works.all())
    for name, each in slopes.items():
        slope, before = each, momenta.get(name)
        if descent.decay:
            slope = torch.add(slope, variables[name], alpha=descent.decay)
        if before is not None:
            slope = torch.add(slope, before, alpha=descent.momentum)
        if works is not None and not everybody:
            rests = ~_along(works, slope)
            if descent.momentum:
                momenta[name] = torch.where(rests, 0.0 if before is None else before, slope)
            slope = slope.masked_fill(rests, 0.0)
        elif descent.momentum:
            momenta[name] = slope
        found[name] = torch.add(variables[name], slope, alpha=-rates.get(name, descent.rate))
    return found


def _along(each: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Return a value a device, shape (K,), so that it meets values (K, …)."""
    return each.view(-1, *[1] * (like.dim() - 1))
