"""Closed forms of the literature: one module a paper, as allocators or as functions of a round."""

from optimizers.closed_forms.fixed_snr import FixedSnr
from optimizers.closed_forms.hierarchical import Hierarchy, hierarchical
from optimizers.closed_forms.lambert_w import LambertW
from optimizers.closed_forms.liu2024 import Liu2024
from optimizers.closed_forms.liu_yu2022 import Dropped, Selected, price_threshold
from optimizers.closed_forms.prunefl import PruneFl, reconfigure, seconds_per_weight
from optimizers.closed_forms.ren2022 import Ren2022, Tradeoff, edge_tradeoff, packet_errors
from optimizers.closed_forms.tt_prune import TtPrune, tier_weights, tiers, time_triggered

__all__ = [
    "Dropped",
    "FixedSnr",
    "Hierarchy",
    "LambertW",
    "Liu2024",
    "PruneFl",
    "Ren2022",
    "Selected",
    "Tradeoff",
    "TtPrune",
    "edge_tradeoff",
    "hierarchical",
    "packet_errors",
    "price_threshold",
    "reconfigure",
    "seconds_per_weight",
    "tier_weights",
    "tiers",
    "time_triggered",
]
