"""Checks that anyone can run on their own allocator, and random rounds to run it on."""

from dataclasses import replace

import numpy as np

from optimizers.allocator import Allocator
from optimizers.arrays import IndexArray
from optimizers.certificate import FEASIBLE, Allocation
from optimizers.least_latency import least_latency
from optimizers.problem import RoundProblem, columns_of

_ORDER_TOLERANCE = 1e-4
_NOISE_W_PER_HZ = 10.0 ** ((-174.0 + 7.0 - 30.0) / 10.0)
_ANTENNAS = 8
_WEIGHTS = 450_000


def random_problem(rng: np.random.Generator, devices: int, load: float = 0.5) -> RoundProblem:
    """Return a random round of a cell with 50 to 400 m radius and 1 MHz for each device.

    Distance-dependent loss 128.1 + 37.6 lg(d/km) dB, 4 dB shadowing, eight antennas with Rayleigh
    fading combined by maximum ratio, 15 to 23 dBm, −174 dBm/Hz with a noise figure of 7 dB; 0.45
    million weights of 32 bit and a bitmap of the mask. These are assumptions [X], not the
    parameters of a paper.

    Args:
        rng: Where the draws come from.
        devices: The number of devices K.
        load: Where the deadline lies between the least latency at the smallest ratios (0) and at
            the largest (1); below 0 the round is infeasible.
    """
    distance_km = np.sqrt(rng.uniform(0.05**2, 0.4**2, devices))
    loss_db = 128.1 + 37.6 * np.log10(distance_km) + rng.normal(0.0, 4.0, devices)
    fading = rng.exponential(1.0, (devices, _ANTENNAS)).sum(axis=1)
    unhurried = RoundProblem(
        gain=fading * 10.0 ** (-loss_db / 10.0),
        noise_w_per_hz=_NOISE_W_PER_HZ,
        bandwidth_hz=1e6 * devices,
        power_max_w=10.0 ** (rng.uniform(-15.0, -7.0, devices) / 10.0),
        fixed_s=rng.uniform(0.05, 0.3, devices),
        slope_s=rng.uniform(0.05, 0.8, devices),
        fixed_bits=_WEIGHTS,
        prunable_bits=32.0 * _WEIGHTS,
        deadline_s=np.inf,
        weight=rng.uniform(0.5, 1.5, devices),
        keep_min=0.1,
    )
    fastest_s, _ = least_latency(unhurried, unhurried.keep_min)
    fullest_s, _ = least_latency(unhurried, unhurried.keep_max)
    return unhurried.changed(deadline_s=fastest_s + load * (fullest_s - fastest_s))


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
    return problem.changed(**{name: value[order] for name, value in columns_of(problem).items()})


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
    assert met == (told.status != "infeasible"), f"{name}: says {told.status}, is {known.status}"
    assert met or told.reason, f"{name}: infeasible without a reason"
    assert told.status == known.status, f"{name}: says {told.status}, is {known.status}"
    assert told.active == known.active, f"{name}: active {told.active}, is {known.active}"
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
