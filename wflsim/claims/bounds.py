"""Claims about the bound on convergence: whether what was measured stays below it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt

from channel_models.units import Count, FloatArray, Positive
from wflsim.claims.paired import spread
from wflsim.contracts import Evidence, Judgement, Named
from wflsim.learning.convergence import Constants, terms
from wflsim.records.report import STOP

Columns = Mapping[str, npt.NDArray[Any]]
Steps = Annotated[int, ("least", 0)]
ESTIMATES = "its constants are estimates along the path, not proven"


@dataclass(frozen=True)
class BoundAbove:
    """The bound on the mean squared gradient lies above what was measured, with constants that were measured, too.

    The bound is that of docs/bound.md; each constant is the largest that any evaluation found. It is evidence for the
    theorem's use and no proof of it: smoothness elsewhere, or between two evaluations, may be larger.

    Attributes:
        claim: The statement, in our words.
        paper: What the paper says, with its evidence tag.
        of: Variant that it speaks of; its world needs gradient_samples, and its algorithm remember_masks.
        rate: The algorithm's step size of the shared part.
        steps: Its steps on the shared part: the masked ones, and the scoring ones unless they are thrown away (restart).
        personal_rate: Its step size of the personal part.
        personal_steps: Its steps on the personal part.
        lowest_loss: What the mean training loss is never below; 0 for the cross-entropy.
        stated: The paper's ratio of the measured to the bound; null where it states none.
    """

    claim: str
    paper: str
    of: str
    rate: Positive
    steps: Count
    personal_rate: Positive
    personal_steps: Steps
    lowest_loss: float = 0.0
    stated: float | None = None

    @property
    def needs(self) -> tuple[Named, ...]:
        """The variant."""
        return (Named("of", "variants", self.of),)

    def judge(self, evidence: Evidence) -> Judgement:
        """Return what the measured gradients say, beside the bound of each seed."""
        tables = [_from_the_first(rounds) for rounds in evidence.table(self.of)]
        for rounds in tables:
            silent = _silent(rounds)
            if silent:
                return Judgement("not comparable", silent)
        constants = [self._constants(rounds) for rounds in tables]
        for known in constants:
            if known.broken:
                why = f"nothing is proven for such steps: {'; '.join(known.broken)}; {ESTIMATES}"
                return Judgement("not comparable", why)
        measured = np.array([float(_known(rounds, "gradient_square").mean()) for rounds in tables])
        parts = [_terms(known, rounds) for known, rounds in zip(constants, tables, strict=True)]
        bounds = np.array([sum(part.values()) for part in parts])
        held = measured <= bounds
        ratios = (measured / bounds).tolist()
        seen = len(_known(tables[0], "gradient_square"))
        reason = (
            f"the bound lies above in {int(held.sum())} of {len(held)} seeds; {_largest(parts)}; "
        )
        reason += f"measured in {seen} of {len(tables[0]['round'])} rounds; {ESTIMATES}"
        ours = f"ratio {np.mean(ratios):.3g} ({spread(ratios)}): measured {measured.mean():.4g}, bound {bounds.mean():.4g}"
        return Judgement("met" if held.all() else "missed", reason, float(np.mean(ratios)), ours)

    def _constants(self, rounds: Columns) -> Constants:
        """Return the largest constants of a seed."""
        most = {name: float(_known(rounds, column).max()) for name, column in _COLUMNS.items()}
        return Constants(
            gap=float(_known(rounds, "loss_train")[0]) - self.lowest_loss,
            **most,
            rate=self.rate,
            personal_rate=self.personal_rate,
            steps=self.steps,
            personal_steps=self.personal_steps,
        )


_COLUMNS = {
    "smoothness": "smoothness",
    "personal_smoothness": "personal_smoothness",
    "second_moment": "gradient_second_moment",
    "variance": "gradient_variance",
    "personal_variance": "personal_variance",
    "coverage_bias": "coverage_bias",
}
"""Constant → the column in which it is measured."""


def _from_the_first(rounds: Columns) -> Columns:
    """Return the rounds from the first on in which gradients were measured."""
    played = rounds["exchange"] != STOP
    measured = ~np.isnan(rounds["gradient_square"]) & played
    rows = played & np.logical_or.accumulate(measured)
    return {name: values[rows] for name, values in rounds.items()}


def _silent(rounds: Columns) -> str:
    """Return why there is no bound to hold anything against; empty where there is one."""
    pruned = rounds["pruned_energy"][_came(rounds) > 0]
    reasons = {
        "no gradient was measured; write gradient_samples: 64": not len(rounds["round"]),
        "some rounds were not measured, and the bound is on the mean over all; write evaluate_every: 1": (
            np.isnan(rounds["gradient_square"]).any()
        ),
        "what was pruned is not told": np.isnan(pruned).any(),
        "what devices kept is not known; write remember_masks: true": not len(
            _known(rounds, "coverage_bias")
        ),
        "updates of older rounds were fused, of which the bound does not speak": (
            rounds["stale"].any()
        ),
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def _terms(known: Constants, rounds: Columns) -> dict[str, float]:
    """Return the terms of a seed's bound."""
    came = _came(rounds)
    pruned = np.where(came > 0, rounds["pruned_energy"], 0.0) * came
    coverage = np.maximum(np.where(came > 0, rounds["coverage"], 1.0), 1.0)
    return terms(known, pruned, coverage, came)


def _came(rounds: Columns) -> FloatArray:
    """Return how many updates were fused in each round."""
    return np.asarray(rounds["on_time"] + rounds["late"], dtype=float)


def _known(rounds: Columns, column: str) -> FloatArray:
    """Return what was measured."""
    known: FloatArray = rounds[column][~np.isnan(rounds[column])]
    return known


def _largest(parts: Sequence[Mapping[str, float]]) -> str:
    """Return the largest term of the mean bound in words."""
    mean = {name: float(np.mean([part[name] for part in parts])) for name in parts[0]}
    name = max(mean, key=mean.__getitem__)
    return f"{name} is {mean[name] / sum(mean.values()):.0%} of it"
