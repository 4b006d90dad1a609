"""The small files that a reproduction leaves: verdicts, the rounds behind them, and what they were played with."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from wflsim.claims.findings import Account, Finding, as_json, page
from wflsim.contracts import Evidence
from wflsim.records.folder import MANIFEST, RunFolder, finite
from wflsim.records.recorder import Columns

MOST = 40
"""Rounds of a seed and variant that are told at most."""
SUMS = ("energy_j", "up_bits")
ASIS = ("keep_mean", "objective", "accuracy_personal", "accuracy_worst", "accuracy_global")
HEADER = ("seed", "variant", "round", "end_s", "length_s", *SUMS, *ASIS)


def write(folder: RunFolder, account: Account, findings: Sequence[Finding], told: Any) -> None:
    """Write every file.

    Args:
        folder: Where to.
        account: What was played.
        findings: What became of it.
        told: The manifest.
    """
    texts = {
        "claims.json": pretty(as_json(account.name, findings)),
        "claims.csv": _csv(list(findings[0].row), (found.row.values() for found in findings)),
        "table.md": page(account, findings),
        "rounds.csv": _csv(HEADER, rows(account.evidence)),
        MANIFEST: pretty(finite(told)),
    }
    for name, text in texts.items():
        folder.write(name, partial(Path.write_text, data=text, encoding="utf-8"))


def pretty(value: Any) -> str:
    """Return plain data as readable JSON."""
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def rows(evidence: Evidence) -> Iterator[list[str]]:
    """Yield the evaluated rounds of every seed and variant, thinned; all rounds where none was evaluated."""
    for seed, variants in evidence.seeds.items():
        for variant, tables in variants.items():
            told = _told(tables["rounds"])
            for values in zip(*(told[name] for name in HEADER[2:]), strict=True):
                yield [str(seed), variant, str(int(values[0])), *map(_number, values[1:])]


def _told(rounds: Columns) -> Columns:
    """Return a variant's chosen rounds: energy and bits until then, the length of the round so far."""
    index, length_s = rounds["round"], rounds["length_s"]
    known = np.flatnonzero(~np.isnan(rounds["accuracy_personal"]))
    chosen = thinned(known if len(known) else np.arange(len(index)))
    found = {name: rounds[name][chosen] for name in ("round", "end_s", *ASIS)}
    found |= {name: np.cumsum(rounds[name])[chosen] for name in SUMS}
    found["length_s"] = np.array(
        [length_s[: row + 1][index[: row + 1] == index[row]].sum() for row in chosen]
    )
    return found


def thinned(values: Any, most: int = MOST) -> Any:
    """Return at most so many of several values, evenly spread, the last among them.

    >>> thinned(np.arange(9), 4).tolist()
    [0, 3, 5, 8]
    """
    count = len(values)
    if count <= most:
        return values
    return values[np.linspace(0, count - 1, most).round().astype(int)]


def _number(value: float) -> str:
    """Return a number with six digits; nothing for what is none."""
    return f"{value:.6g}" if np.isfinite(value) else ""


def _csv(header: Sequence[str], lines: Any) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(["" if cell is None else cell for cell in line] for line in lines)
    return text.getvalue()
