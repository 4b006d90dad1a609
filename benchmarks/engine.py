"""A cohort trained as one, beside one device after another: seconds of a round, in turn."""

from statistics import median
from time import perf_counter

import numpy as np

from benchmarks.outcome import Outcome
from wflsim.contracts import Engine, Turn
from wflsim.learning.cohort import Cohort
from wflsim.learning.data.digits import Digits
from wflsim.learning.engines import Batched, Loop, host_threads
from wflsim.learning.models import Mlp
from wflsim.learning.partition import Iid
from wflsim.learning.task import hold, make_task
from wflsim.randomness import Streams
from wflsim.scenario.schema import TaskSection

ENGINES: dict[str, Engine] = {"loop": Loop(), "batched": Batched()}


def run(full: bool) -> Outcome:
    """Train cohorts of several sizes with both engines and compare medians."""
    rows, ratios = [], {}
    for devices in (10, 100) if full else (10,):
        seconds = measure(devices, turns=9 if full else 3)
        rows += [
            (name, devices, min(found), median(found), max(found))
            for name, found in seconds.items()
        ]
        ratios[f"batched / loop, {devices} devices"] = median(seconds["batched"]) / median(
            seconds["loop"]
        )
    return Outcome("engine", ("engine", "devices", "least_s", "median_s", "most_s"), rows, ratios)


def measure(devices: int, turns: int) -> dict[str, list[float]]:
    """Return the seconds of eight steps of every device, engine after engine."""
    streams = Streams(0)
    section = TaskSection(data=Digits(), partition=Iid(), model=Mlp(hidden=(128, 64)))
    task = make_task(section, hold(section, np.zeros((devices, 2)), streams), streams)
    seconds: dict[str, list[float]] = {name: [] for name in ENGINES}
    for round_ in range(turns + 1):
        for name, engine in ENGINES.items():
            cohort = Cohort(task, np.arange(devices), Turn(round_, 0, streams), engine)
            (batches,) = cohort.phases((8,), 10)
            with host_threads(engine):
                start = perf_counter()
                cohort.train(cohort.stack(task.initial), task.anatomy.tensors, batches, 0.05)
            if round_:  # the first turn warms up
                seconds[name].append(perf_counter() - start)
    return seconds
