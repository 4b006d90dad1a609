"""What a paper states and no run of ours can be held against."""

from dataclasses import dataclass

from wflsim.contracts import Evidence, Judgement, Named


@dataclass(frozen=True)
class NotComparable:
    """A figure of the paper that we cannot stand beside.

    Attributes:
        claim: The statement, in our words.
        paper: What the paper says, with its evidence tag.
        reason: Why there is nothing of ours beside it.
        stated: The paper's number; null where it states none.
    """

    claim: str
    paper: str
    reason: str
    stated: float | None = None

    @property
    def needs(self) -> tuple[Named, ...]:
        """Nothing."""
        return ()

    def judge(self, evidence: Evidence) -> Judgement:
        """Return the reason."""
        del evidence
        return Judgement("not comparable", self.reason)
