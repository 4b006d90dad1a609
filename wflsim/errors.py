"""Mistakes of the user, told so that they can be mended: where, what, and what to write instead."""

from collections.abc import Iterable
from dataclasses import dataclass


class UserError(Exception):
    """Something that the user can mend; the command line prints it without a traceback and exits with 2."""


@dataclass(frozen=True, order=True)
class Mistake:
    """One mistake in a scenario.

    Attributes:
        source: File name, or the option that the value came from.
        line: Line in the file, counted from 1; 0 when the value has no line.
        path: Dotted path of the key, as the user wrote it.
        what: What is wrong.
        remedy: What to write or do instead.
    """

    source: str
    line: int
    path: str
    what: str
    remedy: str

    def __str__(self) -> str:
        """Return the one line that the user reads."""
        place = f"{self.source}:{self.line}" if self.line else self.source
        line = f"{place}: {self.path}: {self.what}; {self.remedy}"
        return "".join(c if c.isprintable() else repr(c)[1:-1] for c in line)


class ScenarioError(UserError):
    """All mistakes of one scenario at once, in the order of the file."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = tuple(sorted(set(mistakes)))
        super().__init__("\n".join(str(mistake) for mistake in self.mistakes))
