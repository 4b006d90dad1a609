"""Checks that anyone can run on their own allocator."""

from dataclasses import replace

import numpy as np

from optimizers.allocator import Allocator
from optimizers.arrays import IndexArray
from optimizers.certificate import FEASIBLE, Allocation
from optimizers.problem import RoundProblem, columns_of
from optimizers.testing.rounds import random_problem

_ORDER_TOLERANCE = 1e-4


def check_allocator(allocator: Allocator) -> None:
    """Raise an AssertionError unless an allocator keeps the contract.

    On every round of a small collection it must answer in time or say honestly that it does not,
    leave the round as it was, give the same answer to the same random stream, give permuted devices
    the permuted answer, and carry the certificate that the round itself computes.

    Args:
        allocator: The allocator with its configuration.
    """
    for name, problem in _collection().items():
        before = {key: value.copy() for key, value in columns_of(problem).items()}
        answer = allocator.allocate(problem, np.random.default_rng(7))
        again = allocator.allocate(problem, np.random.default_rng(7))
        after = columns_of(problem)
        for key, value in before.items():
            assert np.array_equal(value, after[key]), f"{name}: the allocator changes {key}"
        _check_shapes(name, problem, answer)
        _check_honest(name, problem, answer)
        _check_same(name, "does not repeat itself", answer, again, 0.0)
        order = np.random.default_rng(3).permutation(problem.devices)
        turned = allocator.allocate(_permuted(problem, order), np.random.default_rng(7))
        _check_same(
            name,
            "depends on the order of devices",
            _picked(answer, order),
            turned,
            _ORDER_TOLERANCE,
        )


def _collection() -> dict[str, RoundProblem]:
    tight = random_problem(np.random.default_rng(11), 5, load=0.5)
    return {
        "tight round": tight,
        "round of one device": random_problem(np.random.default_rng(12), 1, load=0.3),
        "round with room": random_problem(np.random.default_rng(13), 4, load=1.5),
        "hopeless round": random_problem(np.random.default_rng(14), 4, load=-0.05),
        "round without deadline": tight.changed(deadline_s=np.inf),
        "round with given ratios": tight.changed(keep_min=0.3, keep_max=0.3),
        "round with many deadlines": replace(
            tight, deadline_s=tight.deadline_s * np.linspace(0.95, 1.3, 5)
        ),
    }


def _permuted(problem: RoundProblem, order: IndexArray) -> RoundProblem:
    return problem.picked(order)


def _picked(answer: Allocation, order: IndexArray) -> Allocation:
    return replace(
        answer,
        keep=answer.keep[order],
        bandwidth_hz=answer.bandwidth_hz[order],
        power_w=answer.power_w[order],
    )


def _check_shapes(name: str, problem: RoundProblem, answer: Allocation) -> None:
    for key in ("keep", "bandwidth_hz", "power_w", "upload_s"):
        shape = getattr(answer, key).shape
        assert shape == (problem.devices,), f"{name}: {key} has shape {shape}"


def _check_honest(name: str, problem: RoundProblem, answer: Allocation) -> None:
    told = answer.certificate
    known = problem.allocation(
        keep=answer.keep,
        bandwidth_hz=answer.bandwidth_hz,
        power_w=answer.power_w,
        price=None if np.isnan(told.price) else told.price,
        status="optimal" if told.status in {"optimal", "inaccurate"} else None,
        iterations=told.iterations,
    ).certificate
    met = max(known.violation.values()) <= FEASIBLE
    assert met == told.feasible, f"{name}: says {told.status}, is {known.status}"
    assert met or told.reason, f"{name}: infeasible without a reason"
    assert told.status == known.status, f"{name}: says {told.status}, is {known.status}"
    for key, held in known.active.items():
        same = key in told.active and np.array_equal(told.active[key], held)
        assert same, f"{name}: the certificate does not say where {key} is active"
    for key in ("objective", "gap", "stationarity", "complementarity"):
        said, found = getattr(told, key), getattr(known, key)
        close = np.isclose(said, found, rtol=1e-9, atol=1e-12, equal_nan=True)
        assert close, f"{name}: certificate says {key} {said}, is {found}"
    for key, value in known.violation.items():
        close = np.isclose(told.violation[key], value, rtol=1e-9, atol=1e-12)
        assert close, f"{name}: certificate says violation of {key} {told.violation[key]}"


def _check_same(
    name: str, fault: str, one: Allocation, other: Allocation, tolerance: float
) -> None:
    for key in ("keep", "bandwidth_hz", "power_w"):
        left, right = getattr(one, key), getattr(other, key)
        scale = max(1e-300, float(np.max(np.abs(left))))
        assert np.max(np.abs(left - right)) <= tolerance * scale, f"{name}: the allocator {fault}"
