"""Runs in processes of this host, each with one run at a time and one thread; a process that dies is replaced."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from pathlib import Path
from queue import Empty
from signal import SIG_IGN, SIGINT, signal
from threading import Thread
from typing import Any

from wflsim.sweep.plan import Item
from wflsim.sweep.playing import Begin, Outcome, Watch, play

_LOOK_S = 0.2  # between two looks at how far runs have come
_TRIES = 3  # times that a run may lose its process
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "WFLSIM_WORKERS": "1",
}
_LINES: dict[int, tuple["Queue[Any]", Event]] = {}  # a process's lines to the one that began it


@dataclass(frozen=True)
class Processes:
    """Processes of this host.

    Attributes:
        workers: How many play at the same time.
        begin: What plays a run in its process.
    """

    workers: int
    begin: Begin = play

    def outcomes(self, items: Sequence[Item], runs: Path, watch: Watch) -> Iterator[Outcome]:
        """Yield how each run ended, as they end; after Ctrl-C runs are kept as they are.

        A pool whose process died is replaced as a whole. Who was under way is then played alone, from its checkpoint, so that
        nobody fails for another one; a run that has lost its process three times has failed.
        """
        left = {item.key: item for item in items}
        lost: Counter[str] = Counter()
        while left:
            alone = [left[key] for key in left if lost[key]][:1]
            some = alone or list(left.values())
            under_way: set[str] = set()
            try:
                for outcome in self._pool(some, runs, _noting(watch, under_way)):
                    under_way.discard(outcome.key)
                    del left[outcome.key]
                    yield outcome
            except BrokenProcessPool:
                lost.update(under_way or [item.key for item in some[: self.workers]])
                for key in [key for key in left if lost[key] >= _TRIES]:
                    del left[key]
                    yield Outcome(
                        key,
                        error=f"its process died {_TRIES} times; see whether there is memory enough",
                    )

    def _pool(self, items: Sequence[Item], runs: Path, watch: Watch) -> Iterator[Outcome]:
        """Yield the outcomes of one pool, until it breaks."""
        context = get_context("spawn")
        lines, halt = context.Queue(), context.Event()
        pool = ProcessPoolExecutor(min(self.workers, len(items)), context, _begin, (lines, halt))
        with _environment(ONE_THREAD):
            waiting: set[Future[Outcome]] = {
                pool.submit(_play, self.begin, item, runs) for item in items
            }
        try:
            while waiting:
                over, waiting = wait(waiting, _LOOK_S, FIRST_COMPLETED)
                _drain(lines, watch)
                for future in over:
                    yield future.result()
        finally:
            halt.set()
            pool.shutdown(cancel_futures=True)


def _noting(watch: Watch, under_way: set[str]) -> Watch:
    """Return a watch that also notes which runs have begun."""

    def noted(key: str, rounds: int) -> None:
        under_way.add(key)
        watch(key, rounds)

    return noted


def _drain(lines: "Queue[Any]", watch: Watch) -> None:
    while True:
        try:
            key, rounds = lines.get_nowait()
        except Empty:
            return
        watch(key, rounds)


@contextmanager
def _environment(more: Mapping[str, str]) -> Iterator[None]:
    """Let processes begin with some variables: libraries read them as soon as they are loaded."""
    before = dict(os.environ)
    os.environ.update(more)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _begin(lines: "Queue[Any]", halt: Event) -> None:
    """Prepare a process: Ctrl-C is the first one's to answer, cores are for runs, and nobody stays when the first one is killed."""
    signal(SIGINT, SIG_IGN)
    lines.cancel_join_thread()  # nobody may be there to read
    Thread(target=_follow, daemon=True).start()
    _LINES[0] = (lines, halt)


def _follow() -> None:
    first = parent_process()
    assert first is not None, "a pool's process has been begun by another"
    first.join()
    os._exit(1)


def _play(begin: Begin, item: Item, runs: Path) -> Outcome:
    lines, halt = _LINES[0]

    def watch(key: str, rounds: int) -> None:
        lines.put((key, rounds))
        if halt.is_set():
            raise KeyboardInterrupt

    try:
        return begin(item, runs, watch)
    except KeyboardInterrupt:  # the run has been kept; nobody waits for this
        return Outcome(item.key, error="interrupted")
