"""Where a difference of seconds or joules comes from: parts that sum to the whole of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import fsum

import numpy as np

from wflsim.contracts import BoolArray, FloatArray, IntArray
from wflsim.errors import UserError
from wflsim.network.timeline import PHASES, Outcome
from wflsim.records.recorder import Columns
from wflsim.records.report import STOP

ROUNDS, REST = "rounds", "rest"
DELIVERED = ("on_time", "late")


@dataclass(frozen=True)
class Spent:
    """What a system spent, in seconds or joules.

    Attributes:
        total: All of it.
        phases: Phase → the part of it that was spent in that phase.
        rounds: Number of rounds.
    """

    total: float
    phases: Mapping[str, float]
    rounds: int

    @property
    def rest(self) -> float:
        """What no phase explains."""
        return self.total - fsum(self.phases.values())


@dataclass(frozen=True)
class Part:
    """A part of a difference.

    Attributes:
        name: A phase, the number of rounds, or what neither explains.
        a: What one system spent on it; for rounds their number.
        b: The same of the other.
        difference: What it adds to the difference of the totals.
    """

    name: str
    a: float
    b: float
    difference: float


@dataclass(frozen=True)
class Causes:
    """A difference of totals, and its parts.

    Attributes:
        unit: Of the totals.
        a: Total of one system.
        b: Total of the other.
        parts: What the difference is made of.
    """

    unit: str
    a: float
    b: float
    parts: tuple[Part, ...]

    @property
    def difference(self) -> float:
        """By how much the first spends more."""
        return self.a - self.b


def seconds(rounds: Columns, clients: Columns) -> Spent:
    """Return the simulated seconds of a system, by what the device that set each exchange's length was doing.

    Args:
        rounds: Its rows of the table of rounds.
        clients: Its rows of the table of clients.
    """
    total = float(rounds["end_s"].max() - rounds["start_s"].min()) if len(rounds["end_s"]) else 0.0
    return Spent(total, _by_phase(critical_seconds(rounds, clients)), count(rounds))


def joules(rounds: Columns, clients: Columns) -> Spent:
    """Return the joules of a system's updates, by phase; they leave no rest."""
    spent = np.column_stack([clients[f"{phase}_j"] for phase in PHASES])
    return Spent(float(rounds["energy_j"].sum()), _by_phase(spent), count(rounds))


def critical_seconds(rounds: Columns, clients: Columns) -> FloatArray:
    """Return how the device that set the length of an exchange spent it, a row an exchange in which one took part, shape (E, 8).

    What a device did before the exchange began is no part of it.
    """
    place, here = exchange_of(rounds, clients), critical(rounds, clients)
    start_s, end_s = rounds["start_s"][place[here]], rounds["end_s"][place[here]]
    length_s = np.column_stack([clients[f"{phase}_s"][here] for phase in PHASES])
    until_s = clients["began_s"][here, None] + np.cumsum(length_s, axis=1)
    from_s = np.column_stack([clients["began_s"][here], until_s[:, :-1]])
    within = np.minimum(until_s, end_s[:, None]) - np.maximum(from_s, start_s[:, None])
    return np.asarray(np.maximum(within, 0.0))


def critical(rounds: Columns, clients: Columns) -> IntArray:
    """Return, for every exchange in which someone took part, the row of the device that set its length, shape (E,).

    That is the device whose upload ended last among those that delivered; if none did, the one that was at it longest.
    """
    return decisive(exchange_of(rounds, clients), clients)


def decisive(place: IntArray, clients: Columns) -> IntArray:
    """Return the row that ``critical`` chooses of every place, in their order.

    Args:
        place: To which exchange each row belongs, shape (S,).
        clients: The rows.
    """
    delivered, active_s = delivered_by(clients), active_seconds(clients)
    last_s = np.where(delivered, clients["began_s"] + active_s, active_s)
    rows = np.arange(len(place))
    order = np.lexsort((-rows, last_s, delivered, place))
    ends = np.flatnonzero(np.diff(place[order], append=-1))
    return np.asarray(order[ends], dtype=np.int64)


def count(rounds: Columns) -> int:
    """Return the number of rounds; what was under way when the run ended is none."""
    return len(np.unique(rounds["round"][rounds["exchange"].astype(str) != STOP]))


def difference(a: Spent, b: Spent, unit: str, *, by_rounds: bool) -> Causes:
    """Return the difference of two totals with its parts, which sum to it.

    Args:
        a: What one system spent.
        b: What the other spent.
        unit: Of both.
        by_rounds: Whether a difference in the number of rounds is a part of its own, the mean length of a round of both for
            each; the others are then differences of a round of mean length, times the mean number of rounds.
    """
    names = {
        **{phase: (a.phases[phase], b.phases[phase]) for phase in PHASES},
        REST: (a.rest, b.rest),
    }
    if not (by_rounds and a.rounds != b.rounds and a.rounds and b.rounds):
        parts = [Part(name, one, other, one - other) for name, (one, other) in names.items()]
        parts += [Part(ROUNDS, a.rounds, b.rounds, 0.0)] if by_rounds else []
        return Causes(unit, a.total, b.total, tuple(parts))
    mean = (a.rounds + b.rounds) / 2
    of_rounds = (a.rounds - b.rounds) * (a.total / a.rounds + b.total / b.rounds) / 2
    parts = [
        Part(name, one, other, mean * (one / a.rounds - other / b.rounds))
        for name, (one, other) in names.items()
    ]
    return Causes(unit, a.total, b.total, (Part(ROUNDS, a.rounds, b.rounds, of_rounds), *parts))


def mean(found: Sequence[Causes]) -> Causes:
    """Return the mean of several differences with all their parts."""
    names = dict.fromkeys(part.name for causes in found for part in causes.parts)
    parts = tuple(_mean_part([_named(causes, name) for causes in found]) for name in names)
    a, b = (float(np.mean([getattr(causes, of) for causes in found])) for of in ("a", "b"))
    return replace(found[0], a=a, b=b, parts=parts)


def _named(causes: Causes, name: str) -> Part:
    return next((part for part in causes.parts if part.name == name), Part(name, 0.0, 0.0, 0.0))


def _mean_part(parts: Sequence[Part]) -> Part:
    a, b, apart = (
        float(np.mean([getattr(p, of) for p in parts])) for of in ("a", "b", "difference")
    )
    return Part(parts[0].name, a, b, apart)


def _by_phase(spent: FloatArray) -> dict[str, float]:
    return {phase: float(spent[:, index].sum()) for index, phase in enumerate(PHASES)}


def delivered_by(clients: Columns) -> BoolArray:
    """Return whose updates the server took in."""
    return np.isin(clients["outcome"].astype(str), DELIVERED)


def active_seconds(clients: Columns) -> FloatArray:
    """Return how long each device was at it before it waited."""
    return np.asarray(np.sum([clients[f"{phase}_s"] for phase in PHASES[:-1]], axis=0))


def exchange_of(rounds: Columns, clients: Columns) -> IntArray:
    """Return the row of the rounds to which each row of the clients belongs: both tables are in the order of the exchanges."""
    settled = np.sum([rounds[outcome.name.lower()] for outcome in Outcome], axis=0)
    place = np.repeat(np.arange(len(settled)), settled)
    if not np.array_equal(rounds["round"][place], clients["round"]):
        raise UserError(
            "the tables of rounds and clients do not belong together; play the run again"
        )
    return np.asarray(place, dtype=np.int64)
