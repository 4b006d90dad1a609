"""Runs as tasks of a Ray cluster, each in a folder of its node; what comes back is written here, once."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from logging import ERROR
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any
from zipfile import ZipFile

from wflsim.errors import UserError
from wflsim.records.folder import ASIDE, RunFolder, unwritable
from wflsim.sweep.plan import Item
from wflsim.sweep.playing import Begin, Outcome, Watch, done, play

_TRIES = 3  # times that a run is begun anew after its worker died


@dataclass(frozen=True)
class RayCluster:
    """A Ray cluster, which schedules the runs; a run whose worker dies is begun anew on another.

    Nodes need not share a disk: a finished run travels back as a whole.

    Attributes:
        address: Where the cluster is; None for one on this host, made for the sweep.
        cpus: Cores that a run asks for; it trains on as many threads.
        gpus: Share of a GPU that a run asks for.
        begin: What plays a run on its node.
    """

    address: str | None = None
    cpus: float = 1.0
    gpus: float = 0.0
    begin: Begin = play

    def outcomes(self, items: Sequence[Item], runs: Path, watch: Watch) -> Iterator[Outcome]:
        """Yield how each run ended, as they end."""
        ray = _ray()
        own = not ray.is_initialized()
        if own:
            _join(ray, self.address)
        try:
            task = ray.remote(num_cpus=self.cpus, num_gpus=self.gpus, max_retries=_TRIES)(_play)
            threads = max(1, int(self.cpus))
            absent = [item for item in items if not done(item, runs)]
            yield from (Outcome(item.key) for item in items if item not in absent)
            waiting = {task.remote(self.begin, item, threads): item for item in absent}
            while waiting:
                (ref, *_), _ = ray.wait(list(waiting), num_returns=1)
                item = waiting.pop(ref)
                yield _received(item, runs, partial(ray.get, ref))
                watch(item.key, item.rounds)
        finally:
            if own:
                ray.shutdown()


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise UserError(
            "--engine ray: Ray is not installed; pip install 'wflsim[ray]', or take --engine processes"
        ) from error
    return ray


def _join(ray: Any, address: str | None) -> None:
    try:
        ray.init(
            address=address,
            log_to_driver=False,
            logging_level=ERROR,
            include_dashboard=None if address else False,
        )
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise UserError(
            f"--address {address}: no Ray cluster answers: {error}; start one with `ray start --head`"
        ) from error


def _received(item: Item, runs: Path, get: Callable[[], Any]) -> Outcome:
    """Write the run that came back to its place, and return how it ended."""
    try:
        outcome, packed = get()
    except Exception as error:  # Ray tells the death of a worker by many types
        return Outcome(item.key, error=f"its worker was lost: {error}")
    if packed:
        try:
            _unpack(packed, runs / item.key)
        except OSError as error:
            return Outcome(item.key, error=str(unwritable(runs / item.key, error)))
    return outcome  # type: ignore[no-any-return]


def _play(begin: Begin, item: Item, threads: int) -> tuple[Outcome, bytes]:
    """Play a run on a node; return how it ended, and its folder if nothing went wrong."""
    os.environ.update(OMP_NUM_THREADS=str(threads), WFLSIM_WORKERS=str(threads))
    with TemporaryDirectory(prefix="wflsim-") as folder:
        outcome = begin(item, Path(folder), lambda key, rounds: None)
        return outcome, b"" if outcome.error else _packed(Path(folder) / item.key)


def _packed(folder: Path) -> bytes:
    """Return a folder as an archive."""
    memory = BytesIO()
    with ZipFile(memory, "w") as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder))
    return memory.getvalue()


def _unpack(packed: bytes, target: Path) -> None:
    """Write an archived run aside, then move it to its place; what was cut short there gives way, what is over stays."""
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(mkdtemp(prefix=f".{target.name}{ASIDE}", dir=target.parent))
    try:
        with ZipFile(BytesIO(packed)) as archive:
            archive.extractall(aside)
        if RunFolder(target).over:
            return
        rmtree(target, ignore_errors=True)
        aside.chmod(0o755)
        aside.replace(target)
    finally:
        rmtree(aside, ignore_errors=True)
