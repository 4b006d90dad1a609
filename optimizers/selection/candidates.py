"""Who could take part in a round, and what a rule that chooses among them is."""

from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np
import numpy.typing as npt

from optimizers.arrays import FloatArray, IndexArray, column


@dataclass(frozen=True, init=False, eq=False)
class Candidates:
    """What is known of N devices before a round.

    Attributes:
        gain: Channel power gain of this round, linear, shape (N,).
        average_gain: Mean gain of past rounds, linear, shape (N,).
        last_loss: Training loss when the device last took part, not a number if it never did,
            shape (N,).
        age_rounds: Rounds since the device last took part, infinite if it never did, shape (N,).
        data_weight: Weight of the device in the average of models, shape (N,).
        luck: Number from 0 to 1 that a device has drawn for itself, shape (N,); not a number for none.
        round: Number of the round, from 0.
    """

    gain: FloatArray
    average_gain: FloatArray
    last_loss: FloatArray
    age_rounds: FloatArray
    data_weight: FloatArray
    luck: FloatArray
    round: int

    def __init__(
        self,
        *,
        gain: npt.ArrayLike,
        average_gain: npt.ArrayLike = 1.0,
        last_loss: npt.ArrayLike = np.nan,
        age_rounds: npt.ArrayLike = np.inf,
        data_weight: npt.ArrayLike = 1.0,
        luck: npt.ArrayLike = np.nan,
        round: int = 0,  # noqa: A002
    ) -> None:
        given = {
            "gain": gain,
            "average_gain": average_gain,
            "last_loss": last_loss,
            "age_rounds": age_rounds,
            "data_weight": data_weight,
            "luck": luck,
        }
        devices = np.size(gain)
        for name, value in given.items():
            object.__setattr__(self, name, column(f"Candidates.{name}", value, devices))
        object.__setattr__(self, "round", int(round))
        for name in ("gain", "average_gain", "data_weight"):
            if not np.all(getattr(self, name) >= 0.0):
                raise ValueError(f"Candidates.{name}: must not be negative or not a number")

    @property
    def devices(self) -> int:
        """The number of devices N."""
        return int(self.gain.size)


class Selection(Protocol):
    """A rule; it is a value whose fields are its configuration."""

    def select(self, candidates: Candidates, count: int, rng: np.random.Generator) -> IndexArray:
        """Return who takes part, rising indices, shape (min(count, N),).

        Args:
            candidates: The devices, not to be changed.
            count: How many are wanted, not negative.
            rng: The only source of randomness.
        """
        ...


def columns_of(candidates: Candidates) -> dict[str, FloatArray]:
    """Return the columns by name, each of shape (N,)."""
    return {f.name: getattr(candidates, f.name) for f in fields(candidates) if f.name != "round"}


def largest(score: FloatArray, count: int) -> IndexArray:
    """Return the indices of the largest scores, rising; among equals the first, shape (count,).

    Args:
        score: Scores, shape (N,).
        count: How many are wanted; all if there are fewer.

    >>> largest(np.array([3.0, 9.0, 5.0, 9.0]), 3).tolist()
    [1, 2, 3]
    """
    return np.sort(np.argsort(-score, kind="stable")[:count])
