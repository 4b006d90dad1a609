"""The question a round asks: which device keeps how much of its model, on which bandwidth."""

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from optimizers import physics
from optimizers.arrays import FloatArray, IndexArray, column
from optimizers.certificate import Allocation, Point
from optimizers.errors import ErrorModel, Lorenz, error_model
from optimizers.evidence import certify
from optimizers.rules import RULES, columns, require


@dataclass(frozen=True, init=False, eq=False)
class RoundProblem:
    """One round of K devices that share a band, prune, compute and upload before a deadline.

    minimise  Σ a φ(1 − r) + Σ ν b   over keep ratios r, bandwidths b and powers p, subject to
    c + β r + t ≤ T,   t = (σ + S r)/R(b, p) ≤ t_max,   e₁ r + p t ≤ E,
    Σ b ≤ B,   0 ≤ p ≤ p_max,   r_min ≤ r ≤ r_max,

    with R(b, p) = b min(log2(1 + g p/(Γ N₀ b)), η_max). The pruning ratio is ρ = 1 − r. Every
    column may be given as an array of shape (K,) or as one number for all devices; it is kept as
    read-only float64. Problem and symbols: [X], the usual formulation of the literature on pruning
    for wireless federated learning, made general.

    Attributes:
        gain: Effective channel power gain g, linear, shape (K,).
        noise_w_per_hz: Noise density N₀ with the noise figure, shape (K,).
        bandwidth_hz: Bandwidth B that the devices share.
        power_max_w: Largest transmit power p_max, shape (K,).
        fixed_s: Time c before the upload that no ratio changes, shape (K,).
        slope_s: Computing time β of the whole model, so that keeping r takes β r, shape (K,).
        fixed_bits: Upload bits σ that no ratio changes, shape (K,).
        prunable_bits: Upload bits S of the whole prunable part, shape (K,).
        deadline_s: Time T by which the upload must have ended, shape (K,); infinite for all devices
            or for none.
        energy_j: Energy E left for what r changes and for the upload, shape (K,), may be infinite.
        slope_j: Computing energy e₁ of the whole model, so that keeping r takes e₁ r, shape (K,).
        weight: Weight a of a device in the objective, shape (K,).
        keep_min: Smallest keep ratio r_min, shape (K,).
        error: Error model φ: "linear", "quadratic", "neglog", or a measured `Lorenz` curve.
        keep_max: Largest keep ratio r_max, shape (K,); equal to `keep_min` where an algorithm sets
            the ratio itself.
        gap: Signal-to-noise gap Γ to capacity, linear, shape (K,).
        efficiency_max: Largest spectral efficiency η_max in bit/s/Hz, shape (K,), may be infinite.
        slot_s: Longest upload t_max, where a protocol gives a slot, shape (K,), may be infinite.
        rent: Cost ν of a hertz in units of the objective, for instance packet errors, shape (K,).
        noise_band_hz: Band whose noise a device hears whatever its own bandwidth is, which fixes its
            signal-to-noise ratio at the largest power; none for the noise of its own band.
        full_power: Whether every device sends with its largest power, as with `noise_band_hz`.

    >>> problem = RoundProblem(
    ...     gain=[1e-9, 4e-9], noise_w_per_hz=2e-20, bandwidth_hz=2e6, power_max_w=0.1, fixed_s=0.1,
    ...     slope_s=0.2, fixed_bits=1e5, prunable_bits=1e7, deadline_s=0.5,
    ... )
    >>> problem.devices, problem.limited
    (2, True)
    """

    gain: FloatArray
    noise_w_per_hz: FloatArray
    bandwidth_hz: float
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
    error: ErrorModel
    keep_max: FloatArray
    gap: FloatArray
    efficiency_max: FloatArray
    slot_s: FloatArray
    rent: FloatArray
    noise_band_hz: float | None
    full_power: bool

    def __init__(
        self,
        *,
        gain: npt.ArrayLike,
        noise_w_per_hz: npt.ArrayLike,
        bandwidth_hz: float,
        power_max_w: npt.ArrayLike,
        fixed_s: npt.ArrayLike,
        slope_s: npt.ArrayLike,
        fixed_bits: npt.ArrayLike,
        prunable_bits: npt.ArrayLike,
        deadline_s: npt.ArrayLike,
        energy_j: npt.ArrayLike = np.inf,
        slope_j: npt.ArrayLike = 0.0,
        weight: npt.ArrayLike = 1.0,
        keep_min: npt.ArrayLike = 1e-3,
        error: str | ErrorModel = "linear",
        keep_max: npt.ArrayLike = 1.0,
        gap: npt.ArrayLike = 1.0,
        efficiency_max: npt.ArrayLike = np.inf,
        slot_s: npt.ArrayLike = np.inf,
        rent: npt.ArrayLike = 0.0,
        noise_band_hz: float | None = None,
        full_power: bool = False,
    ) -> None:
        given = locals()
        set_ = object.__setattr__
        set_(self, "bandwidth_hz", float(bandwidth_hz))
        set_(self, "error", error_model(error))
        set_(self, "noise_band_hz", None if noise_band_hz is None else float(noise_band_hz))
        set_(self, "full_power", bool(full_power) or noise_band_hz is not None)
        for name, value in columns({name: given[name] for name in RULES}).items():
            set_(self, name, value)
        self.__post_init__()

    def __post_init__(self) -> None:
        if not (np.isfinite(self.bandwidth_hz) and self.bandwidth_hz > 0.0):
            raise ValueError(
                f"RoundProblem.bandwidth_hz: {self.bandwidth_hz} must be finite and above 0"
            )
        for name, (holds, rule) in RULES.items():
            value = getattr(self, name)
            require(name, value, holds(value), rule)
        self._check_together()

    def _check_together(self) -> None:
        require("keep_min", self.keep_min, self.keep_min <= self.keep_max, "is above keep_max")
        unlimited = np.isinf(self.deadline_s)
        if unlimited.any() and not unlimited.all():
            rule = "must be finite, because other devices have a deadline"
            require("deadline_s", self.deadline_s, ~unlimited, rule)
        band_hz = self.noise_band_hz
        if band_hz is not None and not 0.0 < band_hz < np.inf:
            raise ValueError(f"RoundProblem.noise_band_hz: {band_hz} must be finite and above 0")
        if np.isfinite(self.energy_j).any() and not self.limited:
            raise ValueError(
                "RoundProblem.deadline_s: energy budgets need a deadline, because without one the "
                "slowest upload is always the cheapest; give deadline_s, or leave out energy_j"
            )
        if not self.limited and np.isfinite(self.slot_s).any():
            raise ValueError(
                "RoundProblem.deadline_s: slots need a deadline; give deadline_s, or leave out slot_s"
            )
        if np.isfinite(self.slot_s).any() and np.isfinite(self.energy_j).any():
            raise ValueError(
                "RoundProblem.slot_s: slots and energy budgets together are not solved exactly; "
                "leave out energy_j, or slot_s"
            )
        if isinstance(self.error, Lorenz):
            shape = self.error.error.shape
            if shape[:-1] not in {(), (self.devices,)}:
                raise ValueError(
                    f"RoundProblem.error: curves of shape {shape} do not fit {self.devices} devices"
                )

    def changed(self, **columns: Any) -> "RoundProblem":
        """Return the same round with some arguments of the constructor changed.

        Args:
            columns: New values by field name, as in the constructor.
        """
        for name in columns.keys() & RULES.keys():
            column(f"RoundProblem.{name}", columns[name], self.devices)
        if not columns.keys() <= RULES.keys():
            return replace(self, **columns)
        # Only what changes is checked anew: searches change one column many times.
        other = object.__new__(RoundProblem)
        other.__dict__.update(self.__dict__)
        for name, value in columns.items():
            changed = column(f"RoundProblem.{name}", value, self.devices)
            object.__setattr__(other, name, changed)
            holds, rule = RULES[name]
            require(name, changed, holds(changed), rule)
        other._check_together()
        return other

    @property
    def devices(self) -> int:
        """The number of devices K."""
        return int(self.gain.size)

    @property
    def limited(self) -> bool:
        """Whether the devices have a deadline."""
        return bool(np.isfinite(self.deadline_s[0]))

    def picked(self, devices: IndexArray) -> "RoundProblem":
        """Return the round of some devices, in the order given.

        Args:
            devices: Which devices, shape (J,).
        """
        error = self.error
        if isinstance(error, Lorenz) and error.error.ndim > 1:
            error = Lorenz(error.pruning, error.error[devices])
        columns = {name: value[devices] for name, value in columns_of(self).items()}
        return replace(self, error=error, **columns)  # type: ignore[arg-type]

    def snr_hz(self, power_w: npt.ArrayLike | None = None) -> FloatArray:
        """Return the received power over noise density and gap, g p/(Γ N₀) in hertz, shape (K,).

        Args:
            power_w: Transmit power, shape (K,); the largest power if not given.
        """
        return physics.snr_hz(self, self._powers(power_w))

    def bits(self, keep: FloatArray) -> FloatArray:
        """Return the upload bits σ + S r, shape (K,)."""
        return self.fixed_bits + self.prunable_bits * keep

    def rate_bps(
        self, bandwidth_hz: npt.ArrayLike, power_w: npt.ArrayLike | None = None
    ) -> FloatArray:
        """Return the upload rate R(b, p), shape (K,).

        Args:
            bandwidth_hz: Bandwidth of each device, shape (K,).
            power_w: Transmit power, shape (K,); the largest power if not given.
        """
        bands_hz = column("bandwidth_hz", bandwidth_hz, self.devices)
        return physics.upload_rate_bps(self, bands_hz, self._powers(power_w))

    def power_w(self, keep: npt.ArrayLike, bandwidth_hz: npt.ArrayLike) -> FloatArray:
        """Return the most power that helps and that the energy allows until the deadline, shape (K,).

        Args:
            keep: Keep ratio r, shape (K,).
            bandwidth_hz: Bandwidth of each device, shape (K,).
        """
        ratio = column("keep", keep, self.devices)
        bands_hz = column("bandwidth_hz", bandwidth_hz, self.devices)
        return physics.useful_power_w(self, ratio, bands_hz)

    def upload_s(
        self,
        keep: npt.ArrayLike,
        bandwidth_hz: npt.ArrayLike,
        power_w: npt.ArrayLike | None = None,
    ) -> FloatArray:
        """Return the time of each upload: bits over rate, 0 without bits, infinite without rate.

        Args:
            keep: Keep ratio r, shape (K,).
            bandwidth_hz: Bandwidth of each device, shape (K,).
            power_w: Transmit power, shape (K,); the largest power if not given.
        """
        ratio = column("keep", keep, self.devices)
        bands_hz = column("bandwidth_hz", bandwidth_hz, self.devices)
        return physics.transfer_s(self, ratio, bands_hz, self._powers(power_w))

    def finish_s(
        self,
        keep: npt.ArrayLike,
        bandwidth_hz: npt.ArrayLike,
        power_w: npt.ArrayLike | None = None,
    ) -> FloatArray:
        """Return when each upload ends: c + β r + upload, shape (K,).

        Args:
            keep: Keep ratio r, shape (K,).
            bandwidth_hz: Bandwidth of each device, shape (K,).
            power_w: Transmit power, shape (K,); the largest power if not given.
        """
        computed_s = self.fixed_s + self.slope_s * column("keep", keep, self.devices)
        return computed_s + self.upload_s(keep, bandwidth_hz, power_w)

    def energy_used_j(
        self,
        keep: npt.ArrayLike,
        bandwidth_hz: npt.ArrayLike,
        power_w: npt.ArrayLike | None = None,
    ) -> FloatArray:
        """Return the energy that counts against E: e₁ r + p t, shape (K,).

        Args:
            keep: Keep ratio r, shape (K,).
            bandwidth_hz: Bandwidth of each device, shape (K,).
            power_w: Transmit power, shape (K,); the largest power if not given.
        """
        upload_s = self.upload_s(keep, bandwidth_hz, power_w)
        ratio = column("keep", keep, self.devices)
        return physics.spent_j(self, ratio, upload_s, self._powers(power_w))

    def _powers(self, power_w: npt.ArrayLike | None) -> FloatArray:
        return self.power_max_w if power_w is None else column("power_w", power_w, self.devices)

    def objective(self, keep: npt.ArrayLike, bandwidth_hz: npt.ArrayLike) -> float:
        """Return Σ a φ(1 − r) + Σ ν b.

        Args:
            keep: Keep ratio r, shape (K,).
            bandwidth_hz: Bandwidth of each device, shape (K,).
        """
        lost = self.error.value(1.0 - column("keep", keep, self.devices))
        rent = self.rent * column("bandwidth_hz", bandwidth_hz, self.devices)
        return float(np.sum(self.weight * lost + rent))

    def allocation(
        self,
        *,
        keep: npt.ArrayLike,
        bandwidth_hz: npt.ArrayLike,
        power_w: npt.ArrayLike | None = None,
        price: float | None = None,
        status: str | None = None,
        iterations: int = 0,
    ) -> Allocation:
        """Return an answer to this problem together with its certificate.

        The certificate is computed here from the constraints as they stand above; an answer cannot
        vouch for itself.

        Args:
            keep: Keep ratio r, shape (K,).
            bandwidth_hz: Bandwidth of each device, shape (K,).
            power_w: Transmit power, shape (K,); if not given that of `power_w`.
            price: Price λ of bandwidth (loss of objective per hertz) for the gap bound.
            status: What the allocator claims, "optimal" or nothing; checked, never just believed.
            iterations: How many iterations the allocator took.
        """
        power = self.power_w(keep, bandwidth_hz) if power_w is None else power_w
        point = Point(
            keep=column("keep", keep, self.devices),
            bandwidth_hz=column("bandwidth_hz", bandwidth_hz, self.devices),
            power_w=column("power_w", power, self.devices),
        )
        return certify(self, point, price=price, claim=status, iterations=iterations)


def columns_of(problem: RoundProblem) -> dict[str, FloatArray]:
    """Return the per-device columns of a problem by name, each of shape (K,)."""
    return {f.name: getattr(problem, f.name) for f in fields(problem) if f.name in RULES}
