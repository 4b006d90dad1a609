"""Random rounds of a cell, with and without energy budgets, for every error model."""

import numpy as np

from optimizers.arrays import FloatArray
from optimizers.errors import ErrorModel, Lorenz, lorenz
from optimizers.kkt import solve_kkt
from optimizers.least_latency import least_latency
from optimizers.problem import RoundProblem

ERRORS = ("linear", "quadratic", "neglog", "lorenz")
_NOISE_W_PER_HZ = 10.0 ** ((-174.0 + 7.0 - 30.0) / 10.0)
_ANTENNAS = 8
_WEIGHTS = 450_000
_CURVE_POINTS = 9
_CURVE_WEIGHTS = 400


def random_problem(
    rng: np.random.Generator,
    devices: int,
    load: float = 0.5,
    *,
    shadowing_db: float = 4.0,
    energy: bool = False,
    error: str = "linear",
) -> RoundProblem:
    """Return a random round of a cell with 50 to 400 m radius and 1 MHz for each device.

    Distance-dependent loss 128.1 + 37.6 lg(d/km) dB, log-normal shadowing, eight antennas with
    Rayleigh fading combined by maximum ratio, 15 to 23 dBm, −174 dBm/Hz with a noise figure of 7 dB;
    0.45 million weights of 32 bit and a bitmap of the mask. These are assumptions [X], not the
    parameters of a paper.

    Args:
        rng: Where the draws come from.
        devices: The number of devices K.
        load: Where the deadline lies between the least latency at the smallest ratios (0) and at
            the largest (1); below 0 the round is infeasible.
        shadowing_db: Standard deviation of the shadowing in decibels.
        energy: Whether about half of the devices are limited by energy: processors of 0.05 to 1 W,
            and budgets of 0.5 to 1.3 times what the answer without budgets takes.
        error: "linear", "quadratic", "neglog", or "lorenz" for a random curve of every device.
    """
    unhurried = _unhurried(rng, devices, shadowing_db)
    if error == "lorenz":
        unhurried = unhurried.changed(error=_curves(rng, devices))
    else:
        unhurried = unhurried.changed(error=error)
    fastest_s, _ = least_latency(unhurried, unhurried.keep_min)
    fullest_s, _ = least_latency(unhurried, unhurried.keep_max)
    problem = unhurried.changed(deadline_s=fastest_s + load * (fullest_s - fastest_s))
    return _budgeted(rng, problem) if energy else problem


def _unhurried(rng: np.random.Generator, devices: int, shadowing_db: float) -> RoundProblem:
    distance_km = np.sqrt(rng.uniform(0.05**2, 0.4**2, devices))
    shadow_db = rng.normal(0.0, shadowing_db, devices)
    loss_db = 128.1 + 37.6 * np.log10(distance_km) + shadow_db
    fading = rng.exponential(1.0, (devices, _ANTENNAS)).sum(axis=1)
    return RoundProblem(
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


def _curves(rng: np.random.Generator, devices: int) -> ErrorModel:
    tails = rng.uniform(1.0, 1.5, (devices, 1))
    normal = np.abs(rng.normal(size=(devices, _CURVE_WEIGHTS)))
    curve = lorenz(normal**tails, points=_CURVE_POINTS)
    return Lorenz(curve.pruning, curve.error)


def _budgeted(rng: np.random.Generator, problem: RoundProblem) -> RoundProblem:
    slope_j = rng.uniform(0.05, 1.0, problem.devices) * problem.slope_s
    free = solve_kkt(problem)
    used_j: FloatArray = slope_j * free.keep + free.power_w * free.upload_s
    spare = rng.uniform(0.5, 1.3, problem.devices)
    # What keep_min needs when it is sent over the bandwidth of the free answer must remain.
    floor_j = 1.2 * slope_j * problem.keep_min + 0.3 * used_j
    return problem.changed(energy_j=np.maximum(used_j * spare, floor_j), slope_j=slope_j)
