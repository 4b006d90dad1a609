"""What an exact allocation costs: the dual algorithm beside a re-solve of its compiled conic twin, and how it grows."""

import tracemalloc
from collections.abc import Callable
from functools import partial
from statistics import median
from time import perf_counter

import numpy as np

from benchmarks.outcome import Bar, Outcome
from optimizers import solve_kkt, solve_many
from optimizers.convex import conic, solve_convex
from optimizers.testing import random_problem

BATCH = 1000
MANY = (10_000, 100_000, 1_000_000)


def run(full: bool) -> Outcome:
    """Time both in turn; solve a batch; solve up to a million devices and measure the memory of it."""
    turns = 101 if full else 31
    rows: list[tuple[object, ...]] = []
    ratios: dict[str, float] = {}
    for energy in (False, True):
        with_ = "with" if energy else "without"
        one = _beside(10, energy, turns)
        many = _beside(1000, energy, 5 if full else 2)
        batch = _batch(energy, 7 if full else 3)
        rows += [
            (f"dual, {with_} energy limits", 10, *_spread(one[0])),
            (f"conic, {with_} energy limits", 10, *_spread(one[1])),
            (f"conic with certificate, {with_} energy limits", 10, *_spread(one[2])),
            (f"dual, a round of {BATCH}, {with_} energy limits", 10, *_spread(batch)),
            (f"dual, {with_} energy limits", 1000, *_spread(many[0])),
            (f"conic, {with_} energy limits", 1000, *_spread(many[1])),
        ]
        ratios |= {
            f"K=10, {with_} energy limits": min(one[0]) / min(one[1]),
            f"K=10, both with certificate, {with_} energy limits": min(one[0]) / min(one[2]),
            f"one of {BATCH}, {with_} energy limits": min(batch) / min(one[1]),
            f"K=1000, {with_} energy limits": min(many[0]) / min(many[1]),
        }
    seconds, bytes_ = zip(*(_large(devices) for devices in MANY), strict=True)
    rows += [("dual", k, s, s, s) for k, s in zip(MANY, seconds, strict=True)]
    per_device = [b / k for k, b in zip(MANY, bytes_, strict=True)]
    rows += [
        (f"bytes a device: {b:.0f}", k, "", "", "") for k, b in zip(MANY, per_device, strict=True)
    ]
    ratios["bytes a device, 10^6 to 10^4"] = per_device[-1] / per_device[0]
    ratios["seconds a device, 10^6 to 10^5"] = seconds[2] / 10 / seconds[1]
    plain = "without energy limits"
    bars = {
        "K=10: time of the conic re-solve, both with certificate": Bar(
            ratios[f"K=10, both with certificate, {plain}"], 0.25
        ),
        "one of 1000: time of the conic re-solve": Bar(ratios[f"one of {BATCH}, {plain}"], 0.02),
        "K=1000: time of the conic re-solve": Bar(ratios[f"K=1000, {plain}"], 0.125),
        "bytes a device, 10^6 to 10^4": Bar(ratios["bytes a device, 10^6 to 10^4"], 1.1),
        "seconds a device, 10^6 to 10^5": Bar(ratios["seconds a device, 10^6 to 10^5"], 1.5),
    }
    return Outcome(
        "allocators", ("what", "devices", "least_s", "median_s", "most_s"), rows, ratios, bars
    )


def _beside(devices: int, energy: bool, turns: int) -> tuple[list[float], list[float], list[float]]:
    """Return the seconds of the dual algorithm, of its twin's bare program, and of the twin with certificate.

    They take turns on the same rounds; the program is compiled before.
    """
    dual, twin, certified = [], [], []
    for seed in range(3 * turns):
        problem = random_problem(np.random.default_rng([devices, seed]), devices, energy=energy)
        try:
            seconds = _time(partial(conic, problem))
        except (
            ArithmeticError
        ):  # what the conic solver does not solve takes no time to compare with
            continue
        if seed:  # the first compiles
            twin.append(seconds)
            dual.append(_time(partial(solve_kkt, problem)))
            certified.append(_time(partial(solve_convex, problem)))
        if len(twin) == turns:
            break
    return dual, twin, certified


def _batch(energy: bool, turns: int) -> list[float]:
    """Return the seconds a round, of batches of rounds with ten devices."""
    problems = [
        random_problem(np.random.default_rng([10, index]), 10, energy=energy)
        for index in range(BATCH)
    ]
    return [_time(partial(solve_many, problems)) / BATCH for _ in range(turns)]


def _large(devices: int) -> tuple[float, int]:
    """Return the seconds of a round with many devices, and the most bytes that solving it takes."""
    problem = random_problem(np.random.default_rng(0), devices)
    seconds = min(_time(partial(solve_kkt, problem)) for _ in range(3))
    tracemalloc.start()
    solve_kkt(problem)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return seconds, most


def _time(work: Callable[[], object]) -> float:
    start = perf_counter()
    work()
    return perf_counter() - start


def _spread(seconds: list[float]) -> tuple[float, float, float]:
    return min(seconds), median(seconds), max(seconds)
