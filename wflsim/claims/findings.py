"""Every claim of a paper with what became of it, as plain rows, as JSON, and as a Markdown page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isnan
from typing import Any

from wflsim.claims import evenness
from wflsim.contracts import Claim, Evidence, Judgement
from wflsim.scenario.paper import Paper

TOLD = ("claim", "paper", "ours", "verdict", "reason")
UNKNOWN = "–"
ROUNDING = 1e-6
"""Relative difference below which two numbers are told to be the same."""


@dataclass(frozen=True)
class Finding:
    """A claim and its verdict.

    Attributes:
        claim: The claim.
        judgement: What it comes to.
    """

    claim: Claim
    judgement: Judgement

    @property
    def difference(self) -> str:
        """What we measured less what the paper states; empty where one of them is no number."""
        stated, value = self.claim.stated, self.judgement.value
        if stated is None or isnan(value):
            return ""
        gap = value - stated
        return f"{gap if abs(gap) > ROUNDING * abs(stated) else 0.0:+.3g}"

    @property
    def row(self) -> dict[str, Any]:
        """The finding as plain data, with None for what is not known."""
        judgement, stated = self.judgement, self.claim.stated
        return {
            "claim": self.claim.claim,
            "paper": self.claim.paper,
            "ours": judgement.ours or None,
            "verdict": judgement.verdict,
            "reason": judgement.reason,
            "stated": stated,
            "value": None if isnan(judgement.value) else judgement.value,
            "difference": self.difference or None,
        }


@dataclass(frozen=True, eq=False)
class Account:
    """What was played and what became of it.

    Attributes:
        name: Name of the scenario.
        paper: What the paper says.
        evidence: What was recorded.
        rounds: Rounds of each variant.
        quick: Whether it is the quick form.
        early: Variant → in which seeds it ended early, and why; no claim can be held against it.
    """

    name: str
    paper: Paper
    evidence: Evidence
    rounds: Mapping[str, int]
    quick: bool
    early: Mapping[str, str] = field(default_factory=dict)

    @property
    def span(self) -> str:
        """The number of rounds in words."""
        least, most = min(self.rounds.values()), max(self.rounds.values())
        counts = f"{least} to {most}" if least < most else f"{most}"
        return f"{counts} round{'s' if most > 1 else ''}"

    @property
    def findings(self) -> list[Finding]:
        """Every claim with its verdict; a quick form says so first."""
        count = len(self.evidence.seeds)
        seeds = f"{count} seed{'s' if count > 1 else ''}"
        first = f"quick form ({seeds}, {self.span}): " if self.quick else ""
        judged = [(claim, self._judged(claim)) for claim in self.paper.claims]
        return [
            Finding(claim, replace(found, reason=first + found.reason)) for claim, found in judged
        ]

    def _judged(self, claim: Claim) -> Judgement:
        """Return the verdict on a claim; there is none where a variant that it names ended early."""
        names = dict.fromkeys(need.name for need in claim.needs if need.room == "variants")
        early = [f"{name} ended early: {self.early[name]}" for name in names if name in self.early]
        if early:
            return Judgement("not comparable", "; ".join(early))
        return claim.judge(self.evidence)


def as_json(name: str, findings: Sequence[Finding]) -> dict[str, Any]:
    """Return the findings as one object."""
    return {
        "name": name,
        "claims": [{key: found.row[key] for key in TOLD} for found in findings],
    }


def page(account: Account, findings: Sequence[Finding]) -> str:
    """Return the findings as a page of Markdown."""
    rows = [
        (
            row["claim"],
            row["paper"],
            row["ours"] or UNKNOWN,
            row["difference"] or UNKNOWN,
            f"**{row['verdict']}**",
            row["reason"],
        )
        for row in (found.row for found in findings)
    ]
    header = ("claim", "paper", "ours", "difference", "verdict", "reason")
    lines = [
        f"# {account.name}",
        "",
        *(f"- {line}" for line in heading(account)),
        "",
        f"| {' | '.join(header)} |",
        f"|{'---|' * len(header)}",
        *(f"| {' | '.join(cell.replace('|', '∣') for cell in row)} |" for row in rows),
        *evenness.told(account.evidence),
    ]
    return "\n".join(lines) + "\n"


def heading(account: Account) -> list[str]:
    """Return the lines that every report begins with."""
    paper = account.paper
    form = "quick form, " if account.quick else ""
    return [
        f"title: {paper.title or UNKNOWN}",
        f"source: {paper.source or UNKNOWN}",
        f"paper_verified: {str(paper.verified).lower()}",
        f"compares: {paper.compares or UNKNOWN}",
        f"played: {form}seeds {', '.join(map(str, account.evidence.seeds))}; {account.span}",
        *(f"{name} ended early: {told}" for name, told in account.early.items()),
    ]
