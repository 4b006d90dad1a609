"""What a paper says of a scenario: where it stands, for which seeds it is played, and the claims that are judged."""

from dataclasses import dataclass
from typing import Annotated

from wflsim.contracts import Claim

Seeds = tuple[Annotated[int, ("least", 0)], ...]
Assignment = Annotated[str, ("pattern", r"^[^=\s]+=.*$"), ("saying", " of the form KEY.PATH=VALUE")]


@dataclass(frozen=True)
class Paper:
    """A paper, and what of it is held against runs.

    Attributes:
        title: Title of the paper.
        source: Where it is, such as arXiv 2309.01816.
        verified: Whether the body of the paper could be read.
        compares: What is compared with what, in a sentence.
        seeds: Seeds that are played, each with all variants.
        quick: Overrides of the quick form, as in --set.
        quick_seeds: Seeds of the quick form; the first two of all where none are given.
        claims: What is judged.
    """

    title: str = ""
    source: str = ""
    verified: bool = False
    compares: str = ""
    seeds: Seeds = (1, 2, 3, 4, 5)
    quick: tuple[Assignment, ...] = ()
    quick_seeds: Seeds = ()
    claims: tuple[Claim, ...] = ()

    def __post_init__(self) -> None:
        for name, seeds in (("seeds", self.seeds), ("quick_seeds", self.quick_seeds)):
            if len(set(seeds)) < len(seeds):
                raise ValueError(f"{name} must differ from each other; write each once")
        if not self.seeds:
            raise ValueError("seeds must not be empty; give at least one")

    def played(self, quick: bool) -> Seeds:
        """Return the seeds that are played in the full or in the quick form."""
        return (self.quick_seeds or self.seeds[:2]) if quick else self.seeds
