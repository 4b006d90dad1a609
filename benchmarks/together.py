"""What training the points of a sweep as one cohort would spare: milliseconds a device by how many train together, and training's part in a run."""

from collections.abc import Mapping
from functools import partial
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np

from benchmarks.cohort import interleaved
from benchmarks.outcome import Outcome
from wflsim.contracts import Turn
from wflsim.learning import crews
from wflsim.learning.crews import Chunk, Job
from wflsim.learning.task import make_task
from wflsim.records.folder import new_folder
from wflsim.scenario.loading import load
from wflsim.simulation.run import Run
from wflsim.simulation.setting import settle

TOGETHER = (1, 3, 5, 10, 20, 40, 80)
INVITED = (1, 3, 5, 10)
FLEET = "fleet.devices=30"


def run(full: bool) -> Outcome:
    """Train more and more devices of quickstart at once, then play it with few of 30 devices a round."""
    least_ms = {how: _least_ms(how, 9 if full else 3) for how in ("batched", "native")}
    rows: list[tuple[object, ...]] = [
        (how, count, ms, ms / min(found.values()))
        for how, found in least_ms.items()
        for count, ms in found.items()
    ]
    batched, ratios = least_ms["batched"], {}
    for invited in INVITED:
        part = _part(invited)
        spared = part * (1.0 - min(batched.values()) / batched[invited])
        ratios[f"training / run, {invited} a round"] = part
        ratios[f"spared at most / run, {invited} a round"] = spared
    return Outcome("together", ("engine", "devices", "ms_each", "of_least"), rows, ratios)


def _least_ms(how: str, turns: int) -> Mapping[int, float]:
    """Return devices trained at once → least milliseconds of a device's part in a round of FedAlt, on one thread."""
    loaded = load("quickstart", (f"engine={how}",), 1)
    world = loaded.scenario.world
    setting = settle(world, loaded.blaming)
    task = make_task(world.task, setting.holdings, setting.streams)
    algorithm, way = loaded.scenario.systems["fedalt"].algorithm, setting.way()
    job, state = Job(algorithm, task, way.how, 1), algorithm.init(task)

    def train(count: int) -> object:
        who = np.arange(count) % task.devices
        return job.train(Chunk(state, who, Turn(0, 0, setting.streams), np.ones(count)))

    with crews.host_threads(1):
        seconds = interleaved(
            {str(count): partial(train, count) for count in TOGETHER}, turns=turns
        )
    return {count: 1e3 * min(seconds[str(count)]) / count for count in TOGETHER}


def _part(invited: int) -> float:
    """Return the part of a run's seconds that training takes, without what loading takes."""
    spent_s, train = [], Job.train

    def timed(job: Job, chunk: Chunk) -> object:
        start = perf_counter()
        found = train(job, chunk)
        spent_s.append(perf_counter() - start)
        return found

    loaded = load("quickstart", (FLEET, f"invited={invited}", "engine.workers=1"), 1)
    with TemporaryDirectory() as folder:
        playing = Run(
            loaded,
            settle(loaded.scenario.world, loaded.blaming),
            new_folder(f"{folder}/run", ""),
            every=0,
        )
        Job.train = timed  # type: ignore[method-assign,assignment]
        try:
            start = perf_counter()
            playing.play(lambda *_: None)
            return sum(spent_s) / (perf_counter() - start)
        finally:
            Job.train = train  # type: ignore[method-assign]
