"""What claims about runs promise: which names they need, and how they judge what was recorded."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy.typing as npt

Verdict = Literal["met", "missed", "not comparable"]
Room = Literal["variants", "rounds", "clients"]


@dataclass(frozen=True)
class Named:
    """A name that a claim needs.

    Attributes:
        key: The claim's field in which it stands.
        room: Where it must be found: among the variants, or among the columns of a table.
        name: The name.
    """

    key: str
    room: Room
    name: str


@dataclass(frozen=True, eq=False)
class Evidence:
    """What the variants of a scenario recorded, seed by seed.

    Attributes:
        seeds: Seed → variant → table → columns; all variants of a seed played in the same world.
    """

    seeds: Mapping[int, Mapping[str, Mapping[str, Mapping[str, npt.NDArray[Any]]]]]

    def table(self, variant: str, name: str = "rounds") -> list[Mapping[str, npt.NDArray[Any]]]:
        """Return a variant's table of every seed, in the order of the seeds."""
        return [variants[variant][name] for variants in self.seeds.values()]


@dataclass(frozen=True)
class Judgement:
    """What a claim comes to.

    Attributes:
        verdict: Whether it is met, missed, or cannot be told.
        reason: Why.
        value: What was measured; not a number if nothing could be.
        ours: The same in words, with its unit and its spread; empty if nothing could be measured.
    """

    verdict: Verdict
    reason: str
    value: float = float("nan")
    ours: str = ""


class Claim(Protocol):
    """A statement of a paper that runs can be held against."""

    @property
    def claim(self) -> str:
        """The statement, in our words."""
        ...

    @property
    def paper(self) -> str:
        """What the paper says, with its evidence tag."""
        ...

    @property
    def stated(self) -> float | None:
        """The paper's number in the unit of what is measured; None where it states none."""
        ...

    @property
    def needs(self) -> tuple[Named, ...]:
        """The names of variants and columns without which it cannot be judged."""
        ...

    def judge(self, evidence: Evidence) -> Judgement:
        """Return what the records say of it."""
        ...
