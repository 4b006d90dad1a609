"""The dual algorithm beside its conic twin on random rounds: objectives, prices, violations of every constraint."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.outcome import Bar, Outcome
from optimizers import RoundProblem, solve_kkt
from optimizers.convex import conic
from optimizers.testing import ERRORS, random_problem

SIZES = (3, 10, 100, 1000)
LOADS = (0.2, 0.35, 0.5, 0.65, 0.8)
SHADOWINGS_DB = (4.0, 8.0, 12.0)


@dataclass(frozen=True)
class Compared:
    """How far the two answers to a round are apart, relative to the dual algorithm's.

    Attributes:
        objective: Difference of the objectives; not a number where the twin finds no answer.
        price: Difference of the prices.
        violation: Largest violation of a constraint by the dual algorithm.
        status: Its status.
    """

    objective: float
    price: float
    violation: float
    status: str


def rounds(devices: int, count: int) -> Iterator[tuple[str, bool, RoundProblem]]:
    """Yield error model, whether energy is limited, and the round: all in turn, with every load and shadowing."""
    for index in range(count):
        error, energy = ERRORS[index % 4], bool(index // 4 % 2)
        yield (
            error,
            energy,
            random_problem(
                np.random.default_rng([devices, index]),
                devices,
                LOADS[index % 5],
                shadowing_db=SHADOWINGS_DB[index // 8 % 3],
                energy=energy,
                error=error,
            ),
        )


def compare(problem: RoundProblem) -> Compared:
    """Return how the two answers to a round compare; the twin's is its own, before anything makes it feasible."""
    exact = solve_kkt(problem)
    told = exact.certificate
    violation = max(told.violation.values())
    try:
        twin = conic(problem)
    except ArithmeticError:
        return Compared(float("nan"), float("nan"), violation, told.status)
    return Compared(
        abs(twin.objective / exact.objective - 1.0),
        abs(twin.price / told.price - 1.0),
        violation,
        told.status,
    )


def run(full: bool) -> Outcome:
    """Compare 200 rounds of every size (8 of the largest if not full), and report the worst."""
    rows: list[tuple[object, ...]] = []
    bars: dict[str, Bar] = {}
    for devices in SIZES:
        found: dict[tuple[str, bool], list[Compared]] = {}
        for error, energy, problem in rounds(devices, 200 if full or devices < 1000 else 8):
            found.setdefault((error, energy), []).append(compare(problem))
        rows += [(devices, *case, *_worst(results)) for case, results in found.items()]
        objective, price, violation, count, missed = _worst(
            [c for cs in found.values() for c in cs]
        )
        bars |= {
            f"K={devices}: objectives of {count - missed} of {count} rounds": Bar(objective, 1e-6),
            f"K={devices}: prices": Bar(price, 1e-4),
            f"K={devices}: violation": Bar(violation, 1e-9),
        }
    header = ("devices", "error", "energy", "objective", "price", "violation", "rounds", "no_twin")
    return Outcome("agreement", header, rows, {}, bars)


def _worst(results: list[Compared]) -> tuple[float, float, float, int, int]:
    """Return the largest differences and violation, the rounds, and how many the twin left without an answer."""
    answered = [result for result in results if not np.isnan(result.objective)]
    wrong = [result for result in results if result.status != "optimal"]
    violation = max(result.violation for result in results)
    return (
        max((result.objective for result in answered), default=float("nan")),
        max((result.price for result in answered), default=float("nan")),
        float("inf") if wrong else violation,
        len(results),
        len(results) - len(answered),
    )
