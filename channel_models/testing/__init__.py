"""Conformance checks: run them on a model of your own; each raises AssertionError with a sentence, or passes.

They ask what the simulator relies on: shapes, finite numbers, the same bits from the same seed, no state or argument
changed in place, and the prefix law: more devices at the end change nothing for those before. Statistical checks
allow five standard errors, estimated over independent links, and use fixed seeds.
"""

from channel_models.testing.large_scale import check_path_loss, check_shadowing
from channel_models.testing.layouts import check_layout, check_mobility, check_placement
from channel_models.testing.rates import (
    check_block_errors,
    check_estimation,
    check_interference,
    check_link,
)
from channel_models.testing.small_scale import (
    check_correlation,
    check_doppler,
    check_element,
    check_fading,
)

__all__ = [
    "check_block_errors",
    "check_correlation",
    "check_doppler",
    "check_element",
    "check_estimation",
    "check_fading",
    "check_interference",
    "check_layout",
    "check_link",
    "check_mobility",
    "check_path_loss",
    "check_placement",
    "check_shadowing",
]
