"""Who trains the chunks of a cohort: threads of this process, other processes, or Ray; the results are the same bits."""

import pickle
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from io import BytesIO
from logging import ERROR
from multiprocessing import get_context
from pathlib import Path
from signal import SIG_IGN, SIGINT, signal
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import nn

from wflsim.contracts import Algorithm, FloatArray, IntArray, Samples, Turn, Updates
from wflsim.errors import UserError
from wflsim.learning.cohort import Cohort
from wflsim.learning.engines import How, Way
from wflsim.learning.task import Task


@dataclass(frozen=True)
class Chunk:
    """Devices that are computed together.

    Attributes:
        state: What they begin with; where the state can tell, no more than they need.
        devices: Their indices, shape (K,).
        turn: When they are trained.
        keep: Their kept shares, shape (K,).
    """

    state: Any
    devices: IntArray
    turn: Turn
    keep: FloatArray


@dataclass(frozen=True)
class Job:
    """What is the same for all chunks.

    Attributes:
        algorithm: The method.
        task: What is learned.
        how: How the devices of a chunk are trained.
        threads: Host threads of one operation.
        half: Whether steps are computed in bfloat16.
    """

    algorithm: Algorithm
    task: Task
    how: How
    threads: int
    half: bool = False

    def train(self, chunk: Chunk) -> Updates:
        """Return what the devices of a chunk send and keep."""
        cohort = Cohort(self.task, chunk.devices, chunk.turn, self.how, self.half)
        return self.algorithm.train(chunk.state, cohort, chunk.keep)


@dataclass(frozen=True)
class Crew:
    """Who trains.

    Attributes:
        train: From chunks to what the devices of each send and keep, in the order of the chunks.
    """

    train: Callable[[Sequence[Chunk]], list[Updates]]


@contextmanager
def crew(job: Job, way: Way) -> Iterator[Crew]:
    """Give who trains a job, and send them home afterwards."""
    with {"threads": _threads, "processes": _processes, "ray": _ray}[way.by](job, way) as made:
        yield made


@contextmanager
def host_threads(count: int) -> Iterator[None]:
    """Give torch a number of host threads, and the old number back afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _threads(job: Job, way: Way) -> Iterator[Crew]:
    with host_threads(way.threads):
        if way.workers == 1:
            yield Crew(lambda chunks: [job.train(chunk) for chunk in chunks])
            return
        # The number of threads of an operation is each thread's own.
        pool = ThreadPoolExecutor(way.workers, "train", torch.set_num_threads, (way.threads,))
        try:
            yield Crew(lambda chunks: list(pool.map(job.train, chunks)))
        finally:
            pool.shutdown(cancel_futures=True)


@contextmanager
def _processes(job: Job, way: Way) -> Iterator[Crew]:
    with TemporaryDirectory(prefix="wflsim-") as folder:
        begin = (_packed(job, Path(folder)),)
        pool = ProcessPoolExecutor(way.workers, get_context("spawn"), _begin, begin)
        try:
            yield Crew(partial(_worked, pool))
        finally:
            pool.shutdown(cancel_futures=True)


@contextmanager
def _ray(job: Job, way: Way) -> Iterator[Crew]:
    try:
        import ray
    except ImportError as error:
        raise UserError(
            "engine: Ray is not installed; pip install 'wflsim[ray]', or write engine: processes"
        ) from error

    own = not ray.is_initialized()
    if own:
        ray.init(
            num_cpus=way.workers,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=ERROR,
        )
    try:
        with TemporaryDirectory(prefix="wflsim-") as folder:
            packed = ray.put(_packed(job, Path(folder)))
            remote = ray.remote(num_cpus=1)(_work_of)
            yield Crew(
                lambda chunks: [
                    _loads(each)
                    for each in ray.get([remote.remote(packed, _dumps(chunk)) for chunk in chunks])
                ]
            )
    finally:
        if own:
            ray.shutdown()


def _worked(pool: ProcessPoolExecutor, chunks: Sequence[Chunk]) -> list[Updates]:
    """Return what other processes make of chunks."""
    try:
        return [_loads(each) for each in pool.map(_work, map(_dumps, chunks))]
    except BrokenProcessPool as error:
        raise UserError(
            "engine: a worker process has ended, for want of memory perhaps; take fewer workers or smaller chunks"
        ) from error


class _Pickler(pickle.Pickler):
    """A pickler that sends of a tensor what it shows, and not all the memory that it is a view of."""

    def reducer_override(self, obj: Any) -> Any:
        """Return how a tensor is made again."""
        if type(obj) is torch.Tensor:
            return torch.from_numpy, (obj.detach().cpu().contiguous().numpy(),)
        return NotImplemented


def _dumps(value: Any) -> bytes:
    out = BytesIO()
    _Pickler(out, protocol=5).dump(value)
    return out.getvalue()


def _loads(data: bytes) -> Any:
    return pickle.loads(data)  # noqa: S301 - bytes of our own processes


def _packed(job: Job, folder: Path) -> bytes:
    """Return a job as bytes; the samples go to a file that all workers map."""
    task = job.task
    where = folder / "inputs.npy"
    np.save(where, task.inputs.numpy())
    nothing = Samples(np.empty((0,), np.float32), np.empty((0,), np.int64))
    # A module of the user's own file cannot be sent as it is: it is built anew, and its weights are sent.
    light = Task(replace(task.holdings, data=nothing), torch.empty(0), task.labels, nn.Identity())
    return _dumps((replace(job, task=light), str(where), task.module.state_dict()))


def _unpacked(data: bytes) -> Job:
    job, where, state = _loads(data)
    torch.set_num_threads(job.threads)
    inputs = torch.from_numpy(np.load(where, mmap_mode="c"))
    with torch.random.fork_rng(devices=[]):
        module = job.task.holdings.blueprint.build()
    module.load_state_dict(state)
    made: Job = replace(job, task=replace(job.task, inputs=inputs, module=module.to(inputs.dtype)))
    return made


_JOBS: dict[int, Job] = {}  # what this worker process was told, once


def _begin(data: bytes) -> None:
    signal(SIGINT, SIG_IGN)  # Ctrl-C is the first process's to answer
    _JOBS[0] = _unpacked(data)


def _work(chunk: bytes) -> bytes:
    return _dumps(_JOBS[0].train(_loads(chunk)))


def _work_of(data: bytes, chunk: bytes) -> bytes:
    key = hash(data)
    if key not in _JOBS:
        _JOBS.clear()
        _JOBS[key] = _unpacked(data)
    return _dumps(_JOBS[key].train(_loads(chunk)))


def joined(updates: Sequence[Updates], order: IntArray) -> Updates:
    """Return the updates of several chunks as one, with the devices in some order."""
    rows = places(order, np.concatenate([each.devices for each in updates]))
    messages = [message for each in updates for message in each.messages]
    private = None
    if updates[0].private is not None:
        private = {
            name: torch.cat([(each.private or {})[name] for each in updates])[
                torch.from_numpy(rows)
            ]
            for name in updates[0].private
        }
    macs = None
    if updates[0].macs is not None:
        macs = np.concatenate([np.asarray(each.macs) for each in updates])[rows]
    return Updates(updates[0].turn, order, [messages[row] for row in rows], private, macs)


def places(wanted: IntArray, among: IntArray) -> IntArray:
    """Return where some devices stand among others, in the order in which they are wanted."""
    order = np.argsort(among)
    return np.asarray(order[np.searchsorted(among[order], wanted)])
