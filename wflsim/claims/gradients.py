"""What a table of rounds tells of its gradients: the constants of the bound, its terms, and why there may be none."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from channel_models.units import FloatArray
from wflsim.learning.convergence import Constants, terms
from wflsim.records.report import STOP

Columns = Mapping[str, npt.NDArray[Any]]
COLUMNS = {
    "smoothness": "smoothness",
    "personal_smoothness": "personal_smoothness",
    "second_moment": "gradient_second_moment",
    "variance": "gradient_variance",
    "personal_variance": "personal_variance",
    "coverage_bias": "coverage_bias",
}
"""Constant → the column in which it is measured."""
NEEDS = (
    "exchange",
    "gradient_square",
    "loss_train",
    "pruned_energy",
    "coverage",
    *COLUMNS.values(),
)
"""Columns that a bound is made of, beside the outcomes."""


@dataclass(frozen=True)
class Stepping:
    """How the devices of a variant step.

    Attributes:
        rate: Step size of the shared part.
        steps: Steps on it, dense ones among them where the masked ones go on from there.
        personal_rate: Step size of the personal part.
        personal_steps: Steps on it.
        lowest_loss: What the mean training loss is never below; 0 for the cross-entropy.
    """

    rate: float
    steps: int
    personal_rate: float
    personal_steps: int
    lowest_loss: float = 0.0


def from_the_first(rounds: Columns) -> Columns:
    """Return the rounds from the first on in which gradients were measured."""
    played = rounds["exchange"] != STOP
    measured = ~np.isnan(rounds["gradient_square"]) & played
    rows = played & np.logical_or.accumulate(measured)
    return {name: values[rows] for name, values in rounds.items()}


def silent(rounds: Columns) -> str:
    """Return why there is no bound to hold anything against; empty where there is one."""
    pruned = rounds["pruned_energy"][_came(rounds) > 0]
    reasons = {
        "no gradient was measured; write gradient_samples: 64": not len(rounds["round"]),
        "some rounds were not measured, and the bound is on the mean over all; write evaluate_every: 1": (
            np.isnan(rounds["gradient_square"]).any()
        ),
        "what was pruned is not told": np.isnan(pruned).any(),
        "what devices kept is not known; write remember_masks: true": not len(
            known(rounds, "coverage_bias")
        ),
        "updates of older rounds were fused, of which the bound does not speak": (
            rounds["stale"].any()
        ),
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def constants(rounds: Columns, stepping: Stepping) -> Constants:
    """Return the largest constants that any evaluation of a run found."""
    most = {name: float(known(rounds, column).max()) for name, column in COLUMNS.items()}
    return Constants(
        gap=float(known(rounds, "loss_train")[0]) - stepping.lowest_loss,
        **most,
        rate=stepping.rate,
        personal_rate=stepping.personal_rate,
        steps=stepping.steps,
        personal_steps=stepping.personal_steps,
    )


def terms_of(constant: Constants, rounds: Columns) -> dict[str, float]:
    """Return the terms of the bound on the mean over these rounds."""
    came = _came(rounds)
    pruned = np.where(came > 0, rounds["pruned_energy"], 0.0) * came
    coverage = np.maximum(np.where(came > 0, rounds["coverage"], 1.0), 1.0)
    return terms(constant, pruned, coverage, came)


def known(rounds: Columns, column: str) -> FloatArray:
    """Return what was measured."""
    found: FloatArray = rounds[column][~np.isnan(rounds[column])]
    return found


def _came(rounds: Columns) -> FloatArray:
    """Return how many updates were fused in each round."""
    return np.asarray(rounds["on_time"] + rounds["late"], dtype=float)
