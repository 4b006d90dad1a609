"""Where slopes go: into a step of plain descent at once, or into a table."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import torch

Params = Mapping[str, torch.Tensor]


class Sink(Protocol):
    """What takes the slopes of tensors as a backward pass finds them."""

    def wants(self, name: str) -> bool:
        """Return whether a tensor's slope is asked for."""
        ...

    def product(self, name: str, left: torch.Tensor, right: torch.Tensor) -> None:
        """Take a slope that is a product of two matrices a device, shapes (K, M, B) and (K, B, N)."""
        ...

    def whole(self, name: str, slope: torch.Tensor) -> None:
        """Take a slope of the tensor's shape (K, …)."""
        ...


@dataclass(frozen=True)
class InPlace:
    """Plain descent in place: a product of matrices is added to the weights without ever being written down.

    Attributes:
        params: The tensors, which move, shapes (K, …).
        names: Names of those that move.
        rate: Step size.
    """

    params: Params
    names: Collection[str]
    rate: float

    def wants(self, name: str) -> bool:
        """Return whether a tensor moves."""
        return name in self.names

    def product(self, name: str, left: torch.Tensor, right: torch.Tensor) -> None:
        """Move a tensor against a slope that is a product."""
        if name in self.names:
            flat = self.params[name].view(left.shape[0], left.shape[1], right.shape[2])
            flat.baddbmm_(left, right, alpha=-self.rate)

    def whole(self, name: str, slope: torch.Tensor) -> None:
        """Move a tensor against its slope."""
        if name in self.names:
            self.params[name].sub_(slope.view(self.params[name].shape), alpha=self.rate)


@dataclass(frozen=True)
class Slopes:
    """Slopes by name.

    Attributes:
        params: The tensors, which give shapes (K, …).
        names: Names of those whose slopes are asked for.
        found: What was found.
    """

    params: Params
    names: Collection[str]
    found: dict[str, torch.Tensor] = field(default_factory=dict)

    def wants(self, name: str) -> bool:
        """Return whether a tensor's slope is asked for."""
        return name in self.names

    def product(self, name: str, left: torch.Tensor, right: torch.Tensor) -> None:
        """Keep a slope that is a product."""
        if name in self.names:
            self.whole(name, torch.bmm(left, right))

    def whole(self, name: str, slope: torch.Tensor) -> None:
        """Keep a slope."""
        if name in self.names:
            self.found[name] = slope.reshape(self.params[name].shape)
