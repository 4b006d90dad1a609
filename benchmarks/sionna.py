"""A step of fading by Sionna, drawn and read again from its cache, beside our tapped delay line."""

import os
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np

from benchmarks.outcome import Outcome
from channel_models.sionna_backend.clusters import SionnaClusters
from channel_models.sionna_backend.fading import SionnaClusteredDelayLine, SionnaTappedDelayLine
from channel_models.small_scale.fading import Fading, Surroundings
from channel_models.small_scale.tapped_delay import TappedDelayLine

ANTENNAS, BLOCKS = 64, 52


def run(full: bool) -> Outcome:
    """Time a step of every kind, for a hundred devices and, in full, for a thousand."""
    kinds: dict[str, Fading] = {
        "tdl (ours)": TappedDelayLine(blocks=BLOCKS),
        "sionna_tdl": SionnaTappedDelayLine(blocks=BLOCKS),
        "sionna_cdl": SionnaClusteredDelayLine(blocks=BLOCKS),
        "sionna_cluster": SionnaClusters(blocks=BLOCKS),
    }
    rows, ratios = [], {}
    for devices in (100, 1000) if full else (100,):
        drawn = {name: seconds(fading, devices) for name, fading in kinds.items()}
        for name, (first_s, again_s) in drawn.items():
            rows.append((name, devices, first_s, again_s))
            ratios[f"{name} / ours, {devices} devices"] = first_s / drawn["tdl (ours)"][0]
    return Outcome("sionna", ("kind", "devices", "drawn_s", "read_again_s"), rows, ratios)


def seconds(fading: Fading, devices: int, turns: int = 5) -> tuple[float, float]:
    """Return the median seconds of a step that is drawn, and of the same steps asked for again."""
    around = Surroundings(
        bearing_rad=np.linspace(-1.0, 1.0, devices),
        k_factor_db=np.where(np.arange(devices) % 2, 9.0, -np.inf),
        delay_spread_s=np.full(devices, 1e-7),
        ground_m=np.linspace(20.0, 200.0, devices),
    )
    before = os.environ.get("WFLSIM_CACHE")
    with TemporaryDirectory() as folder:
        os.environ["WFLSIM_CACHE"] = folder
        passes = [[_step(fading, around, turn) for turn in range(turns + 1)] for _ in range(2)]
    if before is None:
        del os.environ["WFLSIM_CACHE"]
    else:
        os.environ["WFLSIM_CACHE"] = before
    first, again = (median(found[1:]) for found in passes)  # the first turn imports
    return first, again


def _step(fading: Fading, around: Surroundings, turn: int) -> float:
    state = fading.init(len(around.bearing_rad), ANTENNAS, np.random.default_rng(1))
    start = perf_counter()
    fading.step(state, around, 1.0, np.random.default_rng([2, turn]))
    return perf_counter() - start
