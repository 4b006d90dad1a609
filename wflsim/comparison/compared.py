"""Two systems, run by run: accuracies, times and joules with their intervals, what they are made of, and how systems differ."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan, nan
from typing import Any

import numpy as np

from wflsim.claims.paired import Interval, interval, p_value
from wflsim.comparison.causes import Causes, difference, joules, mean, seconds
from wflsim.comparison.sides import Account, Side, pairs, settings_apart
from wflsim.errors import UserError
from wflsim.records.columns import ROUNDS
from wflsim.records.recorder import Columns
from wflsim.records.summary import last, time_to
from wflsim.scenario.remedies import did_you_mean

MARGIN = 0.01
"""How far below the lower of two final accuracies the common target lies."""


@dataclass(frozen=True)
class Difference:
    """One measure of two systems.

    Attributes:
        measure: Its name, with the unit at the end.
        a: Value of one system in every pair of runs; not a number where it has none.
        b: The same of the other.
        seeds: The seed of every pair.
    """

    measure: str
    a: tuple[float, ...]
    b: tuple[float, ...]
    seeds: tuple[int, ...]

    @property
    def known(self) -> list[float]:
        """A difference a seed, of those pairs in which both have a value: points of a sweep are no chance, seeds are."""
        apart: dict[int, list[float]] = {}
        for seed, one, other in zip(self.seeds, self.a, self.b, strict=True):
            if not isnan(one - other):
                apart.setdefault(seed, []).append(one - other)
        return [float(np.mean(each)) for each in apart.values()]

    @property
    def mean(self) -> float:
        """Mean of the differences; not a number if none is known."""
        return float(np.mean(self.known)) if self.known else nan

    @property
    def interval(self) -> Interval:
        """Where the mean lies with 95 % confidence."""
        return interval(self.known) if self.known else Interval(nan, nan, nan)

    @property
    def p(self) -> float:
        """How likely so large a mean were by chance alone; not a number from one seed."""
        return p_value(self.known)


@dataclass(frozen=True)
class Comparison:
    """How two systems differ, and why.

    Attributes:
        a: Name of one.
        b: Name of the other.
        seeds: The seeds of the pairs, one a pair.
        differences: Measure by measure.
        seconds: What the difference of the simulated seconds is made of, mean over the pairs.
        joules: The same of the joules.
        settings: Key of the scenario → the values in which the systems differ.
    """

    a: str
    b: str
    seeds: tuple[int, ...]
    differences: tuple[Difference, ...]
    seconds: Causes
    joules: Causes
    settings: Mapping[str, tuple[Any, Any]]


def compare(a: Side, b: Side, measure: str, target: float | None = None) -> Comparison:
    """Return how two systems differ, paired by seed and point of a sweep.

    Args:
        a: One of them; differences are its values less the other's.
        b: The other.
        measure: Which accuracy of the table of rounds.
        target: The accuracy to which times are taken; None for the lower of both final ones of a pair, less a hundredth.
    """
    known = [c.name for c in ROUNDS if c.name.startswith("accuracy_")]
    if measure not in known:
        raise UserError(f"no accuracy '{measure}'; {did_you_mean(measure, known, 'accuracies')}")
    found = pairs(a, b)
    seeds = tuple(int(one.played.told.get("seed", -1)) for one, _ in found)
    told = [_measures(one.rounds, other.rounds, measure, target) for one, other in found]
    spent = [causes(one, other) for one, other in found]
    return Comparison(
        a.name,
        b.name,
        seeds,
        tuple(
            Difference(name, *_columns([each[name] for each in told]), seeds) for name in told[0]
        ),
        mean([time for time, _ in spent]),
        mean([energy for _, energy in spent]),
        settings_apart(found),
    )


def _columns(rows: Sequence[tuple[float, float]]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return tuple(one for one, _ in rows), tuple(other for _, other in rows)


def to_accuracy(rounds: Columns, column: str, accuracy: float, measure: str) -> float:
    """Return what was spent until an accuracy was first reached; not a number if it never was.

    Args:
        rounds: A system's rows of the table of rounds.
        column: What is spent in an exchange, such as ``energy_j``.
        accuracy: The accuracy.
        measure: Which one.
    """
    reached = np.flatnonzero(rounds[measure] >= accuracy)
    return float(rounds[column][: reached[0] + 1].sum()) if len(reached) else nan


def _measures(
    a: Columns, b: Columns, measure: str, target: float | None
) -> dict[str, tuple[float, float]]:
    """Return measure → the values of two systems in a pair of runs."""
    both = (a, b)
    finals = [last(rounds, measure) for rounds in both]
    aim = min(finals) - MARGIN if target is None else target
    found = {
        measure: finals,
        "target_accuracy": [aim, aim],
        "target_s": [time_to(rounds, aim, measure) for rounds in both],
        "target_j": [to_accuracy(rounds, "energy_j", aim, measure) for rounds in both],
        "target_bits": [to_accuracy(rounds, "up_bits", aim, measure) for rounds in both],
        "simulated_s": [float(rounds["end_s"].max(initial=0.0)) for rounds in both],
        **{name: [float(r[name].sum()) for r in both] for name in SUMS},
    }
    return {name: (values[0], values[1]) for name, values in found.items()}


SUMS = ("energy_j", "lost_j", "listening_j", "up_bits")
"""Of what an exchange spends the total is told."""


def causes(a: Account, b: Account) -> tuple[Causes, Causes]:
    """Return of a pair of runs what the differences of seconds and joules are made of."""
    (one, ones), (other, others) = ((each.rounds, each.clients) for each in (a, b))
    return (
        difference(seconds(one, ones), seconds(other, others), "s", by_rounds=True),
        difference(joules(one, ones), joules(other, others), "J", by_rounds=False),
    )
