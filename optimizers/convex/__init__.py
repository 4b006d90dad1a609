"""The room of the conic solver: certifying twins of the rounds, the only door to cvxpy."""

from optimizers.convex.joint import Conic, Convex, conic, solve_convex

__all__ = ["Conic", "Convex", "conic", "solve_convex"]
