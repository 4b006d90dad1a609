"""Joint pruning, bandwidth and power for one round of federated learning, with certificates."""

from optimizers.allocator import Allocator, solve
from optimizers.baselines import Dense, EqualShare, UniformRatio
from optimizers.certificate import Allocation, Certificate
from optimizers.kkt import Kkt, solve_kkt
from optimizers.least_latency import least_latency
from optimizers.problem import RoundProblem

__all__ = [
    "Allocation",
    "Allocator",
    "Certificate",
    "Dense",
    "EqualShare",
    "Kkt",
    "RoundProblem",
    "UniformRatio",
    "least_latency",
    "solve",
    "solve_kkt",
]
