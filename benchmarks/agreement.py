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
        objective: Difference of the objectives.
        price: Difference of the prices.
        violation: Largest violation of a constraint by the dual algorithm.
        gap: Its own bound on the distance to the optimum, from the dual.
        status: Its status.
        twin: The status of the conic solver; "none" where it finds no answer.
    """

    objective: float
    price: float
    violation: float
    gap: float
    status: str
    twin: str


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
    violation, gap = max(told.violation.values()), abs(told.gap / exact.objective)
    try:
        twin = conic(problem)
    except ArithmeticError:
        return Compared(np.nan, np.nan, violation, gap, told.status, "none")
    return Compared(
        abs(twin.objective / exact.objective - 1.0),
        abs(twin.price / told.price - 1.0),
        violation,
        gap,
        told.status,
        twin.status,
    )


def run(full: bool) -> Outcome:
    """Compare 200 rounds of every size (40 of the largest if not full), and report the worst.

    Where the conic solver says itself that it is not accurate, or finds nothing, it is no judge; then
    the bound from the dual is. Of a thousand devices the twin's multiplier has too few digits to be held to
    1e-4 (the table shows them); the price itself is checked by −dV/dB in the tests.
    """
    rows: list[tuple[object, ...]] = []
    bars: dict[str, Bar] = {}
    for devices in SIZES:
        found: dict[tuple[str, bool], list[Compared]] = {}
        for error, energy, problem in rounds(devices, 200 if full or devices < 1000 else 40):
            found.setdefault((error, energy), []).append(compare(problem))
        rows += [(devices, *case, *_worst(results)) for case, results in found.items()]
        every = [result for results in found.values() for result in results]
        objective, price, violation, gap, count, unsure, none = _worst(every)
        judged = f"{count - unsure - none} of {count}"
        bars |= {
            f"K={devices}: objective, {judged} rounds that the twin solves": Bar(objective, 1e-6),
            f"K={devices}: violation, all rounds": Bar(violation, 1e-9),
            f"K={devices}: bound from the dual, all rounds": Bar(gap, 1e-6),
        }
        if devices < 1000:
            bars[f"K={devices}: price, the same rounds"] = Bar(price, 1e-4)
    header = (
        "devices", "error", "energy", "objective", "price", "violation", "bound", "rounds",
        "twin_inaccurate", "twin_without_answer",
    )  # fmt: skip
    return Outcome("agreement", header, rows, {}, bars)


def _worst(results: list[Compared]) -> tuple[float, float, float, float, int, int, int]:
    """Return the largest differences, violation and bound; the rounds, and those that the twin does not solve."""
    judged = [result for result in results if result.twin == "optimal"]
    none = sum(result.twin == "none" for result in results)
    wrong = any(result.status != "optimal" for result in results)
    return (
        max((result.objective for result in judged), default=float("nan")),
        max((result.price for result in judged), default=float("nan")),
        float("inf") if wrong else max(result.violation for result in results),
        max(result.gap for result in results),
        len(results),
        len(results) - len(judged) - none,
        none,
    )
