"""What the joint optimum is compared with; every answer's certificate bounds its distance from it."""

from optimizers.baselines.alternating import Alternating
from optimizers.baselines.ratios import Dense, UniformRatio
from optimizers.baselines.senders import FullPower
from optimizers.baselines.shares import EqualShare, Proportional, RandomShare

__all__ = [
    "Alternating",
    "Dense",
    "EqualShare",
    "FullPower",
    "Proportional",
    "RandomShare",
    "UniformRatio",
]
