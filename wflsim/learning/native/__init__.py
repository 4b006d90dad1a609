"""A device's whole lesson in one compiled call: plain networks of linear layers, convolutions, rectifiers and pooling."""

from wflsim.learning.native.plan import Plan, planned
from wflsim.learning.native.training import covers, train

__all__ = ["Plan", "covers", "planned", "train"]
