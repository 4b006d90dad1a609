"""Who plays the runs of a sweep, as options of a command."""

import os
from collections.abc import Callable, Sequence
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, NamedTuple

import click

if TYPE_CHECKING:
    from wflsim.sweep.runner import Engine


class Crew(NamedTuple):
    """Who plays.

    Attributes:
        who: Name of the engine.
        workers: Processes at the same time; None for all cores.
        address: Where the Ray cluster is; None for one on this host.
        cpus: Cores of a run on Ray.
        gpus: GPUs of a run on Ray.
    """

    who: str
    workers: int | None
    address: str | None
    cpus: float
    gpus: float

    @property
    def at_a_time(self) -> int:
        """Runs at the same time on this host."""
        if self.who == "serial":
            return 1
        there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        return self.workers or there or 1

    def engine(self, track: Sequence[str] = ()) -> "Engine":
        """Return what plays; runs are followed by trackers of some kinds."""
        from wflsim.sweep.playing import play

        begin = partial(play, track=tuple(track))
        if self.who == "serial":
            from wflsim.sweep.engines.serial import Serial

            return Serial(begin)
        if self.who == "ray":
            from wflsim.sweep.engines.ray_cluster import RayCluster

            return RayCluster(self.address, self.cpus, self.gpus, begin)
        from wflsim.sweep.engines.processes import Processes

        return Processes(self.at_a_time, begin)


def crew_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options, and give the command their ``crew``."""

    @click.option(
        "--engine",
        "who",
        type=click.Choice(["processes", "serial", "ray"]),
        default="processes",
        show_default=True,
        help="Who plays the runs.",
    )
    @click.option("--workers", type=click.IntRange(min=1), help="Processes; all cores by default.")
    @click.option("--address", help="Where the Ray cluster is; one on this host by default.")
    @click.option(
        "--cpus", type=float, default=1.0, show_default=True, help="Cores of a run on Ray."
    )
    @click.option(
        "--gpus", type=float, default=0.0, show_default=True, help="GPUs of a run on Ray."
    )
    @wraps(command)
    def bundled(
        who: str, workers: int | None, address: str | None, cpus: float, gpus: float, **rest: Any
    ) -> Any:
        return command(crew=Crew(who, workers, address, cpus, gpus), **rest)

    return bundled
