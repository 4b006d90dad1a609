"""How much a weight matters to a group: how large it is, how alike members have it, and whether they pull one way."""

from dataclasses import dataclass

import torch

from wflsim.learning.regrowth.targets import Coherence


@dataclass(frozen=True)
class Importance:
    """I = α M + β H + γ G of the weights of a layer (arXiv 2603.01739 [C]).

    Attributes:
        alpha: Weight α of the magnitude.
        beta: Weight β of the coherence.
        gamma: Weight γ of the consistency.
        coherence: How variances are told, see ``coherence``.
    """

    alpha: float
    beta: float
    gamma: float
    coherence: Coherence = "raw"

    def of(
        self,
        weights: torch.Tensor,
        members: torch.Tensor,
        slopes: torch.Tensor,
        active: torch.Tensor,
    ) -> torch.Tensor:
        """Return the importance of a layer's weights, in float64; that of weights that are not there says nothing.

        Args:
            weights: The group's weights, shape (…).
            members: Those of its members, shape (K, …).
            slopes: The slopes of their losses, shape (K, …).
            active: Which weights are there, shape (…).
        """
        return (
            self.alpha * magnitude(weights)
            + self.beta * coherence(members, active, self.coherence)
            + self.gamma * consistency(slopes)
        )


def magnitude(weights: torch.Tensor) -> torch.Tensor:
    """Return |W| as a share of the layer's largest."""
    return _of_largest(weights.double().abs())


def coherence(
    members: torch.Tensor, active: torch.Tensor, how: Coherence = "normalised"
) -> torch.Tensor:
    """Return h as a share of the layer's largest, with h = 1/(1 + Var), the variance over members.

    With ``raw`` variances stand as they are [C], which are so small that h hardly tells weights apart [D]; ``normalised`` takes
    them relative to their mean over the layer [D]. Mean and largest are those of the weights that are there [X].

    Args:
        members: The weights of members, shape (K, …).
        active: Which weights are there, shape (…).
        how: Which of the two.
    """
    variance = members.double().var(0, correction=0)
    if how == "normalised":
        mean = variance[active].mean() if active.any() else variance.mean()
        variance = variance / mean if mean > 0 else torch.zeros_like(variance)
    return _of_largest(torch.where(active, 1.0 / (1.0 + variance), 0.0))


def consistency(slopes: torch.Tensor) -> torch.Tensor:
    """Return |mean of the signs of slopes| over members, shape (…): 1 where all pull one way, 0 where they cancel out."""
    return slopes.double().sign().mean(0).abs()


def _of_largest(values: torch.Tensor) -> torch.Tensor:
    """Return values as shares of the largest; zeros stay zeros."""
    largest = values.max()
    return values / largest if largest > 0 else values
