"""A sweep from its plan to its record: what is there is not played, what fails is written down, the rest goes on."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from wflsim.errors import UserError
from wflsim.records.folder import RunFolder
from wflsim.sweep.plan import Item, Plan
from wflsim.sweep.playing import Outcome, Watch, done

RECORD = "sweep.json"
RUNS = "runs"


class Engine(Protocol):
    """Who plays runs."""

    def outcomes(self, items: Sequence[Item], runs: Path, watch: Watch) -> Iterator[Outcome]:
        """Yield how each run ended; the order is the engine's."""
        ...


@dataclass
class Tally:
    """How far a sweep has come.

    Attributes:
        done: Runs that are there.
        failed: Key of a run → how it ended.
        took_s: Seconds that runs took on the host, of those that were played from beginning to end now or before.
    """

    done: set[str] = field(default_factory=set)
    failed: dict[str, Outcome] = field(default_factory=dict)
    took_s: list[float] = field(default_factory=list)


def tally_of(plan: Plan, folder: Path) -> Tally:
    """Return how far a sweep has come before anything is played."""
    told = record(folder)
    there = {item.key for item in plan.items if done(item, folder / RUNS)}
    return Tally(there, took_s=[float(each) for each in told.get("took_s", [])])


def sweep(
    plan: Plan,
    folder: Path,
    engine: Engine,
    watch: Watch,
    screening: Mapping[str, Any] | None = None,
) -> Iterator[Tally]:
    """Play what is not there; yield the tally before the first run and after every one.

    Args:
        plan: The runs.
        folder: Where the sweep's record and its runs lie.
        engine: Who plays.
        watch: Hears of every round.
        screening: What was found before, for the record.
    """
    tally = tally_of(plan, folder)
    _write(plan, folder, tally, screening)
    yield tally
    left = [item for item in plan.items if item.key not in tally.done]
    try:
        for outcome in engine.outcomes(left, folder / RUNS, watch):
            if outcome.error:
                tally.failed[outcome.key] = outcome
            else:
                tally.done.add(outcome.key)
                tally.took_s += [outcome.took_s] if outcome.took_s else []
            yield tally
    finally:
        _write(plan, folder, tally, screening)


def record(folder: Path) -> dict[str, Any]:
    """Return what a sweep's record says; nothing where there is none."""
    path = folder / RECORD
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read: {error}; name another folder by --out") from error
    return found if isinstance(found, dict) else {}


def _write(plan: Plan, folder: Path, tally: Tally, screening: Mapping[str, Any] | None) -> None:
    """Write the record."""
    failed: Mapping[str, Any] = {
        key: {"error": how.error, **({"trace": how.trace} if how.trace else {})}
        for key, how in tally.failed.items()
    }
    told = {
        "scenario": plan.name,
        "runs": RUNS,
        "points": [item.told for item in plan.items],
        **({"screening": screening} if screening else {}),
        "failed": failed,
        "took_s": [round(each, 3) for each in tally.took_s],
    }
    text = json.dumps(told, indent=1, ensure_ascii=False) + "\n"
    RunFolder(folder).write(RECORD, lambda path: path.write_text(text, encoding="utf-8"))
