"""How accurate every variant is in the end, and how evenly its devices are: a table of Markdown, means over the seeds."""

from collections.abc import Callable, Mapping
from math import isnan

import numpy as np

from wflsim.contracts import Evidence
from wflsim.records.summary import last

UNKNOWN = "–"


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"


COLUMNS: Mapping[str, tuple[str, Callable[[float], str]]] = {
    "own accuracy [%]": ("accuracy_personal", _percent),
    "deviation over devices [%]": ("accuracy_std", _percent),
    "worst tenth [%]": ("accuracy_decile", _percent),
    "Jain's index": ("accuracy_jain", "{:.3f}".format),
    "global [%]": ("accuracy_global", _percent),
}


def told(evidence: Evidence) -> list[str]:
    """Return the lines of the table; none where no accuracy was measured."""
    variants = dict.fromkeys(name for each in evidence.seeds.values() for name in each)
    found = {
        name: {column: _mean(evidence, name, column) for column, _ in COLUMNS.values()}
        for name in variants
    }
    if all(isnan(value) for means in found.values() for value in means.values()):
        return []
    rows = [
        [name, *(_cell(means[column], form) for column, form in COLUMNS.values())]
        for name, means in found.items()
    ]
    header = ["variant", *COLUMNS]
    lines = [f"| {' | '.join(cell.replace('|', '∣') for cell in row)} |" for row in (header, *rows)]
    return ["", "At the last evaluation, mean over the seeds:", "", lines[0], f"|{'---|' * len(header)}", *lines[1:]]  # fmt: skip


def _mean(evidence: Evidence, variant: str, column: str) -> float:
    """Return the mean over the seeds of what was measured last."""
    values = [
        last(tables[variant]["rounds"], column)
        for tables in evidence.seeds.values()
        if variant in tables
    ]
    return float(np.mean(values))


def _cell(value: float, form: Callable[[float], str]) -> str:
    return UNKNOWN if isnan(value) else form(value)
