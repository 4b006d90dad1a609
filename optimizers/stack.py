"""Many rounds side by side: columns of shape (N, K), so that N problems cost little more than one."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from optimizers.arrays import FloatArray, IndexArray
from optimizers.errors import ErrorModel, Lorenz
from optimizers.round import Round

# A device that pads a shorter round has nothing to send and is worth nothing.
_PADDING = {
    "gain": 1.0,
    "noise_w_per_hz": 1.0,
    "power_max_w": 1.0,
    "fixed_s": 0.0,
    "slope_s": 0.0,
    "fixed_bits": 0.0,
    "prunable_bits": 0.0,
    "deadline_s": 1.0,
    "energy_j": np.inf,
    "slope_j": 0.0,
    "weight": 0.0,
    "keep_min": 1.0,
    "keep_max": 1.0,
    "gap": 1.0,
    "efficiency_max": np.inf,
    "slot_s": np.inf,
    "rent": 0.0,
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Stack:
    """N rounds of at most K devices; the columns are those of `RoundProblem`, shape (N, K).

    Attributes:
        bandwidth_hz: Band of each round, shape (N, 1).
        noise_band_hz: Band whose noise the devices of a round hear, shape (N, 1); none for their own.
        error: Error model with curves for every device.
        full_power: Whether every device sends with its largest power.
        devices: The number of devices of each round, in order.
    """

    gain: FloatArray
    noise_w_per_hz: FloatArray
    power_max_w: FloatArray
    fixed_s: FloatArray
    slope_s: FloatArray
    fixed_bits: FloatArray
    prunable_bits: FloatArray
    deadline_s: FloatArray
    energy_j: FloatArray
    slope_j: FloatArray
    weight: FloatArray
    keep_min: FloatArray
    keep_max: FloatArray
    gap: FloatArray
    efficiency_max: FloatArray
    slot_s: FloatArray
    rent: FloatArray
    bandwidth_hz: FloatArray
    noise_band_hz: FloatArray | None
    error: ErrorModel
    full_power: bool
    devices: tuple[int, ...]

    @functools.cached_property
    def prunable(self) -> bool:
        """Whether every device has something to prune from its upload."""
        return bool(self.prunable_bits.all())

    @functools.cached_property
    def rented(self) -> bool:
        """Whether a hertz costs any device anything beside its price."""
        return bool(self.rent.any())

    @functools.cached_property
    def ceiled(self) -> bool:
        """Whether any device has a largest efficiency."""
        return bool(np.isfinite(self.efficiency_max).any())

    @functools.cached_property
    def slotted(self) -> bool:
        """Whether any device has a slot."""
        return bool(np.isfinite(self.slot_s).any())

    @functools.cached_property
    def budgeted(self) -> bool:
        """Whether any device has an energy budget."""
        return bool(np.isfinite(self.energy_j).any())

    @property
    def shape(self) -> tuple[int, int]:
        """N rounds and K devices."""
        rounds, devices = self.gain.shape
        return rounds, devices

    def rows(self, which: IndexArray) -> "Stack":
        """Return some of the rounds.

        Args:
            which: Their positions.
        """
        error = self.error
        if isinstance(error, Lorenz):
            error = Lorenz(error.pruning, error.error[which])
        arrays: dict[str, Any] = {
            name: value[which]
            for name, value in vars(self).items()
            if isinstance(value, np.ndarray)
        }
        counts = tuple(self.devices[row] for row in which)
        return replace(self, error=error, devices=counts, **arrays)

    def bits(self, keep: FloatArray) -> FloatArray:
        """Return the upload bits σ + S r.

        Args:
            keep: Keep ratio r, shape (..., N, K).
        """
        return self.fixed_bits + self.prunable_bits * keep


def likeness(problem: Round) -> tuple[object, ...]:
    """Return what two rounds must share to be stacked.

    Args:
        problem: A round.
    """
    grid = problem.error.pruning.tobytes() if isinstance(problem.error, Lorenz) else b""
    slotted = bool(np.isfinite(problem.slot_s).any())
    return type(problem.error), grid, problem.full_power, problem.noise_band_hz is None, slotted


def stacked(problems: Sequence[Round]) -> Stack:
    """Return rounds as one stack; they must have the same `likeness`.

    Args:
        problems: The rounds.
    """
    first = problems[0]
    counts = tuple(problem.devices for problem in problems)
    if len(problems) == 1:
        columns = {name: getattr(first, name)[None, :] for name in _PADDING}
    else:
        columns = {name: _padded(name, problems, counts) for name in _PADDING}
    bands = None if first.noise_band_hz is None else [p.noise_band_hz for p in problems]
    return Stack(
        **columns,
        bandwidth_hz=np.array([[problem.bandwidth_hz] for problem in problems]),
        noise_band_hz=None if bands is None else np.array(bands, dtype=np.float64)[:, None],
        error=_curves(problems, counts),
        full_power=first.full_power,
        devices=counts,
    )


def _padded(name: str, problems: Sequence[Round], counts: tuple[int, ...]) -> FloatArray:
    if len(set(counts)) == 1:
        return np.array([getattr(problem, name) for problem in problems])
    column = np.full((len(problems), max(counts)), _PADDING[name])
    for row, problem in enumerate(problems):
        column[row, : counts[row]] = getattr(problem, name)
    return column


def _curves(problems: Sequence[Round], counts: tuple[int, ...]) -> ErrorModel:
    first = problems[0].error
    if not isinstance(first, Lorenz):
        return first
    curves = np.tile(first.pruning, (len(problems), max(counts), 1))
    for row, problem in enumerate(problems):
        assert isinstance(problem.error, Lorenz)
        curves[row, : counts[row]] = problem.error.error
    return Lorenz(first.pruning, curves)
