"""Checks for anyone's own allocator, random rounds to run it on, and brute force to compare it with."""

from optimizers.testing.conformance import check_allocator
from optimizers.testing.rounds import ERRORS, random_problem

__all__ = ["ERRORS", "check_allocator", "random_problem"]
