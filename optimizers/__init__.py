"""Joint pruning, bandwidth and power for one round of federated learning, with certificates."""

from optimizers.allocator import Allocator, solve
from optimizers.baselines import Dense, EqualShare, UniformRatio
from optimizers.certificate import Allocation, Certificate, Remedy
from optimizers.errors import Lorenz, lorenz
from optimizers.kkt import Kkt, solve_kkt, solve_many
from optimizers.least_latency import least_latency
from optimizers.problem import RoundProblem

__all__ = [
    "Allocation",
    "Allocator",
    "Certificate",
    "Dense",
    "EqualShare",
    "Kkt",
    "Lorenz",
    "Remedy",
    "RoundProblem",
    "UniformRatio",
    "least_latency",
    "lorenz",
    "solve",
    "solve_kkt",
    "solve_many",
]
