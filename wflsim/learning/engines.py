"""How the devices of a cohort are trained on the host: as one or one after another, in chunks, by whom."""

from dataclasses import dataclass
from os import cpu_count, environ
from typing import Annotated, Any, Literal

from channel_models.units import Count
from wflsim.errors import UserError
from wflsim.learning.anatomy import Anatomy

Threads = Annotated[int, ("least", 1), ("most", 256)]
By = Literal["threads", "processes", "ray"]
CHUNK, CHUNK_GPU = 10, 100
MOST_WEIGHTS, MOST_MACS = 1_000_000, 5_000_000


@dataclass(frozen=True)
class Way:
    """What an engine has chosen.

    The devices of a chunk are computed together with the same number of threads, wherever that is; so results depend
    on ``together``, ``chunk`` and ``threads``, and not on who computes or how many do.

    Attributes:
        together: Whether the devices of a chunk are trained as one, or one after another.
        chunk: Devices of a chunk.
        threads: Host threads of one operation.
        by: Who trains: threads of this process, other processes, or Ray's workers.
        workers: How many train at once.
        why: The reason, in a sentence.
    """

    together: bool
    chunk: int
    threads: int
    by: By
    workers: int
    why: str

    @property
    def told(self) -> str:
        """What was chosen, in a sentence that does not depend on the host."""
        how = "as one" if self.together else "one after another"
        return (
            f"devices {how}, {self.chunk} a chunk, {self.threads} threads an operation: {self.why}"
        )


@dataclass(frozen=True)
class Batched:
    """All devices of a chunk at once: every operation has a leading axis over devices.

    Layers that are known are written out, forward and backward; other modules are batched by ``torch.func``.

    Attributes:
        chunk: Devices of a chunk.
        threads: Host threads of one operation; part of the scenario, since it can change a result's last bit.
        workers: Chunks that are trained at the same time; null for --workers, or as many as the host has cores. It changes no result.
    """

    chunk: Count = CHUNK
    threads: Threads = 1
    workers: Count | None = None

    def way(self, anatomy: Anatomy, known: bool, accelerated: bool = False) -> Way:
        """Return the choice."""
        return Way(True, self.chunk, self.threads, "threads", _workers(self.workers), "as asked")


@dataclass(frozen=True)
class Loop:
    """One device after another in an ordinary PyTorch module: the reference that the others are compared with.

    Attributes:
        threads: Host threads of one operation; part of the scenario, since it can change a result's last bit.
        workers: Devices that are trained at the same time; null for --workers, or as many as the host has cores. It changes no result.
    """

    threads: Threads = 1
    workers: Count | None = None

    def way(self, anatomy: Anatomy, known: bool, accelerated: bool = False) -> Way:
        """Return the choice."""
        return Way(False, 1, self.threads, "threads", _workers(self.workers), "as asked")


@dataclass(frozen=True)
class Auto:
    """The faster of both by a rule over the model, never by a clock.

    Devices are batched where operations are small, so that fewer and larger ones pay: known layers, at most a million
    parameters, and at most five million operations a sample. Otherwise arithmetic dominates, and one device after
    another is faster (docs/engine.md has the measurements).

    Attributes:
        threads: Host threads of one operation; part of the scenario, since it can change a result's last bit.
        workers: Chunks that are trained at the same time; null for --workers, or as many as the host has cores. It changes no result.
    """

    threads: Threads = 1
    workers: Count | None = None

    def way(self, anatomy: Anatomy, known: bool, accelerated: bool = False) -> Way:
        """Return the choice."""
        together, why = _rule(anatomy, known, accelerated)
        chunk = _chunk(together, accelerated)
        return Way(together, chunk, self.threads, "threads", _workers(self.workers), why)


@dataclass(frozen=True)
class Processes:
    """Other processes of this host, which share the data and nothing else.

    They pay where many small operations keep one process busy with itself; starting them takes seconds.

    Attributes:
        train: How each trains its chunks.
        chunk: Devices of a chunk; null for what the rule of ``auto`` says.
        threads: Host threads of one operation; part of the scenario, since it can change a result's last bit.
        workers: Number of processes; null for --workers, or as many as the host has cores. It changes no result.
    """

    train: Literal["auto", "batched", "loop"] = "auto"
    chunk: Count | None = None
    threads: Threads = 1
    workers: Count | None = None

    def way(self, anatomy: Anatomy, known: bool, accelerated: bool = False) -> Way:
        """Return the choice."""
        return _elsewhere(self, anatomy, known, accelerated, by="processes")


@dataclass(frozen=True)
class Ray:
    """Ray's workers, here or on a cluster that Ray was told of (the extra ``wflsim[ray]``).

    Attributes:
        train: How each trains its chunks.
        chunk: Devices of a chunk; null for what the rule of ``auto`` says.
        threads: Host threads of one operation; part of the scenario, since it can change a result's last bit.
        workers: Number of workers; null for --workers, or as many as the host has cores. It changes no result.
    """

    train: Literal["auto", "batched", "loop"] = "auto"
    chunk: Count | None = None
    threads: Threads = 1
    workers: Count | None = None

    def way(self, anatomy: Anatomy, known: bool, accelerated: bool = False) -> Way:
        """Return the choice."""
        return _elsewhere(self, anatomy, known, accelerated, by="ray")


def _elsewhere(engine: Any, anatomy: Anatomy, known: bool, accelerated: bool, *, by: By) -> Way:
    """Return the choice of an engine whose workers are other processes."""
    if accelerated:
        raise UserError(
            "engine: other processes do not share a GPU; write engine: auto, or device: cpu"
        )
    together, why = _rule(anatomy, known, accelerated=False)
    if engine.train != "auto":
        together, why = engine.train == "batched", "as asked"
    chunk = engine.chunk or _chunk(together, accelerated=False)
    return Way(together, chunk, engine.threads, by, _workers(engine.workers), why)


def _chunk(together: bool, accelerated: bool) -> int:
    """Return the devices of a chunk: what fits the caches of a processor, or fills a GPU."""
    if not together:
        return 1
    return CHUNK_GPU if accelerated else CHUNK


def _rule(anatomy: Anatomy, known: bool, accelerated: bool) -> tuple[bool, str]:
    """Return whether devices are batched, and why."""
    size, macs = anatomy.weights + anatomy.others, anatomy.macs
    found = (True, f"{size} parameters and {macs} operations a sample are few")
    if not known:
        found = (False, "the model is not made of standard layers in a row")
    elif accelerated:
        found = (True, "a GPU wants large operations")
    elif size > MOST_WEIGHTS:
        found = (False, f"{size} parameters are more than {MOST_WEIGHTS}")
    elif macs > MOST_MACS:
        found = (False, f"{macs} operations a sample are more than {MOST_MACS}")
    return found


def _workers(asked: int | None) -> int:
    if asked is not None:
        return asked
    told = environ.get("WFLSIM_WORKERS")
    if told is not None and (not told.isdecimal() or int(told) < 1):
        raise UserError(f"WFLSIM_WORKERS: must be a whole number of at least 1, got '{told}'")
    return int(told or 0) or cpu_count() or 1
