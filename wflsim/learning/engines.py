"""How the devices of a cohort are trained on the host: as one or one after another, in chunks, by whom."""

from dataclasses import dataclass
from os import cpu_count, environ
from typing import Annotated, Any, Literal

from channel_models.units import Count
from wflsim.errors import UserError
from wflsim.learning.anatomy import Anatomy

Threads = Annotated[int, ("least", 1), ("most", 256)]
By = Literal["threads", "processes", "ray"]
How = Literal["loop", "batched", "native"]
CHUNK, CHUNK_GPU, CHUNK_NATIVE = 10, 100, 5
LEAST_MACS_NATIVE = 50_000
TOLD = {"loop": "one after another", "batched": "as one", "native": "in compiled code"}
MOST_WEIGHTS, MOST_MACS = 1_000_000, 5_000_000


@dataclass(frozen=True)
class Way:
    """What an engine has chosen.

    The devices of a chunk are computed together with the same number of threads, wherever that is; so results depend
    on ``how``, ``chunk`` and ``threads``, and not on who computes or how many do.

    Attributes:
        how: Whether the devices of a chunk are trained as one, or one after another, by PyTorch or by compiled code.
        chunk: Devices of a chunk.
        threads: Host threads of one operation.
        by: Who trains: threads of this process, other processes, or Ray's workers.
        workers: How many train at once.
        why: The reason, in a sentence.
    """

    how: How
    chunk: int
    threads: int
    by: By
    workers: int
    why: str

    @property
    def told(self) -> str:
        """What was chosen, in a sentence that does not depend on the host."""
        return f"devices {TOLD[self.how]}, {self.chunk} a chunk, {self.threads} threads an operation: {self.why}"


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

    def way(
        self, anatomy: Anatomy, known: bool, accelerated: bool = False, plain: bool = False
    ) -> Way:
        """Return the choice."""
        return Way(
            "batched", self.chunk, self.threads, "threads", _workers(self.workers), "as asked"
        )


@dataclass(frozen=True)
class Loop:
    """One device after another in an ordinary PyTorch module: the reference that the others are compared with.

    Attributes:
        threads: Host threads of one operation; part of the scenario, since it can change a result's last bit.
        workers: Devices that are trained at the same time; null for --workers, or as many as the host has cores. It changes no result.
    """

    threads: Threads = 1
    workers: Count | None = None

    def way(
        self, anatomy: Anatomy, known: bool, accelerated: bool = False, plain: bool = False
    ) -> Way:
        """Return the choice."""
        return Way("loop", 1, self.threads, "threads", _workers(self.workers), "as asked")


@dataclass(frozen=True)
class Native:
    """A device's whole lesson in one call of compiled code; devices are trained one after another, and side by side.

    For linear layers, convolutions, rectifiers and 2 × 2 pooling in a row, and the cross-entropy; what else an algorithm
    asks for is batched. The code is compiled once on every machine, which takes half a minute.

    Attributes:
        workers: Devices that are trained at the same time; null for --workers, or as many as the host has cores. It changes no result.
    """

    workers: Count | None = None

    def way(
        self, anatomy: Anatomy, known: bool, accelerated: bool = False, plain: bool = False
    ) -> Way:
        """Return the choice."""
        _require_native(plain, accelerated)
        return Way("native", CHUNK_NATIVE, 1, "threads", _workers(self.workers), "as asked")


@dataclass(frozen=True)
class Auto:
    """The fastest by a rule over the model, never by a clock.

    Compiled code trains what it knows, linear layers, convolutions, rectifiers and pooling in a row, unless operations are
    so few that compiling does not pay. Other known layers are batched up to a million parameters and five million operations a
    sample; beyond, arithmetic dominates, and one device after another is as fast (docs/engine.md has the measurements).

    Attributes:
        threads: Host threads of one operation; part of the scenario, since it can change a result's last bit.
        workers: Chunks that are trained at the same time; null for --workers, or as many as the host has cores. It changes no result.
    """

    threads: Threads = 1
    workers: Count | None = None

    def way(
        self, anatomy: Anatomy, known: bool, accelerated: bool = False, plain: bool = False
    ) -> Way:
        """Return the choice."""
        how, why = _rule(anatomy, known, accelerated, plain)
        chunk = _chunk(how, accelerated)
        return Way(how, chunk, self.threads, "threads", _workers(self.workers), why)


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

    train: Literal["auto", "batched", "loop", "native"] = "auto"
    chunk: Count | None = None
    threads: Threads = 1
    workers: Count | None = None

    def way(
        self, anatomy: Anatomy, known: bool, accelerated: bool = False, plain: bool = False
    ) -> Way:
        """Return the choice."""
        return _elsewhere(self, anatomy, known, accelerated, plain, by="processes")


@dataclass(frozen=True)
class Ray:
    """Ray's workers, here or on a cluster that Ray was told of (the extra ``wflsim[ray]``).

    Attributes:
        train: How each trains its chunks.
        chunk: Devices of a chunk; null for what the rule of ``auto`` says.
        threads: Host threads of one operation; part of the scenario, since it can change a result's last bit.
        workers: Number of workers; null for --workers, or as many as the host has cores. It changes no result.
    """

    train: Literal["auto", "batched", "loop", "native"] = "auto"
    chunk: Count | None = None
    threads: Threads = 1
    workers: Count | None = None

    def way(
        self, anatomy: Anatomy, known: bool, accelerated: bool = False, plain: bool = False
    ) -> Way:
        """Return the choice."""
        return _elsewhere(self, anatomy, known, accelerated, plain, by="ray")


def _elsewhere(
    engine: Any, anatomy: Anatomy, known: bool, accelerated: bool, plain: bool, *, by: By
) -> Way:
    """Return the choice of an engine whose workers are other processes."""
    if accelerated:
        raise UserError(
            "engine: other processes do not share a GPU; write engine: auto, or device: cpu"
        )
    how, why = _rule(anatomy, known, False, plain)
    if engine.train != "auto":
        how, why = engine.train, "as asked"
    if how == "native":
        _require_native(plain, accelerated)
    chunk = engine.chunk or _chunk(how, accelerated=False)
    return Way(how, chunk, engine.threads, by, _workers(engine.workers), why)


def _require_native(plain: bool, accelerated: bool) -> None:
    """Raise where there is no compiled code for a model."""
    if accelerated:
        raise UserError(
            "engine: compiled code runs on processors; write engine: auto, or device: cpu"
        )
    if not plain:
        raise UserError(
            "engine: there is compiled code for linear layers, convolutions of stride 1, rectifiers and pooling by 2 "
            "in a row, in float32; the model has other parts, or precision is another: write engine: auto"
        )


def _chunk(how: How, accelerated: bool) -> int:
    """Return the devices of a chunk: what fits the caches of a processor, or fills a GPU."""
    if how == "batched":
        return CHUNK_GPU if accelerated else CHUNK
    return 1 if how == "loop" else CHUNK_NATIVE


def _rule(anatomy: Anatomy, known: bool, accelerated: bool, plain: bool) -> tuple[How, str]:
    """Return how devices are trained, and why."""
    size, macs = anatomy.weights + anatomy.others, anatomy.macs
    found: tuple[How, str] = (
        "batched",
        f"{size} parameters and {macs} operations a sample are few",
    )
    if not known:
        found = ("loop", "the model is not made of standard layers in a row")
    elif accelerated:
        found = ("batched", "a GPU wants large operations")
    elif plain and macs >= LEAST_MACS_NATIVE:
        found = ("native", f"{macs} operations a sample are worth compiling")
    elif size > MOST_WEIGHTS:
        found = ("loop", f"{size} parameters are more than {MOST_WEIGHTS}")
    elif macs > MOST_MACS:
        found = ("loop", f"{macs} operations a sample are more than {MOST_MACS}")
    return found


def _workers(asked: int | None) -> int:
    if asked is not None:
        return asked
    told = environ.get("WFLSIM_WORKERS")
    if told is not None and (not told.isdecimal() or int(told) < 1):
        raise UserError(f"WFLSIM_WORKERS: must be a whole number of at least 1, got '{told}'")
    return int(told or 0) or cpu_count() or 1
