"""What the head of the report tells: what was played, how it ended, by which versions, and the digests of the records."""

import json
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import pandas as pd

from wflsim.records.folder import SUCCEEDED
from wflsim.reporting.sheets import Place, Sheet
from wflsim.results import SWEEP, Played, Results
from wflsim.tables.numbers import quantity

LISTED = 120
"""Variants of runs whose digests stand in the file; of more there is one of all."""
LIBRARIES = ("python", "torch", "numpy")


@dataclass(frozen=True)
class Head:
    """The head of a report.

    Attributes:
        title: What the report is called.
        about: What the scenarios say of themselves.
        facts: What is told → what there is to tell.
        troubles: What did not go as it should.
        digests: A row a variant of a run, with the digest of its records.
    """

    title: str
    about: Sequence[str]
    facts: Mapping[str, str]
    troubles: Sequence[str]
    digests: Sheet


def head(
    results: Results, runs: Sequence[str], variants: Sequence[str], title: str = "", said: str = ""
) -> Head:
    """Return what the head tells.

    Args:
        results: What was played.
        runs: The folders as they were named.
        variants: The variants that are shown.
        title: What the report shall be called; empty for the names of the scenarios.
        said: The command that wrote it.
    """
    names = dict.fromkeys(str(one.told.get("scenario", one.name)) for one in results.played)
    about = dict.fromkeys(str(one.told["resolved"].get("about", "")) for one in results.played)
    facts = {
        "Runs": f"{_several(len(results.played), 'run')}, {_seeds(results)}",
        "Variants": ", ".join(variants) or "none has come to its end",
        "Rounds": _rounds(results, variants),
        **({"Set apart by": told} if (told := varied(results.runs, results.axes)) else {}),
        "Status": _status(results),
        "Versions": _versions(results),
        "Command": said or shlex.join(["wflsim", "report", *runs]),
    }
    return Head(
        title or ", ".join(names),
        [each for each in about if each],
        {what: told for what, told in facts.items() if told},
        troubles(results),
        digests(results, variants),
    )


def _several(count: int, word: str) -> str:
    return f"{count} {word}{'s' if count != 1 else ''}"


def _seeds(results: Results) -> str:
    seeds = sorted({int(one.told.get("seed", -1)) for one in results.played})
    return f"seed{'s' if len(seeds) > 1 else ''} {series(seeds)}"


def series(numbers: Sequence[int]) -> str:
    """Return rising numbers in words.

    >>> series([1, 2, 3, 7]), series([4])
    ('1 to 3, 7', '4')
    """
    parts: list[list[int]] = []
    for each in numbers:
        if parts and each == parts[-1][-1] + 1:
            parts[-1].append(each)
        else:
            parts.append([each])
    return ", ".join(
        f"{part[0]} to {part[-1]}" if len(part) > 2 else ", ".join(map(str, part)) for part in parts
    )


def _rounds(results: Results, variants: Sequence[str]) -> str:
    counts = sorted(
        {
            int(said["rounds"])
            for one in results.played
            for name, said in one.told["variants"].items()
            if name in variants
        }
    )
    return (
        " to ".join(str(each) for each in dict.fromkeys([counts[0], counts[-1]])) if counts else ""
    )


def varied(runs: pd.DataFrame, axes: Sequence[str]) -> str:
    """Return keys of the scenario, and their values in a frame of runs."""
    parts = []
    for axis in axes:
        values = list(dict.fromkeys(quantity(axis, value) for value in runs[axis]))
        more = f" and {len(values) - 6} more" if len(values) > 6 else ""
        parts.append(f"{axis} ({', '.join(values[:6])}{more})")
    return "; ".join(parts)


def _status(results: Results) -> str:
    counts = Counter(str(one.told.get("status", "unknown")) for one in results.played)
    if set(counts) == {SUCCEEDED}:
        return "all succeeded" if counts[SUCCEEDED] > 1 else "succeeded"
    return ", ".join(f"{count} {status}" for status, count in counts.items())


def _versions(results: Results) -> str:
    told: dict[str, dict[str, None]] = {}
    for one in results.played:
        versions = one.told.get("versions", {})
        for name in ("wflsim", *LIBRARIES):
            if name in versions:
                told.setdefault(name, {})[str(versions[name])] = None
    return ", ".join(f"{name} {' and '.join(versions)}" for name, versions in told.items())


def troubles(results: Results) -> list[str]:
    """Return a sentence a run that was cut short, a variant that ended early, and a run of a sweep that failed or is not there."""
    found = []
    for one in results.played:
        if one.told.get("status") != SUCCEEDED:
            found.append(f"{one.name}: the run is {one.told.get('status', 'of unknown status')}.")
        found += [
            f"{one.name}: {name} ended after {_several(int(said['rounds']), 'round')}: {said['reason']}"
            for name, said in one.told["variants"].items()
            if said.get("reason")
        ]
    sweeps = {one.folder.path.parents[1] for one in results.played if one.values is not None}
    return [
        *found,
        *(line for folder in sorted(sweeps) for line in _of_sweep(folder, results.played)),
    ]


def _of_sweep(folder: Any, played: Sequence[Played]) -> list[str]:
    """Return what is to be told of a sweep: what failed, and what is not there so far."""
    told = json.loads((folder / SWEEP).read_text(encoding="utf-8"))
    failed: Mapping[str, Any] = told.get("failed") or {}
    there = sum(one.folder.path.parents[1] == folder for one in played if one.values is not None)
    waiting = len(told["points"]) - there - len(failed)
    found = [f"{key} failed: {how.get('error', 'unknown')}" for key, how in failed.items()]
    return found + (
        [
            f"{_several(waiting, 'run')} of the sweep {folder.name} {'is' if waiting == 1 else 'are'} not there."
        ]
        if waiting > 0
        else []
    )


def digests(results: Results, variants: Sequence[str]) -> Sheet:
    """Return a row a variant of a run: status, rounds, and the digest of its records; of very many one digest of all."""
    told = [
        (one.name, str(one.told.get("seed", "")), name, said)
        for one in results.played
        for name, said in one.told["variants"].items()
        if name in variants
    ]
    rows = [
        [
            run,
            seed,
            name,
            str(said["status"]),
            str(said["rounds"]),
            str(said.get("records_sha256", "unknown")),
        ]
        for run, seed, name, said in told
    ]
    notes = []
    if len(rows) > LISTED:
        whole = sha256("\n".join(" ".join(row) for row in rows).encode()).hexdigest()
        notes = [f"The first {LISTED} of {len(rows)}; the digest of all rows is {whole}."]
    header = ["run", "seed", "variant", "status", "rounds", "digest of its records (SHA-256)"]
    body = [[Place(text) for text in row] for row in rows[:LISTED]]
    return Sheet("Records that the report is made of", header, body, len(header), notes)
