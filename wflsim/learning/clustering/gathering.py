"""Rounds of a method that groups its devices: when everybody is asked, and when everybody tunes what it has; no torch."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from wflsim.contracts import Exchange, FloatArray, Grouping, IntArray, Late, Load, Turn
from wflsim.errors import UserError
from wflsim.learning.anatomy import Anatomy, step_macs


@dataclass(frozen=True)
class Seasons:
    """What happens in which round.

    Attributes:
        gathers: Round before whose training all devices are asked to be grouped; None for never.
        tunes: The round from which on every device tunes its own model and nothing travels; None for never.
    """

    gathers: int | None = None
    tunes: int | None = None

    def __post_init__(self) -> None:
        if self.gathers is not None and self.tunes is not None and self.tunes <= self.gathers:
            raise UserError(
                f"algorithm.tunes: models are tuned after round {self.gathers}, in which devices are grouped, got {self.tunes}; "
                "take a later round"
            )

    def gathering(self, turn: Turn) -> bool:
        """Return whether a turn is that in which devices are grouped."""
        return turn.round_ == self.gathers and turn.step == 0

    def tuning(self, turn: Turn) -> bool:
        """Return whether a turn is that of the last touches."""
        return self._over(turn) and turn.step == 0

    def training(self, turn: Turn) -> bool:
        """Return whether a turn is that of a round's training."""
        return not self._over(turn) and turn.step == int(turn.round_ == self.gathers)

    def _over(self, turn: Turn) -> bool:
        return self.tunes is not None and turn.round_ >= self.tunes

    def parted(self, late: Sequence[Late]) -> tuple[list[Late], list[Late]]:
        """Return updates of rounds' training, and all others."""
        trained = [group for group in late if self.training(group.updates.turn)]
        return trained, [group for group in late if not self.training(group.updates.turn)]

    def exchange(
        self,
        turn: Turn,
        anatomy: Anatomy,
        samples: IntArray,
        seen: tuple[IntArray, IntArray, IntArray],
    ) -> Exchange | None:
        """Return the exchange of a turn in which whole models travel, if any does; None when the round is over.

        Args:
            turn: When it is.
            anatomy: The model's layers.
            samples: Number of training samples of each device, shape (N,).
            seen: How many each sees before it is grouped, in a round's training, and in last touches, shapes (N,).
        """
        each = step_macs(anatomy, anatomy)[0]
        gathers, trains, tunes = (each * some for some in seen)
        if self.gathering(turn):
            return gathering(anatomy, samples, gathers)
        if self.tuning(turn):
            return tuning(anatomy, samples, tunes)
        return anatomy.dense_exchange(samples, trains) if self.training(turn) else None


class Told:
    """A method that tells what became of its groups; its state has them as ``groups``."""

    def told(self, state: Any) -> dict[str, float]:
        """Return the number of groups, and how well devices lie in theirs."""
        told: dict[str, float] = state.groups.told
        return told

    def grouping(self, state: Any) -> Grouping:
        """Return who belongs to which group, and how alike devices were."""
        grouping: Grouping = state.groups.grouping
        return grouping


def gathering(anatomy: Anatomy, samples: IntArray, macs: FloatArray | IntArray) -> Exchange:
    """Return the exchange in which everybody receives a model and sends what training made of it, dense: the burst.

    Args:
        anatomy: What travels.
        samples: Number of training samples of each device, shape (N,).
        macs: Operations of each, shape (N,).
    """
    return replace(anatomy.dense_exchange(samples, macs), purpose="cluster", open=True)


def tuning(anatomy: Anatomy, samples: IntArray, macs: FloatArray | IntArray) -> Exchange:
    """Return the exchange in which everybody computes and nothing travels.

    Arguments as of ``gathering``.
    """
    none = Load(np.zeros(len(samples)), np.zeros(len(samples)))
    found = anatomy.dense_exchange(samples, macs)
    return replace(found, down_bits=none, up_bits=none, purpose="tune", open=True)
