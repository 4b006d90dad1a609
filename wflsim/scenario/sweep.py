"""What of a scenario is varied by `wflsim sweep`: axes, and the seeds for which every point is played."""

from dataclasses import dataclass

from wflsim.contracts import Axis
from wflsim.scenario.paper import Seeds


@dataclass(frozen=True)
class Sweep:
    """Axes that are crossed with each other, and seeds.

    Attributes:
        axes: What is varied; every point of an axis meets every point of the others.
        seeds: Seeds for which every point is played; that of the scenario where none are given.
        paired: Whether all points have the same seeds, and so the same channels, data and initial weights; else each
            has seeds of its own, drawn from those.
    """

    axes: tuple[Axis, ...] = ()
    seeds: Seeds = ()
    paired: bool = True

    def __post_init__(self) -> None:
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError("seeds must differ from each other; write each once")
