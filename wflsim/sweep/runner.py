"""A sweep from its plan to its record: what is there is not played, what fails is written down, the rest goes on."""

import json
import os
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from wflsim.records.folder import ASIDE, unwritable
from wflsim.sweep.plan import Item, Plan
from wflsim.sweep.playing import Outcome, Watch, done
from wflsim.sweep.sharing import shared

RECORD = "sweep.json"
RUNS = "runs"
_AGAIN_S = 1.0  # between two looks at runs that somebody else plays


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
    return Tally(there, took_s=[float(each) for each in told.get("took_s") or []])


def sweep(
    plan: Plan,
    folder: Path,
    engine: Engine,
    watch: Watch,
    *,
    screening: Mapping[str, Any] | None = None,
    first: int | None = None,
) -> Iterator[Tally]:
    """Play what is not there; yield the tally before the first run and after every one.

    Args:
        plan: The runs.
        folder: Where the sweep's record and its runs lie.
        engine: Who plays.
        watch: Hears of every round.
        screening: What was found before, for the record.
        first: How many of the first runs are played; None for all.
    """
    tally, earlier = tally_of(plan, folder), record(folder).get("failed") or {}
    keep = partial(_write, plan, folder, tally, screening, earlier)
    keep()
    yield tally
    items = shared(plan.items[:first], tally.done)
    left = [item for item in items if item.key not in tally.done]
    try:
        for outcome in _settled(engine, left, folder / RUNS, watch):
            if outcome.error:
                tally.failed[outcome.key] = outcome
                keep()
            else:
                tally.done.add(outcome.key)
                tally.took_s += [outcome.took_s] if outcome.took_s else []
            yield tally
    finally:
        keep()


def _settled(engine: Engine, items: Sequence[Item], runs: Path, watch: Watch) -> Iterator[Outcome]:
    """Yield how runs ended; one that somebody else plays is put off, and waited for when nothing else is left."""
    left = list(items)
    while left:
        busy: set[str] = set()
        for outcome in engine.outcomes(left, runs, watch):
            if outcome.busy:
                busy.add(outcome.key)
            else:
                yield outcome
        left = [item for item in left if item.key in busy]
        time.sleep(_AGAIN_S if left else 0.0)


def record(folder: Path) -> dict[str, Any]:
    """Return what a sweep's record says; nothing where there is none."""
    path = folder / RECORD
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        warnings.warn(f"{path}: cannot be read: {error}; it is written anew", stacklevel=2)
        return {}
    return found if isinstance(found, dict) else {}


def _write(
    plan: Plan,
    folder: Path,
    tally: Tally,
    screening: Mapping[str, Any] | None,
    earlier: Mapping[str, Any],
) -> None:
    """Write the record; what failed earlier and was not tried again is still told."""
    tried = tally.done | tally.failed.keys()
    failed: Mapping[str, Any] = {key: how for key, how in earlier.items() if key not in tried} | {
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
    # Two sweeps may write the record of one folder at the same moment: each writes aside by a name of its own.
    aside = folder / f".sweep{ASIDE}-{os.getpid()}.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        aside.write_text(text, encoding="utf-8")
        aside.replace(folder / RECORD)
    except OSError as error:
        raise unwritable(folder / RECORD, error) from error
