"""What can be refused before anything is played: settings that no round can make sense of; no torch, no SimPy."""

from collections.abc import Iterator, Mapping
from math import inf, isfinite, isinf

import numpy as np

from optimizers.convex.cpu_frequency import Clocking
from optimizers.lyapunov import Weighing
from wflsim.contracts import Patient, Tiered
from wflsim.errors import UserError
from wflsim.learning.algorithms.japp import Japp
from wflsim.learning.algorithms.workload import Workload
from wflsim.scenario.schema import System, World
from wflsim.world.compute import Kappa
from wflsim.world.deadlines import Fixed, NoDeadline


def refuse(world: World, systems: Mapping[str, System]) -> None:
    """Raise when a system cannot be played in its world, with the keys that contradict each other."""
    for name, system in systems.items():
        for holds, what in _contradictions(world, system):
            if holds:
                raise UserError(f"{name}: {what}")


def _contradictions(world: World, system: System) -> Iterator[tuple[bool, str]]:
    """Yield whether something is wrong, and how to say it."""
    band_hz, block_hz = world.radio.bandwidth_hz, system.procedures.uplink.block_hz
    yield (
        block_hz > band_hz * (1 + 1e-12),
        (
            f"radio.bandwidth_hz: {band_hz:g} Hz hold no resource block of {block_hz:g} Hz; "
            "widen the band, lower procedures.uplink.numerology, or write grid: false"
        ),
    )
    deadline_s = system.deadline.limit_s if isinstance(system.deadline, Fixed) else inf
    limit_s, margin_s = system.policy.limit_s(deadline_s), system.procedures.margin_s
    yield (
        margin_s > 0.0
        and margin_s >= min(deadline_s, limit_s)
        and not isinstance(system.policy, Tiered),
        f"procedures.margin_s: {margin_s:g} s leave nothing of a round of {min(deadline_s, limit_s):g} s; take a smaller margin",
    )
    yield from _budgets(system, min(deadline_s, limit_s))
    yield (
        isinstance(system.allocator, Clocking) and not isinstance(world.fleet.compute, Kappa),
        (
            "allocator: clock rates are chosen for devices whose power is that of kappa; write fleet.compute: kappa, or "
            "another allocator"
        ),
    )
    yield from _fusion(system)


def _fusion(system: System) -> Iterator[tuple[bool, str]]:
    """Yield what is wrong with what becomes of updates, and how to say it."""
    trains = system.learning.trains
    yield (
        trains and system.policy.late.goes_on and not isinstance(system.algorithm, Patient),
        f"policy.late: {type(system.algorithm).__name__} cannot fuse updates of older rounds; write late: dropped",
    )
    stale = system.policy.late.goes_on or isinstance(system.policy, Tiered)
    yield (
        stale and isinstance(system.algorithm, Japp) and not system.algorithm.averages_plainly,
        (
            "algorithm.fusion: updates of older rounds are fused by the mean over those who kept a weight, by samples; write "
            "fusion: kept and fusion_weight: samples, or late: dropped and no tiers"
        ),
    )
    yield (
        trains and isinstance(system.algorithm, Workload),
        "algorithm: a workload trains nothing; write learning: none, or a surrogate",
    )


def _budgets(system: System, limit_s: float) -> Iterator[tuple[bool, str]]:
    """Yield what is wrong with energy budgets, and how to say it."""
    unlimited = isinstance(system.deadline, NoDeadline) and isinf(limit_s)
    weighs, means = isinstance(system.allocator, Weighing), isfinite(system.energy.mean_j)
    yield (
        unlimited and (means or bool(np.isfinite(system.energy.round_j(np.ones(1))).any())),
        "energy: a budget needs a deadline, since without one the slowest upload is always the cheapest; write a deadline",
    )
    yield (
        means and not weighs,
        (
            f"energy: {type(system.allocator).__name__} does not weigh what is overdrawn in the long run; write "
            "allocator: lyapunov, or another budget"
        ),
    )
