"""Claims about what is paid in advance: when it has paid for itself, and what is saved from then on."""

from dataclasses import dataclass
from math import nan

import numpy as np

from channel_models.units import FloatArray, Positive
from wflsim.claims.paired import spread, unknown
from wflsim.claims.ratios import at_most, both
from wflsim.contracts import Evidence, Judgement, Named


@dataclass(frozen=True)
class BreakEven:
    """What a variant paid in advance pays for itself, and from then on it takes at most a share of what another takes.

    The round of break-even is the first after which all that the variant has taken so far is no more than what the other
    has, for good. The ratio is of the sums over the rounds after it. A seed without any such round is a miss.

    Attributes:
        claim: The statement, in our words.
        paper: What the paper says, with its evidence tag.
        of: Variant that it speaks of.
        beside: Variant that it is compared with.
        column: Column of the table of rounds that is added, such as up_bits.
        most: Largest mean ratio of the sums over the rounds after break-even.
        stated: The paper's ratio; null where it states none.
    """

    claim: str
    paper: str
    of: str
    beside: str
    column: str = "up_bits"
    most: Positive = 1.0
    stated: float | None = None

    @property
    def needs(self) -> tuple[Named, ...]:
        """Both variants, and the column."""
        return (*both(self.of, self.beside), Named("column", "rounds", self.column))

    def judge(self, evidence: Evidence) -> Judgement:
        """Return what the sums say, round by round."""
        pairs = zip(evidence.table(self.of), evidence.table(self.beside), strict=True)
        found = [
            _after(*(_by_round(table["round"], table[self.column]) for table in pair))
            for pair in pairs
        ]
        silent = unknown([whole for _, _, whole in found], f"{self.column} is not known or zero")
        if silent:
            return silent
        late = [
            seed
            for seed, (_, ratio, _) in zip(evidence.seeds, found, strict=True)
            if np.isnan(ratio)
        ]
        in_all = f"{np.mean([whole for _, _, whole in found]):.3f} of it in all"
        if late:
            return Judgement(
                "missed",
                f"never even in {len(late)} of {len(found)} seeds",
                nan,
                f"never even; {in_all}",
            )
        rounds = [round_ for round_, _, _ in found]
        judged = at_most([ratio for _, ratio, _ in found], self.most)
        when = f"even after {np.mean(rounds):.3g} rounds ({spread(rounds)})"
        ours = f"{when}, from then on {judged.ours}; {in_all}"
        return Judgement(judged.verdict, f"{when}; {judged.reason}", judged.value, ours)


def _by_round(round_: FloatArray, values: FloatArray) -> FloatArray:
    """Return the sums of the exchanges of each round; not numbers where nothing is known of one."""
    known, round_ = ~np.isnan(values), round_.astype(np.int64)
    sums = np.bincount(round_, weights=np.where(known, values, 0.0))
    return np.where(np.bincount(round_, weights=known) > 0, sums, nan)


def _after(mine: FloatArray, other: FloatArray) -> tuple[float, float, float]:
    """Return after how many rounds both are even for good, the ratio of what comes after, and that of everything.

    Not numbers: the ratio after it where they are never even, or only in the end; that of everything where there is nothing.
    """
    played = min(len(mine), len(other))  # one may have ended early
    mine, other = mine[:played], other[:played]
    whole = mine.sum() / other.sum() if other.sum() else nan
    ahead = np.flatnonzero(np.cumsum(mine) > np.cumsum(other))
    first = int(ahead[-1]) + 2 if len(ahead) else 1
    rest = other[first:].sum()
    after = float(mine[first:].sum() / rest) if rest else nan
    return float(first), after, float(whole)
