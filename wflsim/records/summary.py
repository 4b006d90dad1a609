"""What a run comes down to: a row a variant, and the time that each needs to a common accuracy."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import nan
from typing import Any

import numpy as np
import numpy.typing as npt

from wflsim.records.recorder import Columns

MARGIN = 0.02
MISSED = ("late", "dropped", "lost", "empty", "left")


@dataclass(frozen=True)
class Final:
    """The metrics of one variant at its end.

    Attributes:
        accuracy_personal: Mean accuracy of the devices' own models on their own test data.
        accuracy_std: Their standard deviation.
        accuracy_decile: Mean of the worst tenth of them.
        accuracy_jain: Jain's index of them: 1 for all alike.
        accuracy_worst: Least of them.
        accuracy_global: Accuracy of the global model on all test data.
        keep_mean: Mean kept share over rounds.
        up_bits: Bits that arrived at the server.
        missed_deadlines: Updates that came late or not at all; those under way when the run ended are not among them.
        target_accuracy: Best final personal accuracy of all variants, less two points.
        target_s: Simulated time at which that was first reached; not a number if never.
    """

    accuracy_personal: float
    accuracy_std: float
    accuracy_decile: float
    accuracy_jain: float
    accuracy_worst: float
    accuracy_global: float
    keep_mean: float
    up_bits: float
    missed_deadlines: int
    target_accuracy: float
    target_s: float

    @property
    def metrics(self) -> dict[str, float]:
        """The metrics by name."""
        return asdict(self)


def finals(rounds: Mapping[str, Columns]) -> dict[str, Final]:
    """Return variant → final metrics, from each variant's table of rounds."""
    best = max((last(table, "accuracy_personal") for table in rounds.values()), default=nan)
    target = best - MARGIN
    return {
        name: Final(
            accuracy_personal=last(table, "accuracy_personal"),
            accuracy_std=last(table, "accuracy_std"),
            accuracy_decile=last(table, "accuracy_decile"),
            accuracy_jain=last(table, "accuracy_jain"),
            accuracy_worst=last(table, "accuracy_worst"),
            accuracy_global=last(table, "accuracy_global"),
            keep_mean=_mean(table["keep_mean"]),
            up_bits=float(table["up_bits"].sum()),
            missed_deadlines=int(sum(table[outcome].sum() for outcome in MISSED)),
            target_accuracy=target,
            target_s=time_to(table, target),
        )
        for name, table in rounds.items()
        if len(table["round"])
    }


def time_to(rounds: Columns, accuracy: float, measure: str = "accuracy_personal") -> float:
    """Return the simulated time at which an accuracy, the mean personal one, first reached a value; not a number if never."""
    reached = np.flatnonzero(rounds[measure] >= accuracy)
    return float(rounds["end_s"][reached[0]]) if len(reached) else nan


def _mean(values: npt.NDArray[Any]) -> float:
    """Return the mean of what is known; not a number if nothing is."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else nan


def last(rounds: Columns, name: str) -> float:
    """Return the last value of a column that is known; not a number if none is, or if the column was not recorded."""
    if name not in rounds:
        return nan
    known = rounds[name][~np.isnan(rounds[name])]
    return float(known[-1]) if len(known) else nan
