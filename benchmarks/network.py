"""What a network study costs: a crowd without training beside bare SimPy, events a device and round, memory over rounds."""

import gc
import tracemalloc
from collections.abc import Sequence
from time import perf_counter

import numpy as np
import simpy

from benchmarks.outcome import Bar, Outcome
from wflsim.records.recorder import Recorder
from wflsim.scenario.loading import parse
from wflsim.simulation.loop import Stage, stage
from wflsim.simulation.setting import settle

CROWD = """\
name: crowd
seed: 1
fleet: {{devices: {devices}}}
radio: {{bandwidth_hz: {band_hz:.0f}}}
task: {{data: {{kind: blank, samples: {samples}}}, partition: iid, model: {{kind: mlp, hidden: [16]}}}}
rounds: {rounds}
learning: none
algorithm: fedavg
allocator: dense
"""
REAL = [
    "radio.link=mcs",
    "allocator=equal_share",
    "fleet.electronics=handset",
    "fleet.slowness={kind: log_normal, sigma: 0.5}",
    "fleet.battery={kind: battery, harvest_w: 0.5}",
    "fleet.availability={kind: markov, mean_on_s: 600, mean_off_s: 60}",
    "procedures={paging: cycle, grant: request, background: poisson, uplink: {kind: nr, grid: false}}",
    "procedures.access={kind: random, inactivity_s: 0, procedure: {attempts: 200, period_s: 0.005}}",
    "deadline={kind: relative, share: 3}",
]
BUFFERED = [
    "policy={kind: buffered, size: 100}",
    "invited=1000",
    "allocator=equal_share",
    "fleet.slowness={kind: log_normal, sigma: 0.5}",
]


def run(full: bool) -> Outcome:
    """Play each crowd, bare SimPy after it with as many timeouts, and tell their ratio."""
    big = (10_000, 100)
    plain = _beside("everybody, ideal", big, [])
    real = _beside("everybody, every procedure real", (1_000, 20 if full else 5), REAL)
    late = _beside("buffered, 1,000 of 10,000 at work", (10_000, 1_000 if full else 200), BUFFERED)
    growth = _growth((1_000, 40), ["policy={kind: buffered, size: 100}", *BUFFERED[2:]])
    rows = [plain, real, late]
    ratios = {f"{row[0]}: time of bare timeouts": _number(row[-1]) for row in rows}
    ratios["memory without records, last of 40 rounds to the tenth"] = growth
    bars = {
        "10,000 devices, 100 rounds: time of as many bare timeouts": Bar(_number(plain[-1]), 30.0),
        "events a device and round, every procedure real": Bar(_number(real[4]), 40.0),
        "memory without records, last of 40 rounds to the tenth": Bar(growth, 1.1),
    }
    header = ("what", "devices", "updates", "seconds", "events_each", "bare_seconds", "ratio")
    return Outcome("network", header, rows, ratios, bars)


def _beside(what: str, size: tuple[int, int], assignments: Sequence[str]) -> tuple[object, ...]:
    """Return a row: updates, seconds with recording, events an update, seconds of as many bare timeouts, ratio."""
    played = _stage(*size, assignments)
    recorder, start = Recorder(what), perf_counter()
    for report in played.rounds():
        recorder.add(report)
    seconds = perf_counter() - start
    rounds = recorder.table("rounds")
    updates, events = int(rounds["participants"].sum()), int(rounds["events"].sum())
    bare_s = min(_bare(updates, size[0]) for _ in range(3))
    return what, size[0], updates, seconds, events / updates, bare_s, seconds / bare_s


def _bare(timeouts: int, together: int) -> float:
    """Return the seconds that SimPy needs for some timeouts, as many at once as there are devices."""
    start, env = perf_counter(), simpy.Environment()
    for first in range(0, timeouts, together):
        for delay in range(min(together, timeouts - first)):
            env.timeout(delay)
        env.run()
    return perf_counter() - start


def _growth(size: tuple[int, int], assignments: Sequence[str]) -> float:
    """Return the memory in use after the last round over that after the tenth, when nothing is recorded."""
    tracemalloc.start()
    used = []
    for _ in _stage(*size, assignments).rounds():
        gc.collect()  # a round's event queue is a cycle, and goes when the interpreter looks for such
        used.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    return float(np.mean(used[-5:]) / np.mean(used[7:12]))


def _stage(devices: int, rounds: int, assignments: Sequence[str]) -> Stage:
    """Return a crowd with ten kilohertz a device, ready to play."""
    text = CROWD.format(
        devices=devices, rounds=rounds, samples=20 * devices, band_hz=10_000 * devices
    )
    scenario = parse(text, "crowd", assignments).scenario
    (system,) = scenario.systems.values()
    return stage(settle(scenario.world), system)


def _number(cell: object) -> float:
    assert isinstance(cell, float)
    return cell
