"""The radio beside its floor: a refresh against drawing its normals, bytes a device, seconds of a calibration drop."""

import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.outcome import Bar, Outcome
from channel_models.calibration import CASES, Case, deployment, drop
from channel_models.channel import Channel
from channel_models.large_scale.shadowing import ShadowMap
from channel_models.large_scale.urban import UrbanMicro
from channel_models.layouts.placements import Ring
from channel_models.small_scale.correlation import Exponential
from channel_models.small_scale.fading import Rayleigh
from channel_models.units import FloatArray
from wflsim.randomness import Streams

DEVICES, ANTENNAS = 1000, 64
MANY = 1_000_000
DROPPED = 6000


@dataclass(frozen=True)
class Swing:
    """Devices that step two metres north and back: motion at no cost, so that every refresh sees new places."""

    def init(self, placed_m: FloatArray, rng: np.random.Generator) -> tuple[Any, FloatArray]:
        """Return the two places of every device, the present one first."""
        return (placed_m, placed_m + np.array([0.0, 2.0])), placed_m

    def step(
        self, state: Any, elapsed_s: float, rng: np.random.Generator
    ) -> tuple[Any, FloatArray]:
        """Return the other places."""
        here, there = state
        return (there, here), there


def run(full: bool) -> Outcome:
    """Time refreshes and floors in turn; measure the memory of a million devices and the seconds of a drop."""
    seconds = refreshes(turns=201 if full else 51)
    rows = [
        (name, DEVICES, min(found), median(found), max(found)) for name, found in seconds.items()
    ]
    for case in CASES:
        found = dropping(case, turns=7 if full else 3)
        rows.append((f"calibration drop, {case}", DROPPED, min(found), median(found), max(found)))
    # Whatever else the machine does only adds to a time, so the least times are those of the work itself.
    ratio = min(seconds["refresh"]) / min(seconds["floor"])
    middle = median(seconds["refresh"]) / median(seconds["floor"])
    bars = {
        "refresh / (its normals + one product)": Bar(ratio, 1.5),
        "bytes a device, 10^6 devices": Bar(bytes_a_device(), 400.0),
        "slowest calibration drop, s": Bar(max(row[3] for row in rows[2:]), 1.0),
    }
    header = ("what", "devices", "least_s", "median_s", "most_s")
    return Outcome(
        "channels",
        header,
        rows,
        {"refresh / floor, least": ratio, "refresh / floor, median": middle},
        bars,
    )


def refreshes(turns: int) -> dict[str, list[float]]:
    """Return the seconds of a refresh and of its floor, in turn."""
    channel = Channel(
        path_loss=UrbanMicro(),
        shadowing=ShadowMap(map_half_width_m=250.0),
        fading=Rayleigh(correlation=Exponential(0.7)),
        antennas=ANTENNAS,
        mobility=Swing(),
    )
    streams = Streams(1)
    placed_m = Ring(10.0, 200.0).place(DEVICES, streams.stream("placement"))
    state = channel.init(placed_m, streams.at())
    mixing = np.linalg.cholesky(0.7 ** np.abs(np.subtract.outer(*2 * [np.arange(ANTENNAS)])) + 0j)
    stream = streams.stream("fading")

    def floor() -> None:
        parts = stream.standard_normal((DEVICES, 2 * ANTENNAS))
        parts.view(np.complex128) @ mixing

    def refresh() -> None:
        nonlocal state
        state, links = channel.step(state, 1.0, lambda _: stream)
        assert links.uplink_gain.shape == (DEVICES,)

    seconds: dict[str, list[float]] = {"floor": [], "refresh": []}
    for turn in range(turns + 5):
        for name, work in (("floor", floor), ("refresh", refresh)):
            found = timed(work)
            if turn >= 5:  # the first turns warm up
                seconds[name].append(found)
    return seconds


def timed(work: Callable[[], object]) -> float:
    """Return the seconds of one piece of work."""
    start = perf_counter()
    work()
    return perf_counter() - start


def bytes_a_device() -> float:
    """Return the peak of memory, over a million devices, of path loss, shadowing and one antenna's fading."""
    streams, channel = Streams(1), Channel(path_loss=UrbanMicro(), antennas=1)
    placed_m = Ring(10.0, 500.0).place(MANY, streams.stream("placement"))
    tracemalloc.start()
    state = channel.init(placed_m, streams.at())
    channel.step(state, 1.0, streams.at(0))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak / MANY


def dropping(case: Case, turns: int) -> list[float]:
    """Return the seconds of calibration drops."""
    deployed = deployment(case, 6.0)

    return [timed(partial(drop, deployed, DROPPED, seed)) for seed in range(turns)]
