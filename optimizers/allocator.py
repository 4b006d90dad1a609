"""What an allocator is, and the shortest way to one by name."""

import importlib
from typing import Protocol, cast

import numpy as np

from optimizers.catalog import KINDS
from optimizers.certificate import Allocation
from optimizers.problem import RoundProblem


class Allocator(Protocol):
    """Anything that answers a round; it is a value whose fields are its configuration."""

    def allocate(self, problem: RoundProblem, rng: np.random.Generator) -> Allocation:
        """Return an answer with its certificate, usually by `problem.allocation(...)`.

        Args:
            problem: The round, not to be changed.
            rng: The only source of randomness.
        """
        ...


def solve(problem: RoundProblem, method: str = "kkt") -> Allocation:
    """Return the answer of an allocator of this package with its default configuration.

    Args:
        problem: The round.
        method: One of the allocators in `optimizers.catalog`, for instance kkt, convex, tradeoff,
            max_min, liu2024, equal_share or dense.

    >>> problem = RoundProblem(
    ...     gain=[1e-9, 4e-9], noise_w_per_hz=2e-20, bandwidth_hz=2e6, power_max_w=0.1, fixed_s=0.1,
    ...     slope_s=0.2, fixed_bits=1e5, prunable_bits=1e7, deadline_s=0.45,
    ... )
    >>> answer = solve(problem)
    >>> answer.certificate.status, answer.pruning.round(3).tolist()
    ('optimal', [0.69, 0.59])
    """
    kinds = KINDS["allocator"]
    if method not in kinds:
        raise ValueError(f"unknown method {method!r} (known: {', '.join(kinds)})")
    module, _, name = kinds[method].partition(":")
    allocator = cast("Allocator", getattr(importlib.import_module(module), name)())
    return allocator.allocate(problem, np.random.default_rng(0))
