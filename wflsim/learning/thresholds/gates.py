"""Thresholds of output units: masks that follow from them, how they are learnt, and what their changes do to weights.

A unit is kept while the mean magnitude of its weights exceeds its threshold (arXiv 2406.00431; tags as in docs/papers.md).
All tensors are stacked over K devices, all values of units lie in a row of V (``Units``).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp
from typing import Literal

import torch

from wflsim.learning.thresholds.units import Units

Params = Mapping[str, torch.Tensor]
Estimator = Literal["identity", "clipped", "inverted_gate"]


@dataclass(frozen=True)
class Gate:
    """How the slope of the loss comes through the step from a unit's distance to its threshold to its being kept.

    Attributes:
        estimator: Where it comes through as it is: everywhere, at distances up to 1, or only beyond 1 [C].
        mask_grad: Whether it reaches the weights, too, by way of their mean magnitude.
    """

    estimator: Estimator = "identity"
    mask_grad: bool = False

    @property
    def learns(self) -> bool:
        """Whether the loss moves thresholds; beyond a distance of 1 there is next to nothing."""
        return self.estimator != "inverted_gate"


def importances(params: Params, units: Units) -> torch.Tensor:
    """Return the mean magnitude of each unit's weights, shape (K, V)."""
    return torch.cat([params[t.name].abs().flatten(2).mean(2) for t in units.tensors], dim=1)


def kept_units(params: Params, thresholds: torch.Tensor, units: Units) -> torch.Tensor:
    """Return which units are kept, booleans, shape (K, V); who is as small as the threshold is not [C]."""
    return importances(params, units) - thresholds > 0


def spread(values: torch.Tensor, units: Units) -> dict[str, torch.Tensor]:
    """Return values of units, shape (K, V), by tensor, so that they meet its weights, shapes (K, U, 1, …)."""
    parts = torch.split(values, list(units.sizes), dim=1)
    return {
        tensor.name: part.reshape(*part.shape, *[1] * (len(tensor.shape) - 1))
        for tensor, part in zip(units.tensors, parts, strict=True)
    }


def masked(params: Params, kept: torch.Tensor, units: Units) -> dict[str, torch.Tensor]:
    """Return the parameters with zero for all weights of pruned units."""
    found = {name: torch.where(mask, params[name], 0) for name, mask in spread(kept, units).items()}
    return {**params, **found}


def gated(
    params: Params, thresholds: torch.Tensor, units: Units, gate: Gate
) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Return the masked parameters as a function of weights and thresholds that has slopes, and which units are kept.

    With g the slope at masked weights, p what is kept and n a unit's weights, thresholds have −Σ g w, and weights p g, and
    with ``mask_grad`` sign(w)/n Σ g w besides [C]; other estimators let the sums through at some units alone.
    """
    size = importances(params, units)
    distance = (size if gate.mask_grad else size.detach()) - thresholds
    kept = distance.detach() > 0
    far = distance.detach().abs() > 1
    through = {"identity": torch.ones_like(far), "clipped": ~far, "inverted_gate": far}
    soft = distance * through[gate.estimator]
    gates = spread(kept.to(soft.dtype) + (soft - soft.detach()), units)
    return {**params, **{name: each * params[name] for name, each in gates.items()}}, kept


def regulariser(thresholds: torch.Tensor) -> torch.Tensor:
    """Return Σ exp(−τ), whose descent raises every threshold by exp(−τ) at a step size of 1, shape (K,)."""
    return torch.exp(-thresholds).sum(1)


def warmed(round_: int, rounds: int | None) -> float:
    """Return the share of the regulariser in a round: 1/(1 + exp(5 − 10 t/P)), or 1 without a warm-up [C].

    >>> [round(warmed(t, 1), 4) for t in (0, 1, 2)]
    [0.0067, 0.9933, 1.0]
    """
    return 1.0 if rounds is None else 1.0 / (1.0 + exp(min(5.0 - 10.0 * round_ / rounds, 700.0)))


def signed_sums(params: Params, units: Units) -> torch.Tensor:
    """Return the sum of each unit's weights, shape (K, V), in float64, as its sign decides."""
    sums = [params[t.name].flatten(2).sum(2, dtype=torch.float64) for t in units.tensors]
    return torch.cat(sums, dim=1)


def importance_step(
    sums: torch.Tensor, change: torch.Tensor, divisor: torch.Tensor
) -> torch.Tensor:
    """Return what is added to every weight of a unit when its threshold has changed: −d/q sgn(Σ w), shape (K, V).

    Args:
        sums: Signed sums Σ w, shape (K, V).
        change: Changes d of thresholds, to be broadcast to (K, V).
        divisor: What they are divided by, q, shape (V,).
    """
    return -(change.to(sums.dtype) / divisor.to(sums.dtype)) * sums.sign()


def shifted(params: Params, steps: torch.Tensor, units: Units) -> dict[str, torch.Tensor]:
    """Return the parameters after a step of all weights of each unit, shape (K, V); one of zero leaves them as they are."""
    found = {
        name: params[name] + step.to(params[name].dtype)
        for name, step in spread(steps, units).items()
    }
    return {**params, **found}


def drift(params: Params, steps: torch.Tensor, units: Units) -> torch.Tensor:
    """Return the size of a step of units relative to that of their weights, Euclidean norms, shape (K,)."""
    fan_in = torch.from_numpy(units.fan_in)
    moved = (steps.double().square() * fan_in).sum(1).sqrt()
    whole = torch.stack([params[t.name].double().flatten(1).square().sum(1) for t in units.tensors])
    return moved / whole.sum(0).sqrt().clamp(min=1e-30)


def ratios(kept: torch.Tensor, units: Units) -> torch.Tensor:
    """Return the share of kept units of each layer, shape (K, L)."""
    parts = torch.split(kept, list(units.by_layer), dim=1)
    return torch.stack([part.double().mean(1) for part in parts], dim=1)


def reopened(
    thresholds: torch.Tensor, ratio: torch.Tensor, least: float, units: Units
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return thresholds that are zero in layers of which too little was kept, and how many layers that were, shape (K,).

    Args:
        thresholds: Thresholds, shape (K, V).
        ratio: The share of each layer's units that was kept at the last forward pass, shape (K, L).
        least: The largest share that is too little.
        units: The units.
    """
    fallen = ratio <= least
    sizes = torch.tensor(units.by_layer)
    every = fallen.repeat_interleave(sizes, dim=1)
    return torch.where(every, 0.0, thresholds), fallen.sum(1)
