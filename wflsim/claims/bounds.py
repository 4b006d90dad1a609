"""Claims about the bound on convergence: whether what was measured stays below it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from channel_models.units import Count, Positive
from wflsim.claims.gradients import Stepping, constants, from_the_first, known, silent, terms_of
from wflsim.claims.paired import spread
from wflsim.contracts import Evidence, Judgement, Named

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
        tables = [from_the_first(rounds) for rounds in evidence.table(self.of)]
        for rounds in tables:
            why = silent(rounds)
            if why:
                return Judgement("not comparable", why)
        made_of = [constants(rounds, self._stepping) for rounds in tables]
        for constant in made_of:
            if constant.broken:
                why = f"nothing is proven for such steps: {'; '.join(constant.broken)}; {ESTIMATES}"
                return Judgement("not comparable", why)
        measured = np.array([float(known(rounds, "gradient_square").mean()) for rounds in tables])
        parts = [
            terms_of(constant, rounds) for constant, rounds in zip(made_of, tables, strict=True)
        ]
        bounds = np.array([sum(part.values()) for part in parts])
        held = measured <= bounds
        ratios = (measured / bounds).tolist()
        seen = len(known(tables[0], "gradient_square"))
        reason = (
            f"the bound lies above in {int(held.sum())} of {len(held)} seeds; {_largest(parts)}; "
        )
        reason += f"measured in {seen} of {len(tables[0]['round'])} rounds; {ESTIMATES}"
        ours = f"ratio {np.mean(ratios):.3g} ({spread(ratios)}): measured {measured.mean():.4g}, bound {bounds.mean():.4g}"
        return Judgement("met" if held.all() else "missed", reason, float(np.mean(ratios)), ours)

    @property
    def _stepping(self) -> Stepping:
        """How its devices step."""
        return Stepping(
            self.rate, self.steps, self.personal_rate, self.personal_steps, self.lowest_loss
        )


def _largest(parts: Sequence[Mapping[str, float]]) -> str:
    """Return the largest term of the mean bound in words."""
    mean = {name: float(np.mean([part[name] for part in parts])) for name in parts[0]}
    name = max(mean, key=mean.__getitem__)
    return f"{name} is {mean[name] / sum(mean.values()):.0%} of it"
