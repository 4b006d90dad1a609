"""Files of the user's that a scenario's components read: what is in them is part of what determines a run."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from functools import cache
from hashlib import file_digest
from pathlib import Path
from typing import Any

from wflsim.scenario.schema import Scenario


def parts(scenario: Scenario) -> Iterator[Any]:
    """Yield every section and component of a scenario, theirs too."""
    for section in (scenario.world, *scenario.systems.values()):
        yield from _below(section)


def sources(scenario: Scenario) -> dict[str, str]:
    """Return name → SHA-256 of the files that components read: what their field ``file`` names, or the code of a network of one's own.

    What is not there is left out: it is told where it is needed.
    """
    found: dict[str, str] = {}
    for part in parts(scenario):
        name = getattr(part, "file", None)
        if isinstance(name, str) and Path(name).is_file():
            stat = Path(name).stat()
            found[name] = _digest(Path(name).absolute(), stat.st_size, stat.st_mtime_ns)
        code = _code(part)
        if code:
            found[part.path] = code
    return found


def _code(part: Any) -> str:
    try:
        return str(getattr(part, "source_sha256", ""))
    except (OSError, ImportError):
        return ""


@cache
def _digest(path: Path, size: int, changed_ns: int) -> str:
    """Return the digest of a file, computed once unless it changes."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _below(value: Any) -> Iterator[Any]:
    if is_dataclass(value):
        yield value
        for f in fields(value):
            yield from _below(getattr(value, f.name))
