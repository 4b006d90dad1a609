"""The question a round asks: which device keeps how much of its model, on which bandwidth."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt

from optimizers.arrays import BoolArray, FloatArray, column
from optimizers.certificate import Allocation, Point, certify
from optimizers.lambert import rate_bps


def _not_negative(value: FloatArray) -> BoolArray:
    return np.isfinite(value) & (value >= 0.0)


def _positive(value: FloatArray) -> BoolArray:
    return np.isfinite(value) & (value > 0.0)


def _span(value: FloatArray) -> BoolArray:
    return value > 0.0


def _share(value: FloatArray) -> BoolArray:
    return (value > 0.0) & (value <= 1.0)


_Rule = tuple[Callable[[FloatArray], BoolArray], str]
_NOT_NEGATIVE: _Rule = (_not_negative, "must be finite and not negative")
_POSITIVE: _Rule = (_positive, "must be finite and above 0")
_SPAN: _Rule = (_span, "must be above 0, or infinite for no deadline")
_SHARE: _Rule = (_share, "must be above 0 and at most 1")
_RULES: dict[str, _Rule] = {
    "gain": _NOT_NEGATIVE,
    "noise_w_per_hz": _POSITIVE,
    "power_max_w": _POSITIVE,
    "fixed_s": _NOT_NEGATIVE,
    "slope_s": _NOT_NEGATIVE,
    "fixed_bits": _NOT_NEGATIVE,
    "prunable_bits": _NOT_NEGATIVE,
    "deadline_s": _SPAN,
    "weight": _NOT_NEGATIVE,
    "keep_min": _SHARE,
    "keep_max": _SHARE,
}


@dataclass(frozen=True, init=False, eq=False)
class RoundProblem:
    """One round of K devices that share a band, prune, compute and upload before a deadline.

    minimise  Σ a (1 − r)   over keep ratios r and bandwidths b
    subject to  c + β r + (σ + S r)/R(b) ≤ T,   Σ b ≤ B,   r_min ≤ r ≤ r_max,

    with R(b) = b log2(1 + g p/(N₀ b)). The pruning ratio is ρ = 1 − r. Every column may be given as
    an array of shape (K,) or as one number for all devices; it is kept as read-only float64. A
    receiver with a signal-to-noise gap passes gain/gap. Problem and symbols: [X], the usual
    formulation of the literature on pruning for wireless federated learning.

    Attributes:
        gain: Effective channel power gain g, linear, shape (K,).
        noise_w_per_hz: Noise density N₀ with the noise figure, shape (K,).
        bandwidth_hz: Bandwidth B that the devices share.
        power_max_w: Largest transmit power, shape (K,).
        fixed_s: Time c before the upload that no ratio changes, shape (K,).
        slope_s: Computing time β of the whole model, so that keeping r takes β r, shape (K,).
        fixed_bits: Upload bits σ that no ratio changes, shape (K,).
        prunable_bits: Upload bits S of the whole prunable part, shape (K,).
        deadline_s: Time T by which the upload must have ended, shape (K,); infinite for all devices
            or for none.
        weight: Weight a of a device in the objective, shape (K,).
        keep_min: Smallest keep ratio r_min, shape (K,).
        keep_max: Largest keep ratio r_max, shape (K,); equal to `keep_min` where an algorithm sets
            the ratio itself.

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
    weight: FloatArray
    keep_min: FloatArray
    keep_max: FloatArray

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
        weight: npt.ArrayLike = 1.0,
        keep_min: npt.ArrayLike = 1e-3,
        keep_max: npt.ArrayLike = 1.0,
    ) -> None:
        given = {
            "gain": gain,
            "noise_w_per_hz": noise_w_per_hz,
            "power_max_w": power_max_w,
            "fixed_s": fixed_s,
            "slope_s": slope_s,
            "fixed_bits": fixed_bits,
            "prunable_bits": prunable_bits,
            "deadline_s": deadline_s,
            "weight": weight,
            "keep_min": keep_min,
            "keep_max": keep_max,
        }
        object.__setattr__(self, "bandwidth_hz", float(bandwidth_hz))
        for name, value in _columns(given).items():
            object.__setattr__(self, name, value)
        self.__post_init__()

    def __post_init__(self) -> None:
        if not (np.isfinite(self.bandwidth_hz) and self.bandwidth_hz > 0.0):
            raise ValueError(
                f"RoundProblem.bandwidth_hz: {self.bandwidth_hz} must be finite and above 0"
            )
        for name, (holds, rule) in _RULES.items():
            value = getattr(self, name)
            _require(name, value, holds(value), rule)
        _require("keep_min", self.keep_min, self.keep_min <= self.keep_max, "is above keep_max")
        unlimited = np.isinf(self.deadline_s)
        _require(
            "deadline_s",
            self.deadline_s,
            ~unlimited | bool(unlimited.all()),
            "must be finite, because other devices have a deadline",
        )

    def changed(self, **columns: npt.ArrayLike) -> "RoundProblem":
        """Return the same round with other columns or another bandwidth.

        Args:
            columns: New values by field name, as in the constructor.
        """
        return replace(self, **columns)  # type: ignore[arg-type]

    @property
    def devices(self) -> int:
        """The number of devices K."""
        return int(self.gain.size)

    @property
    def limited(self) -> bool:
        """Whether the devices have a deadline."""
        return bool(np.isfinite(self.deadline_s[0]))

    def snr_hz(self, power_w: npt.ArrayLike | None = None) -> FloatArray:
        """Return the received power over the noise density, g p/N₀ in hertz, shape (K,).

        Args:
            power_w: Transmit power, shape (K,); the largest power if not given.
        """
        power = self.power_max_w if power_w is None else column("power_w", power_w, self.devices)
        return self.gain * power / self.noise_w_per_hz

    def bits(self, keep: FloatArray) -> FloatArray:
        """Return the upload bits σ + S r, shape (K,)."""
        return self.fixed_bits + self.prunable_bits * keep

    def rate_bps(
        self, bandwidth_hz: npt.ArrayLike, power_w: npt.ArrayLike | None = None
    ) -> FloatArray:
        """Return the upload rate R(b), shape (K,).

        Args:
            bandwidth_hz: Bandwidth of each device, shape (K,).
            power_w: Transmit power, shape (K,); the largest power if not given.
        """
        bands_hz = column("bandwidth_hz", bandwidth_hz, self.devices)
        return rate_bps(self.snr_hz(power_w), bands_hz)

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
        bits = self.bits(column("keep", keep, self.devices))
        rate = self.rate_bps(bandwidth_hz, power_w)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(bits == 0.0, 0.0, bits / rate)

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
            power_w: Transmit power, shape (K,); the largest power if not given.
            price: Price λ of bandwidth (loss of objective per hertz) for the gap bound.
            status: What the allocator claims, "optimal" or nothing; checked, never just believed.
            iterations: How many iterations the allocator took.
        """
        power = self.power_max_w if power_w is None else power_w
        point = Point(
            keep=column("keep", keep, self.devices),
            bandwidth_hz=column("bandwidth_hz", bandwidth_hz, self.devices),
            power_w=column("power_w", power, self.devices),
        )
        return certify(self, point, price=price, claim=status, iterations=iterations)


def columns_of(problem: RoundProblem) -> dict[str, FloatArray]:
    """Return the per-device columns of a problem by name, each of shape (K,)."""
    return {f.name: getattr(problem, f.name) for f in fields(problem) if f.name in _RULES}


def _columns(given: Mapping[str, npt.ArrayLike]) -> dict[str, FloatArray]:
    arrays = {name: np.asarray(value, dtype=np.float64) for name, value in given.items()}
    lengths = {name: array.size for name, array in arrays.items() if array.ndim == 1}
    if 0 in lengths.values():
        empty = next(name for name, length in lengths.items() if length == 0)
        raise ValueError(f"RoundProblem.{empty}: empty; a round needs at least one device")
    devices = max(lengths.values(), default=1)
    return {name: column(f"RoundProblem.{name}", array, devices) for name, array in arrays.items()}


def _require(name: str, value: FloatArray, holds: BoolArray, rule: str) -> None:
    wrong = np.flatnonzero(~holds)
    if wrong.size:
        device = int(wrong[0])
        raise ValueError(f"RoundProblem.{name}: device {device} has {value[device]}, and it {rule}")
