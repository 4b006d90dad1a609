"""Networks as descriptions: what is built from them, counted in them, batched and thinned by them; no torch."""

from wflsim.learning.blueprint.flow import Blueprint, Chain, Flow, Part, Passage, Residual, below
from wflsim.learning.blueprint.norms import BatchNorm, GroupNorm, LayerNorm
from wflsim.learning.blueprint.plain import (
    Act,
    Conv,
    Dropout,
    Flatten,
    GlobalMean,
    Linear,
    MaxPool,
    MeanPool,
    pooled_first,
)
from wflsim.learning.blueprint.sequences import (
    Attention,
    Lstm,
    MeanTokens,
    Positions,
    Steps,
    Tokens,
)

__all__ = [
    "Act",
    "Attention",
    "BatchNorm",
    "Blueprint",
    "Chain",
    "Conv",
    "Dropout",
    "Flatten",
    "Flow",
    "GlobalMean",
    "GroupNorm",
    "LayerNorm",
    "Linear",
    "Lstm",
    "MaxPool",
    "MeanPool",
    "MeanTokens",
    "Part",
    "Passage",
    "Positions",
    "Residual",
    "Steps",
    "Tokens",
    "below",
    "pooled_first",
]
