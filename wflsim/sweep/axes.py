"""The axes of a sweep: listed values, drawn values, and how several keys vary together."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

import numpy as np
from scipy.stats import qmc

from channel_models.units import Count

Values = dict[str, tuple[Any, ...]]
Ranges = dict[str, tuple[float, float]]
Point = dict[str, Any]


@dataclass(frozen=True)
class Grid:
    """Every value of a key with every value of the others.

    Attributes:
        over: Key of the scenario → its values; the last key varies fastest.

    >>> [list(point.values()) for point in Grid({"rounds": (1, 2), "invited": (3, 4)}).points(None)]
    [[1, 3], [1, 4], [2, 3], [2, 4]]
    """

    over: Values

    def __post_init__(self) -> None:
        _refuse_none(self.over)

    def points(self, rng: np.random.Generator | None) -> tuple[Mapping[str, Any], ...]:
        """Return the product."""
        return tuple(dict(zip(self.over, row, strict=True)) for row in product(*self.over.values()))


@dataclass(frozen=True)
class Zip:
    """The first values of all keys together, then the second, and so on.

    Attributes:
        over: Key of the scenario → its values, of all keys equally many.

    >>> [list(point.values()) for point in Zip({"rounds": (1, 2), "invited": (3, 4)}).points(None)]
    [[1, 3], [2, 4]]
    """

    over: Values

    def __post_init__(self) -> None:
        _refuse_none(self.over)
        if len({len(values) for values in self.over.values()}) > 1:
            told = ", ".join(f"{key} has {len(values)}" for key, values in self.over.items())
            raise ValueError(
                f"over: keys that go together need equally many values: {told}; add or leave out some"
            )

    def points(self, rng: np.random.Generator | None) -> tuple[Mapping[str, Any], ...]:
        """Return the rows."""
        rows = zip(*self.over.values(), strict=True)
        return tuple(dict(zip(self.over, row, strict=True)) for row in rows)


@dataclass(frozen=True)
class Listed:
    """Points one by one.

    Attributes:
        at: Each from key of the scenario to value, all with the same keys.
    """

    at: tuple[Point, ...]

    def __post_init__(self) -> None:
        if not self.at or not self.at[0]:
            raise ValueError("at must not be empty; give at least one point")
        if len({frozenset(point) for point in self.at}) > 1:
            raise ValueError("at: points must have the same keys; give every key in every point")

    def points(self, rng: np.random.Generator | None) -> tuple[Mapping[str, Any], ...]:
        """Return the points as they are listed."""
        return self.at


@dataclass(frozen=True)
class Random:
    """Values that are drawn.

    Attributes:
        over: Key of the scenario → its least and largest value.
        draws: Number of points.
        design: Whether points are drawn independently, or so that each of as many equal parts of a key's range has one of them.
        log: Keys whose logarithm is drawn uniformly, and not the value.
        whole: Keys whose values are whole numbers, both ends included.

    Reference:
        Latin hypercube: McKay, Beckman, Conover, A comparison of three methods for selecting values of input variables,
        Technometrics 21(2), 1979.
    """

    over: Ranges
    draws: Count
    design: Literal["independent", "latin_hypercube"] = "independent"
    log: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _refuse_ranges(self.over, self.log, self.whole)

    def points(self, rng: np.random.Generator) -> tuple[Mapping[str, Any], ...]:
        """Return the draws."""
        if self.design == "independent":
            return _scaled(self, rng.random((self.draws, len(self.over))))
        return _scaled(self, qmc.LatinHypercube(len(self.over), seed=rng).random(self.draws))


def _scaled(axis: Random, unit: np.ndarray[Any, Any]) -> tuple[Mapping[str, Any], ...]:
    """Return points from draws in [0, 1), shape (draws, keys)."""
    columns = {}
    for (key, (low, high)), share in zip(axis.over.items(), unit.T, strict=True):
        if key in axis.whole:
            columns[key] = [int(value) for value in np.floor(low + share * (high - low + 1))]
        elif key in axis.log:
            columns[key] = (low * (high / low) ** share).tolist()
        else:
            columns[key] = (low + share * (high - low)).tolist()
    return tuple(
        dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)
    )


def _refuse_none(over: Values) -> None:
    if not over:
        raise ValueError("over must not be empty; give a key of the scenario with its values")
    for key, values in over.items():
        if not values:
            raise ValueError(f"over: {key} has no values; give at least one, or leave it out")


def _refuse_ranges(over: Ranges, log: tuple[str, ...], whole: tuple[str, ...]) -> None:
    if not over:
        raise ValueError("over must not be empty; give a key of the scenario with its range")
    for name, keys in (("log", log), ("whole", whole)):
        for key in set(keys) - set(over):
            raise ValueError(f"{name}: {key} is not varied; take one of {', '.join(over)}")
    for key, (low, high) in over.items():
        wrong = {
            "ends before it begins; turn it round": low > high,
            "must lie above 0 for its logarithm; choose another": key in log and low <= 0,
            "is of whole numbers, so its ends must be; choose others": key in whole and not (low == int(low) and high == int(high)),
            "is of whole numbers, which have no logarithm here; leave one out": key in whole and key in log,
        }  # fmt: skip
        for sentence in (sentence for sentence, so in wrong.items() if so):
            raise ValueError(f"over: the range of {key} {sentence}")
