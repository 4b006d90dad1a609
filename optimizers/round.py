"""A round as the mathematics sees it: what `RoundProblem` offers to the modules that stand below it."""

from typing import Protocol

import numpy.typing as npt

from optimizers.arrays import FloatArray
from optimizers.errors import ErrorModel


class Devices(Protocol):
    """The columns of a round, or of many in a stack; see `RoundProblem`."""

    @property
    def gain(self) -> FloatArray: ...
    @property
    def noise_w_per_hz(self) -> FloatArray: ...
    @property
    def power_max_w(self) -> FloatArray: ...
    @property
    def fixed_s(self) -> FloatArray: ...
    @property
    def slope_s(self) -> FloatArray: ...
    @property
    def fixed_bits(self) -> FloatArray: ...
    @property
    def prunable_bits(self) -> FloatArray: ...
    @property
    def deadline_s(self) -> FloatArray: ...
    @property
    def energy_j(self) -> FloatArray: ...
    @property
    def slope_j(self) -> FloatArray: ...
    @property
    def weight(self) -> FloatArray: ...
    @property
    def keep_min(self) -> FloatArray: ...
    @property
    def keep_max(self) -> FloatArray: ...
    @property
    def gap(self) -> FloatArray: ...
    @property
    def efficiency_max(self) -> FloatArray: ...
    @property
    def slot_s(self) -> FloatArray: ...
    @property
    def rent(self) -> FloatArray: ...
    @property
    def error(self) -> ErrorModel: ...
    @property
    def noise_band_hz(self) -> float | FloatArray | None: ...
    @property
    def full_power(self) -> bool: ...


class Round(Devices, Protocol):
    """A round with its band and the quantities that follow from its columns."""

    @property
    def bandwidth_hz(self) -> float:
        """The band that the devices share."""
        ...

    @property
    def devices(self) -> int:
        """The number of devices K."""
        ...

    @property
    def limited(self) -> bool:
        """Whether the devices have a deadline."""
        ...

    def snr_hz(self) -> FloatArray:
        """Return g p/(Γ N₀) at the largest power, shape (K,)."""
        ...

    def bits(self, keep: FloatArray) -> FloatArray:
        """Return the upload bits σ + S r, shape (K,)."""
        ...

    def objective(self, keep: npt.ArrayLike, bandwidth_hz: npt.ArrayLike) -> float:
        """Return Σ a φ(1 − r) + Σ ν b."""
        ...

    def upload_s(
        self, keep: npt.ArrayLike, bandwidth_hz: npt.ArrayLike, power_w: npt.ArrayLike | None
    ) -> FloatArray:
        """Return the time of each upload, shape (K,)."""
        ...

    def finish_s(
        self, keep: npt.ArrayLike, bandwidth_hz: npt.ArrayLike, power_w: npt.ArrayLike | None
    ) -> FloatArray:
        """Return when each upload ends, shape (K,)."""
        ...

    def energy_used_j(
        self, keep: npt.ArrayLike, bandwidth_hz: npt.ArrayLike, power_w: npt.ArrayLike | None
    ) -> FloatArray:
        """Return the energy that counts against the budget, shape (K,)."""
        ...
