"""A round as the mathematics sees it: what `RoundProblem` offers to the modules that stand below it."""

from typing import Protocol

import numpy.typing as npt

from optimizers.arrays import FloatArray


class Columns(Protocol):
    """The columns of a round, each of shape (K,), and its shared band; see `RoundProblem`."""

    @property
    def gain(self) -> FloatArray: ...
    @property
    def bandwidth_hz(self) -> float: ...
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
    def weight(self) -> FloatArray: ...
    @property
    def keep_min(self) -> FloatArray: ...
    @property
    def keep_max(self) -> FloatArray: ...


class Round(Columns, Protocol):
    """A round with the quantities that follow from its columns."""

    @property
    def devices(self) -> int:
        """The number of devices K."""
        ...

    @property
    def limited(self) -> bool:
        """Whether the devices have a deadline."""
        ...

    def snr_hz(self) -> FloatArray:
        """Return g p/N₀ at the largest power, shape (K,)."""
        ...

    def bits(self, keep: FloatArray) -> FloatArray:
        """Return the upload bits σ + S r, shape (K,)."""
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
